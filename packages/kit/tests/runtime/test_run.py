"""Whole attempts in this process: from a spec file to an exit code and what lies on disk afterwards."""

import errno
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from eyebright_kit.errors import ConfigInvalid, DatasetInvalid, DiskFull, NanLoss, OutOfMemory, StorageUnavailable
from eyebright_kit.runtime import Context, Result, Stopped, StopReason, main
from eyebright_kit.runtime import attempt as attempt_module
from eyebright_kit.runtime.failure import explained
from eyebright_kit.runtime.folder import RunFolder
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace, artifacts_are_true, tells_its_story_in_order
from eyebright_kit.testing.ingest import IngestServer, problem
from eyebright_wire.artifacts import ArtifactKind, Grant
from eyebright_wire.datasets import Split
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import EventKind, Started
from eyebright_wire.jobs import JobSpec, Resources, ResumePoint, Stage
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest
from eyebright_wire.predictions import ClassScore

MANIFEST = TrainerManifest(
    name="tiny",
    version="1",
    module="tiny",
    licence="Apache-2.0",
    tasks=(
        TaskInfo(
            name="classification",
            models=(ModelInfo(name="resnet18"), ModelInfo(name="resnet50")),
            default_model="resnet18",
            config_schema={},
            recipe={"epochs": 2},
        ),
    ),
)


def _honest(ctx: Context) -> Result:
    ctx.stage(Stage.TRAINING)
    for epoch in (1, 2):
        ctx.progress(epoch=epoch, epochs=2, step=epoch, epoch_finished=True, metrics={"loss": 1 / epoch})
        ctx.checkpoint(lambda folder: _write(folder / "w.bin"), epoch=epoch, step=epoch, best=epoch == 1)
    (ctx.output / "model.bin").write_bytes(b"model")
    ctx.artifact("model.bin", ArtifactKind.MODEL, "application/octet-stream")
    return Result(metrics={"top1": 0.9, "nan": float("nan")})


def _write(path: Path) -> None:
    path.write_bytes(b"weights")


def _until_stopped(ctx: Context) -> Result:
    for step in range(1, 20_000):
        ctx.progress(epoch=1, epochs=1, step=step, epoch_finished=True)
        if ctx.stopping:
            ctx.checkpoint(lambda folder: _write(folder / "w.bin"), epoch=1, step=step)
            raise Stopped
        time.sleep(0.005)
    raise AssertionError("nobody asked to stop")


@dataclass
class Tiny:
    """A trainer whose `fit` the test brings along."""

    work: Callable[[Context], Result] = _honest
    manifest: TrainerManifest = MANIFEST
    contexts: list[Context] = field(default_factory=list)

    def fit(self, ctx: Context) -> Result:
        self.contexts.append(ctx)
        return self.work(ctx)

    def predict(self, model: Path, image: Path) -> tuple[ClassScore, ...]:
        return (ClassScore(label=image.name, score=0.75), ClassScore(label=model.name, score=0.25))

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        return None


