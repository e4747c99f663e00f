import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from detection.tiny_detector import fit, fit_outlines
from safetensors.torch import load_file

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, ExportFailed
from eyebright_kit.runtime import Stopped, StopReason
from eyebright_torch.detection.decode import overlaps
from eyebright_torch.detection.inference import predict
from eyebright_torch.testing import Killed, make_scenes
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage

EPOCHS = 40


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, scenes):
    from detection.conftest import SCENES

    context = SCENES(tmp_path_factory.mktemp("trained"), scenes, task="instance_segmentation").context(
        epochs=EPOCHS, exports=["onnx"], export_tolerance=0.001
    )
    return context, fit_outlines(context)


def test_it_learns_where_things_are(trained):
    context, result = trained
    losses = [epoch["loss"] for epoch in context.desk.epochs]
    assert losses[-1] < losses[0] / 2
    assert result.metrics["mAP50"] > 0.6
    assert set(context.desk.epochs[-1]) == {
        "loss", "score_loss", "box_loss", "lr",
        "mAP50-95", "mAP50", "precision", "recall", "mask_mAP50-95", "mask_mAP50", "mask_precision", "mask_recall",
    }  # fmt: skip


def test_it_tells_its_stages_and_leaves_its_artifacts(trained):
    context, _ = trained
    assert context.desk.stages == [Stage.VALIDATING, Stage.TRAINING, Stage.EVALUATING, Stage.EXPORTING]
    assert context.desk.artifacts == {
        "confusion_matrix.png": ArtifactKind.PICTURE,
        "curves.png": ArtifactKind.PICTURE,
        "precision_recall.png": ArtifactKind.PICTURE,
        "validation.png": ArtifactKind.PICTURE,
        "metrics.json": ArtifactKind.METRICS,
        "model.safetensors": ArtifactKind.MODEL,
        "model.pth": ArtifactKind.MODEL,
        "labels.json": ArtifactKind.LABELS,
        "config.json": ArtifactKind.CONFIG,
        "model.onnx": ArtifactKind.EXPORT,
        "model_card.md": ArtifactKind.CARD,
    }
    metrics = json.loads((context.output / "metrics.json").read_text())
    assert [one["class"] for one in metrics["per_class"]] == ["slab", "dart"]
    counts = np.array(metrics["confusion_matrix"]["counts"])
    assert counts[:-1].sum() == sum(one["objects"] for one in metrics["per_class"])


def test_its_export_is_worth_as_much(trained):
    context, result = trained
    (export,) = result.exports
    assert export.parity.samples == len(context.data.samples(Split.VAL))
    assert export.parity.agreement == 1
    assert export.parity.metric == "mask_mAP50-95"
    assert export.parity.native == pytest.approx(export.parity.exported, abs=1e-6)
    assert export.parity.native == pytest.approx(result.metrics["mask_mAP50-95"], abs=1e-6)
    outputs = [output.name for output in onnx.load(context.output / "model.onnx").graph.output]
    assert outputs == ["boxes", "scores", "masks"]


def test_it_finds_the_shapes_of_a_picture_where_they_are(trained):
    context, _ = trained
    hits = total = 0
    for sample in context.data.samples(Split.VAL):
        found = predict(context.output, sample.path)
        boxes = np.array([each.box for each in found], dtype=np.float32).reshape(-1, 4)
        for instance in sample.instances:
            left, top, width, height = instance.box
            box = np.array([left, top, left + width, top + height], dtype=np.float32)
            hits += bool(len(boxes)) and overlaps(box, boxes).max() > 0.5
            total += 1
        for each in found:
            (ring,) = each.polygons
            xs, ys = ring[0::2], ring[1::2]
            assert (min(xs), min(ys), max(xs), max(ys)) == pytest.approx(each.box, abs=5)
    assert hits / total > 0.7


def test_a_killed_run_goes_on_as_if_nothing_had_happened(job):
    whole = job.context(epochs=4, save_every_steps=2)
    expected = fit(whole)
    first = job.context(epochs=4, save_every_steps=2, kill_at=15)
    with pytest.raises(Killed):
        fit(first)
    assert first.desk.saved[-1].step == 14
    second = job.context(epochs=4, save_every_steps=2, restored=first.desk.saved[-1])
    assert fit(second) == expected
    ours, theirs = (load_file(context.output / "model.safetensors") for context in (whole, second))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_told_to_stop_it_saves_that_very_step(job):
    context = job.context(epochs=4, stop_at=8, reason=StopReason.CANCEL)
    with pytest.raises(Stopped):
        fit(context)
    assert context.desk.saved[-1].step == 8


def test_a_tensor_with_two_names_is_saved_once(job):
    context = job.context(epochs=1)
    fit(context)
    names = load_file(context.output / "model.safetensors").keys()
    assert "score.weight" in names
    assert "same_score.weight" not in names


def test_an_export_that_answers_differently_fails(job):
    with pytest.raises(ExportFailed, match="raise export_tolerance"):
        fit(job.context(epochs=1, exports=["onnx"], export_tolerance=1e-12))


def test_data_without_outlines_cannot_teach_them(tmp_path: Path):
    from detection.conftest import SCENES

    boxes = make_scenes(tmp_path / "boxes", {Split.TRAIN: 4, Split.VAL: 2}, "detection")
    with pytest.raises(DatasetInvalid, match=r"no object in the split train has an outline"):
        fit_outlines(SCENES(tmp_path, boxes).context())


def test_a_set_without_validation_images_is_refused(tmp_path: Path):
    from detection.conftest import SCENES

    with pytest.raises(DatasetInvalid, match="no image in the split val"):
        fit(SCENES(tmp_path, make_scenes(tmp_path / "boxes", {Split.TRAIN: 4})).context())


def test_a_size_that_is_no_multiple_of_32_is_refused(job):
    with pytest.raises(ConfigInvalid, match="imgsz"):
        fit(job.context(imgsz=50))
