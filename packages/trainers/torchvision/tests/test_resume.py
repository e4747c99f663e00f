"""Killed and resumed: the very same bits as without, with a model and an augmentation that draw random numbers of their own."""

import pytest
import torch
from safetensors.torch import load_file

from eyebright_torch.testing import Killed
from eyebright_torchvision.trainer import TorchvisionTrainer

CONFIG = {"model": "efficientnet_b0", "batch": 5, "save_every_steps": 2, "randaugment": 1, "seed": 11, "lr0": 0.0003}

fit = TorchvisionTrainer().fit


def end(context) -> tuple[dict[str, torch.Tensor], object]:
    """Every tensor at the end (model, average, optimiser, best weights) and the result."""
    result = fit(context)
    files = context.desk.saved[-1].path.glob("*.safetensors")
    return {f"{file.stem}/{key}": value for file in files for key, value in load_file(file).items()}, result


def test_killed_and_resumed_equals_uninterrupted(job):
    expected, expected_result = end(job.context(**CONFIG))
    first = job.context(kill_at=8, **CONFIG)
    with pytest.raises(Killed):
        fit(first)
    tensors, result = end(job.context(restored=first.desk.saved[-1], **CONFIG))
    assert first.desk.saved[-1].step == 6
    assert [key for key in expected if not torch.equal(tensors[key], expected[key])] == []
    assert result == expected_result