@pytest.fixture(autouse=True)
def _as_if_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No launcher around us, and the signal handlers of pytest afterwards."""
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(attempt_module, "FLUSH_SECONDS", 60)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def job(tmp_path: Path) -> TinyJob:
    return TinyJob(tmp_path, MANIFEST)


def _run(spec: Path, trainer: Tiny | Exception | None = None, *options: str) -> Trace:
    def load() -> Tiny:
        if isinstance(trainer, Exception):
            raise trainer
        return trainer or Tiny()

    return Trace(spec.parent, main(MANIFEST, load, ["run", str(spec), *options]))


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def _raise(error: BaseException) -> Callable[[Context], Result]:
    def work(ctx: Context) -> Result:
        raise error

    return work


def test_an_honest_run_leaves_everything_that_it_told(job: TinyJob):
    trace = _run(job.write_spec())
    tells_its_story_in_order(trace)
    artifacts_are_true(trace)
    assert trace.succeeded.metrics == {"top1": 0.9}
    assert trace.succeeded.checkpoint_bytes == len(b"weights")
    assert [event.data.get("stage") for event in trace.events if event.kind == EventKind.STAGE] == [
        "fetching",
        "training",
        "uploading",
    ]
    assert json.loads((trace.folder / "exit.json").read_text()) == {"code": 0}
    assert (trace.output / "spool.jsonl").read_bytes() == (trace.folder / "spool.jsonl").read_bytes()
    assert not (trace.folder / "scratch").exists()


def test_what_a_trainer_says_of_its_settings_replaces_what_the_kit_said(job: TinyJob):
    def work(ctx: Context) -> Result:
        (ctx.output / "config.json").write_text("its own")
        ctx.artifact("config.json", ArtifactKind.CONFIG, "application/json")
        return _honest(ctx)

    trace = _run(job.write_spec(), Tiny(work))
    artifacts_are_true(trace)
    assert sorted(ref.path for ref in trace.succeeded.artifacts) == ["LICENCE.txt", "config.json", "model.bin"]
    assert (trace.output / "config.json").read_text() == "its own"


def test_it_says_what_it_was_given_of_the_machine(job: TinyJob):
    path = job.write_spec()
    given = Resources(devices=(2,), threads=3)
    path.write_text(job.spec().model_copy(update={"resources": given}).model_dump_json())
    assert [Started.model_validate(said).resources for said in _run(path).of(EventKind.STARTED)] == [given]


def test_it_says_which_process_it_is_as_psutil_would(job: TinyJob):
    trace = _run(job.write_spec())
    told = json.loads((trace.folder / "process.json").read_text())
    assert told == {"pid": os.getpid(), "created": psutil.Process().create_time()}


def test_the_trainer_sees_its_order_and_its_data(job: TinyJob):
    trainer = Tiny()
    _run(job.write_spec(), trainer)
    ctx = trainer.contexts[0]
    assert (ctx.task, ctx.model, ctx.config["epochs"], ctx.rank, ctx.world_size) == (
        "classification",
        "resnet18",
        2,
        0,
        1,
    )
    assert len(ctx.data.samples(Split.TRAIN)) == 24


def test_a_listening_control_plane_hears_all_of_it(tmp_path: Path):
    with IngestServer() as server:
        trace = _run(TinyJob(tmp_path, MANIFEST, events_url=server.url).write_spec())
        assert server.wait_for(lambda s: bool(s.heartbeats))
    assert tuple(server.events.values()) == trace.events


def test_with_the_control_plane_away_it_ends_as_well_and_keeps_the_story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(attempt_module, "FLUSH_SECONDS", 0.3)
    trace = _run(TinyJob(tmp_path, MANIFEST, events_url="http://127.0.0.1:9/events").write_spec())
    tells_its_story_in_order(trace)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (ConfigInvalid("epochs is -1"), ErrorCode.CONFIG_INVALID, ExitCode.BAD_CONFIG),
        (DatasetInvalid("one class"), ErrorCode.DATASET_INVALID, ExitCode.BAD_DATA),
        (MemoryError(), ErrorCode.OUT_OF_MEMORY, ExitCode.TRAINER_ERROR),
        (RuntimeError("bug"), ErrorCode.TRAINER_ERROR, ExitCode.TRAINER_ERROR),
        (SystemExit(0), ErrorCode.TRAINER_ERROR, ExitCode.TRAINER_ERROR),
        (KeyboardInterrupt(), ErrorCode.TRAINER_ERROR, ExitCode.TRAINER_ERROR),
        (Stopped(), ErrorCode.TRAINER_ERROR, ExitCode.TRAINER_ERROR),
    ],
)
def test_whatever_ends_the_trainer_is_told(job: TinyJob, error: BaseException, code: ErrorCode, status: int):
    trace = _run(job.write_spec(), Tiny(_raise(error)))
    assert (trace.failed.code, trace.exit_code) == (code, status)
    assert trace.events[-1].kind == EventKind.FAILED
    assert json.loads((trace.folder / "exit.json").read_text()) == {"code": status}


@pytest.mark.parametrize(
    ("error", "traced"),
    [
        (ConfigInvalid("epochs is -1"), False),
        (RuntimeError("bug"), True),
        (_caused(ConfigInvalid("no weights"), OSError()), False),
        (_caused(StorageUnavailable("x"), OSError()), True),
    ],
    ids=["said it all", "a bug", "a refusal", "something behind it"],
)
def test_only_what_leaves_questions_is_traced_in_the_log(
    job: TinyJob, error: Exception, traced: bool, caplog: pytest.LogCaptureFixture
):
    _run(job.write_spec(), Tiny(_raise(error)))
    assert any(record.exc_info for record in caplog.records) == traced


@pytest.mark.parametrize(
    "content", ['{"token": "SECRET", "epochs": 3}', '{"token": "SECRET", ', '{"token": ["SECRET"]}']
)
def test_an_order_that_is_not_understood_is_refused_without_telling_its_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
):
    (tmp_path / "spec.json").write_text(content)
    assert main(MANIFEST, Tiny, ["run", str(tmp_path / "spec.json")]) == ExitCode.BAD_CONFIG
    assert "spec.json is no job spec: " in caplog.text
    assert "SECRET" not in caplog.text


def test_a_framework_that_cannot_be_imported_is_told(job: TinyJob):
    trace = _run(job.write_spec(), ImportError("libcudart.so.12: cannot open shared object file"))
    assert [event.kind for event in trace.events] == ["started", "failed"]
    assert "libcudart" in trace.failed.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainer": "toy"}, "the order is for the trainer 'toy'; this is 'tiny'"),
        ({"task": "clasification"}, "did you mean 'classification'?"),
        ({"model": "resnet19"}, "did you mean 'resnet18'?"),
        ({"model": "llama"}, "there are resnet18, resnet50"),
        ({"output": Grant(uri="s3://b/x/")}, "s3://b/x/"),
        ({"config": {"keep_checkpoints": 0}}, "keep_checkpoints is 0"),
    ],
)
def test_an_order_that_has_no_meaning_here_is_refused_kindly(job: TinyJob, change: dict[str, object], message: str):
    path = job.write_spec()
    path.write_text(job.spec().model_copy(update=change).model_dump_json())
    trace = _run(path)
    assert trace.exit_code == ExitCode.BAD_CONFIG
    assert message in trace.failed.message


@pytest.mark.parametrize("content", [None, "", "{}", "not json"])
def test_a_spec_that_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
):
    if content is not None:
        (tmp_path / "spec.json").write_text(content)
    assert main(MANIFEST, Tiny, ["run", str(tmp_path / "spec.json")]) == ExitCode.BAD_CONFIG
    assert str(tmp_path / "spec.json") in caplog.text
    assert "Traceback" not in caplog.text


def test_told_to_leave_it_saves_and_says_so(job: TinyJob):
    def work(ctx: Context) -> Result:
        os.kill(os.getpid(), signal.SIGTERM)
        return _until_stopped(ctx)

    trace = _run(job.write_spec(), Tiny(work))
    assert (trace.exit_code, trace.events[-1].kind) == (ExitCode.PREEMPTED, EventKind.PREEMPTED)
    assert trace.events[-1].data["step"] == trace.checkpoints[-1].step


def test_what_breaks_after_the_signal_is_a_part_of_leaving(job: TinyJob):
    def work(ctx: Context) -> Result:
        _ = ctx.checkpoint(lambda folder: _write(folder / "w"), epoch=1, step=7)
        os.kill(os.getpid(), signal.SIGTERM)
        while ctx.stopping is None:
            time.sleep(0.001)
        raise RuntimeError("DataLoader worker (pid 12) is killed by signal: Terminated")

    trace = _run(job.write_spec(), Tiny(work))
    assert (trace.exit_code, trace.events[-1].kind, trace.events[-1].data["step"]) == (83, EventKind.PREEMPTED, 7)


def test_a_cancel_in_the_answer_ends_it_as_cancelled(tmp_path: Path):
    with IngestServer() as server:
        server.cancel_after = EventKind.PROGRESS
        trace = _run(TinyJob(tmp_path, MANIFEST, events_url=server.url).write_spec(), Tiny(_until_stopped))
    assert (trace.exit_code, server.kinds[-1]) == (0, EventKind.CANCELLED)


def test_once_fenced_it_ends_without_a_word_and_saves_nothing(tmp_path: Path):
    with IngestServer() as server:
        server.before = lambda s, _: problem("fenced") if EventKind.PROGRESS in s.kinds else None
        trace = _run(TinyJob(tmp_path, MANIFEST, events_url=server.url).write_spec(), Tiny(_until_stopped))
    assert trace.exit_code == ExitCode.DONE
    assert trace.events[-1].kind == EventKind.PROGRESS
    assert trace.checkpoints == ()


def test_a_run_that_finishes_before_it_looks_has_succeeded(job: TinyJob):
    def work(ctx: Context) -> Result:
        os.kill(os.getpid(), signal.SIGTERM)
        return _honest(ctx)

    assert _run(job.write_spec(), Tiny(work)).events[-1].kind == EventKind.SUCCEEDED


def test_another_attempt_goes_on_from_the_newest_whole_checkpoint(job: TinyJob):
    first = _run(job.write_spec())
    (first.output / "checkpoints" / "step-2" / "w.bin").write_bytes(b"w3ights")
    points = tuple(
        ResumePoint(
            source=Grant(uri=first.spec.output.uri), manifest=saved.manifest, epoch=saved.epoch, step=saved.step
        )
        for saved in reversed(first.checkpoints)
    )
    trainer = Tiny()
    second = _run(job.write_spec(attempt=2, resume=points), trainer)
    restored = trainer.contexts[0].restore()
    assert restored is not None
    assert (restored.step, (restored.path / "w.bin").read_bytes()) == (1, b"weights")
    assert second.events[0].data["resumed_from_step"] == 1


def test_the_same_attempt_started_again_goes_on_with_its_story(job: TinyJob):
    spec = job.write_spec()
    _run(spec)
    spool = spec.parent / "spool.jsonl"
    lines = spool.read_bytes().splitlines(keepends=True)
    spool.write_bytes(b"".join(lines[:4]) + lines[4][:9])  # killed in the middle of its fifth statement
    trainer = Tiny()
    trace = _run(spec, trainer)
    assert [event.seq for event in trace.events] == list(range(1, len(trace.events) + 1))
    assert [event.kind for event in trace.events].count(EventKind.STARTED) == 1
    restored = trainer.contexts[0].restore()
    assert restored is not None
    assert restored.step == 2


def test_an_attempt_that_has_ended_is_left_as_it_is(job: TinyJob, caplog: pytest.LogCaptureFixture):
    first = _run(job.write_spec())
    spool = (first.folder / "spool.jsonl").read_bytes()
    again = _run(first.folder / "spec.json")
    assert again.exit_code == ExitCode.BAD_CONFIG
    assert (first.folder / "spool.jsonl").read_bytes() == spool
    assert json.loads((first.folder / "exit.json").read_text()) == {"code": 0}
    assert "--into" in caplog.text


def test_run_by_hand_again_it_tells_nobody_and_touches_nothing(tmp_path: Path):
    with IngestServer() as server:
        job = TinyJob(tmp_path / "platform", MANIFEST, events_url=server.url)
        first = _run(job.write_spec())
        posts, before = server.posts, _tree(tmp_path / "platform")
        assert _run(first.folder / "spec.json", None, "--into", str(tmp_path / "mine")).exit_code == 0
        assert server.posts == posts
    assert _tree(tmp_path / "platform") == before
    again = Trace(tmp_path / "mine", 0)
    tells_its_story_in_order(again)
    assert (tmp_path / "mine" / "output" / "model.bin").exists()
    assert (again.spec.token, again.spec.events_url) == ("", None)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_progress_lines_can_be_read_by_people(job: TinyJob, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    _run(job.write_spec())
    assert "epoch 2/2 done · step 2 · loss 0.5" in caplog.messages
    assert "checkpoint at step 1, kept as the best" in caplog.messages
    assert "succeeded  top1 0.9" in caplog.messages


def test_a_disk_that_fills_up_under_the_run_folder_loses_no_word(tiny_disk: Path):
    """What the trainer filled is cleared away at the end, and then everything that waited is written."""

    def work(ctx: Context) -> Result:
        with pytest.raises(OSError, match="No space left"):
            (ctx.scratch / "junk").write_bytes(bytes(4_000_000))
        ctx.stage(Stage.TRAINING)
        for step in range(1, 50):
            ctx.progress(epoch=step, epochs=50, step=step, epoch_finished=True)
        return Result(metrics={})

    trace = _run(TinyJob(tiny_disk, MANIFEST).write_spec(), Tiny(work))
    assert trace.exit_code == 0
    assert [event.seq for event in trace.events] == list(range(1, 57))
    assert [event.kind for event in trace.events].count(EventKind.PROGRESS) == 49
    assert trace.events[-1].kind == EventKind.SUCCEEDED


class SafetensorError(Exception):
    """As safetensors' own: no OSError, no number, no folder."""


