import urllib.error
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from eyebright_kit.errors import ConfigInvalid
from eyebright_torch.freezing import freeze
from eyebright_torch.testing import Killed
from eyebright_torch.weights import Pretrained
from eyebright_transformers.semantic_segmentation import models, weights
from eyebright_transformers.semantic_segmentation.config import SegmenterConfig
from eyebright_transformers.semantic_segmentation.info import SEMANTIC_SEGMENTATION
from eyebright_transformers.trainer import TransformersTrainer

SMALL = SegmenterConfig(imgsz=64)
B0 = "segformer-b0"
#: What the published files call what the library of today calls otherwise.
FORMERLY = {
    ".sequence_reduction.sequence_reduction.": ".self.sr.",
    ".sequence_reduction.layer_norm.": ".self.layer_norm.",
    "attention.q_proj": "attention.self.query",
    "attention.k_proj": "attention.self.key",
    "attention.v_proj": "attention.self.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "mlp.dense1",
    "mlp.fc2": "mlp.dense2",
    "layernorm_before": "layer_norm_1",
    "layernorm_after": "layer_norm_2",
}

fit = TransformersTrainer().fit


def encoder() -> dict[str, torch.Tensor]:
    """As a file of the hub holds it: with the head of a classifier."""
    torch.manual_seed(5)
    told = models.build(B0, 3, SMALL).segformer.state_dict()
    head = {"classifier.weight": torch.zeros(1000, 256), "classifier.bias": torch.zeros(1000)}
    return {_formerly(f"segformer.{name}"): tensor for name, tensor in told.items()} | head


def _formerly(name: str) -> str:
    for now, then in FORMERLY.items():
        name = name.replace(now, then)
    parts = name.split(".")
    if parts[1] != "stages":
        return name
    kind = {"patch_embeddings": "patch_embeddings", "blocks": "block", "layer_norm": "layer_norm"}[parts[3]]
    return ".".join(["segformer.encoder", kind, parts[2], *parts[4:]])


def test_the_models_have_as_many_parameters_as_told():
    with torch.device("meta"):
        built = {name: models.build(name, 1000, SMALL) for name in models.SIZES}
    found = {name: sum(p.numel() for p in model.parameters()) for name, model in built.items()}
    assert found == {info.name: info.parameters for info in SEMANTIC_SEGMENTATION.models}


def test_each_pixel_gets_a_logit_for_each_class_and_the_encoder_can_be_frozen():
    model = models.build(B0, 7, SMALL)
    freeze(models.stages(B0, model), B0, "backbone")
    learning = {name.partition(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {"decode_head"}
    assert model.eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 7, 64, 64)


def test_an_encoder_under_its_former_names_is_begun_from():
    given = encoder()
    assert "segformer.encoder.block.1.0.attention.self.sr.weight" in given
    model = models.build(B0, 7, SMALL, Pretrained(given, "mit-b0", "a file", "0", "")).state_dict()
    names = {f"segformer.{name}" for name in models.build(B0, 7, SMALL).segformer.state_dict()}
    assert all(torch.equal(model[name], given[_formerly(name)]) for name in names)
    assert model["decode_head.classifier.weight"].shape[0] == 7


def test_offline_the_error_says_which_file_belongs_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_args: object, **_kwargs: object):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    with pytest.raises(ConfigInvalid) as caught:
        weights.fetch("segformer-b2")
    for told in (f"{tmp_path}/hub/checkpoints/nvidia--mit-b2.bin", "nvidia/mit-b2/resolve/main/pytorch_model.bin"):
        assert told in caught.value.message


def test_weights_that_would_run_code_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "nvidia--mit-b0.bin"
    file.parent.mkdir(parents=True)
    torch.save({"weight": Canary(tmp_path / "fired")}, file)
    with pytest.raises(ConfigInvalid, match="cannot be used"):
        weights.fetch(B0)
    assert not (tmp_path / "fired").exists()


@pytest.mark.parametrize("content", [b"", b"PK", [1, 2], {"epoch": 3}], ids=["empty", "cut", "list", "numbers"])
def test_a_file_that_holds_no_tensors_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "nvidia--mit-b0.bin"
    file.parent.mkdir(parents=True)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(ConfigInvalid, match=r"nvidia--mit-b0\.bin cannot be used"):
        weights.fetch(B0)


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_a_segmenter_learns_and_goes_on_where_it_was_killed(street):
    plain = {"flip": 0, "crop_scale": 1, "lr0": 0.002, "schedule": "constant"}
    whole = street.context(epochs=6, **plain)
    result = fit(whole)
    losses = [metrics["loss"] for metrics in whole.desk.epochs]
    assert losses[-1] < losses[0] * 0.7
    assert result.metrics["pixel_accuracy"] > 0.5
    first = street.context(epochs=6, kill_at=9, save_every_steps=1, **plain)
    with pytest.raises(Killed):
        fit(first)
    resumed = street.context(epochs=6, restored=first.desk.saved[-1], **plain)
    fit(resumed)
    made, again = (load_file(context.output / "model.safetensors") for context in (whole, resumed))
    assert [name for name in made if not torch.equal(made[name], again[name])] == []
