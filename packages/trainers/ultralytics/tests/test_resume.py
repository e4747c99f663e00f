"""A run that was killed and goes on is the run that was not, also where Ultralytics itself forgets."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from warm_start import WARM

from eyebright_kit.disk import sha256_of
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace, TracedRun, traced
from eyebright_ultralytics.manifest import MANIFEST
from eyebright_wire.artifacts import Grant
from eyebright_wire.errors import ExitCode
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import ResumePoint

#: Four batches in an epoch and three to a step of the optimiser: gradients are gathered over the end of an epoch.
GATHERING = {"epochs": 4, "batch": 4, "nbs": 12, "warmup_epochs": 1, "close_mosaic": 1, "exports": []}


@dataclass
class Job:
    """A tiny job, of which each attempt can be run."""

    tiny: TinyJob
    model: str
    config: dict[str, Any]

    def order(self, attempt: int, *resume: ResumePoint) -> Path:
        path = self.tiny.write_spec(attempt, resume, **self.config)
        spec = self.tiny.spec(attempt, resume, **self.config).model_copy(update={"model": self.model})
        path.write_text(spec.model_dump_json())
        return path

    def whole(self) -> Trace:
        return traced(MANIFEST.module, self.order(1), start=WARM)

    def killed_after_checkpoint(self) -> Trace:
        child = TracedRun(MANIFEST.module, self.order(1), fault="dawdle", start=WARM)
        child.wait_for(EventKind.CHECKPOINT, 300)
        child.process.send_signal(signal.SIGKILL)
        return child.wait(300)

    def gone_on(self, earlier: Trace) -> Trace:
        saved = earlier.checkpoints[-1]
        source = Grant(uri=earlier.spec.output.uri)
        point = ResumePoint(source=source, manifest=saved.manifest, epoch=saved.epoch, step=saved.step)
        return traced(MANIFEST.module, self.order(2, point), start=WARM)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("model", ["yolo11n", "yolo26n"])  # the loss of yolo26 shifts from epoch to epoch
def test_gathered_gradients_and_the_schedule_of_a_loss_survive(model: str, tmp_path: Path):
    whole = Job(TinyJob(tmp_path / "whole", MANIFEST), model, GATHERING).whole()
    assert whole.exit_code == ExitCode.DONE, whole.summary()
    job = Job(TinyJob(tmp_path / "killed", MANIFEST), model, GATHERING)
    killed = job.killed_after_checkpoint()
    assert killed.exit_code == -signal.SIGKILL, killed.summary()
    resumed = job.gone_on(killed)
    assert resumed.exit_code == ExitCode.DONE, resumed.summary()
    first = next(iter(resumed.of(EventKind.PROGRESS)))
    assert first["epoch"] == killed.checkpoints[-1].epoch + 1
    assert weights(resumed) == weights(whole)


@pytest.mark.timeout(900)
def test_a_run_that_was_trained_to_its_end_is_delivered_without_another_epoch(tmp_path: Path):
    job = Job(TinyJob(tmp_path, MANIFEST), "yolo11n", {"epochs": 1, "exports": []})
    whole = job.whole()
    resumed = job.gone_on(whole)
    assert resumed.exit_code == ExitCode.DONE, resumed.summary()
    assert not list(resumed.of(EventKind.PROGRESS))
    assert weights(resumed) == weights(whole)
    assert resumed.succeeded.metrics == whole.succeeded.metrics


def weights(trace: Trace) -> str:
    return sha256_of(trace.output / "model.safetensors")
