"""A rehearsal with a trainer that does what its settings say: every step that can fail is named with its reason."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.manifest import Header, Sample, line_of, write_manifest
from eyebright_kit.disk import sha256_of
from eyebright_kit.runtime.rehearsal.excerpt import Excerpts
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace
from eyebright_wire.artifacts import Grant
from eyebright_wire.datasets import Split
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import DatasetGrant, JobSpec
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest
from eyebright_wire.rehearsals import RehearsalOrder, RehearsalReport

_TRAINER = """
import os, sys, time
from pathlib import Path
from PIL import Image
from eyebright_kit.errors import DatasetInvalid, ExportFailed, OutOfMemory
from eyebright_kit.runtime import Result, Stopped, main
from eyebright_wire.artifacts import ArtifactKind, ExportRef, ParityCertificate
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage
from eyebright_wire.manifest import TrainerManifest

MANIFEST = TrainerManifest.model_validate_json((Path(__file__).parent / "manifest.json").read_bytes())
PARITY = ParityCertificate(
    runtime="none", samples=1, max_abs_difference=0, tolerance=0, agreement=1, metric="top1", native=1, exported=1
)

class Trainer:
    manifest = MANIFEST
    def fit(self, ctx):
        config = ctx.config
        images = list(ctx.data.samples(Split.TRAIN))
        steps = -(-len(images) // config["batch"])
        first, step = 1, 0
        if (restored := ctx.restore()) and not config.get("afresh"):
            first, step = restored.epoch + 1, restored.step
            if config.get("forgets"):
                raise RuntimeError("the checkpoint holds no optimiser")
        ctx.stage(Stage.TRAINING)
        for epoch in range(first, config["epochs"] + 1):
            for start in range(0, len(images), config["batch"]):
                if ctx.stopping:
                    raise Stopped
                for sample in images[start : start + config["batch"]]:
                    if sample.width * sample.height > config.get("most_pixels", 10**9):
                        raise OutOfMemory(f"{sample.source} does not fit; lower batch")
                    try:
                        Image.open(sample.path).load()
                    except OSError as error:
                        raise DatasetInvalid(f"{sample.source} cannot be decoded: {error}") from error
                time.sleep(config.get("step_seconds", 0))
                step += 1
                ctx.step(step)
            if config.get("no_validation"):
                raise RuntimeError("no class of the validation images is known")
            ctx.progress(epoch=epoch, epochs=config["epochs"], step=step, epoch_finished=True)
            if not config.get("unsaved"):
                ctx.checkpoint(
                    lambda folder: (folder / "state").write_bytes(os.urandom(config.get("checkpoint_bytes", 8))),
                    epoch=epoch, step=step,
                )
        ctx.stage(Stage.EXPORTING)
        exports = []
        for form in config["exports"]:
            if form == config.get("bad_export"):
                raise ExportFailed(f"the model cannot be exported to {form}: an operator is not known")
            (ctx.output / f"model.{form}").write_text("model")
            ctx.artifact(f"model.{form}", ArtifactKind.EXPORT, "text/plain")
            exports.append(ExportRef(format=form, path=f"model.{form}", parity=PARITY))
        return Result(metrics={}, exports=tuple(exports), peak_device_bytes=7)
    def predict(self, model, image): ...
    def relaunch(self, spec): return None

sys.exit(main(MANIFEST, Trainer))
"""
_TASK = TaskInfo(
    name="classification",
    models=(ModelInfo(name="m"),),
    default_model="m",
    config_schema={},
    recipe={"epochs": 2, "batch": 4, "exports": ["onnx", "openvino"]},
)
MANIFEST = TrainerManifest(
    name="scripted", version="1", module="scripted", licence="MIT", tasks=(_TASK,), reads_only=True
)
STEPS = ("settings", "data", "first_batch", "validation", "checkpoint", "reload", "largest_batch")
LARGE = "train/large.png"


def _stored(job: TinyJob) -> DatasetGrant:
    """Twelve small images, and among the last a large one."""
    sides = [(f"train/{number}.png", 16) for number in range(11)] + [(LARGE, 64), ("train/last.png", 16)]
    samples = [_sample(job, name, side, Split.TRAIN, number % 2) for number, (name, side) in enumerate(sides)]
    samples += [_sample(job, f"val/{number}.png", 16, Split.VAL, number % 2) for number in range(6)]
    return _version(job, samples)


def _sample(job: TinyJob, name: str, side: int, split: Split, label: int, objects: int = 0) -> Sample:
    path = job.blobs / "new"
    job.blobs.mkdir(parents=True, exist_ok=True)
    noise = random.Random(name).randbytes(3 * side * side)
    Image.frombytes("RGB", (side, side), noise).save(path, "PNG")
    sha256, size = sha256_of(path), path.stat().st_size
    target = blob_path(job.blobs, sha256)
    target.parent.mkdir(exist_ok=True)
    path.rename(target)
    found = tuple(Instance(label=label, box=(0.0, 0.0, 4.0, 4.0)) for _ in range(objects))
    return Sample(
        sha256=sha256, extension="png", size_bytes=size, width=side, height=side, split=split, label=label,
        source=name, instances=found,
    )  # fmt: skip


def _version(job: TinyJob, samples: list[Sample]) -> DatasetGrant:
    draft = job.blobs / "draft"
    sha256 = write_manifest(draft, Header(format="imagefolder", classes=("a", "b")), map(line_of, samples))
    target = blob_path(job.blobs, sha256)
    target.parent.mkdir(exist_ok=True)
    draft.rename(target)
    grant = Grant(uri=job.blobs.as_uri() + "/")
    return DatasetGrant(version_id="dsv_x", name="x", manifest_sha256=sha256, blobs=grant)


class Stage:
    """One order on data of its own, rehearsed in a real process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.job = TinyJob(root, MANIFEST, rehearsal=RehearsalOrder())
        self.version = _stored(self.job)
        (root / "manifest.json").write_text(MANIFEST.model_dump_json())
        (root / "scripted.py").write_text(_TRAINER)

    def begin(self, order: RehearsalOrder | None = None, **config: Any) -> subprocess.Popen[bytes]:
        job = replace(self.job, rehearsal=order) if order else self.job
        self.path = job.write_spec(**config)
        spec = JobSpec.model_validate_json(self.path.read_bytes())
        self.path.write_text(spec.model_copy(update={"dataset": self.version}).model_dump_json())
        with (self.path.parent / "log.txt").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "scripted", "run", str(self.path)],
                env={**os.environ, "PYTHONPATH": str(self.root)},
                stderr=log,
                start_new_session=True,
            )

    def trace(self, process: subprocess.Popen[bytes]) -> Trace:
        code = process.wait(300)
        return Trace(self.path.parent, code, (self.path.parent / "log.txt").read_text())

    def rehearse(self, order: RehearsalOrder | None = None, **config: Any) -> RehearsalReport:
        trace = self.trace(self.begin(order, **config))
        assert trace.succeeded.artifacts, trace.summary()
        return RehearsalReport.model_validate_json((trace.output / "rehearsal.json").read_bytes())

    def damage(self, source: str) -> None:
        """Other bytes of the same length."""
        lines = blob_path(self.job.blobs, self.version.manifest_sha256).read_bytes().splitlines()[1:]
        found = next(json.loads(line) for line in lines if json.loads(line)["source"] == source)
        blob_path(self.job.blobs, found["sha256"]).write_bytes(bytes(found["size_bytes"]))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def states(report: RehearsalReport) -> dict[str, str]:
    return {step.name: str(step.state) for step in report.steps}


