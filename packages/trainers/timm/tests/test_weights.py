import errno
import hashlib
import urllib.error
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from eyebright_kit.errors import ConfigInvalid, DiskFull
from eyebright_timm import weights
from eyebright_timm.trainer import TimmTrainer

fit = TimmTrainer().fit


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No network, and an empty folder of weights."""

    def refuse(*_args: object, **_kwargs: object):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.urlopen", refuse)


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    """A file of weights where it belongs."""
    file = tmp_path / "torch" / "hub" / "checkpoints" / "mobilenetv3_small_050.lamb_in1k.safetensors"
    file.parent.mkdir(parents=True)
    torch.manual_seed(5)
    save_file(timm.create_model("mobilenetv3_small_050").state_dict(), file)
    return file


@pytest.mark.parametrize("name", ["resnet18", "resnet18.a1_in1k"])
def test_offline_the_error_says_which_file_belongs_where(name: str, tmp_path: Path):
    with pytest.raises(ConfigInvalid) as caught:
        weights.fetch(name)
    for told in (
        str(tmp_path / "torch" / "hub" / "checkpoints" / "resnet18.a1_in1k.safetensors"),
        "https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors",
        "name resolution",
        "pretrained=false",
    ):
        assert told in caught.value.message


def test_a_disk_without_room_for_them_is_not_taken_for_a_missing_network(monkeypatch: pytest.MonkeyPatch):
    def full(*_args: object, **_kwargs: object):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.hub.urlopen", full)
    with pytest.raises(DiskFull, match=r"no room left in .*/checkpoints for resnet18.*; free space there"):
        weights.fetch("resnet18")


def test_a_model_without_published_weights_is_told_so():
    published = {name.partition(".")[0] for name in timm.list_models(pretrained=True)}
    without = next(name for name in timm.list_models() if name not in published)
    with pytest.raises(
        ConfigInvalid, match=rf"timm publishes no weights of {without} as safetensors; .*pretrained=false"
    ):
        weights.fetch(without)


def test_a_damaged_file_of_weights_is_not_used(placed: Path):
    placed.write_bytes(placed.read_bytes()[:1000])
    with pytest.raises(ConfigInvalid, match="Delete that file") as caught:
        weights.fetch("mobilenetv3_small_050")
    assert str(placed) in caught.value.message


def test_weights_put_in_place_by_hand_are_begun_from_and_named(job, placed: Path):
    context = job.context(pretrained=True, freeze="backbone", epochs=1, ema=False)
    fit(context)
    card = (context.output / "model_card.md").read_text()
    assert hashlib.sha256(placed.read_bytes()).hexdigest() in card
    assert "began from mobilenetv3_small_050.lamb_in1k of timm (licence: apache-2.0)" in card
    made = torch.load(context.output / "model.pth", weights_only=True)
    torch.manual_seed(5)
    assert torch.equal(
        made["conv_stem.weight"], timm.create_model("mobilenetv3_small_050").state_dict()["conv_stem.weight"]
    )
