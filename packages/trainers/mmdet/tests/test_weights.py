import hashlib
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from eyebright_kit.errors import ConfigInvalid
from eyebright_mmdet import configs, models, weights
from eyebright_torch.weights import Pretrained


class Hostile:
    """Runs what it says as soon as it is unpickled carelessly."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.fixture(autouse=True)
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, told: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As OpenMMLab publishes: the sha256 begins where the name ends."""
    torch.save(told, plain := folder / "plain.pth")
    file = plain.rename(folder / f"rtmdet-{hashlib.sha256(plain.read_bytes()).hexdigest()[:8]}.pth")
    monkeypatch.setattr(configs, "published", lambda name: f"https://download.openmmlab.com/{file.name}")
    return file


def history() -> HistoryBuffer:
    return HistoryBuffer(np.array([1.0, 0.5]), np.array([1, 1]))


def test_the_file_of_openmmlab_is_read_with_all_it_keeps_beside_the_tensors(checkpoints, monkeypatch):
    tensors = OrderedDict(weight=torch.rand(2, 3))
    beside = {"meta": {"epoch": 3, "CLASSES": ("cat",)}, "message_hub": {"log_scalars": {"loss": history()}}}
    file = put(checkpoints, {"state_dict": tensors, **beside}, monkeypatch)
    found = weights.fetch("rtmdet_tiny")
    assert torch.equal(found.tensors["weight"], tensors["weight"])
    assert (found.name, found.sha256) == (file.stem, hashlib.sha256(file.read_bytes()).hexdigest())
    assert "COCO" in found.terms


def test_a_file_that_holds_code_is_refused_and_runs_none(checkpoints, monkeypatch, tmp_path):
    put(checkpoints, {"state_dict": {}, "meta": Hostile(tmp_path / "canary")}, monkeypatch)
    with pytest.raises(ConfigInvalid, match="hold more than tensors and plain values"):
        weights.fetch("rtmdet_tiny")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("content", [b"", b"PK", pickle.dumps({"state_dict": {}}, 2)])
def test_a_broken_file_is_told_as_one(checkpoints, monkeypatch, content: bytes):
    file = put(checkpoints, {}, monkeypatch)
    named = file.with_name(f"rtmdet-{hashlib.sha256(content).hexdigest()[:8]}.pth")
    named.write_bytes(content)
    monkeypatch.setattr(configs, "published", lambda name: f"https://download.openmmlab.com/{named.name}")
    with pytest.raises(ConfigInvalid, match=r"rtmdet-.*\.pth"):
        weights.fetch("rtmdet_tiny")


def test_a_file_that_is_not_there_is_told_with_its_place_and_address(checkpoints):
    with pytest.raises(ConfigInvalid) as told:
        weights.fetch("rtmdet_tiny")
    assert str(checkpoints / "rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth") in str(told.value)
    assert "https://download.openmmlab.com/mmdetection/v3.0/rtmdet/" in str(told.value)


def test_a_file_that_is_not_what_its_name_says_is_refused(checkpoints):
    (checkpoints / "rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth").write_bytes(b"something else")
    with pytest.raises(ConfigInvalid, match=r"begins with [0-9a-f]{8}, not 78e30dcc"):
        weights.fetch("rtmdet_tiny")


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return dict(models.build("rtmdet_tiny", 80).model.state_dict())


def begun(tensors: dict[str, torch.Tensor], classes: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    return models.build("rtmdet_tiny", classes, pretrained=Pretrained(tensors, "theirs", "", "", "")).model.state_dict()


@pytest.mark.parametrize("classes", [3, 80])
def test_all_but_the_layer_of_the_classes_begins_from_weights(tensors, classes: int):
    """Even where there are as many classes: they are not the same."""
    model = begun(tensors, classes)
    own = {f"bbox_head.rtm_cls.{level}.{part}" for level in range(3) for part in ("weight", "bias")}
    differing = {name for name, tensor in model.items() if not torch.equal(tensor, tensors[name])}
    assert {name for name in own if name.endswith("weight")} <= differing <= own


def test_weights_that_lack_a_parameter_are_refused_and_begin_nothing(tensors):
    lacking = {name: tensor for name, tensor in tensors.items() if not name.startswith("backbone.stage1.0.conv.")}
    with pytest.raises(ConfigInvalid, match=r"of theirs are of another model: 1 tensors .* backbone\.stage1\.0\.conv"):
        begun(lacking, 3)


def test_a_file_without_a_model_is_refused(checkpoints, monkeypatch):
    put(checkpoints, {"weights": {}}, monkeypatch)
    with pytest.raises(ConfigInvalid, match="has no tensors under `state_dict`"):
        weights.fetch("rtmdet_tiny")


def test_a_configuration_without_an_index_has_no_weights(checkpoints):
    with pytest.raises(ConfigInvalid, match="OpenMMLab publishes no weights of retinanet_r50_fpn_1x_voc0712"):
        weights.fetch("retinanet_r50_fpn_1x_voc0712")