@pytest.mark.parametrize("place", ["scratch", "output"])
@pytest.mark.parametrize(
    "error", [SafetensorError("I/O error: No space left on device (os error 28)"), RuntimeError("file write failed")]
)
def test_a_library_that_hides_the_full_disk_is_seen_through(
    tmp_path: Path, tiny_disk: Path, place: str, error: Exception
):
    def work(ctx: Context) -> Result:
        with suppress(OSError):
            (tiny_disk / "junk").write_bytes(bytes(4_000_000))
        raise error

    job = TinyJob(tmp_path, MANIFEST)
    job.run_folder().mkdir(parents=True)
    job.output().parent.mkdir(parents=True)
    full = job.run_folder() / "scratch" if place == "scratch" else job.output()
    full.symlink_to(tiny_disk)
    trace = _run(job.write_spec(), Tiny(work))
    assert trace.failed.code == ErrorCode.DISK_FULL
    assert f"not enough room in {full} (0 MiB free): {type(error).__name__}" in trace.failed.message
    assert "free space there and retry" in trace.failed.message


def _as_rank(monkeypatch: pytest.MonkeyPatch, rank: int) -> None:
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", "2")


def _leave_data(job: TinyJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """What rank 0 lays out for the others, kept for a test that plays one of them."""
    _as_rank(monkeypatch, 0)
    monkeypatch.setattr("eyebright_kit.runtime.folder.RunFolder.clean", lambda _: None)
    monkeypatch.setattr("eyebright_kit.runtime.run._OTHERS_SECONDS", 0)
    _run(job.write_spec())
    (job.run_folder() / "exit.json").unlink()


def test_another_rank_sees_the_same_data_and_says_nothing(job: TinyJob, monkeypatch: pytest.MonkeyPatch):
    _leave_data(job, monkeypatch)
    before = _tree(job.root)
    _as_rank(monkeypatch, 1)
    trainer = Tiny()
    assert _run(job.run_folder() / "spec.json", trainer).exit_code == 0
    ctx = trainer.contexts[0]
    assert (ctx.rank, ctx.world_size, len(ctx.data.samples(Split.TRAIN))) == (1, 2, 24)
    made = set(_tree(job.root)) - set(before)
    assert all(
        "/scratch/" in path for path in made
    )  # what `_honest` writes into ctx.output; nothing was told or pushed


def test_a_rank_that_dies_leaves_the_reason_for_rank_0(job: TinyJob, monkeypatch: pytest.MonkeyPatch):
    _leave_data(job, monkeypatch)
    _as_rank(monkeypatch, 1)
    assert _run(job.run_folder() / "spec.json", Tiny(_raise(RuntimeError("bang")))).exit_code == 1
    told = RunFolder(job.run_folder()).failed_rank()
    assert told
    assert told.message.startswith("rank 1: RuntimeError: bang")
    assert told.code == ErrorCode.TRAINER_ERROR


def test_sigterm_because_another_rank_died_is_no_preemption(job: TinyJob, monkeypatch: pytest.MonkeyPatch):
    _as_rank(monkeypatch, 0)

    def work(ctx: Context) -> Result:
        RunFolder(job.run_folder()).write_failed_rank(1, explained(RuntimeError("bang")))
        os.kill(os.getpid(), signal.SIGTERM)  # as torchrun does
        return _until_stopped(ctx)

    trace = _run(job.write_spec(), Tiny(work))
    assert (trace.exit_code, trace.failed.code) == (1, ErrorCode.TRAINER_ERROR)
    assert "rank 1: RuntimeError: bang" in trace.failed.message


@pytest.mark.parametrize(
    ("first", "last", "own", "code", "said"),
    [
        (NanLoss("diverged"), ValueError("late"), RuntimeError("gone"), ErrorCode.NAN_LOSS, "rank 1: diverged"),
        (ValueError("late"), NanLoss("diverged"), RuntimeError("gone"), ErrorCode.NAN_LOSS, "rank 2: diverged"),
        (
            ValueError("first"),
            ValueError("late"),
            RuntimeError("gone"),
            ErrorCode.TRAINER_ERROR,
            "rank 1: ValueError: f",
        ),
        (ValueError("first"), NanLoss("diverged"), DiskFull("no room"), ErrorCode.DISK_FULL, "no room"),
    ],
)
def test_the_rank_that_knows_the_reason_gives_the_code(
    job: TinyJob,
    monkeypatch: pytest.MonkeyPatch,
    first: Exception,
    last: Exception,
    own: Exception,
    code: ErrorCode,
    said: str,
):
    _as_rank(monkeypatch, 0)
    monkeypatch.setattr("eyebright_kit.runtime.run._REASON_SECONDS", 0)

    def work(ctx: Context) -> Result:
        for rank, error in ((1, first), (2, last)):
            RunFolder(job.run_folder()).write_failed_rank(rank, explained(error))
            os.utime(job.run_folder() / f"failed-rank-{rank}.json", (rank, rank))
        raise own

    trace = _run(job.write_spec(), Tiny(work))
    assert trace.failed.code == code
    assert said in trace.failed.message


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_exit_status_is_right_even_where_it_cannot_be_written(job: TinyJob, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(RunFolder, "write_exit", _no_room)
    trace = _run(job.write_spec(), Tiny(_raise(DatasetInvalid("no images"))))
    assert trace.exit_code == ExitCode.BAD_DATA


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_leaves_with_its_own_status_even_where_it_cannot_tell_the_others(
    job: TinyJob, monkeypatch: pytest.MonkeyPatch, rank: int
):
    _as_rank(monkeypatch, rank)
    monkeypatch.setattr(RunFolder, "write_failed_rank", _no_room)
    spec = job.write_spec()
    trace = _run(spec, DatasetInvalid("no images"))
    assert trace.exit_code == ExitCode.BAD_DATA


def test_rank_0_waits_for_the_reason_of_what_it_stumbled_over(job: TinyJob, monkeypatch: pytest.MonkeyPatch):
    _as_rank(monkeypatch, 0)
    monkeypatch.setattr("eyebright_kit.runtime.run._REASON_SECONDS", 60)
    note = explained(OutOfMemory("set batch=8"))

    def sleep(_seconds: float) -> None:
        RunFolder(job.run_folder()).write_failed_rank(1, note)

    monkeypatch.setattr("eyebright_kit.runtime.run.time.sleep", sleep)
    trace = _run(job.write_spec(), Tiny(_raise(RuntimeError("connection closed by peer"))))
    assert (trace.failed.code, trace.failed.message.endswith("rank 1: set batch=8")) == (ErrorCode.OUT_OF_MEMORY, True)


def test_a_context_knows_why_it_should_stop(job: TinyJob):
    seen: list[StopReason | None] = []

    def work(ctx: Context) -> Result:
        seen.append(ctx.stopping)
        os.kill(os.getpid(), signal.SIGTERM)
        while ctx.stopping is None:
            time.sleep(0.001)
        seen.append(ctx.stopping)
        raise Stopped

    _run(job.write_spec(), Tiny(work))
    assert seen == [None, "preempt"]
