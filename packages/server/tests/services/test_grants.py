"""What a running attempt may have signed, and nothing else."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from harness.objects import MemoryObjects
from harness.platform import READY, Platform

from eyebright.core.records import Version
from eyebright.errors import Fenced, Forbidden, InvalidRequest
from eyebright.ports.objects import BLOBS, Signing, blob_key
from eyebright.services.grants import Grants
from eyebright.stores.memory import MemoryDatabase
from eyebright_kit.data.annotations import Mask
from eyebright_kit.data.manifest import Header, Sample, line_of, write_manifest
from eyebright_wire.artifacts import UrlsAnswer, UrlsRequest, WantedUrl
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import JobSpec
from eyebright_wire.runs import Handle

SHA256 = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("cat", "dog", "mask", "stranger")}
CONTENT: dict[str, Any] = {"size_bytes": 7, "sha256": "a" * 64}


class BucketObjects(MemoryObjects):
    """As a bucket looks from here: grants are names, and URLs are signed."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def grant(self, prefix: str) -> Any:
        return super().grant(prefix).model_copy(update={"uri": f"s3://bucket/{prefix}"})

    async def local(self, key: str) -> Path:
        path = self.folder / key.replace("/", "-")
        path.write_bytes(self._get(key))
        return path

    async def signed(self, wanted: Sequence[Signing]) -> Sequence[str]:
        return [f"https://store/{each.key}?{each.method}&{each.size_bytes}&{each.sha256}" for each in wanted]


class Bench:
    """A platform whose objects lie in a bucket."""

    def __init__(self, platform: Platform, objects: BucketObjects) -> None:
        self.platform = platform
        self.objects = objects
        database = platform.database
        self.grants = Grants(database.jobs, database.history, database.datasets, database.models, objects, seconds=60)

    def spec(self, handle: Handle) -> JobSpec:
        return next(
            spec
            for spec in self.platform.executor.launches
            if (spec.job_id, spec.attempt) == (handle.job_id, handle.attempt)
        )

    async def ask(self, handle: Handle, uri: str, *wanted: WantedUrl, token: str | None = None) -> UrlsAnswer:
        request = UrlsRequest(uri=uri, wanted=wanted)
        return await self.grants.sign(handle.job_id, handle.attempt, token or self.platform.token(handle), request)

    async def read(self, handle: Handle, uri: str, *paths: str) -> UrlsAnswer:
        return await self.ask(handle, uri, *(want("GET", path) for path in paths))

    async def checkpointed(self, handle: Handle, step: int = 5) -> None:
        manifest = {**CONTENT, "path": f"checkpoints/step-{step}/manifest.json", "kind": "checkpoint"}
        await self.platform.say(handle, "checkpoint", manifest=manifest, epoch=1, step=step)

    async def relaunched(self, handle: Handle) -> Handle:
        self.platform.executor.exit(handle, -9)
        await self.platform.settle()
        self.platform.clock.advance(3600)
        await self.platform.dispatch.tick()
        return replace(handle, attempt=handle.attempt + 1)


def want(method: Literal["GET", "PUT", "DELETE"], path: str, **fields: Any) -> WantedUrl:
    return WantedUrl(method=method, path=path, **fields)


def below(sha256: str) -> str:
    return blob_key(sha256).removeprefix(BLOBS)


def sample(name: str, mask: Mask | None = None) -> Sample:
    return Sample(sha256=SHA256[name], extension="png", size_bytes=1, width=1, height=1, split=Split.TRAIN, mask=mask)


@pytest.fixture
async def bench(tmp_path: Path):
    platform = Platform(MemoryDatabase())
    objects = BucketObjects(tmp_path)
    platform.objects = objects
    platform.restart()
    mask = Mask(sha256=SHA256["mask"], size_bytes=1, classes=(0,))
    samples = [sample("cat"), sample("dog", mask)]
    header = Header(format="imagefolder", classes=("cat", "dog"))
    manifest = write_manifest(tmp_path / "manifest", header, map(line_of, samples))
    objects.bytes[blob_key(manifest)] = (tmp_path / "manifest").read_bytes()
    version = Version(
        id="dsv_pets",
        dataset="pets",
        number=0,
        manifest_sha256=manifest,
        report=READY.model_dump(mode="json"),
        created_at_ms=0,
    )
    await platform.database.datasets.add_version(version)
    yield Bench(platform, objects)
    await platform.sweep.close()


