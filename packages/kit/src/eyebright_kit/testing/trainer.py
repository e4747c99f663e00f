"""The promises that a trainer keeps but once, beside those of its cheapest task, as tests: in its own test file,

class TestToy(TrainerConformance):
    manifest = MANIFEST
    weights = "model.json"
    slow = {"step_seconds": 0.02}

and a `TaskConformance` for each further task whose code is its own.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from jsonschema import Draft202012Validator

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace, run_verb, traced
from eyebright_kit.testing.ingest import IngestServer
from eyebright_kit.testing.task import TaskConformance, weights_of
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import EventKind
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


class TrainerConformance(TaskConformance):
    """What is the same code in each task is tried in one."""

    rehearsed: ClassVar[dict[str, Any]] = {}  # settings of the order that is rehearsed, such as the quickest export

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

    def test_it_refuses_a_picture_that_is_none(self, finished: Trace, tmp_path: Path) -> None:
        (tmp_path / "image.jpg").write_text("I am a text")
        answer = run_verb(self.manifest.module, "predict", str(finished.output), str(tmp_path / "image.jpg"))
        assert (answer.returncode, answer.stdout) == (ExitCode.BAD_DATA, "")
        assert "image.jpg" in answer.stderr

    def test_the_same_seed_gives_the_same_weights(self, finished: Trace, job: TinyJob) -> None:
        again = self.traced(job.write_spec())
        assert weights_of(again, self.weights) == weights_of(finished, self.weights)

    def test_cancelled_by_the_answer_to_an_event_it_stops(self, tmp_path: Path) -> None:
        with IngestServer() as server:
            server.cancel_after = EventKind.PROGRESS
            job = TinyJob(tmp_path, self.manifest, self.slow, server.url, 0.05, self.task)
            trace = self.traced(job.write_spec(), fault="dawdle")  # the answer may take longer than the training
        assert trace.exit_code == ExitCode.DONE, trace.summary()
        assert server.kinds[-1] == EventKind.CANCELLED, trace.summary()

    def test_memory_that_runs_out_is_told_with_the_settings_to_lower(self, job: TinyJob) -> None:
        config = job.spec().config
        trace = self.traced(job.write_spec(), fault="memory")
        assert (trace.exit_code, trace.failed.code) == (ExitCode.TRAINER_ERROR, ErrorCode.OUT_OF_MEMORY), (
            trace.summary()
        )
        for name in {"batch", "imgsz", "resolution"} & config.keys():
            assert f"{name}={config[name]}" in trace.failed.message
        assert "\n" not in trace.failed.message

    def test_an_order_can_be_rehearsed(self, job: TinyJob) -> None:
        """To the last export, leaving nothing but what was found."""
        asked = replace(job, config=self.slow, rehearsal=RehearsalOrder(seconds=self.timeout_seconds * 4))
        trace = traced(self.manifest.module, asked.write_spec(**self.rehearsed), self.timeout_seconds * 5)
        assert [ref.path for ref in trace.succeeded.artifacts] == [REPORT], trace.summary()
        report = RehearsalReport.model_validate_json((trace.output / REPORT).read_bytes())
        assert report.ok, report.model_dump_json(indent=2)
        assert not trace.checkpoints
        assert {path.name for path in trace.output.iterdir()} == {REPORT, "spool.jsonl"}


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
