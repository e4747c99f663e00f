import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from segmentation.painted import JOB, SIZE, fit

from eyebright_kit.data.annotations import IGNORED
from eyebright_kit.errors import ExportFailed
from eyebright_torch import exporting
from eyebright_torch.segmentation import delivery
from eyebright_torch.segmentation.inference import predict
from eyebright_torch.testing import Killed
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage

PLAIN = {"flip": 0, "crop_scale": 1, "brightness": 0, "contrast": 0, "saturation": 0}


def end(context) -> dict[str, torch.Tensor]:
    """Every tensor at the end: model, average, optimiser, best weights."""
    fit(context)
    files = context.desk.saved[-1].path.glob("*.safetensors")
    return {f"{file.stem}/{key}": value for file in files for key, value in load_file(file).items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, painted):
    context = JOB(tmp_path_factory.mktemp("trained"), painted).context(
        epochs=15, lr0=0.02, schedule="constant", exports=["onnx"], ema=False, **PLAIN
    )
    return context, fit(context)


def test_pixels_are_told_apart(trained):
    context, result = trained
    losses = [metrics["loss"] for metrics in context.desk.epochs]
    assert losses[-1] < losses[0] * 0.5
    assert result.metrics["mIoU"] > 0.6
    assert result.metrics["pixel_accuracy"] > 0.9


def test_a_run_tells_its_stages_and_its_numbers(trained):
    context, result = trained
    assert context.desk.stages == [Stage.VALIDATING, Stage.TRAINING, Stage.EVALUATING, Stage.EXPORTING]
    told = {"loss", "train_pixel_accuracy", "val_loss", "mIoU", "pixel_accuracy", "mean_accuracy", "lr"}
    assert set(context.desk.epochs[0]) == told
    verdict = {"val_loss", "mIoU", "pixel_accuracy", "mean_accuracy", "best_epoch", "epochs"}
    assert set(result.metrics) == verdict


def test_a_run_leaves_everything_that_the_model_needs(trained):
    context, _ = trained
    assert context.desk.artifacts == {
        "confusion_matrix.png": ArtifactKind.PICTURE,
        "curves.png": ArtifactKind.PICTURE,
        "worst.png": ArtifactKind.PICTURE,
        "metrics.json": ArtifactKind.METRICS,
        "model.safetensors": ArtifactKind.MODEL,
        "model.pth": ArtifactKind.MODEL,
        "labels.json": ArtifactKind.LABELS,
        "config.json": ArtifactKind.CONFIG,
        "model.onnx": ArtifactKind.EXPORT,
        "model_card.md": ArtifactKind.CARD,
    }
    report = json.loads((context.output / "metrics.json").read_text())
    assert [row["class"] for row in report["per_class"]] == ["ground", "red", "blue"]
    shares = [image["pixel_accuracy"] for image in report["worst_images"]]
    assert len(shares) == 6
    assert shares == sorted(shares)
    card = (context.output / "model_card.md").read_text()
    for fact in ("semantic segmentation", "mean IoU", "| blue | ", "| class | IoU | accuracy | pixels |"):
        assert fact in card, fact


def test_the_export_answers_like_the_model(trained):
    _, result = trained
    (export,) = result.exports
    parity = export.parity
    assert (parity.samples, parity.metric, parity.agreement) == (6, "mIoU", 1)
    assert parity.native == parity.exported == result.metrics["mIoU"]
    assert parity.max_abs_difference < 1e-4


def test_a_prediction_is_a_mask_as_large_as_the_image(trained, painted):
    context, _ = trained
    sample = painted.samples(Split.VAL)[0]
    found = predict(context.output, sample.path)
    mask = Image.open(io.BytesIO(base64.b64decode(found.png)))
    values, truth = np.asarray(mask), np.asarray(Image.open(sample.mask))
    assert ((found.width, found.height), mask.size, mask.mode) == (SIZE, SIZE, "P")
    assert (values == truth)[truth != IGNORED].mean() > 0.85
    assert [area.label for area in found.areas][:2] == ["ground", "red"]
    assert found.areas[0].share == (values == 0).mean()


def test_a_picture_that_lies_on_its_side_is_answered_upright(trained, painted, tmp_path):
    context, _ = trained
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    upright = Image.open(painted.samples(Split.VAL)[0].path)
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    found = predict(context.output, tmp_path / "turned.png")
    assert (found.width, found.height) == SIZE


def test_a_run_that_was_killed_ends_with_the_same_bits(job):
    config = {"rotate": 20, "hue": 0.1, "save_every_steps": 1, "epochs": 3}
    whole = end(job.context(**config))
    first = job.context(kill_at=4, **config)
    with pytest.raises(Killed):
        fit(first)
    resumed = end(job.context(restored=first.desk.saved[-1], **config))
    assert whole.keys() == resumed.keys()
    assert [key for key in whole if not torch.equal(whole[key], resumed[key])] == []


def test_the_same_seed_gives_the_same_weights_with_any_workers_and_cache(job):
    first, again = end(job.context(epochs=1)), end(job.context(epochs=1, workers=3, cache="off"))
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_an_export_that_answers_otherwise_is_refused(job, monkeypatch: pytest.MonkeyPatch):
    def another(model: torch.nn.Module, *given: object) -> None:
        model.head.bias.data += 0.1
        exporting.to_onnx(model, *given)
        model.head.bias.data -= 0.1

    monkeypatch.setattr(delivery, "to_onnx", another)
    with pytest.raises(
        ExportFailed, match=r"differs by 0\.1 where at most 0\.001 is allowed, and 1?\d?\d\.\d% of 6 images"
    ):
        fit(job.context(epochs=1, exports=["onnx"]))
