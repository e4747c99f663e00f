"""What timm gives to a run; the rest is tested where it is shared."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from eyebright_kit.errors import ConfigInvalid
from eyebright_timm import models
from eyebright_timm.config import TimmConfig
from eyebright_timm.framework import rule
from eyebright_timm.trainer import TimmTrainer
from eyebright_torch.classification import export
from eyebright_torch.colour import normalised
from eyebright_torch.exporting import to_onnx
from eyebright_torch.testing import Killed

OPTIMISERS = TimmConfig.model_json_schema()["properties"]["optimizer"]["enum"]
EVERYTHING = {
    "auto_augment": "rand-m9-mstd0.5-inc1",
    "mixup": 0.2,
    "cutmix": 1.0,
    "drop": 0.1,
    "drop_path": 0.1,
    "layer_decay": 0.7,
    "erasing": 0.3,
    "save_every_steps": 2,
    "seed": 11,
}
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)

fit = TimmTrainer().fit


def end(context) -> tuple[dict[str, torch.Tensor], object]:
    """Every tensor at the end (model, average, optimiser, best weights) and the result."""
    result = fit(context)
    files = context.desk.saved[-1].path.glob("*.safetensors")
    return {f"{file.stem}/{key}": value for file in files for key, value in load_file(file).items()}, result


def resumed_differs(job, **config: object) -> list[str]:
    """What differs in the end when a run is killed at its seventh step and resumed."""
    whole, result = end(job.context(**config))
    first = job.context(kill_at=7, **config)
    with pytest.raises(Killed):
        fit(first)
    tensors, resumed = end(job.context(restored=first.desk.saved[-1], **config))
    assert first.desk.saved[-1].step == 6
    assert resumed == result
    return [key for key in whole if not torch.equal(whole[key], tensors[key])]


@pytest.mark.parametrize("optimizer", OPTIMISERS)
def test_each_optimisers_memory_is_restored(job, optimizer: str):
    assert resumed_differs(job, optimizer=optimizer, save_every_steps=2) == []


@pytest.mark.parametrize("schedule", ["tanh", "poly", "step"])
def test_all_that_draws_random_numbers_or_changes_the_rate_is_resumed(job, schedule: str):
    assert resumed_differs(job, schedule=schedule, **EVERYTHING) == []


def test_the_same_seed_gives_the_same_weights_with_any_workers_and_cache(job):
    config = {"auto_augment": "rand-m9-mstd0.5-inc1", "epochs": 1}
    first, _ = end(job.context(**config))
    again, _ = end(job.context(workers=3, cache="off", **config))
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_stages_learn_at_rates_of_their_own(job):
    context = job.context(layer_decay=0.5, epochs=1)
    fit(context)
    numbers = json.loads((context.desk.saved[-1].path / "state.json").read_text())["optimizer"]
    assert len({value for name, value in numbers.items() if name.endswith(".lr")}) > 3


@pytest.mark.parametrize("name", ["mobilenetv4_conv_small", "convnext_atto", "vit_tiny_patch16_224"])
def test_each_kind_of_architecture_answers_alike_in_onnxruntime(name: str, tmp_path):
    torch.manual_seed(0)
    config = TimmConfig(imgsz=32)
    model, how = models.build(name, 3, config).eval(), rule(name, config)
    with torch.inference_mode():
        logits = model(normalised(torch.from_numpy(PIXELS), how)).numpy()
    to_onnx(model, path := tmp_path / "model.onnx", 32, {"classes": ["a", "b", "c"]}, ("logits",))
    labels = np.array([0, 1, 2, 0, 1, 2, 0])
    certificate = export.certify(path, logits, labels, [PIXELS[:4], PIXELS[4:]], how, 1e-3, 1, lambda: None)
    assert (certificate.samples, certificate.agreement) == (7, 1)


def test_the_card_names_the_trainer_and_the_library(job):
    context = job.context(epochs=1)
    fit(context)
    card = (context.output / "model_card.md").read_text()
    for fact in ("eyebright-trainer-timm 0.1.0", "| timm | ", "timm's (Apache-2.0)", "bicubic, antialiased"):
        assert fact in card, fact


def test_a_model_that_timm_does_not_have_is_refused_before_an_image_is_read(job):
    context = job.context(model="resnet181")
    with pytest.raises(ConfigInvalid, match="did you mean 'resnet18'"):
        fit(context)
