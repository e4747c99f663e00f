"""What torchvision gives to a run; the rest is tested where it is shared."""

import pytest
import torch
from safetensors.torch import load_file

from eyebright_torchvision.manifest import MANIFEST
from eyebright_torchvision.trainer import TorchvisionTrainer

NAMES = [info.name for info in MANIFEST.tasks[0].models]

fit = TorchvisionTrainer().fit


def final(context) -> dict[str, torch.Tensor]:
    return load_file(context.output / "model.safetensors")


@pytest.mark.parametrize("name", NAMES)
def test_each_architecture_trains_a_few_steps(job, name: str):
    context = job.context(model=name, epochs=1, ema=False)
    result = fit(context)
    assert context.desk.steps[-1] is None or context.desk.steps[-1] == 4
    assert 0 <= result.metrics["top1"] <= 1
    assert all(tensor.isfinite().all() for tensor in final(context).values() if tensor.is_floating_point())


def test_frozen_weights_stay_as_they_were(job):
    contexts = [
        job.context(freeze="backbone", epochs=1, ema=False),
        job.context(freeze="backbone", epochs=2, ema=False),
    ]
    for context in contexts:
        fit(context)
    first, second = (final(context) for context in contexts)
    assert torch.equal(first["features.3.conv.0.0.weight"], second["features.3.conv.0.0.weight"])
    assert torch.equal(first["features.3.conv.0.1.running_mean"], second["features.3.conv.0.1.running_mean"])
    assert not torch.equal(first["classifier.1.weight"], second["classifier.1.weight"])


def test_the_card_names_the_trainer_and_the_library(job):
    context = job.context(epochs=1)
    fit(context)
    card = (context.output / "model_card.md").read_text()
    for fact in (
        "eyebright-trainer-torchvision 0.1.0",
        "| torchvision | ",
        "torchvision's (BSD-3-Clause)",
        "Apache-2.0",
    ):
        assert fact in card, fact
