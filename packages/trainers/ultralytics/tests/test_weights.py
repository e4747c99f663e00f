"""Pretrained weights come from one folder, and from nowhere else."""

import hashlib
import shutil
from pathlib import Path

import pytest
from warm_start import WARM

from eyebright_kit.disk import sha256_of
from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import traced
from eyebright_ultralytics import weights
from eyebright_ultralytics.manifest import MANIFEST
from eyebright_wire.events import EventKind


def test_weights_that_are_not_there_are_told_with_the_place_where_they_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ConfigInvalid) as caught:
        weights.local("yolo11n-seg")
    place = tmp_path / "hub" / "checkpoints" / "yolo11n-seg.pt"
    assert f"put it at {place}" in str(caught.value)
    assert "pretrained=false" in str(caught.value)


def test_weights_that_an_operator_put_there_are_found_with_their_sha256(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints" / "yolo11n.pt"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    found = weights.local("yolo11n")
    assert (found.path, found.sha256) == (place, hashlib.sha256(b"weights").hexdigest())


def test_a_run_begins_with_the_weights_that_lie_there_and_its_card_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fast = {"epochs": 1, "exports": []}
    before = traced(MANIFEST.module, TinyJob(tmp_path / "before", MANIFEST).write_spec(**fast), start=WARM)
    place = tmp_path / "torch" / "hub" / "checkpoints" / "yolo11n.pt"
    place.parent.mkdir(parents=True)
    shutil.copyfile(before.output / "best.pt", place)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    after = traced(
        MANIFEST.module, TinyJob(tmp_path / "after", MANIFEST).write_spec(**fast, pretrained=True), start=WARM
    )
    assert after.exit_code == 0, after.summary()
    assert after.network == ()
    losses = [next(iter(trace.of(EventKind.PROGRESS)))["metrics"]["box_loss"] for trace in (before, after)]
    assert losses[0] != losses[1]
    assert sha256_of(place) in (after.output / "model_card.md").read_text()