def test_all_steps_pass_and_each_export_is_one(stage: Stage):
    report = stage.rehearse()
    passed = (*STEPS, "export onnx", "export openvino")
    assert states(report) == {**dict.fromkeys(passed, "passed"), "webhook": "not_asked"}
    assert report.ok


@pytest.mark.parametrize(
    ("config", "step", "code", "said"),
    [
        ({"most_pixels": 1000}, "largest_batch", ErrorCode.OUT_OF_MEMORY, f"{LARGE} does not fit"),
        ({"no_validation": True}, "validation", ErrorCode.TRAINER_ERROR, "no class of the validation"),
        ({"unsaved": True, "epochs": 2}, "checkpoint", ErrorCode.TRAINER_ERROR, "without"),
        ({"forgets": True}, "reload", ErrorCode.TRAINER_ERROR, "holds no optimiser"),
        ({"afresh": True}, "reload", ErrorCode.TRAINER_ERROR, "began afresh"),
        ({"bad_export": "openvino"}, "export openvino", ErrorCode.EXPORT_FAILED, "an operator is not known"),
        ({"keep_checkpoints": 0}, "settings", ErrorCode.CONFIG_INVALID, "keep_checkpoints"),
    ],
)
def test_the_step_that_fails_is_named_with_its_reason(
    stage: Stage, config: dict[str, Any], step: str, code: ErrorCode, said: str
):
    report = stage.rehearse(**config)
    assert report.failed is not None, report.model_dump_json()
    assert (report.failed.name, report.failed.code) == (step, code)
    assert said in report.failed.message
    names = list(states(report))
    before, after = names[: names.index(step)], names[names.index(step) + 1 : -1]
    assert {states(report)[name] for name in before} <= {"passed"}
    assert {states(report)[name] for name in after} <= {"unreached"}


