import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny
import torch
from PIL import Image
from tiny import fit

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, ExportFailed
from eyebright_torch import inference
from eyebright_torch.classification import export
from eyebright_torch.classification.inference import predict
from eyebright_torch.colour import normalised
from eyebright_torch.exporting import to_onnx
from eyebright_torch.preprocess import Preprocessing, normalise, read_square

RULE = Preprocessing(32)
LABELS = {"classes": ["a", "b", "c"], "preprocessing": {"imgsz": 32}}
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
TRUE = np.array([0, 1, 2, 0, 1, 2, 0])


def trained() -> torch.nn.Module:
    """A network whose normalisation has seen something, so that a lost statistic would show."""
    torch.manual_seed(0)
    model = tiny.Small(3).train()
    with torch.no_grad():
        for _ in range(3):
            model(normalised(torch.from_numpy(PIXELS), RULE))
    return model.eval()


def native(model: torch.nn.Module) -> np.ndarray:
    with torch.inference_mode():
        return model(normalised(torch.from_numpy(PIXELS), RULE)).numpy()


def certify(path: Path, logits: np.ndarray, tolerance: float = 1e-3):
    return export.certify(path, logits, TRUE, [PIXELS[:4], PIXELS[4:]], RULE, tolerance, 1, lambda: None)


def test_an_export_answers_alike_in_onnxruntime(tmp_path: Path):
    model = trained()
    to_onnx(model, tmp_path / "model.onnx", 32, LABELS, ("logits",))
    certificate = certify(tmp_path / "model.onnx", native(model))
    assert certificate.samples == 7
    assert certificate.agreement == 1
    assert certificate.max_abs_difference < 1e-3
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_an_export_that_answers_differently_fails(tmp_path: Path):
    model = trained()
    to_onnx(model, tmp_path / "model.onnx", 32, LABELS, ("logits",))
    logits = native(model)
    logits[3, 1] += 0.01
    with pytest.raises(ExportFailed, match=r"model\.onnx answers differently .* 0\.01 where at most 0\.001 is allowed"):
        certify(tmp_path / "model.onnx", logits)
    assert certify(tmp_path / "model.onnx", logits, tolerance=0.1).max_abs_difference == pytest.approx(0.01, rel=0.05)


def test_an_export_that_answers_nonsense_fails(tmp_path: Path):
    logits = np.full((7, 3), np.nan, dtype=np.float32)
    model = trained()
    to_onnx(model, tmp_path / "model.onnx", 32, LABELS, ("logits",))
    with pytest.raises(ExportFailed):
        certify(tmp_path / "model.onnx", logits)


def test_a_model_that_cannot_be_translated_is_an_export_that_failed(tmp_path: Path):
    class Odd(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images * float(images.sum().item() > 0 and len(str(images)))

    with pytest.raises(ExportFailed, match="cannot be exported"):
        to_onnx(Odd(), tmp_path / "model.onnx", 32, LABELS, ("logits",))


def test_a_run_fails_when_its_export_does_not_hold(job):
    context = job.context(exports=["onnx"], epochs=1, export_tolerance=1e-12)
    with pytest.raises(ExportFailed, match="raise export_tolerance"):
        fit(context)


def test_the_file_tells_its_classes_and_takes_any_batch(tmp_path: Path):
    to_onnx(trained(), tmp_path / "model.onnx", 32, LABELS, ("logits",))
    props = {prop.key: prop.value for prop in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert props["classes"] == '["a", "b", "c"]'
    session = inference.session(tmp_path / "model.onnx", 1)
    for count in (1, 3):
        assert inference.outputs(session, normalise(PIXELS[:count], RULE))[0].shape == (count, 3)


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory, images, job_at):
    context = job_at(tmp_path_factory.mktemp("delivered"), images).context(
        exports=["onnx"], epochs=2, imgsz=48, fit="pad"
    )
    fit(context)
    return context


def test_prediction_agrees_with_evaluation_on_every_validation_image(delivered):
    model = tiny.Small(3)
    model.load_state_dict(torch.load(delivered.output / "model.pth", weights_only=True))
    rule = Preprocessing(48, "pad")
    for sample in delivered.data.samples("val"):
        square = read_square(sample.path, rule)
        with torch.inference_mode():
            expected = model.eval()(normalised(torch.tensor(square)[None], rule)).softmax(1)[0]
        found = predict(delivered.output, sample.path)
        by_label = {score.label: score.score for score in found}
        assert [by_label[name] for name in delivered.data.classes] == pytest.approx(expected.tolist(), abs=1e-4)
        assert [score.score for score in found] == sorted(by_label.values(), reverse=True)


def test_prediction_imports_no_framework(delivered):
    image = delivered.data.samples("val")[0].path
    code = (
        "import sys; from eyebright_torch.classification.inference import predict; from pathlib import Path; "
        f"predict(Path({str(delivered.output)!r}), Path({str(image)!r})); "
        "sys.exit(sum(m.partition('.')[0] in ('torch', 'matplotlib') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_prediction_names_what_is_missing_or_unreadable(delivered, tmp_path: Path):
    image = delivered.data.samples("val")[0].path
    with pytest.raises(ConfigInvalid, match=r"no labels\.json"):
        predict(tmp_path, image)
    with pytest.raises(DatasetInvalid, match="there is no file"):
        predict(delivered.output, tmp_path / "absent.png")
    (tmp_path / "text.jpg").write_text("this is no image")
    with pytest.raises(DatasetInvalid, match=r"text\.jpg cannot be read as an image"):
        predict(delivered.output, tmp_path / "text.jpg")
    (tmp_path / "labels.json").write_text((delivered.output / "labels.json").read_text())
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ConfigInvalid, match=r"no model\.onnx.*export it as onnx"):
        predict(tmp_path, tmp_path / "a.png")
