import numpy as np
import pytest
import torch

from eyebright_timm.config import TimmConfig
from eyebright_timm.mixing import mixing

IMAGES = torch.arange(5, dtype=torch.float32).view(5, 1, 1, 1).expand(5, 3, 32, 32)
LABELS = torch.tensor([0, 1, 2, 0, 1])


def mixed(seed: int = 0, **config: float) -> tuple[torch.Tensor, torch.Tensor]:
    mix = mixing(TimmConfig.model_validate(config), 3)
    assert mix
    return mix(IMAGES, LABELS, np.random.default_rng(seed))


def test_none_is_asked_for_by_default():
    assert mixing(TimmConfig(), 3) is None


@pytest.mark.parametrize("config", [{"mixup": 0.8}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}])
@pytest.mark.parametrize("seed", range(8))
def test_targets_are_shared_as_the_pixels_are(config: dict[str, float], seed: int):
    images, targets = mixed(seed, **config)
    assert torch.allclose(targets.sum(1), torch.ones(5))
    own = (images[0].mean() - 4) / -4  # image 0 is black, its opposite is 4 everywhere
    assert targets[0, 0].item() == pytest.approx(own.item(), abs=1e-5)
    assert targets[0, 1].item() == pytest.approx(1 - own.item(), abs=1e-5)
    assert torch.equal(images[2], IMAGES[2])  # the one in the middle is its own opposite


def test_cutmix_takes_a_rectangle_and_mixup_blends():
    cut, _ = mixed(cutmix=1.0)
    assert set(cut[0].unique().tolist()) <= {0.0, 4.0}
    blended, _ = mixed(mixup=1.0)
    assert len(blended[0].unique()) == 1
    assert 0 < blended[0, 0, 0, 0] < 4


def test_the_same_draws_mix_alike_and_others_do_not():
    assert torch.equal(mixed(3, mixup=0.8)[0], mixed(3, mixup=0.8)[0])
    assert not torch.equal(mixed(3, mixup=0.8)[0], mixed(4, mixup=0.8)[0])


def test_a_batch_that_is_left_alone_has_its_own_targets():
    images, targets = mixed(mixup=0.8, mix_prob=0.0)
    assert torch.equal(images, IMAGES)
    assert torch.equal(targets, torch.nn.functional.one_hot(LABELS, 3).float())