@pytest.mark.parametrize(("source", "step"), [(LARGE, "largest_batch"), ("train/0.png", "first_batch")])
def test_an_image_that_cannot_be_decoded_fails_the_batch_that_it_is_in(stage: Stage, source: str, step: str):
    stage.damage(source)
    failed = stage.rehearse().failed
    assert failed is not None
    assert (failed.name, failed.code) == (step, ErrorCode.DATASET_INVALID)
    assert source in failed.message


def test_an_image_that_is_gone_is_told_by_its_name(stage: Stage):
    sample = next(sample for sample in Excerpts(stage.version, 1).largest() if sample.source == LARGE)
    blob_path(stage.job.blobs, sample.sha256).unlink()
    failed = stage.rehearse().failed
    assert failed is not None
    assert (failed.name, failed.code) == ("largest_batch", ErrorCode.STORAGE_ERROR)
    assert LARGE in failed.message


def test_a_full_disk_fails_the_checkpoint(tiny_disk: Path):
    failed = Stage(tiny_disk).rehearse(checkpoint_bytes=4 << 20).failed
    assert failed is not None
    assert (failed.name, failed.code) == ("checkpoint", ErrorCode.DISK_FULL)


def test_when_time_is_up_it_says_how_far_it_came(stage: Stage):
    report = stage.rehearse(RehearsalOrder(seconds=3), step_seconds=60)
    assert states(report)["first_batch"] == "unreached"
    assert "3 s were over" in report.steps[2].message
    assert not report.ok
    assert report.failed is None
    assert report.seconds < 60


def test_what_it_held_is_told_of_a_run_with_the_largest_batch(stage: Stage):
    said = stage.trace(stage.begin()).succeeded
    assert (said.peak_memory_bytes or 0) > 2**20
    assert said.peak_device_bytes == 7
    assert (said.checkpoint_bytes or 0) > 0


@pytest.mark.parametrize("config", [{"no_validation": True}, {"most_pixels": 1000}])
def test_a_run_that_never_got_to_the_largest_batch_tells_nothing_of_its_memory(stage: Stage, config: dict[str, Any]):
    said = stage.trace(stage.begin(**config)).succeeded
    assert (said.peak_memory_bytes, said.peak_device_bytes, said.checkpoint_bytes) == (None, None, None)


