import errno
import hashlib
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import ViTForImageClassification

from eyebright_kit.errors import ConfigInvalid, DiskFull
from eyebright_torch.freezing import freeze
from eyebright_torch.weights import Pretrained
from eyebright_transformers.classification import models, weights
from eyebright_transformers.classification.config import ClassifierConfig
from eyebright_transformers.classification.framework import rule
from eyebright_transformers.classification.info import CLASSIFICATION
from eyebright_transformers.trainer import TransformersTrainer

SMALL = ClassifierConfig(imgsz=32)
TINY = "vit-tiny-patch16"
#: What earlier versions of the library called what this one calls otherwise.
FORMERLY = {
    "vit.layers.": "vit.encoder.layer.",
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}

fit = TransformersTrainer().fit


def published(imgsz: int = 64, classes: int = 1000) -> dict[str, torch.Tensor]:
    """As a file of the hub holds them."""
    torch.manual_seed(5)
    told = models.build(TINY, classes, ClassifierConfig(imgsz=imgsz)).state_dict()
    return {_formerly(name): tensor for name, tensor in told.items()}


def _formerly(name: str) -> str:
    for now, then in FORMERLY.items():
        name = name.replace(now, then)
    return name


def given(tensors: dict[str, torch.Tensor]) -> Pretrained:
    return Pretrained(tensors, "vit", "a file", "0", "")


def test_the_models_have_as_many_parameters_as_told():
    with torch.device("meta"):
        built = {name: models.build(name, 1000, ClassifierConfig()) for name in models.SIZES}
    found = {name: sum(p.numel() for p in model.parameters()) for name, model in built.items()}
    assert found == {info.name: info.parameters for info in CLASSIFICATION.models}


def test_the_backbone_is_frozen_without_the_head():
    model = models.build(TINY, 7, SMALL)
    stages = models.stages(TINY, model)
    assert len(stages) == 13
    freeze(stages, TINY, "backbone")
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {"classifier.weight", "classifier.bias"}
    assert model.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_a_side_that_is_no_multiple_of_the_patch_is_refused_with_the_nearest():
    with pytest.raises(ConfigInvalid, match=r"imgsz=100: .* patches of 16 pixels; set a multiple of that, such as 96"):
        models.build(TINY, 7, ClassifierConfig(imgsz=100))


def test_weights_under_their_former_names_are_begun_from_at_another_size():
    tensors = published(imgsz=64)
    model = models.build(TINY, 7, SMALL, given(tensors)).state_dict()
    assert torch.equal(
        model["vit.layers.3.attention.q_proj.weight"], tensors["vit.encoder.layer.3.attention.attention.query.weight"]
    )
    assert model["vit.embeddings.position_embeddings"].shape == (1, 5, 192)
    assert model["classifier.weight"].shape == (7, 192)


def test_the_head_that_begins_afresh_comes_from_the_seed():
    tensors = published(imgsz=32)
    heads = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        heads.append(models.build(TINY, 7, SMALL, given(tensors)).state_dict()["classifier.weight"])
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_weights_of_another_model_are_refused():
    tensors = published(imgsz=32)
    del tensors["vit.encoder.layer.0.attention.attention.query.weight"]
    with pytest.raises(ConfigInvalid, match=r"1 tensors are missing .* vit\.layers\.0\.attention\.q_proj\.weight"):
        models.build(TINY, 7, SMALL, given(tensors))


def test_what_is_left_is_read_by_the_library_itself(tmp_path: Path):
    torch.manual_seed(0)
    model = models.build(TINY, 3, SMALL).eval()
    model.save_pretrained(tmp_path)
    again = ViTForImageClassification.from_pretrained(tmp_path).eval()
    images = torch.from_numpy(np.random.default_rng(0).random((2, 3, 32, 32), dtype=np.float32))
    with torch.inference_mode():
        assert torch.equal(again(pixel_values=images).logits, model(images))


def test_pixels_become_what_the_weights_were_trained_with():
    assert (rule(TINY, SMALL).mean, rule(TINY, SMALL).std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No network, and an empty folder of weights."""

    def refuse(*_args: object, **_kwargs: object):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.urlopen", refuse)


@pytest.mark.usefixtures("_offline")
def test_offline_the_error_says_which_file_belongs_where(tmp_path: Path):
    with pytest.raises(ConfigInvalid) as caught:
        weights.fetch("vit-base-patch16")
    for told in (
        str(tmp_path / "torch" / "hub" / "checkpoints" / "google--vit-base-patch16-224.safetensors"),
        "https://huggingface.co/google/vit-base-patch16-224/resolve/main/model.safetensors",
        "name resolution",
        "pretrained=false",
    ):
        assert told in caught.value.message


@pytest.mark.usefixtures("_offline")
def test_a_disk_without_room_for_them_is_not_taken_for_a_missing_network(monkeypatch: pytest.MonkeyPatch):
    def full(*_args: object, **_kwargs: object):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.hub.urlopen", full)
    with pytest.raises(DiskFull, match=r"no room left in .*/checkpoints"):
        weights.fetch(TINY)


@pytest.mark.usefixtures("_offline")
def test_weights_put_in_place_by_hand_are_begun_from_and_named(job, tmp_path: Path):
    file = tmp_path / "torch" / "hub" / "checkpoints" / "WinKawaks--vit-tiny-patch16-224.safetensors"
    file.parent.mkdir(parents=True)
    tensors = published(imgsz=32)
    save_file(tensors, file)
    context = job.context(pretrained=True, freeze="backbone", epochs=1, ema=False)
    fit(context)
    made = torch.load(context.output / "model.pth", weights_only=True)
    assert torch.equal(
        made["vit.embeddings.patch_embeddings.projection.weight"],
        tensors["vit.embeddings.patch_embeddings.projection.weight"],
    )
    card = (context.output / "model_card.md").read_text()
    assert hashlib.sha256(file.read_bytes()).hexdigest() in card
    assert "began from WinKawaks/vit-tiny-patch16-224 of Hugging Face's hub (licence: Apache-2.0)" in card
    for fact in ("eyebright-trainer-transformers 0.1.0", "| transformers | ", "transformers's (Apache-2.0)"):
        assert fact in card, fact
