"""Pretrained weights come from one folder, and from nowhere else."""

import hashlib
from pathlib import Path

import pytest

from eyebright_kit.errors import ConfigInvalid
from eyebright_ultralytics import weights


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