async def test_an_order_says_whom_to_ask_where_there_is_no_folder(bench: Bench):
    spec = bench.spec(await bench.platform.running())
    urls = f"http://127.0.0.1:1/api/v1/jobs/{spec.job_id}/attempts/1/urls"
    assert spec.dataset is not None
    assert (spec.output.urls, spec.dataset.blobs.urls) == (urls, urls)
    assert spec.output.uri == f"s3://bucket/jobs/{spec.job_id}/a1/"


async def test_on_a_shared_disk_nobody_is_asked(platform: Platform):
    handle = await platform.running()
    spec = platform.executor.launches[-1]
    assert spec.dataset is not None
    assert (spec.output.urls, spec.dataset.blobs.urls) == (None, None)
    database = platform.database
    grants = Grants(database.jobs, database.history, database.datasets, database.models, platform.objects, seconds=60)
    request = UrlsRequest(uri=spec.output.uri, wanted=(want("PUT", "model.onnx", **CONTENT),))
    with pytest.raises(InvalidRequest):
        await grants.sign(handle.job_id, 1, platform.token(handle), request)


async def test_an_attempt_reads_its_own_version_and_nothing_else(bench: Bench):
    handle = await bench.platform.running()
    dataset = bench.spec(handle).dataset
    assert dataset is not None
    known = [dataset.manifest_sha256, *(SHA256[name] for name in ("cat", "dog", "mask"))]
    answer = await bench.read(handle, dataset.blobs.uri, *map(below, known))
    assert [url.partition("?")[0] for url in answer.urls] == [f"https://store/{blob_key(sha256)}" for sha256 in known]
    assert answer.expires_in_seconds == 60
    for path in (
        below(SHA256["stranger"]),
        SHA256["cat"],
        f"00/{SHA256['cat']}",
        "ca/cat",
        f"{below(SHA256['cat'])}/x",
    ):
        with pytest.raises(Forbidden, match="may not GET"):
            await bench.read(handle, dataset.blobs.uri, path)


async def test_a_request_with_one_file_too_many_is_refused_whole(bench: Bench):
    handle = await bench.platform.running()
    with pytest.raises(Forbidden):
        await bench.read(handle, f"s3://bucket/{BLOBS}", below(SHA256["cat"]), below(SHA256["stranger"]))


async def test_no_attempt_writes_a_blob(bench: Bench):
    handle = await bench.platform.running()
    with pytest.raises(Forbidden, match="may not PUT"):
        await bench.ask(handle, f"s3://bucket/{BLOBS}", want("PUT", below(SHA256["cat"]), **CONTENT))


async def test_an_attempt_writes_below_its_own_output_what_it_names(bench: Bench):
    handle = await bench.platform.running()
    output = bench.spec(handle).output.uri
    answer = await bench.ask(handle, output, want("PUT", "model.onnx", **CONTENT), want("PUT", "spool.jsonl"))
    prefix = f"https://store/jobs/{handle.job_id}/a1/"
    assert answer.urls == (f"{prefix}model.onnx?PUT&7&{'a' * 64}", f"{prefix}spool.jsonl?PUT&None&None")
    for half in ({}, {"size_bytes": 7}, {"sha256": "a" * 64}):
        with pytest.raises(InvalidRequest, match="signed for one content"):
            await bench.ask(handle, output, want("PUT", "model.onnx", **half))


async def test_an_attempt_removes_its_checkpoints_and_nothing_else(bench: Bench):
    first = await bench.platform.running()
    await bench.checkpointed(first)
    output = bench.spec(first).output.uri
    answer = await bench.ask(first, output, want("DELETE", "checkpoints/step-5/w.bin"))
    assert answer.urls == (f"https://store/jobs/{first.job_id}/a1/checkpoints/step-5/w.bin?DELETE&None&None",)
    for path in ("model.onnx", "spool.jsonl", "checkpoints", "checkpoints-5/w.bin"):
        with pytest.raises(Forbidden, match="may not DELETE"):
            await bench.ask(first, output, want("DELETE", path))
    second = await bench.relaunched(first)
    for uri, path in ((output, "checkpoints/step-5/w.bin"), (f"s3://bucket/{BLOBS}", below(SHA256["cat"]))):
        with pytest.raises(Forbidden, match="may not DELETE"):
            await bench.ask(second, uri, want("DELETE", path))


