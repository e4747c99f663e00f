"""The main job, small: real digits, the real torchvision trainer, from nothing to a registered model."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from harness.live import eyebright


@pytest.mark.timeout(900)
def test_the_demo_ends_with_a_registered_exported_model(tmp_path):
    ran = eyebright(tmp_path / "data", "demo", "--small", "--json", timeout=800)
    assert ran.code == 0, ran.err
    told = ran.document
    assert set(told) == {"job", "metrics", "model", "exports", "timings"}
    assert told["job"]["state"] == "succeeded"
    assert 0.3 < told["metrics"]["top1"] <= 1  # three digits, one epoch: better than guessing, or nothing was learnt
    onnx = next(export for export in told["exports"] if export["format"] == "onnx")
    assert onnx["parity"]["max_abs_difference"] <= onnx["parity"]["tolerance"]
    folder = tmp_path / "data" / "objects" / "jobs" / told["job"]["id"] / "a1"
    produced = {artifact["path"] for artifact in told["model"]["artifacts"]}
    assert {"model.safetensors", "model.onnx", "labels.json", "confusion_matrix.png", "model_card.md"} <= produced
    assert all((folder / path).is_file() for path in produced)
    picture = next((tmp_path / "data" / "demo").rglob("*.png"))
    check_prediction(tmp_path / "data", told["model"]["id"], picture)
    check_export(tmp_path / "data", told["model"])


def check_prediction(data_dir: Path, model_id: str, picture: Path) -> None:
    ran = eyebright(data_dir, "models", "predict", model_id, picture, "--json")
    assert ran.code == 0, ran.err
    scores = ran.document["scores"]
    assert abs(sum(score["score"] for score in scores) - 1) < 1e-3


def check_export(data_dir: Path, model: dict[str, Any]) -> None:
    """The zip has the very export that was certified, and all that belongs to it."""
    assert eyebright(data_dir, "models", "alias", model["id"], "production").code == 0
    target = data_dir / "digits.zip"
    ran = eyebright(data_dir, "models", "export", f"{model['name']}@production", "--format", "onnx", "--to", target)
    assert ran.code == 0, ran.err
    with zipfile.ZipFile(target) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    belongs = {
        "labels.json",
        "metrics.json",
        "model_card.md",
        "parity.json",
        "config.json",
        "LICENCE.txt",
        "NOTICE.txt",
    }
    assert belongs | {"model.onnx"} <= set(found)
    promised = {artifact["path"]: artifact["sha256"] for artifact in model["artifacts"]}
    assert hashlib.sha256(found["model.onnx"]).hexdigest() == promised["model.onnx"]
