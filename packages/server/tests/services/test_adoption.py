"""What a foreign trainer leaves at an address is fetched by the operator's rules, summed and kept with its attempt, unopened."""

import hashlib
import pickle
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from buckets import moto
from harness.answering import Answering, served
from harness.object_stores import bucket, credentials, s3_client, store_in
from harness.platform import Platform

from eyebright.errors import StorageFull, Unavailable
from eyebright.ports.executor import Handle
from eyebright.settings import EgressSettings, Settings, SourceSettings
from eyebright.settings.sections import StorageSettings
from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.objects.files import FileObjectStore
from eyebright_kit.remote.fetch import FetchLimits
from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.jobs import JobState

THEIRS = "vision-platform"
ADDRESS = f"s3://{THEIRS}/users/test/jobs/7/best.pt"


class Explodes:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("somebody has opened it",))


WEIGHTS = pickle.dumps(Explodes()) * 1000


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with moto() as endpoint, pytest.MonkeyPatch.context() as patch:
        credentials(patch)
        client = s3_client(endpoint)
        client.create_bucket(Bucket=THEIRS)
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket=THEIRS, Key="users/test/jobs/7/best.pt", Body=WEIGHTS)
        client.put_object(Bucket=THEIRS, Key="jobs/job_other/a1/model.pt", Body=WEIGHTS)
        yield endpoint


def settings(s3: str = "", **sections: Any) -> Settings:
    sources = SourceSettings(s3_endpoint=s3 or None, spare_bytes=0)
    return Settings(**{"sources": sources, **sections})


@pytest.fixture(params=["files", "bucket"])
async def platform(request: pytest.FixtureRequest, s3: str, tmp_path: Path) -> AsyncIterator[Platform]:
    platform = Platform(MemoryDatabase())
    platform.settings = settings(s3)
    await platform.add_dataset()
    if request.param == "files":
        platform.objects = FileObjectStore(tmp_path / "objects")
        platform.restart()
        yield platform
    else:
        with store_in(bucket("moto", s3), tmp_path) as platform.objects:
            platform.restart()
            yield platform
    await platform.sweep.close()


async def completed(platform: Platform, address: str) -> Handle:
    handle = await platform.launched()
    update = TrainingUpdate(status="completed", progress=1.0, checkpoint_s3_uri=address)
    await platform.ingest.tell(handle.job_id, 1, platform.token(handle), update)
    platform.executor.exit(handle, 0)
    await platform.settle()
    return handle


async def test_a_result_is_fetched_summed_and_registered_unopened(platform: Platform):
    handle = await completed(platform, ADDRESS)
    job = (await platform.run(handle)).job
    assert job.state is JobState.SUCCEEDED, job.message
    (artifact,) = await platform.database.history.artifacts(handle.job_id)
    assert (artifact.ref.path, artifact.ref.kind, artifact.ref.size_bytes) == (
        "checkpoint.pt",
        "checkpoint",
        len(WEIGHTS),
    )
    assert artifact.ref.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert (await platform.database.models.get(job.model_id)).artifacts == (artifact.ref,)
    key = f"jobs/{handle.job_id}/a1/checkpoint.pt"
    assert b"".join([chunk async for chunk in platform.objects.open(key)]) == WEIGHTS
    assert await platform.objects.keys(f"jobs/{handle.job_id}/a1/work/") == []