def test_asked_to_stop_it_ends_with_all_that_it_started(stage: Stage):
    process = stage.begin(step_seconds=60)
    leader = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while not (children := leader.children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    trace = stage.trace(process)
    assert (trace.exit_code, trace.events[-1].kind) == (ExitCode.PREEMPTED, EventKind.PREEMPTED)
    assert not any(child.is_running() for child in children)
    assert not (trace.folder / "scratch").exists()


# The webhook


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody who answers and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_webhook_that_the_rules_forbid_fails_beside_everything_else(stage: Stage):
    report = stage.rehearse(RehearsalOrder(webhook="https://127.0.0.1/hook"))
    assert report.failed is not None
    assert (report.failed.name, report.failed.code) == ("webhook", ErrorCode.CONFIG_INVALID)
    assert "EYEBRIGHT_EGRESS__ALLOW" in report.failed.message
    assert {states(report)[name] for name in STEPS} == {"passed"}


def test_a_webhook_that_is_there_passes_without_a_word(stage: Stage, silent_port: int):
    rules = {"schemes": ["http"], "ports": [silent_port], "allow": ["127.0.0.0/8"]}
    order = RehearsalOrder(webhook=f"http://127.0.0.1:{silent_port}/hook", egress=rules)
    assert states(stage.rehearse(order))["webhook"] == "passed"


def test_a_webhook_where_nobody_listens_fails(stage: Stage, silent_port: int):
    rules = {"schemes": ["http"], "ports": [silent_port, 9], "allow": ["127.0.0.0/8"]}
    failed = stage.rehearse(RehearsalOrder(webhook="http://127.0.0.1:9/hook", egress=rules)).failed
    assert failed is not None
    assert (failed.name, "refused" in failed.message) == ("webhook", True)


@pytest.mark.parametrize("webhook", ["https://hook:port/", "https://ho\0ok/", "hook"])
def test_a_webhook_that_is_no_address_fails_as_a_step(stage: Stage, webhook: str):
    failed = stage.rehearse(RehearsalOrder(webhook=webhook)).failed
    assert failed is not None
    assert (failed.name, failed.code) == ("webhook", ErrorCode.CONFIG_INVALID)


# The excerpts


def test_the_first_batch_shows_each_class_in_turn(tmp_path: Path):
    job = TinyJob(tmp_path, MANIFEST)
    samples = [_sample(job, f"{number}.png", 16, Split.TRAIN, int(number > 7)) for number in range(12)]
    chosen = Excerpts(_version(job, samples), 4).opening()
    assert [sample.source for sample in chosen] == ["0.png", "8.png", "1.png", "9.png"]


def test_the_largest_batch_has_the_most_pixels_and_the_most_objects(tmp_path: Path):
    job = TinyJob(tmp_path, MANIFEST)
    samples = [_sample(job, f"{n}.png", 16 + n, Split.TRAIN, n % 2, objects=20 - n) for n in range(8)]
    chosen = Excerpts(_version(job, samples), 4).largest()
    assert {sample.source for sample in chosen} == {"7.png", "0.png", "6.png", "1.png"}


def test_the_largest_batch_has_more_than_one_class_where_there_are_several(tmp_path: Path):
    job = TinyJob(tmp_path, MANIFEST)
    samples = [_sample(job, f"{n}.png", 16 + n, Split.TRAIN, int(n < 2)) for n in range(8)]
    chosen = Excerpts(_version(job, samples), 3).largest()
    assert [sample.source for sample in chosen] == ["7.png", "6.png", "1.png"]


def test_an_excerpt_holds_only_the_images_that_it_names(tmp_path: Path):
    job = TinyJob(tmp_path, MANIFEST)
    excerpts = Excerpts(_stored(job), 2)
    grant = excerpts.write(excerpts.largest(), tmp_path / "excerpt")
    assert len(list((tmp_path / "excerpt").rglob("??/*"))) == 2 + 2 + 1
    assert {sample.source for sample in Excerpts(grant, 99).opening()} >= {LARGE}
