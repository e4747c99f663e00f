"""What a certificate of parity says."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from eyebright_kit.errors import ExportFailed
from eyebright_ultralytics.config import DetectionConfig
from eyebright_ultralytics.tasks import task_named
from eyebright_wire.artifacts import ParityCertificate

pytestmark = pytest.mark.usefixtures("fenced")


def certified(*answers: float, task: str = "detection") -> ParityCertificate:
    """Of a model that answers 1 to each image, and an export that answers these, with one tensor each."""
    from eyebright_ultralytics.export import Workshop

    class Told(Workshop):
        _native_outputs = [[torch.ones(1, 6, 3)] for _ in answers]
        _images = [Path("a.png") for _ in answers]
        _classes = 2
        _native_score = 0.5

        def _made(self, form: str) -> Path:
            return Path(f"model.{form}")

        def _outputs(self, model: Path) -> list[list[torch.Tensor]]:
            return [[torch.full((1, 6, 3), answer)] for answer in answers]

        def _score(self, model: Path) -> float:
            return 0.5

    workshop = Told(Path("model.pt"), Path("tree"), task_named(task), DetectionConfig(), lambda: None)
    return workshop.export("torchscript")[1]


def test_the_greatest_difference_of_all_images_is_told():
    assert certified(1, 1.0005, 1).max_abs_difference == pytest.approx(0.0005, rel=1e-3)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1.1])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_wrong_answer_is_a_failed_export_wherever_it_is(wrong: float, place: int):
    answers = [1.0, 1.0, 1.0]
    answers[place] = wrong
    with pytest.raises(ExportFailed, match="answers differently"):
        certified(*answers)


def test_an_export_that_leaves_an_output_out_is_a_failed_one():
    with pytest.raises(ExportFailed, match="answers with 1 tensors where 2 are expected"):
        certified(1, 1, task="instance_segmentation")


def test_what_is_scored_again_has_the_limits_that_the_run_was_evaluated_with(monkeypatch: pytest.MonkeyPatch):
    from eyebright_ultralytics import export

    class Judge:
        def __init__(self, model: str, task: str) -> None:
            pass

        def add_callback(self, event: str, callback: object) -> None:
            pass

        def val(self, *, iou: float, max_det: int, **_: object) -> object:
            return SimpleNamespace(results_dict={"metrics/mAP50-95(B)": iou + max_det})

    monkeypatch.setattr(export, "YOLO", Judge)
    config = DetectionConfig(iou=0.5, max_det=700)
    workshop = export.Workshop(Path("model.pt"), Path("tree"), task_named("detection"), config, lambda: None)
    assert workshop._score(Path("model.onnx")) == 700.5
