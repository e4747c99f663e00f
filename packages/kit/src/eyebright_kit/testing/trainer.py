"""The promises of a trainer, as tests. A trainer's own test file, with a class for each task whose code is its own:

class TestToy(TrainerConformance):
    manifest = MANIFEST
    task = "classification"
    weights = "model.json"
    slow = {"step_seconds": 0.02}
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from jsonschema import Draft202012Validator

from eyebright_kit.disk import sha256_of
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import (
    Trace,
    TracedRun,
    artifacts_are_true,
    hands_over_its_papers,
    leaves_the_images_alone,
    predicts,
    reports_each_epoch,
    run_verb,
    stays_offline,
    tells_its_story_in_order,
    traced,
)
from eyebright_kit.testing.hostile import CANARY, hostile, keeps_names_as_they_are, listing, plant
from eyebright_kit.testing.ingest import IngestServer
from eyebright_wire.artifacts import ArtifactKind, Grant
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import MODEL_FILES, ExportOrder, ModelGrant, ResumePoint
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.rehearsals import REPORT, RehearsalOrder, RehearsalReport

#: What `describe` must not import: the control plane reads manifests often, and without any framework's seconds and memory.
FRAMEWORKS = frozenset(
    {
        "torch",
        "torchvision",
        "numpy",
        "tensorflow",
        "jax",
        "timm",
        "transformers",
        "diffusers",
        "ultralytics",
        "mmdet",
        "onnxruntime",
    }
)
_WEIGHTS = ("pt", "pth", "pkl", "bin")


class TrainerConformance:
    """Runs real child processes with the network closed, as an executor would."""

    manifest: ClassVar[TrainerManifest]
    task: ClassVar[str] = ""  # default: the manifest's first
    weights: ClassVar[str]  # the artifact that holds the final weights
    slow: ClassVar[
        dict[str, Any]
    ] = {}  # settings with which a run lasts long enough to be interrupted between checkpoints
    exact_resume: ClassVar[bool] = True  # interrupted and resumed gives the very same weights
    bad_configs: ClassVar[tuple[dict[str, Any], ...]] = (
        {"epochs": -1},
        {"epochs": "; rm -rf /"},
        {"no_such_setting": 1},
    )
    rehearsed: ClassVar[dict[str, Any]] = {}  # settings of the order that is rehearsed, such as the quickest export
    timeout_seconds: ClassVar[float] = 300.0

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
        none = {"exports": []} if "exports" in job.task.recipe else {}
        return replace(job, config={**self.slow, **none})

    def test_its_manifest_survives_the_wire(self) -> None:
        told = run_verb(self.manifest.module, "describe")
        assert TrainerManifest.model_validate_json(told.stdout) == self.manifest, told.stderr

    def test_it_describes_itself_without_its_framework(self) -> None:
        assert not _imported(self.manifest.module) & FRAMEWORKS

    def test_each_recipe_satisfies_its_own_schema(self) -> None:
        for task in self.manifest.tasks:
            Draft202012Validator.check_schema(task.config_schema)
            _satisfies(task.recipe, task.config_schema)
            _satisfies({**task.recipe, **self.manifest.conformance}, task.config_schema)

    def test_each_task_knows_its_default_model_and_each_setting_of_its_recipe(self) -> None:
        for task in self.manifest.tasks:
            assert task.default_model in {model.name for model in task.models}
            assert set(task.recipe) == set(task.config_schema["properties"])

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
        predicts(self.manifest.module, finished, job.data)

    def test_it_refuses_a_picture_that_is_none(self, finished: Trace, tmp_path: Path) -> None:
        (tmp_path / "image.jpg").write_text("I am a text")
        answer = run_verb(self.manifest.module, "predict", str(finished.output), str(tmp_path / "image.jpg"))
        assert (answer.returncode, answer.stdout) == (ExitCode.BAD_DATA, "")
        assert "image.jpg" in answer.stderr

    def test_it_leaves_its_spool_in_the_output_and_no_scratch(self, finished: Trace) -> None:
        assert (finished.output / "spool.jsonl").read_bytes() == (finished.folder / "spool.jsonl").read_bytes()
        assert not (finished.folder / "scratch").exists()

    def test_the_same_seed_gives_the_same_weights(self, finished: Trace, job: TinyJob) -> None:
        again = traced(self.manifest.module, job.write_spec(), self.timeout_seconds)
        assert _weights(again, self.weights) == _weights(finished, self.weights)

    def test_it_begins_from_a_model_that_it_has_made(self, finished: Trace, job: TinyJob) -> None:
        if not job.task.takes_parent:
            pytest.skip(f"{self.manifest.name} begins {job.task.name} from no model, and does not say that it does")
        known, others = job.data.classes, tuple(f"another {name}" for name in job.data.classes)
        same, other = (self._begun(finished, job, classes) for classes in (known, others))
        assert _weights(same, self.weights) not in {_weights(finished, self.weights), _weights(other, self.weights)}
        assert "mother@1" in other.log, f"whose head begins afresh is to be told: {other.summary()}"

    def test_it_exports_a_model_that_is_registered_already(self, finished: Trace, job: TinyJob) -> None:
        if not job.task.exports_later:
            pytest.skip(f"{self.manifest.name} exports {job.task.name} only at the end, and does not say otherwise")
        form = job.task.exports[0]
        wanted: dict[str, Any] = {"exports": [form]} if "exports" in job.task.recipe else {}
        ordered = replace(
            job,
            config={**job.config, **wanted},
            parent=_granted(finished, job.data.classes),
            export=ExportOrder(format=form),
        )
        trace = traced(self.manifest.module, ordered.write_spec(), self.timeout_seconds)
        assert trace.exit_code == ExitCode.DONE, trace.summary()
        (export,) = trace.succeeded.exports
        made = {ref.path: ref.kind for ref in trace.succeeded.artifacts}
        assert (export.format, export.parity.samples > 0) == (form, True)
        assert made.pop(export.path) is ArtifactKind.EXPORT
        assert set(made.values()) <= {ArtifactKind.EXPORT}, f"an export leaves nothing else: {made}"
        assert not trace.network

    def test_a_bad_setting_is_refused_by_name(self, job: TinyJob) -> None:
        for attempt, bad in enumerate(self.bad_configs, start=1):
            trace = traced(self.manifest.module, job.write_spec(attempt, **bad), self.timeout_seconds)
            assert trace.exit_code == ExitCode.BAD_CONFIG, trace.summary()
            assert trace.failed.code == ErrorCode.CONFIG_INVALID
            assert next(iter(bad)) in trace.failed.message

    def test_killed_and_resumed_equals_uninterrupted(self, finished: Trace, job: TinyJob) -> None:
        self._resumes_exactly(job, finished, self._interrupted(job, signal.SIGKILL))

    def test_told_to_leave_it_saves_and_another_attempt_goes_on(self, finished: Trace, job: TinyJob) -> None:
        trace = self._interrupted(job, signal.SIGTERM)
        assert trace.exit_code == ExitCode.PREEMPTED, trace.summary()
        assert trace.events[-1].kind == EventKind.PREEMPTED
        assert trace.events[-1].data["step"] == trace.checkpoints[-1].step
        self._resumes_exactly(job, finished, trace)

    def test_cancelled_by_the_answer_to_an_event_it_stops(self, tmp_path: Path) -> None:
        with IngestServer() as server:
            server.cancel_after = EventKind.PROGRESS
            job = TinyJob(tmp_path, self.manifest, self.slow, server.url, 0.05, self.task)
            trace = traced(self.manifest.module, job.write_spec(), self.timeout_seconds)
        assert trace.exit_code == ExitCode.DONE, trace.summary()
        assert server.kinds[-1] == EventKind.CANCELLED, trace.summary()

    def test_it_moves_with_each_step_and_each_evaluation_and_no_more_when_it_hangs(self, tmp_path: Path) -> None:
        """By which the control plane tells a hung run from one that is slow, and both from a dead one."""
        job = TinyJob(tmp_path, self.manifest, self.slow, heartbeat_seconds=0.05, task_name=self.task)
        child = TracedRun(self.manifest.module, job.write_spec(), fault="hang")
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

    def test_memory_that_runs_out_is_told_with_the_settings_to_lower(self, job: TinyJob) -> None:
        config = job.spec().config
        trace = traced(self.manifest.module, job.write_spec(), self.timeout_seconds, fault="memory")
        assert (trace.exit_code, trace.failed.code) == (ExitCode.TRAINER_ERROR, ErrorCode.OUT_OF_MEMORY), (
            trace.summary()
        )
        for name in {"batch", "imgsz", "resolution"} & config.keys():
            assert f"{name}={config[name]}" in trace.failed.message
        assert "\n" not in trace.failed.message

    def test_a_data_set_that_attacks_harms_nobody(self, tmp_path: Path) -> None:
        job = TinyJob(tmp_path, self.manifest, self.slow, task_name=self.task, altered=hostile)
        spec, home = job.write_spec(), tmp_path / "home"
        canary, model = tmp_path / CANARY, job.task.default_model
        plant(home, canary, ("data.yaml", "train.cache", "labels.cache", *(f"{model}.{kind}" for kind in _WEIGHTS)))
        plant(job.blobs, canary, ("train.cache", "val.cache", "labels.cache"))
        ours = (job.run_folder(), job.output())
        before = listing(tmp_path, besides=ours)
        trace = traced(self.manifest.module, spec, self.timeout_seconds, home=home)
        tells_its_story_in_order(trace)
        assert not list(tmp_path.rglob(f"*{CANARY}*")), "the canary sings"
        changed = {path for path, _ in listing(tmp_path, besides=ours).items() ^ before.items()}
        assert not changed, f"outside of its own folders it changed or left {sorted(changed)}"
        keeps_names_as_they_are(trace)
        predicts(self.manifest.module, trace, job.data)

    def _begun(self, finished: Trace, job: TinyJob, classes: tuple[str, ...]) -> Trace:
        """From what `finished` made, as if that knew these classes."""
        child = replace(
            job,
            root=job.root / ("same" if classes == job.data.classes else "other"),
            parent=_granted(finished, classes),
        )
        trace = traced(self.manifest.module, child.write_spec(), self.timeout_seconds)
        tells_its_story_in_order(trace)
        return trace

    def test_an_order_can_be_rehearsed(self, job: TinyJob) -> None:
        """To the last export, leaving nothing but what was found."""
        asked = replace(job, config=self.slow, rehearsal=RehearsalOrder(seconds=self.timeout_seconds * 4))
        trace = traced(self.manifest.module, asked.write_spec(**self.rehearsed), self.timeout_seconds * 5)
        assert [ref.path for ref in trace.succeeded.artifacts] == [REPORT], trace.summary()
        report = RehearsalReport.model_validate_json((trace.output / REPORT).read_bytes())
        assert report.ok, report.model_dump_json(indent=2)
        assert not trace.checkpoints
        assert {path.name for path in trace.output.iterdir()} == {REPORT, "spool.jsonl"}

    def _interrupted(self, job: TinyJob, number: signal.Signals) -> Trace:
        """A first attempt that gets a signal at a random moment after its first checkpoint."""
        child = TracedRun(self.manifest.module, job.write_spec())
        # Told, not only written: nobody goes on from a checkpoint that nobody has heard of.
        child.wait_for(EventKind.CHECKPOINT, self.timeout_seconds)
        time.sleep(random.uniform(0, 0.1))
        os.kill(child.process.pid, number)
        trace = child.wait(self.timeout_seconds)
        assert trace.exit_code != ExitCode.DONE, f"too quick to be interrupted: give `slow` more. {trace.summary()}"
        return trace

    def _resumes_exactly(self, job: TinyJob, finished: Trace, interrupted: Trace) -> None:
        spec = job.write_spec(attempt=2, resume=tuple(_resume_points(interrupted)))
        trace = traced(self.manifest.module, spec, self.timeout_seconds)
        tells_its_story_in_order(trace)
        assert trace.events[0].data["resumed_from_step"] == interrupted.checkpoints[-1].step
        if self.exact_resume:
            assert _weights(trace, self.weights) == _weights(finished, self.weights)


def _satisfies(config: dict[str, Any], schema: dict[str, Any]) -> None:
    Draft202012Validator(schema).validate(config)  # pyright: ignore[reportUnknownMemberType]


def _imported(module: str) -> frozenset[str]:
    """The top-level packages that `describe` imports."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", module, "describe"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    lines = (line.rpartition("|")[2].strip() for line in told.stderr.splitlines() if line.startswith("import time:"))
    return frozenset(name.partition(".")[0] for name in lines)


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


def _weights(trace: Trace, path: str) -> str:
    assert trace.exit_code == ExitCode.DONE, trace.summary()
    return sha256_of(trace.output / path)
