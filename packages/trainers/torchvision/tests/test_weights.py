import errno
import hashlib
import urllib.error
from functools import partial
from pathlib import Path

import pytest
import torch
from torchvision.models import WeightsEnum
from torchvision.models._api import Weights

from eyebright_kit.errors import ConfigInvalid, DiskFull
from eyebright_torchvision import models, weights
from eyebright_torchvision.trainer import TorchvisionTrainer

fit = TorchvisionTrainer().fit


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No network, and an empty folder of weights."""

    def refuse(*_args: object, **_kwargs: object):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.urlopen", refuse)


@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_offline_the_error_says_which_file_belongs_where(name: str, tmp_path: Path):
    with pytest.raises(ConfigInvalid) as caught:
        weights.fetch(name)
    assert str(tmp_path / "torch" / "hub" / "checkpoints" / name) in caught.value.message
    assert "https://download.pytorch.org/models/" in caught.value.message
    assert "name resolution" in caught.value.message
    assert "pretrained=false" in caught.value.message


def test_a_disk_without_room_for_them_is_not_taken_for_a_missing_network(monkeypatch: pytest.MonkeyPatch):
    def full(*_args: object, **_kwargs: object):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.hub.urlopen", full)
    with pytest.raises(DiskFull, match=r"no room left in .*/checkpoints for resnet18.*\.pth; free space there"):
        weights.fetch("resnet18")


def test_a_run_learns_of_missing_weights_before_it_touches_an_image(job, tmp_path: Path):
    for sample in job.data.samples("val"):
        assert sample.path.exists()
    context = job.context(pretrained=True)
    with pytest.raises(ConfigInvalid, match="pretrained=true needs"):
        fit(context)
    assert context.desk.stages == []


def _placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tensors: models.Weights, damage: bool = False) -> Path:
    """A weights file where torch.hub looks for it, named as torchvision names its files."""
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(tensors, folder / "new")
    content = (folder / "new").read_bytes()
    file = folder / f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage else content)

    class Fake(WeightsEnum):
        DEFAULT = Weights(url=f"https://example.invalid/{file.name}", transforms=partial(int), meta={})

    monkeypatch.setattr(weights.models, "get_model_weights", lambda _name: Fake)
    return file


def test_weights_put_in_place_by_hand_are_used_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(5)
    tensors = models.ARCHITECTURES["resnet18"].build().state_dict()
    file = _placed(tmp_path, monkeypatch, tensors)
    found = weights.fetch("resnet18")
    assert torch.equal(found.tensors["conv1.weight"], tensors["conv1.weight"])
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_damaged_file_of_weights_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = _placed(tmp_path, monkeypatch, {"conv1.weight": torch.zeros(3)}, damage=True)
    with pytest.raises(ConfigInvalid, match="Delete that file") as caught:
        weights.fetch("resnet18")
    assert str(file) in caught.value.message


def test_a_run_that_began_from_weights_says_so_in_its_card(job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(5)
    file = _placed(tmp_path, monkeypatch, models.ARCHITECTURES["resnet18"].build().state_dict())
    context = job.context(model="resnet18", pretrained=True, freeze="backbone", epochs=1, ema=False)
    fit(context)
    card = (context.output / "model_card.md").read_text()
    assert hashlib.sha256(file.read_bytes()).hexdigest() in card
    assert "BSD-3-Clause" in card
    assert "ImageNet" in card
