import numpy as np
import pytest
import torch

from eyebright_torchvision.config import TorchvisionConfig
from eyebright_torchvision.randaugment import OPERATIONS, _operated, randaugment

PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8))


def distorted(seed: int) -> torch.Tensor:
    distort = randaugment(TorchvisionConfig(randaugment=3))
    assert distort
    return distort(PIXELS, np.random.default_rng(seed))


def test_none_is_asked_for_by_default():
    assert randaugment(TorchvisionConfig()) is None


def test_the_same_draws_give_the_same_images_and_others_do_not():
    assert torch.equal(distorted(1), distorted(1))
    assert not torch.equal(distorted(1), distorted(2))
    assert not torch.equal(distorted(1), PIXELS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_works_on_bytes(name: str):
    images = PIXELS // 2 + 40  # autocontrast has something to do
    for positive in (True, False):
        found = _operated(images, name, 15, positive)
        assert found.dtype == torch.uint8
        assert found.shape == images.shape
        assert torch.equal(found, images) == (name == "identity")