async def test_another_attempts_output_is_nobody_elses_affair(bench: Bench):
    first, second = await bench.platform.running(), await bench.platform.running()
    for uri in (
        bench.spec(second).output.uri,
        f"s3://bucket/jobs/{first.job_id}/",
        f"s3://bucket/jobs/{first.job_id}/a11/",
        "s3://bucket/",
        "s3://elsewhere/",
        "file:///etc/",
    ):
        with pytest.raises(Forbidden, match="no grant of this attempt"):
            await bench.ask(first, uri, want("PUT", "model.onnx", **CONTENT))


@pytest.mark.parametrize("path", ["../a2/x", "/x", "a/../x", "a//x", "", ".x", "a\\x", "a\nx", "x" * 256])
def test_a_path_that_could_lead_elsewhere_cannot_be_said(path: str):
    with pytest.raises(ValueError, match="path"):
        want("GET", path)


async def test_only_the_attempts_own_token_opens_anything(bench: Bench):
    first, second = await bench.platform.running(), await bench.platform.running()
    output, file = bench.spec(first).output.uri, want("PUT", "model.onnx", **CONTENT)
    for token in ("guessed", bench.platform.token(second)):
        with pytest.raises(Forbidden, match="not for that attempt"):
            await bench.ask(first, output, file, token=token)
    for other in (Handle("job_none", 1), replace(first, attempt=2)):
        with pytest.raises(Forbidden, match="not for that attempt"):
            await bench.ask(other, output, file, token=bench.platform.token(first))


async def test_an_attempt_that_was_replaced_gets_nothing(bench: Bench):
    first = await bench.platform.running()
    await bench.relaunched(first)
    with pytest.raises(Fenced, match="attempt 1"):
        await bench.ask(first, bench.spec(first).output.uri, want("PUT", "model.onnx", **CONTENT))


async def test_what_was_announced_cannot_be_replaced(bench: Bench):
    handle = await bench.platform.running()
    await bench.platform.say(handle, "succeeded", **bench.platform.leave(handle))
    file = want("PUT", "model.json", **CONTENT)
    with pytest.raises(Fenced, match="last word"):
        await bench.ask(handle, bench.spec(handle).output.uri, file)
    bench.platform.executor.exit(handle, 0)
    await bench.platform.settle()
    with pytest.raises(Fenced, match="succeeded"):
        await bench.ask(handle, bench.spec(handle).output.uri, file)


async def test_checkpoints_of_earlier_attempts_are_read_and_nothing_beside_them(bench: Bench):
    first = await bench.platform.running()
    await bench.checkpointed(first)
    second = await bench.relaunched(first)
    [point] = bench.spec(second).resume
    assert point.source.urls == bench.spec(second).output.urls
    await bench.read(second, point.source.uri, "checkpoints/step-5/manifest.json", "checkpoints/step-5/shards/0")
    for path in ("checkpoints/step-50/manifest.json", "checkpoints/step-6/w.bin", "model.json", "spool.jsonl"):
        with pytest.raises(Forbidden, match="may not GET"):
            await bench.read(second, point.source.uri, path)
    with pytest.raises(Forbidden, match="may not PUT"):
        await bench.ask(second, point.source.uri, want("PUT", "checkpoints/step-5/w.bin", **CONTENT))


async def test_a_job_that_goes_on_from_another_reads_its_checkpoints(bench: Bench):
    old = await bench.platform.launched()
    await bench.platform.say(old, "started", pid=1, host="here", versions={"toy": "1.0"})
    await bench.checkpointed(old)
    await bench.platform.jobs.cancel(old.job_id)
    await bench.platform.say(old, "cancelled", step=5)
    bench.platform.executor.exit(old, 0)
    await bench.platform.settle()
    again = Handle((await bench.platform.jobs.retry(old.job_id)).id, 1)
    await bench.platform.dispatch.tick()
    await bench.read(again, f"s3://bucket/jobs/{old.job_id}/a1/", "checkpoints/step-5/manifest.json")


async def test_of_the_model_to_begin_from_only_what_its_weights_are_read_from(bench: Bench):
    mother = await bench.platform.running(name="cats")
    await bench.platform.succeed(mother)
    child = await bench.platform.launched(parent="cats@1")
    parent = bench.spec(child).parent
    assert parent is not None
    assert parent.source.urls == bench.spec(child).output.urls
    await bench.read(child, parent.source.uri, "model.json")
    with pytest.raises(Forbidden, match="may not GET"):
        await bench.read(child, parent.source.uri, "spool.jsonl")
