"""The promises that a trainer keeps in each of its tasks, as tests: in its own test file,

class TestDetection(TaskConformance):
    manifest = MANIFEST
    task = "detection"
    weights = "model.safetensors"
    slow = {"epochs": 3}
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar

import pytest

from eyebright_kit.disk import sha256_of
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import (
    Trace,
    TracedRun,
    answers,
    artifacts_are_true,
    cold,
    hands_over_its_papers,
    leaves_the_images_alone,
    reports_each_epoch,
    stays_offline,
    tells_its_story_in_order,
    traced,
)
from eyebright_kit.testing.hostile import CANARY, hostile, keeps_names_as_they_are, listing, plant
from eyebright_kit.testing.warm import warm
from eyebright_wire.artifacts import ArtifactKind, Grant
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import MODEL_FILES, ExportOrder, ModelGrant, ResumePoint
from eyebright_wire.manifest import TrainerManifest

_WEIGHTS = ("pt", "pth", "pkl", "bin")


class TaskConformance:
    """For each further task of a trainer. Runs real child processes with the network closed, as an executor would."""

    manifest: ClassVar[TrainerManifest]
    task: ClassVar[str] = ""  # default: the manifest's first
    weights: ClassVar[str]  # the artifact that holds the final weights
    #: Settings with which a run lasts long enough to be interrupted between checkpoints: three epochs or
    #: more, with a checkpoint in the first two.
    slow: ClassVar[dict[str, Any]] = {}
    exact_resume: ClassVar[bool] = True  # interrupted and resumed gives the very same weights
    bad_configs: ClassVar[tuple[dict[str, Any], ...]] = (
        {"epochs": -1},
        {"epochs": "; rm -rf /"},
        {"no_such_setting": 1},
    )
    #: Modules that runs find imported. The first, the hostile one, a rehearsal and every answer start cold, as in earnest.
    warm: ClassVar[tuple[str, ...]] = ()
    timeout_seconds: ClassVar[float] = 300.0

    def __init_subclass__(cls) -> None:
        """What its manifest does not promise is not asked of it: such a test is none of its own."""
        super().__init_subclass__()
        if (manifest := getattr(cls, "manifest", None)) is None:
            return
        task = manifest.task(cls.task) if cls.task else manifest.tasks[0]
        promised = {
            "test_it_begins_from_a_model_that_it_has_made": task is not None and task.takes_parent,
            "test_it_exports_a_model_that_is_registered_already": task is not None and task.exports_later,
        }
        for name in (name for name, kept in promised.items() if not kept):
            setattr(cls, name, None)

    @pytest.fixture(scope="class")
    @classmethod
    def finished(cls, tmp_path_factory: pytest.TempPathFactory) -> Trace:
        """One uninterrupted run with nobody listening: most promises can be read off it."""
        folder = tmp_path_factory.mktemp("finished")
        spec = TinyJob(folder, cls.manifest, cls.slow, task_name=cls.task).write_spec()
        return traced(cls.manifest.module, spec, cls.timeout_seconds)

    @pytest.fixture
    def job(self, tmp_path: Path) -> TinyJob:
        """Without exports, which take longer than all else and change no weight: they are tested where they are asked for."""
        job = TinyJob(tmp_path, self.manifest, task_name=self.task)
        none: dict[str, Any] = {"exports": []} if "exports" in job.task.recipe else {}
        return replace(job, config={**self.slow, **none})

    def started(self, spec: Path, fault: str = "") -> TracedRun:
        return TracedRun(self.manifest.module, spec, fault, start=warm(self.warm) if self.warm else cold)

    def traced(self, spec: Path, fault: str = "") -> Trace:
        return self.started(spec, fault).wait(self.timeout_seconds)

    def test_it_tells_its_story_in_order_with_nobody_listening(self, finished: Trace) -> None:
        tells_its_story_in_order(finished)

    def test_it_reports_each_epoch(self, finished: Trace) -> None:
        reports_each_epoch(finished)

    def test_it_names_its_primary_metric(self, finished: Trace, job: TinyJob) -> None:
        assert job.task.primary_metric in finished.succeeded.metrics

    def test_its_artifacts_are_what_was_told(self, finished: Trace) -> None:
        artifacts_are_true(finished)

    def test_its_settings_and_its_licence_lie_beside_the_model(self, finished: Trace) -> None:
        hands_over_its_papers(finished)

    def test_it_leaves_the_stored_images_alone(self, finished: Trace) -> None:
        leaves_the_images_alone(finished)

    def test_it_never_reaches_for_the_network(self, finished: Trace) -> None:
        stays_offline(finished)

    def test_it_predicts_from_its_artifacts_alone(self, finished: Trace, job: TinyJob) -> None:
        answers(self.manifest.module, job.task, finished, job.data)

    def test_it_leaves_its_spool_in_the_output_and_no_scratch(self, finished: Trace) -> None:
        assert (finished.output / "spool.jsonl").read_bytes() == (finished.folder / "spool.jsonl").read_bytes()
        assert not (finished.folder / "scratch").exists()

    def test_it_begins_from_a_model_that_it_has_made(self, finished: Trace, job: TinyJob) -> None:
        known, others = job.data.classes, tuple(f"another {name}" for name in job.data.classes)
        same, other = (self._begun(finished, job, classes) for classes in (known, others))
        assert weights_of(same, self.weights) not in {
            weights_of(finished, self.weights),
            weights_of(other, self.weights),
        }
        assert "mother@1" in other.log, f"whose head begins afresh is to be told: {other.summary()}"

    def test_it_exports_a_model_that_is_registered_already(self, finished: Trace, job: TinyJob) -> None:
        form = job.task.exports[0]
        wanted: dict[str, Any] = {"exports": [form]} if "exports" in job.task.recipe else {}
        ordered = replace(
            job,
            config={**job.config, **wanted},
            parent=_granted(finished, job.data.classes),
            export=ExportOrder(format=form),
        )
        trace = self.traced(ordered.write_spec())
        assert trace.exit_code == ExitCode.DONE, trace.summary()
        (export,) = trace.succeeded.exports
        made = {ref.path: ref.kind for ref in trace.succeeded.artifacts}
        assert (export.format, export.parity.samples > 0) == (form, True)
        assert made.pop(export.path) is ArtifactKind.EXPORT
        assert set(made.values()) <= {ArtifactKind.EXPORT}, f"an export leaves nothing else: {made}"
        stays_offline(trace)

    def test_a_bad_setting_is_refused_by_name(self, job: TinyJob) -> None:
        for attempt, bad in enumerate(self.bad_configs, start=1):
            trace = self.traced(job.write_spec(attempt, **bad))
            assert trace.exit_code == ExitCode.BAD_CONFIG, trace.summary()
            assert trace.failed.code == ErrorCode.CONFIG_INVALID
            assert next(iter(bad)) in trace.failed.message

    def test_killed_and_resumed_equals_uninterrupted(self, finished: Trace, job: TinyJob) -> None:
        """So the same seed gives the same weights too: it was begun twice."""
        self._resumes_exactly(job, finished, self._interrupted(job, signal.SIGKILL))

    def test_told_to_leave_it_saves_and_another_attempt_goes_on(self, finished: Trace, job: TinyJob) -> None:
        trace = self._interrupted(job, signal.SIGTERM)
        assert trace.exit_code == ExitCode.PREEMPTED, trace.summary()
        assert trace.events[-1].kind == EventKind.PREEMPTED
        assert trace.events[-1].data["step"] == trace.checkpoints[-1].step
        self._resumes_exactly(job, finished, trace)

    def test_it_moves_with_each_step_and_each_evaluation_and_no_more_when_it_hangs(self, tmp_path: Path) -> None:
        """By which the control plane tells a hung run from one that is slow, and both from a dead one."""
        job = TinyJob(tmp_path, self.manifest, self.slow, heartbeat_seconds=0.05, task_name=self.task)
        child = self.started(job.write_spec(), fault="hang")
        try:
            moves = child.until_fault(self.timeout_seconds)
            beats = child.beats(8)
        finally:
            child.process.kill()
            trace = child.wait(self.timeout_seconds)
        marks = [move.step for move in takewhile(lambda move: not move.epoch_finished, moves)]
        steps = next(move.step for move in moves if move.epoch_finished)
        assert steps, "the end of an epoch must say how many steps were made"
        assert set(marks) >= set(range(1, steps + 1)), f"of {steps} steps in an epoch it told only of {marks}"
        assert len(marks) > marks.index(steps) + 1, f"an evaluation in which it does not move would look hung: {marks}"
        assert len({beat.moved_at_ms for beat in beats[1:]}) == 1, f"it hangs and says that it moves. {trace.summary()}"

    def test_a_data_set_that_attacks_harms_nobody(self, tmp_path: Path) -> None:
        job = TinyJob(tmp_path, self.manifest, self.slow, task_name=self.task, altered=hostile)
        spec, home = job.write_spec(), tmp_path / "home"
        canary, model = tmp_path / CANARY, job.spec().model
        plant(home, canary, ("data.yaml", "train.cache", "labels.cache", *(f"{model}.{kind}" for kind in _WEIGHTS)))
        plant(job.blobs, canary, ("train.cache", "val.cache", "labels.cache"))
        ours = (job.run_folder(), job.output())
        before = listing(tmp_path, besides=ours)
        trace = traced(self.manifest.module, spec, self.timeout_seconds, home=home)
        tells_its_story_in_order(trace)
        stays_offline(trace)
        assert not list(tmp_path.rglob(f"*{CANARY}*")), "the canary sings"
        changed = {path for path, _ in listing(tmp_path, besides=ours).items() ^ before.items()}
        assert not changed, f"outside of its own folders it changed or left {sorted(changed)}"
        keeps_names_as_they_are(trace)
        answers(self.manifest.module, job.task, trace, job.data)

    def _begun(self, finished: Trace, job: TinyJob, classes: tuple[str, ...]) -> Trace:
        """From what `finished` made, as if that knew these classes."""
        child = replace(
            job,
            root=job.root / ("same" if classes == job.data.classes else "other"),
            parent=_granted(finished, classes),
        )
        trace = self.traced(child.write_spec())
        tells_its_story_in_order(trace)
        stays_offline(trace)
        return trace

    def _interrupted(self, job: TinyJob, number: signal.Signals) -> Trace:
        """A first attempt that gets a signal at a random moment after its first checkpoint, at the latest in its third epoch."""
        child = self.started(job.write_spec(), fault="dawdle")
        # Told, not only written: nobody goes on from a checkpoint that nobody has heard of.
        child.wait_for(EventKind.CHECKPOINT, self.timeout_seconds)
        time.sleep(random.uniform(0, 0.1))
        os.kill(child.process.pid, number)
        trace = child.wait(self.timeout_seconds)
        assert trace.exit_code != ExitCode.DONE, f"too quick to be interrupted: give `slow` more. {trace.summary()}"
        return trace

    def _resumes_exactly(self, job: TinyJob, finished: Trace, interrupted: Trace) -> None:
        spec = job.write_spec(attempt=2, resume=tuple(_resume_points(interrupted)))
        trace = self.traced(spec)
        tells_its_story_in_order(trace)
        stays_offline(trace)
        assert trace.events[0].data["resumed_from_step"] == interrupted.checkpoints[-1].step
        if self.exact_resume:
            assert weights_of(trace, self.weights) == weights_of(finished, self.weights)


def _resume_points(trace: Trace) -> Iterator[ResumePoint]:
    """Newest first, as the control plane hands them on."""
    for saved in reversed(trace.checkpoints):
        yield ResumePoint(
            source=Grant(uri=trace.spec.output.uri), manifest=saved.manifest, epoch=saved.epoch, step=saved.step
        )


def _granted(trace: Trace, classes: tuple[str, ...]) -> ModelGrant:
    """What the run made, as the control plane hands it on; it is said to know these classes."""
    return ModelGrant(
        id="mdl_1",
        title="mother@1",
        architecture=trace.spec.model,
        classes=classes,
        source=trace.spec.output,
        files=tuple(ref for ref in trace.succeeded.artifacts if ref.kind in MODEL_FILES),
    )


def weights_of(trace: Trace, path: str) -> str:
    assert trace.exit_code == ExitCode.DONE, trace.summary()
    return sha256_of(trace.output / path)
