"""What a training is told to have come to, and what to do next."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from harness.scripted import Scripted, job, ok, problem

from eyebright.cli.summary import ORDER_AT_FAULT, Outcome, needs_lines, outcome_of, parity_line, show_outcome
from eyebright.client import Client
from eyebright.settings import Settings
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef, ExportRef, ParityCertificate
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobState
from eyebright_wire.resources import ModelView, Needs, RecipeView

OUTSIDE = {ErrorCode.DISK_FULL, ErrorCode.WORKER_LOST, ErrorCode.STORAGE_ERROR, ErrorCode.TRAINER_ERROR}


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        (None, {}),
        (Needs(memory_bytes=2_000_000_000, disk_bytes=1_000), {}),  # not over yet
        (Needs(memory_bytes=2_000_000_000, held_bytes=1_900_000_000), {"memory": "1.9 GB, foretold 2.0 GB"}),
        (Needs(written_bytes=5_000), {"disk": "5.0 kB"}),
    ],
)
def test_what_a_job_took_of_memory_and_disk_stands_beside_what_was_foretold(
    needs: Needs | None, told: dict[str, str]
) -> None:
    assert dict(needs_lines(job(JobState.SUCCEEDED, needs=needs))) == told


@pytest.mark.parametrize("reason", sorted(OUTSIDE))
def test_what_lies_outside_the_order_is_mended_and_the_order_retried(
    reason: ErrorCode, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = job(JobState.FAILED, reason=reason)
    show_outcome(Outcome(failed))
    assert f"Once mended: `eyebright jobs retry {failed.id}`." in capsys.readouterr().err


def test_a_training_whose_export_failed_is_told_how_to_keep_its_weights(capsys: pytest.CaptureFixture[str]) -> None:
    failed = job(JobState.FAILED, reason=ErrorCode.EXPORT_FAILED)
    show_outcome(Outcome(failed))
    assert f"`eyebright jobs retry {failed.id} --set exports=[]` registers them" in capsys.readouterr().err


@pytest.mark.parametrize("reason", sorted(filter(None, ORDER_AT_FAULT)))
def test_an_order_that_would_fail_again_is_offered_changed_instead(
    reason: ErrorCode, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"epochs": 20, "amp": True, "note": "two words"}
    failed = job(JobState.FAILED, reason=reason, message="use batch=16 or less", config=config)
    show_outcome(Outcome(failed))
    shown = capsys.readouterr()
    assert "use batch=16 or less" in shown.out
    assert "jobs retry" not in shown.err
    order = f"eyebright train {failed.dataset_version} --trainer {failed.trainer} --task {failed.task} --model {failed.model}"
    change = ORDER_AT_FAULT[reason].format(rate="lr0", size="batch")
    assert f"`{order} --set epochs=20 --set amp=true --set 'note=two words' {change}`" in shown.err


@pytest.mark.parametrize(
    ("reason", "config", "change"),
    [
        (ErrorCode.NAN_LOSS, {"epochs": 20, "lr0": 0.1}, "--set lr0=LESS"),
        (ErrorCode.NAN_LOSS, {"epochs": 20, "learning_rate": 1}, "--set learning_rate=LESS"),
        (ErrorCode.OUT_OF_MEMORY, {"batch": 8, "imgsz": 640}, "--set batch=LESS"),
        (ErrorCode.OUT_OF_MEMORY, {"batch": 1, "resolution": 512}, "--set resolution=LESS"),
    ],
)
def test_what_to_change_is_called_as_the_trainer_calls_it(
    reason: ErrorCode, config: dict[str, object], change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_outcome(Outcome(job(JobState.FAILED, reason=reason, config=config)))
    assert f"{change}`." in capsys.readouterr().err


@pytest.mark.parametrize(("known", "change"), [(True, "--set learning_rate=LESS"), (False, "--set lr0=LESS")])
def test_what_the_order_left_to_the_recipe_has_its_name_too(
    known: bool, change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"epochs": 100, "learning_rate": 1e-4}
    recipe = RecipeView(
        name="x/lora", trainer="x", task="lora", models=("m",), default_model="m", config=settings, config_schema={}
    )
    failed = job(JobState.FAILED, reason=ErrorCode.NAN_LOSS, config={"epochs": 20})
    server = Scripted()
    server.answers = [httpx.Response(200, json=[]), ok(recipe) if known else problem(404, "not_found")]
    here = Settings(data_dir=tmp_path, state_dir=tmp_path, url="http://eyebright.test", token="secret")
    with Client(settings=here, through=httpx.MockTransport(server), sleep=server.slept.append) as client:
        show_outcome(outcome_of(client, failed))
    order = f"eyebright train dsv_1 --trainer toy --task classification --model tiny --set epochs=20 {change}"
    assert f"`{order}`." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("native", "proves"), [(0.0, "mAP50-95 is 0: the model finds nothing right"), (0.4, "runtime 1")]
)
def test_a_certificate_of_a_model_that_finds_nothing_says_so(native: float, proves: str) -> None:
    proof = ParityCertificate(
        runtime="runtime 1",
        samples=12,
        max_abs_difference=0,
        tolerance=0.001,
        agreement=1,
        metric="mAP50-95",
        native=native,
        exported=native,
    )
    line = parity_line(ExportRef(format="onnx", path="model.onnx", parity=proof), None)
    assert proves in line
    assert line.endswith("runtime 1") == bool(native)


def _lora(tmp_path: Path) -> Outcome:
    done = job(JobState.SUCCEEDED, model_id="mdl_1", metrics={"loss": 0.1})
    weights = ArtifactRef(path="lora.safetensors", size_bytes=9, sha256="a" * 64, kind=ArtifactKind.MODEL)
    model = ModelView(
        id="mdl_1", name="style", number=2, job_id=done.id, attempt=1, trainer="diffusion", task="text_to_image",
        architecture="sd15", dataset_version="dsv_1", artifacts=(weights,), created_at_ms=1,
    )  # fmt: skip
    return Outcome(done, model, folder=tmp_path)


def test_of_a_model_without_exports_its_weights_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    show_outcome(_lora(tmp_path))
    shown = capsys.readouterr().out
    assert "lora.safetensors" in shown
    assert "classes" not in shown
    assert "models download" not in shown


def test_from_afar_it_is_told_how_they_are_fetched(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    show_outcome(replace(_lora(tmp_path), folder=None))
    assert "eyebright models download style@2 --file lora.safetensors" in capsys.readouterr().out
