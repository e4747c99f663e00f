"""Attempts whose data lie in a bucket, and whose results go there, by signed URLs alone."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from buckets import give_credentials, moto
from signing import BUCKET, Bucket, ControlPlane, Gateway, Visit

from eyebright_kit.data.blobs import blob_path
from eyebright_kit.errors import ConfigInvalid, DiskFull, StorageUnavailable
from eyebright_kit.remote import transfer as remote_transfer
from eyebright_kit.remote.transfer import FetchLimits
from eyebright_kit.runtime import Context, Result, Stopped, StopReason, main, signed
from eyebright_kit.runtime import attempt as attempt_module
from eyebright_kit.runtime.checkpoints import Checkpoints, restore
from eyebright_kit.runtime.folder import RunFolder
from eyebright_kit.runtime.opening import Opener
from eyebright_kit.runtime.place import LocalPlace, Wanted
from eyebright_kit.runtime.rehearsal.excerpt import Excerpts
from eyebright_kit.runtime.stop import StopRequest
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.tinyset import tiny_set
from eyebright_kit.runtime.trace import Trace, tells_its_story_in_order
from eyebright_kit.runtime.transfer import fetch, fetch_model, push
from eyebright_kit.testing.ingest import Reply, problem
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef
from eyebright_wire.datasets import Split
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import DatasetGrant, JobSpec, ModelGrant, ResumePoint, Stage
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

TINY = tiny_set("classification")
BLOBS, OUTPUT = "blobs/sha256/", "jobs/tiny/a1/"
MANIFEST = TrainerManifest(
    name="tiny",
    version="1",
    module="tiny",
    licence="Apache-2.0",
    reads_only=True,
    tasks=(
        TaskInfo(
            name="classification",
            models=(ModelInfo(name="resnet18"),),
            default_model="resnet18",
            config_schema={},
            recipe={"epochs": 2},
        ),
    ),
)
#: Large enough to be cut in the middle, small enough for many tests.
LARGE = bytes(range(256)) * (1 << 13)


@pytest.fixture(scope="module")
def store() -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, moto() as endpoint:
        give_credentials(patch)
        yield Bucket(endpoint)


@pytest.fixture
def bucket(store: Bucket) -> Iterator[Bucket]:
    yield store
    store.clear()


@pytest.fixture
def gateway(bucket: Bucket) -> Iterator[Gateway]:
    with Gateway(bucket.client.meta.endpoint_url) as gateway:
        yield gateway


@pytest.fixture
def plane(bucket: Bucket, gateway: Gateway) -> Iterator[ControlPlane]:
    with ControlPlane(bucket, gateway) as plane:
        yield plane


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("READING", "WRITING", "LEAVING"):
        monkeypatch.setattr(signed, name, replace(getattr(signed, name), wait_seconds=0.001))
    monkeypatch.setattr(attempt_module, "FLUSH_SECONDS", 2.0)
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener("tiny", RunFolder(tmp_path / "run"), StopRequest())


def _dataset(bucket: Bucket, plane: ControlPlane, folder: Path) -> DatasetGrant:
    sha256 = TINY.store(folder)
    bucket.put_tree(folder, BLOBS)
    return DatasetGrant(version_id="v", name="n", manifest_sha256=sha256, blobs=plane.grant(BLOBS))


def _wanted(name: str, content: bytes) -> Wanted:
    return Wanted(name, hashlib.sha256(content).hexdigest(), len(content))


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Reading


def test_a_data_set_is_laid_out_from_a_bucket_as_from_a_disk(
    bucket: Bucket, plane: ControlPlane, opener: Opener, tmp_path: Path
):
    grant = _dataset(bucket, plane, tmp_path / "blobs")
    far = fetch(grant, tmp_path / "far", reads_only=True, opening=opener)
    near = fetch(grant, tmp_path / "near", reads_only=True, opening=lambda _: LocalPlace(tmp_path / "blobs"))
    assert _files(far.root) == {
        name: content.replace(b"/near/", b"/far/") for name, content in _files(near.root).items()
    }
    assert len(far.samples(Split.TRAIN)) > 0
    assert plane.tokens == {"tiny"}
    assert len(plane.asked) == 2  # for the manifest, and for all images together


def test_a_cut_in_the_middle_is_resumed_where_it_was(
    bucket: Bucket, plane: ControlPlane, gateway: Gateway, opener: Opener
):
    bucket.put("jobs/a/large.bin", LARGE)
    gateway.once("GET", "large.bin", lambda visit: visit.answer(200, LARGE, cut=1_000_000))
    place = opener(plane.grant("jobs/a/"))
    place.bring([_wanted("large.bin", LARGE)])
    assert (place.folder / "large.bin").read_bytes() == LARGE
    assert [span for _, _, span in gateway.visits] == [None, "bytes=1000000-"]


def test_a_url_that_is_over_is_asked_for_anew(bucket: Bucket, plane: ControlPlane, gateway: Gateway, opener: Opener):
    bucket.put("jobs/a/w.bin", b"weights")
    gateway.once("GET", "w.bin", lambda visit: visit.answer(403, b"<Error><Code>AccessDenied</Code></Error>"))
    opener(plane.grant("jobs/a/")).bring([_wanted("w.bin", b"weights")])
    assert len(plane.asked) == 2


def test_a_url_is_not_used_when_its_time_is_over(bucket: Bucket, plane: ControlPlane, gateway: Gateway, opener: Opener):
    bucket.put("jobs/a/w.bin", b"weights")
    plane.seconds = 0.0
    opener(plane.grant("jobs/a/")).bring([_wanted("w.bin", b"weights")])
    assert (len(plane.asked), len(gateway.visits)) == (2, 1)


def test_a_refusal_that_stays_is_believed(bucket: Bucket, plane: ControlPlane, gateway: Gateway, opener: Opener):
    gateway.faults.append(lambda visit: visit.answer(403))
    with pytest.raises(StorageUnavailable, match=r"jobs/a/w\.bin may not be read \(HTTP 403\)"):
        opener(plane.grant("jobs/a/")).bring([_wanted("w.bin", b"weights")])
    assert len(gateway.visits) == 3


def test_a_flipped_byte_is_refused(bucket: Bucket, plane: ControlPlane, opener: Opener):
    bucket.put("jobs/a/w.bin", b"w3ights")
    place = opener(plane.grant("jobs/a/"))
    with pytest.raises(StorageUnavailable, match=r"s3://training/jobs/a/w\.bin is damaged") as caught:
        place.bring([_wanted("w.bin", b"weights")])
    assert not caught.value.retryable
    assert _files(place.folder) == {}


def test_what_is_missing_is_named(bucket: Bucket, plane: ControlPlane, opener: Opener):
    with pytest.raises(StorageUnavailable, match=r"there is nothing at .*/jobs/a/w\.bin"):
        opener(plane.grant("jobs/a/")).bring([_wanted("w.bin", b"weights")])


def test_what_one_process_has_brought_the_next_one_finds(bucket: Bucket, plane: ControlPlane, opener: Opener):
    bucket.put("jobs/a/w.bin", b"weights")
    for _ in range(2):
        opener(plane.grant("jobs/a/")).bring([_wanted("w.bin", b"weights")])
    assert len(plane.asked) == 1


def test_more_than_may_be_asked_for_at_once_is_asked_for_in_turns(
    bucket: Bucket, plane: ControlPlane, opener: Opener, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(signed, "MOST_URLS", 4)
    names = [f"{number}.bin" for number in range(7)]
    for name in names:
        bucket.put(f"jobs/a/{name}", name.encode())
    place = opener(plane.grant("jobs/a/"))
    place.bring([_wanted(name, name.encode()) for name in names])
    assert _files(place.folder) == {name: name.encode() for name in names}
    assert [len(asked.wanted) for asked in plane.asked] == [3, 3, 1]


def test_a_disk_without_room_is_found_before_anything_is_asked_for(
    plane: ControlPlane, opener: Opener, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remote_transfer, "free_bytes", lambda _: 70 << 20)
    with pytest.raises(DiskFull, match=r"no room in .*; free space there"):
        opener(plane.grant("jobs/a/")).bring([Wanted("w.bin", "0" * 64, 10 << 20)])
    assert plane.asked == []


def test_whoever_is_asked_to_stop_fetches_no_more(plane: ControlPlane, gateway: Gateway, opener: Opener):
    release = threading.Event()

    def silent(visit: Visit) -> None:
        opener.stop.ask(StopReason.CANCEL)
        release.wait(10)
        visit.hang_up()

    gateway.once("GET", "w.bin", silent)
    with pytest.raises(Stopped):
        opener(plane.grant("jobs/a/")).bring([_wanted("w.bin", b"weights")])
    release.set()


def test_waiting_for_bytes_counts_as_moving(bucket: Bucket, plane: ControlPlane, gateway: Gateway, tmp_path: Path):
    bucket.put("jobs/a/w.bin", b"weights")
    moved = threading.Event()
    gateway.once("GET", "w.bin", lambda visit: moved.wait(10) and visit.answer(503))
    Opener("tiny", RunFolder(tmp_path), StopRequest(), moved.set)(plane.grant("jobs/a/")).bring(
        [_wanted("w.bin", b"weights")]
    )
    assert moved.is_set()


def test_who_has_been_replaced_is_fenced_at_once(plane: ControlPlane, opener: Opener):
    plane.refusals.append(problem("fenced"))
    with pytest.raises(Stopped):
        opener(plane.grant("jobs/a/")).bring([_wanted("w.bin", b"weights")])
    assert opener.stop.reason is StopReason.FENCED


def test_a_control_plane_that_starts_anew_is_asked_again(bucket: Bucket, plane: ControlPlane, opener: Opener):
    bucket.put("jobs/a/w.bin", b"weights")
    plane.refusals += [Reply(503), Reply(drop=True), Reply(200, {"urls": [], "expires_in_seconds": 1})]
    opener(plane.grant("jobs/a/")).bring([_wanted("w.bin", b"weights")])
    assert len(plane.asked) == 4


def test_a_control_plane_that_refuses_says_why(plane: ControlPlane, opener: Opener):
    plane.refusals.append(Reply(403, {"code": "forbidden", "detail": "this attempt may not GET w.bin"}))
    with pytest.raises(StorageUnavailable, match="HTTP 403 this attempt may not GET") as caught:
        opener(plane.grant("jobs/a/")).bring([_wanted("w.bin", b"weights")])
    assert not caught.value.retryable


@pytest.mark.parametrize("name", ["../w.bin", "/etc/passwd", "a//b", "a/../b", "a\\b", ".hidden", "a b", ""])
def test_a_name_that_could_lead_elsewhere_is_refused(plane: ControlPlane, opener: Opener, name: str):
    with pytest.raises(StorageUnavailable, match="cannot be a name in a bucket"):
        opener(plane.grant("jobs/a/")).bring([_wanted(name, b"weights")])
    assert plane.asked == []


def test_without_a_token_nothing_opens(plane: ControlPlane, tmp_path: Path):
    with pytest.raises(ConfigInvalid, match="opens only to the attempt"):
        Opener("", RunFolder(tmp_path), StopRequest())(plane.grant("jobs/a/"))


def test_a_model_to_begin_from_comes_from_its_bucket(
    bucket: Bucket, plane: ControlPlane, opener: Opener, tmp_path: Path
):
    bucket.put("jobs/mother/a1/model.bin", b"weights")
    file = ArtifactRef(
        path="model.bin", size_bytes=7, sha256=hashlib.sha256(b"weights").hexdigest(), kind=ArtifactKind.MODEL
    )
    grant = ModelGrant(id="m", title="cats@1", architecture="x", source=plane.grant("jobs/mother/a1/"), files=(file,))
    fetch_model(grant, tmp_path / "parent", reads_only=True, opening=opener)
    assert _files(tmp_path / "parent") == {"model.bin": b"weights"}


def test_a_rehearsal_brings_only_what_it_needs(bucket: Bucket, plane: ControlPlane, opener: Opener, tmp_path: Path):
    excerpts = Excerpts(_dataset(bucket, plane, tmp_path / "all"), 2, opener)
    chosen = excerpts.opening()[:2]
    (tmp_path / "first").mkdir()
    excerpts.write(chosen, tmp_path / "first")
    assert all(blob_path(tmp_path / "first" / "blobs", sample.sha256).is_file() for sample in chosen)
    assert len(plane.gateway.visits) == 3  # the manifest too


# Writing


def test_a_push_that_fails_half_way_is_sent_again_whole(
    bucket: Bucket, plane: ControlPlane, gateway: Gateway, opener: Opener, tmp_path: Path
):
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "model.bin").write_bytes(LARGE)
    gateway.once("PUT", "model.bin", lambda visit: visit.answer(500))
    gateway.once("PUT", "model.bin", Visit.hang_up)
    output = opener.output(plane.grant(OUTPUT))
    ref = push(tmp_path / "staging", output, "model.bin", ArtifactKind.MODEL, "application/octet-stream")
    assert bucket.get(f"{OUTPUT}model.bin") == LARGE
    assert (ref.size_bytes, ref.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())
    [asked] = plane.asked
    assert [(want.path, want.size_bytes, want.sha256) for want in asked.wanted] == [
        ("model.bin", len(LARGE), ref.sha256),
        ("spool.jsonl", None, None),
    ]


def test_a_bucket_that_takes_nothing_says_so(plane: ControlPlane, gateway: Gateway, opener: Opener, tmp_path: Path):
    (tmp_path / "model.bin").write_bytes(b"weights")
    gateway.faults.append(lambda visit: visit.answer(400, b"<Error><Code>EntityTooLarge</Code></Error>"))
    with pytest.raises(StorageUnavailable, match="takes no file of 7 bytes: HTTP 400 EntityTooLarge"):
        push(tmp_path, opener.output(plane.grant(OUTPUT)), "model.bin", ArtifactKind.MODEL, "text/plain")


# Whole attempts


class Far:
    """A tiny job whose data and results lie in the bucket."""

    def __init__(self, root: Path, bucket: Bucket, plane: ControlPlane) -> None:
        self.job = TinyJob(root, MANIFEST, events_url=plane.url)
        self.bucket = bucket
        self.plane = plane

    def spec(self, attempt: int = 1, resume: tuple[ResumePoint, ...] = ()) -> Path:
        path = self.job.write_spec(attempt, resume)
        spec = JobSpec.model_validate_json(path.read_bytes())
        assert spec.dataset is not None
        self.bucket.put_tree(self.job.blobs, BLOBS)
        dataset = spec.dataset.model_copy(update={"blobs": self.plane.grant(BLOBS)})
        output = self.plane.grant(f"jobs/tiny/a{attempt}/")
        path.write_text(spec.model_copy(update={"dataset": dataset, "output": output}).model_dump_json())
        return path

    def run(self, work: Callable[[Context], Result], attempt: int = 1, resume: tuple[ResumePoint, ...] = ()) -> Trace:
        class Tiny:
            manifest = MANIFEST

            def fit(self, ctx: Context) -> Result:
                return work(ctx)

            def predict(self, model: Path, image: Path) -> Any:
                raise AssertionError

            def relaunch(self, spec: JobSpec) -> None:
                return None

        path = self.spec(attempt, resume)
        return Trace(path.parent, main(MANIFEST, Tiny, ["run", str(path)]))

    def points(self, trace: Trace) -> tuple[ResumePoint, ...]:
        return tuple(
            ResumePoint(source=self.plane.grant(OUTPUT), manifest=saved.manifest, epoch=saved.epoch, step=saved.step)
            for saved in reversed(trace.checkpoints)
        )


@pytest.fixture
def far(tmp_path: Path, bucket: Bucket, plane: ControlPlane) -> Far:
    return Far(tmp_path, bucket, plane)


def _save(ctx: Context, step: int) -> None:
    def write(folder: Path) -> None:
        (folder / "shards").mkdir()
        (folder / "shards" / "w.bin").write_bytes(f"weights {step}".encode())

    ctx.checkpoint(write, epoch=step, step=step)


def _honest(ctx: Context) -> Result:
    assert len(ctx.data.samples(Split.TRAIN)) > 0
    ctx.stage(Stage.TRAINING)
    for step in (1, 2, 3):
        ctx.progress(epoch=step, epochs=3, step=step, epoch_finished=True)
        _save(ctx, step)
    (ctx.output / "model.bin").write_bytes(b"model")
    ctx.artifact("model.bin", ArtifactKind.MODEL, "application/octet-stream")
    return Result(metrics={"top1": 0.9})


def test_all_that_was_told_lies_in_the_bucket_and_nothing_on_the_way(far: Far, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        trace = far.run(_honest)
    tells_its_story_in_order(trace)
    for ref in (*trace.artifacts, *(saved.manifest for saved in trace.checkpoints[-2:])):
        assert hashlib.sha256(far.bucket.get(OUTPUT + ref.path)).hexdigest() == ref.sha256, ref.path
    assert [saved.step for saved in trace.checkpoints] == [1, 2, 3]
    assert far.bucket.get(f"{OUTPUT}checkpoints/step-3/shards/w.bin") == b"weights 3"
    assert far.bucket.get(f"{OUTPUT}spool.jsonl") == (trace.folder / "spool.jsonl").read_bytes()
    assert far.plane.kinds[-1] == EventKind.SUCCEEDED
    assert not (trace.folder / "output").exists()
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("eyebright", "http"))]
    assert not [line for line in ours if "X-Amz-Signature" in line]


def test_another_attempt_goes_on_from_the_newest_whole_checkpoint_of_the_bucket(far: Far):
    points = far.points(far.run(_honest))
    far.bucket.put(f"{OUTPUT}checkpoints/step-3/shards/w.bin", b"w3ights 3")
    found: list[bytes] = []

    def work(ctx: Context) -> Result:
        restored = ctx.restore()
        assert restored is not None
        found.append((restored.path / "shards" / "w.bin").read_bytes())
        return Result(metrics={})

    trace = far.run(work, attempt=2, resume=points)
    assert found == [b"weights 2"]
    assert trace.events[0].data["resumed_from_step"] == 2


def test_while_the_bucket_of_the_checkpoints_is_away_nobody_begins_afresh(
    far: Far, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    points = far.points(far.run(_honest))
    monkeypatch.setattr(signed, "READING", FetchLimits(tries=2, wait_seconds=0.001))
    gateway.faults.append(lambda visit: "checkpoints" in visit.path and visit.answer(503))
    trace = far.run(_honest, attempt=2, resume=points)
    assert (trace.failed.code, trace.failed.retryable) == (ErrorCode.STORAGE_ERROR, True)


def test_a_list_of_files_that_leads_elsewhere_is_passed_over(far: Far, opener: Opener, tmp_path: Path):
    trace = far.run(_honest)
    manifest = far.bucket.get(f"{OUTPUT}checkpoints/step-3/manifest.json").replace(b"shards/w.bin", b"../../../x")
    far.bucket.put(f"{OUTPUT}checkpoints/step-3/manifest.json", manifest)
    newest, *older = far.points(trace)
    told = newest.manifest.model_copy(
        update={"sha256": hashlib.sha256(manifest).hexdigest(), "size_bytes": len(manifest)}
    )
    points = [newest.model_copy(update={"manifest": told}), *older]
    restored = restore(Checkpoints(tmp_path / "a2"), points, opener)
    assert restored is not None
    assert restored.step == 2


def test_training_goes_on_while_a_checkpoint_is_sent_and_nobody_is_told_before(far: Far, gateway: Gateway):
    arrived, release, told = threading.Event(), threading.Event(), list[list[str]]()

    def hold(visit: Visit) -> bool:
        if visit.command != "PUT" or "step-1/" not in visit.path or release.is_set():
            return False
        arrived.set()
        release.wait(10)
        return False

    def work(ctx: Context) -> Result:
        _save(ctx, 1)
        assert arrived.wait(10)  # we are back, and it is still on its way
        told.append(list(far.plane.kinds))
        release.set()
        return Result(metrics={})

    gateway.faults.append(hold)
    trace = far.run(work)
    assert EventKind.CHECKPOINT not in told[0]
    assert {event.kind for event in trace.events[-3:-1]} == {EventKind.CHECKPOINT, EventKind.STAGE}
    assert trace.events[-1].kind == EventKind.SUCCEEDED


def test_the_list_of_a_checkpoint_comes_last(far: Far, gateway: Gateway):
    far.run(_honest)
    sent = [path.removeprefix(f"/{BUCKET}/{OUTPUT}") for verb, path, _ in gateway.visits if verb == "PUT"]
    assert [path for path in sent if "step-1/" in path] == [
        "checkpoints/step-1/shards/w.bin",
        "checkpoints/step-1/manifest.json",
    ]


def test_a_checkpoint_that_cannot_be_sent_is_not_told_and_training_goes_on(
    far: Far, gateway: Gateway, caplog: pytest.LogCaptureFixture
):
    gateway.faults.append(lambda visit: "step-2/" in visit.path and visit.answer(403))
    trace = far.run(_honest)
    assert trace.exit_code == ExitCode.DONE
    assert [saved.step for saved in trace.checkpoints] == [1, 3]
    assert "step-2/manifest.json could not be sent" in caplog.text


def test_stopped_it_names_the_checkpoint_that_lies_in_the_bucket(far: Far, gateway: Gateway):
    def work(ctx: Context) -> Result:
        _save(ctx, 1)
        while ctx.stopping is None:
            time.sleep(0.005)
        _save(ctx, 2)
        raise Stopped

    gateway.faults.append(lambda visit: "step-2/" in visit.path and visit.answer(403))
    far.plane.cancel_after = EventKind.CHECKPOINT
    trace = far.run(work)
    assert (trace.events[-1].kind, trace.events[-1].data["step"]) == (EventKind.CANCELLED, 1)


def _save_many(ctx: Context) -> Result:
    for step in range(1, 6):
        _save(ctx, step)
    return Result(metrics={})


def test_superseded_checkpoints_are_removed_from_the_bucket(far: Far, gateway: Gateway):
    far.run(_save_many)
    steps = {key.split("/")[4] for key in far.bucket.keys(f"{OUTPUT}checkpoints/")}
    assert steps == {"step-4", "step-5"}
    removed = [path.removeprefix(f"/{BUCKET}/{OUTPUT}") for verb, path, _ in gateway.visits if verb == "DELETE"]
    assert removed[:2] == ["checkpoints/step-1/manifest.json", "checkpoints/step-1/shards/w.bin"]


def test_a_superseded_checkpoint_that_stays_is_logged_and_training_goes_on(
    far: Far, gateway: Gateway, caplog: pytest.LogCaptureFixture
):
    gateway.faults.append(lambda visit: visit.command == "DELETE" and visit.answer(403))
    trace = far.run(_save_many)
    assert trace.exit_code == ExitCode.DONE
    assert [saved.step for saved in trace.checkpoints] == [1, 2, 3, 4, 5]
    assert "step-1/manifest.json stays in s3://training/jobs/tiny/a1" in caplog.text


def test_what_could_not_be_sent_stays_on_this_disk(far: Far, gateway: Gateway):
    gateway.faults.append(lambda visit: "model.bin" in visit.path and visit.answer(403))
    trace = far.run(_honest)
    assert trace.failed.code is ErrorCode.STORAGE_ERROR
    assert (trace.folder / "output" / "model.bin").read_bytes() == b"model"


def test_the_spool_is_left_in_the_bucket_though_the_control_plane_is_gone(far: Far):
    def work(ctx: Context) -> Result:
        (ctx.output / "model.bin").write_bytes(b"model")
        ctx.artifact("model.bin", ArtifactKind.MODEL, "application/octet-stream")
        far.plane.refusals += [Reply(503)] * 1000
        far.plane.before = lambda _server, _batch: Reply(503)
        return Result(metrics={})

    trace = far.run(work)
    assert far.plane.kinds[-1] != EventKind.SUCCEEDED
    assert far.bucket.get(f"{OUTPUT}spool.jsonl") == (trace.folder / "spool.jsonl").read_bytes()
    assert trace.events[-1].kind == EventKind.SUCCEEDED


def test_the_same_attempt_started_again_knows_what_it_saved(far: Far):
    spec = far.spec()
    output = RunFolder(spec.parent).output
    own = Checkpoints(output)
    own.save(lambda folder: (folder / "w").write_bytes(b"w") and None, epoch=1, step=7, metrics={}, best=False)
    found: list[int] = []

    def work(ctx: Context) -> Result:
        restored = ctx.restore()
        found.append(restored.step if restored else 0)
        return Result(metrics={})

    far.run(work)
    assert found == [7]