async def test_what_was_put_before_a_crash_is_not_fetched_again(platform: Platform, tmp_path: Path):
    handle = await platform.launched()
    key = f"jobs/{handle.job_id}/a1/checkpoint.pt"
    (tmp_path / "put").write_bytes(b"put before")
    await platform.objects.put([(key, tmp_path / "put")])
    update = TrainingUpdate(status="completed", checkpoint_s3_uri=f"s3://{THEIRS}/gone-since.pt")
    await platform.ingest.tell(handle.job_id, 1, platform.token(handle), update)
    await platform.settle()
    (artifact,) = await platform.database.history.artifacts(handle.job_id)
    assert artifact.ref.sha256 == hashlib.sha256(b"put before").hexdigest()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("file:///etc/passwd", "has an unknown scheme"),
        ("/etc/passwd", "is no address"),
        ("s3://vision-platform/", "is a folder; expected the address of one file"),
        ("s3://vision-platform/../x.pt", "has a '.' or '..'"),
        ("s3://vision-platform/gone.pt", "there is nothing at s3://vision-platform/gone.pt"),
        ("s3://nobody-has-this/x.pt", "there is no bucket nobody-has-this"),
        ("http://169.254.169.254/latest/meta-data", "has the scheme 'http'"),
        ("https://169.254.169.254/x.pt", "this server calls public addresses only"),
        ("https://localhost/x.pt?token=swordfish", "this server calls public addresses only"),
        ("https://me:swordfish@store.example/x.pt", "holds a name or password"),
        ("gs://bucket/\x00x.pt", "has control characters"),
        ("", "is no address"),
    ],
)
async def test_an_address_that_brings_nothing_ends_the_job_with_the_reason(
    platform: Platform, address: str, words: str
):
    job = (await platform.run(await completed(platform, address))).job
    assert (job.state, job.reason, job.retryable) == (JobState.FAILED, "storage_error", False)
    assert job.message.startswith("the result was not fetched: ")
    assert words in job.message
    assert "swordfish" not in job.message


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"sources": {"only": ("s3://datasets/",)}}, "this server fetches from below s3://datasets/ only"),
        ({"sources": {"schemes": ("https",)}}, "this server fetches from https:// only"),
        ({"sources": {"object_bytes": 1000}}, "EYEBRIGHT_SOURCES__OBJECT_BYTES"),
    ],
)
async def test_the_operators_rules_for_data_sets_hold_here_too(platform: Platform, s3: str, sections: Any, words: str):
    more = sections["sources"]
    platform.settings = settings(sources=SourceSettings(s3_endpoint=s3, spare_bytes=0, **more))
    platform.restart()
    job = (await platform.run(await completed(platform, ADDRESS))).job
    assert (job.state, job.retryable) == (JobState.FAILED, False)
    assert words in job.message


@pytest.mark.parametrize("place", [f"s3://{THEIRS}", f"s3://{THEIRS}/"])
async def test_what_this_server_keeps_for_itself_is_no_address_for_strangers(platform: Platform, s3: str, place: str):
    """Its credentials open every file there; beside its own folders callers may have theirs in the same bucket."""
    platform.settings = settings(s3, storage=StorageSettings(place=place))
    platform.restart()
    job = (await platform.run(await completed(platform, f"s3://{THEIRS}/jobs/job_other/a1/model.pt"))).job
    assert job.state is JobState.FAILED
    assert "lies among this server's own files" in job.message
    assert (await platform.run(await completed(platform, ADDRESS))).job.state is JobState.SUCCEEDED


async def test_a_store_that_is_away_is_waited_for(platform: Platform, monkeypatch: pytest.MonkeyPatch):
    class Busy(Answering):
        def do_GET(self) -> None:
            self.answer(503, b"", **{"Retry-After": "0"})

    monkeypatch.setattr("eyebright.fetching.fetch_limits", lambda _: FetchLimits(tries=1, spare_bytes=0))
    with served(Busy) as url:
        port = int(url.rpartition(":")[2])
        egress = EgressSettings(schemes=("http",), ports=(port,), allow=("127.0.0.0/8",))
        platform.settings = settings(egress=egress)
        platform.restart()
        handle = await platform.launched()
        update = TrainingUpdate(status="completed", checkpoint_s3_uri=f"{url}/best.pt")
        await platform.ingest.tell(handle.job_id, 1, platform.token(handle), update)
        run = await platform.run(handle)
        with pytest.raises(Unavailable, match="could not be reached"):
            await platform.finaliser.finalise(run)
        assert (await platform.run(handle)).job.state is JobState.RUNNING
        platform.clock.advance(601)
        await platform.finaliser.finalise(run)
        job = (await platform.run(handle)).job
        assert (job.state, job.reason) == (JobState.QUEUED, "storage_error")


async def test_a_full_disk_is_waited_for_and_then_told(platform: Platform, s3: str):
    platform.settings = settings(sources=SourceSettings(s3_endpoint=s3, spare_bytes=2**60))
    platform.restart()
    handle = await platform.launched()
    update = TrainingUpdate(status="completed", checkpoint_s3_uri=ADDRESS)
    await platform.ingest.tell(handle.job_id, 1, platform.token(handle), update)
    run = await platform.run(handle)
    with pytest.raises(StorageFull):
        await platform.finaliser.finalise(run)
    platform.clock.advance(601)
    await platform.finaliser.finalise(run)
    job = (await platform.run(handle)).job
    assert (job.state, job.reason) == (JobState.FAILED, "disk_full")


async def test_a_training_that_left_nothing_has_no_model(platform: Platform):
    handle = await platform.launched()
    await platform.ingest.tell(handle.job_id, 1, platform.token(handle), TrainingUpdate(status="completed"))
    await platform.settle()
    job = (await platform.run(handle)).job
    assert (job.state, job.model_id) == (JobState.SUCCEEDED, None)
