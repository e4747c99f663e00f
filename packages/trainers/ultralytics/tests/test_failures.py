"""What goes wrong is told in words that say what to change, and nothing is changed behind anybody's back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from PIL import Image
from warm_start import WARM

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.tinyset import Drawn
from eyebright_kit.runtime.trace import Trace, traced
from eyebright_ultralytics.manifest import MANIFEST
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import EventKind


def failed_by(fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Trace:
    monkeypatch.setenv("FAULT", fault)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return traced("faulty", TinyJob(folder, MANIFEST).write_spec(), start=WARM)


def test_memory_that_runs_out_names_batch_and_size_and_is_not_tried_with_less(tmp_path: Path, monkeypatch):
    trace = failed_by("memory", tmp_path, monkeypatch)
    assert trace.failed.code == ErrorCode.OUT_OF_MEMORY, trace.summary()
    assert "batch=4 at imgsz=64; set batch=2" in trace.failed.message
    assert "Reducing to batch" not in trace.log


def test_a_loss_that_is_no_number_ends_the_run_with_advice(tmp_path: Path, monkeypatch):
    trace = failed_by("nan", tmp_path, monkeypatch)
    assert trace.failed.code == ErrorCode.NAN_LOSS, trace.summary()
    assert "in epoch 1" in trace.failed.message
    assert "lower lr0" in trace.failed.message
    assert not list(trace.of(EventKind.CHECKPOINT))


def test_a_full_disk_is_called_one(tmp_path: Path, monkeypatch):
    assert failed_by("disk", tmp_path, monkeypatch).failed.code == ErrorCode.DISK_FULL


def test_an_image_that_ultralytics_passes_over_is_no_secret(tmp_path: Path):
    job = TinyJob(tmp_path, MANIFEST)
    path = job.write_spec()
    spec = job.spec()
    sha256 = replace(job.data, draw=_one_speck(job.data.draw)).store(job.blobs)
    dataset = spec.dataset.model_copy(update={"manifest_sha256": sha256})
    path.write_text(spec.model_copy(update={"dataset": dataset}).model_dump_json())
    trace = traced(MANIFEST.module, path, start=WARM)
    assert trace.failed.code == ErrorCode.DATASET_INVALID, trace.summary()
    assert "of the 16 images in train, Ultralytics can use 15" in trace.failed.message


def _one_speck(draw: Callable[[int, Random], Drawn]) -> Callable[[int, Random], Drawn]:
    """The first picture is smaller than Ultralytics takes."""
    small = iter([Drawn(Image.new("RGB", (8, 8)))])
    return lambda label, numbers: next(small, None) or draw(label, numbers)


def test_pretrained_without_the_file_says_where_it_belongs(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    trace = traced(MANIFEST.module, TinyJob(tmp_path, MANIFEST).write_spec(pretrained=True), start=WARM)
    assert trace.failed.code == ErrorCode.CONFIG_INVALID, trace.summary()
    assert str(tmp_path / "torch" / "hub" / "checkpoints" / "yolo11n.pt") in trace.failed.message
    assert trace.network == ()


def test_an_export_whose_package_is_not_here_is_refused_before_training(tmp_path: Path):
    trace = traced(MANIFEST.module, TinyJob(tmp_path, MANIFEST).write_spec(exports=["openvino"]), start=WARM)
    assert trace.failed.code == ErrorCode.CONFIG_INVALID, trace.summary()
    assert "needs the package openvino" in trace.failed.message
