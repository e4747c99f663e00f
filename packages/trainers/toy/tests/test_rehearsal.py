"""A rehearsal of a toy order: which step fails, and why, in real processes."""

from pathlib import Path
from typing import Any

import pytest

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace, traced
from eyebright_toy.manifest import MANIFEST
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import EventKind, Progress, Unit
from eyebright_wire.rehearsals import RehearsalOrder, RehearsalReport

TIMEOUT_SECONDS = 60.0


def rehearsed(job: TinyJob, **config: Any) -> RehearsalReport:
    return report_of(traced(MANIFEST.module, job.write_spec(**config), TIMEOUT_SECONDS))


def report_of(trace: Trace) -> RehearsalReport:
    assert trace.succeeded.artifacts, trace.summary()
    return RehearsalReport.model_validate_json((trace.output / "rehearsal.json").read_bytes())


def states(report: RehearsalReport) -> dict[str, str]:
    return {step.name: str(step.state) for step in report.steps}


@pytest.fixture
def job(tmp_path: Path) -> TinyJob:
    return TinyJob(tmp_path, MANIFEST, rehearsal=RehearsalOrder())


def test_an_order_that_can_be_carried_out_passes_every_step(job: TinyJob):
    trace = traced(MANIFEST.module, job.write_spec(), TIMEOUT_SECONDS)
    report = report_of(trace)
    assert report.ok, report.model_dump_json()
    assert states(report) == {
        **dict.fromkeys(
            ("settings", "data", "first_batch", "validation", "checkpoint", "reload", "largest_batch"), "passed"
        ),
        "webhook": "not_asked",
    }
    assert report.peak_memory_bytes is not None
    assert report.peak_memory_bytes > 2**20
    assert [ref.path for ref in trace.succeeded.artifacts] == ["rehearsal.json"]
    assert not trace.checkpoints
    left = {path.name for path in trace.output.iterdir()}
    assert left == {"rehearsal.json", "spool.jsonl"}
    assert not (trace.folder / "scratch").exists()
    told = [Progress.model_validate(data) for data in trace.of(EventKind.PROGRESS)]
    assert (told[-1].step, told[-1].steps, told[-1].unit) == (8, 8, Unit.CHECKS)


@pytest.mark.parametrize(
    ("config", "step", "code", "said"),
    [
        ({"fail_at_step": 1}, "first_batch", ErrorCode.TRAINER_ERROR, "told to fail"),
        ({"memory_at_step": 1}, "first_batch", ErrorCode.OUT_OF_MEMORY, "memory"),
        ({"nan_at_step": 1}, "first_batch", ErrorCode.NAN_LOSS, "lower lr0"),
        ({"exit_at_step": 1, "exit_code": 9}, "first_batch", ErrorCode.TRAINER_ERROR, "exit status 9"),
        ({"lr0": -1.0}, "settings", ErrorCode.CONFIG_INVALID, "lr0"),
        ({"fail_at_step": 2}, "reload", ErrorCode.TRAINER_ERROR, "told to fail"),
    ],
)
def test_the_step_that_fails_is_named_with_its_reason(
    job: TinyJob, config: dict[str, Any], step: str, code: ErrorCode, said: str
):
    report = rehearsed(job, **config)
    assert report.failed is not None, report.model_dump_json()
    assert (report.failed.name, report.failed.code) == (step, code)
    assert said in report.failed.message
    assert not report.ok
    names = [found.name for found in report.steps]
    after = names[names.index(step) + 1 : names.index("webhook")]
    assert {states(report)[name] for name in after} <= {"unreached"}
    assert all(states(report)[name] == "passed" for name in names[: names.index(step)])
