"""What every object store must do: files, moto's S3, Ceph's, gcp-storage-emulator's Google."""

import asyncio
import hashlib
import os
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from harness.object_stores import BUCKET, BUCKETS, bucket, credentials, endpoints, s3_client, store_in

from eyebright.errors import Conflict, NotFound
from eyebright.ports.objects import BLOBS, attempt_prefix, blob_key
from eyebright.services.ledgered import LedgeredObjectStore
from eyebright.stores.memory_stored import MemoryStored
from eyebright.stores.objects.bucket import PIECE_BYTES
from eyebright.stores.objects.files import FileObjectStore
from eyebright.stores.objects.s3 import S3Bucket
from eyebright.testing import ManualClock

__all__ = ["endpoints"]

CONTENT = b"some bytes " * 1000
#: More than is sent, or asked for, at once.
LARGE = bytes(range(256)) * (9 << 12) + b"an odd end"


@pytest.fixture(params=["files", "ledgered", *BUCKETS])
def store(request, endpoints, tmp_path, monkeypatch):
    files = FileObjectStore(tmp_path / "a folder" / "objects")
    if request.param == "files":
        yield files
        return
    if request.param == "ledgered":
        yield LedgeredObjectStore(files, MemoryStored(), ManualClock(), url_seconds=60)
        return
    credentials(monkeypatch)
    with store_in(bucket(request.param, endpoints[request.param]), tmp_path / "a folder") as opened:
        yield opened


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    return path


async def read(store, key, offset=0):
    return b"".join([chunk async for chunk in store.open(key, offset)])


async def test_what_is_put_is_read_back(store, source):
    assert await store.put([("jobs/j/a1/model.onnx", source)]) == 1
    assert await read(store, "jobs/j/a1/model.onnx") == CONTENT


@pytest.mark.parametrize("owned", [False, True])
async def test_a_list_tells_sizes_and_since_when_what_lies_below_is_there(store, source, large, owned):
    began_ms = 1000 * int(time.time())
    os.utime(source, (1, 1))
    await store.put([("jobs/j/a1/model.onnx", source), ("jobs/j/a1/x/y", large), ("jobs/j/a10/z", source)], owned=owned)
    found = await store.listed("jobs/j/a1/")
    assert {key: lying.size_bytes for key, lying in found.items()} == {
        "jobs/j/a1/model.onnx": len(CONTENT),
        "jobs/j/a1/x/y": len(LARGE),
    }
    assert all(began_ms <= lying.since_ms <= 1000 * time.time() + 1000 for lying in found.values())
    assert await store.listed("jobs/none/") == {}


async def test_sizes_are_told_of_what_is_there(store, source, large):
    await store.put([("jobs/j/a1/model.onnx", source), ("k", large)])
    asked = ["jobs/j/a1/model.onnx", "jobs/j/a1/none", "k", "k/below"]
    assert await store.sizes(asked) == {"jobs/j/a1/model.onnx": len(CONTENT), "k": len(LARGE)}
    assert await store.sizes([]) == {}


async def test_reading_begins_where_it_is_told_to(store, source):
    await store.put([("k", source)])
    assert await read(store, "k", offset=5) == CONTENT[5:]
    assert await read(store, "k", offset=len(CONTENT) + 1) == b""


async def test_an_existing_key_is_left_as_it_is(store, source, tmp_path):
    await store.put([("k", source)])
    (tmp_path / "other").write_bytes(b"other")
    assert await store.put([("k", tmp_path / "other"), ("new", tmp_path / "other")]) == 1
    assert await read(store, "k") == CONTENT


@pytest.mark.parametrize("owned", [False, True])
async def test_the_source_stays_where_it_is(store, source, owned):
    await store.put([("k", source)], owned=owned)
    assert source.read_bytes() == CONTENT


async def test_a_strangers_file_may_change_later(store, source):
    await store.put([("k", source)])
    source.write_bytes(b"changed in place")
    assert await read(store, "k") == CONTENT


async def test_a_file_that_was_edited_since_it_was_named_is_refused(store, source):
    with pytest.raises(Conflict, match="changed while it was being imported"):
        await store.put([(blob_key("a" * 64), source)])
    with pytest.raises(NotFound):
        await store.stat(blob_key("a" * 64))


async def test_an_owned_blob_that_is_not_what_its_name_says_is_refused(store, source):
    with pytest.raises(Conflict, match="changed while it was being imported"):
        await store.put([(blob_key("a" * 64), source)], owned=True)
    assert await store.absent([blob_key("a" * 64)]) == [blob_key("a" * 64)]


@pytest.mark.parametrize(
    "content", [b"", CONTENT, LARGE, (2 * LARGE)[: 2 * PIECE_BYTES]], ids=["empty", "small", "large", "even"]
)
async def test_what_is_poured_is_read_back(store, content):
    assert await store.pour("uploads/u/data", blocks_of(content)) == len(content)
    assert await read(store, "uploads/u/data") == content
    assert (await store.stat("uploads/u/data")).sha256 == hashlib.sha256(content).hexdigest()
    assert await store.keys("uploads/") == ["uploads/u/data"]


@pytest.mark.parametrize("size", [0, len(CONTENT), 2 * len(LARGE)])
async def test_what_breaks_off_while_it_is_poured_leaves_nothing(store, size):
    async def broken():
        async for block in blocks_of((2 * LARGE)[:size]):
            yield block
        raise ConnectionResetError("hung up")

    with pytest.raises(ConnectionResetError):
        await store.pour("uploads/u/data", broken())
    assert await store.keys("uploads/") == []
    assert unfinished(store) == []


async def test_what_is_cancelled_while_it_is_poured_leaves_nothing(store):
    silent = asyncio.Event()

    async def endless():
        async for block in blocks_of(2 * LARGE):
            yield block
        silent.set()
        await asyncio.Event().wait()

    pouring = asyncio.create_task(store.pour("uploads/u/data", endless()))
    await silent.wait()
    pouring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pouring
    assert await store.keys("uploads/") == []
    assert unfinished(store) == []


@pytest.mark.parametrize("key", ["", "../x", "a//b", "uploads/a b"])
async def test_nothing_is_poured_where_no_object_can_be(store, key):
    with pytest.raises(ValueError, match="no object key"):
        await store.pour(key, blocks_of(CONTENT))


async def blocks_of(content, size=100_001):
    for start in range(0, len(content), size):
        yield content[start : start + size]


def unfinished(store) -> list[object]:
    """What the store still holds of objects that never appeared, and would keep for ever."""
    if isinstance(store, LedgeredObjectStore):
        return unfinished(store._objects)
    if isinstance(store, FileObjectStore):
        return [*store._passing.rglob("*")]
    if not isinstance(store._bucket, S3Bucket):
        return []  # Google forgets it by itself
    found = s3_client(store._bucket._client.meta.endpoint_url).list_multipart_uploads(Bucket=BUCKET)
    return [each for each in found.get("Uploads", []) if each["Key"].startswith(store._prefix)]


async def test_what_is_removed_is_gone_and_nothing_else(store, source):
    await store.put([(key, source) for key in ("a/1", "a/2", "b/work/3", "b/work/deep/4", "b/report")])
    await store.remove(["a/1", "b/work/", "never/was", "never/"])
    assert await store.keys("a/") == ["a/2"]
    assert await store.keys("b/") == ["b/report"]
    assert await store.keys("never/") == []
    assert await store.absent(["a/1", "a/2", "b/work/3"]) == ["a/1", "b/work/3"]


async def test_a_stored_file_cannot_be_opened_for_writing(store, source):
    await store.put([("k", source)])
    assert (await store.local("k")).stat().st_mode & 0o222 == 0


async def test_what_is_not_there_is_not_found(store, source):
    await store.put([("jobs/j/model.onnx", source)])
    for key in ("nothing", "jobs/j/nothing", "jobs/j/model.onnx/below"):
        for verb in (store.stat, store.local, lambda key: read(store, key)):
            with pytest.raises(NotFound, match=key):
                await verb(key)
    with pytest.raises(NotFound, match="is a folder"):
        await store.stat("jobs/j")
    with pytest.raises(NotFound, match="is a folder"):
        await read(store, "jobs/j")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/..",
        "a//b",
        "./a",
        "a/.",
        ".hidden",
        "a\\b",
        "a\0b",
        "ä",
        "a b",
        "a\n",
    ],
)
async def test_a_key_that_is_no_plain_relative_path_is_the_callers_mistake(store, source, key):
    for verb in (store.stat, store.local, lambda key: read(store, key), lambda key: store.put([(key, source)])):
        with pytest.raises(ValueError, match="no object key"):
            await verb(key)


async def test_a_missing_source_is_the_callers_mistake(store, tmp_path):
    with pytest.raises(FileNotFoundError):
        await store.put([("k", tmp_path / "missing")])


@pytest.mark.parametrize("owned", [False, True])
async def test_of_many_files_none_appears_when_one_is_not_what_it_says(store, tmp_path, owned):
    sources = [tmp_path / str(number) for number in range(100)]
    for number, path in enumerate(sources):
        path.write_bytes(bytes([number]))
    keys = [blob_key(hashlib.sha256(path.read_bytes()).hexdigest()) for path in sources]
    sources[70].write_bytes(b"edited")
    with pytest.raises(Conflict, match=f"{sources[70]} changed"):
        await store.put(list(zip(keys, sources, strict=True)), owned=owned)
    assert await store.absent(keys) == keys
    assert await store.keys(BLOBS) == []


async def test_a_large_object_is_whole_wherever_it_is_read_from(store, large):
    assert await store.put([("jobs/j/a1/model.onnx", large)]) == 1
    for offset in (0, 1, 8 << 20, len(LARGE) - 3):
        assert await read(store, "jobs/j/a1/model.onnx", offset) == LARGE[offset:]
    assert (await store.local("jobs/j/a1/model.onnx")).read_bytes() == LARGE
    found = await store.stat("jobs/j/a1/model.onnx")
    assert (found.size_bytes, found.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())


async def test_an_empty_object_is_one_too(store, tmp_path):
    (tmp_path / "nothing").touch()
    assert await store.put([("k", tmp_path / "nothing")]) == 1
    assert await read(store, "k") == b""
    assert (await store.local("k")).read_bytes() == b""
    assert await store.stat("k") == await store.stat("k")
    assert (await store.stat("k")).sha256 == hashlib.sha256(b"").hexdigest()


async def test_stat_tells_size_and_content(store, source):
    await store.put([("k", source)])
    found = await store.stat("k")
    assert (found.key, found.size_bytes, found.sha256) == ("k", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


async def test_local_gives_files_and_folders(store, source, large):
    await store.put([("jobs/j/a1/model.onnx", source), ("jobs/j/a1/deep/er/weights", large), ("jobs/j/a2/no", source)])
    assert (await store.local("jobs/j/a1/model.onnx")).read_bytes() == CONTENT
    for folder in (await store.local("jobs/j/a1/"), await store.local("jobs/j/a1")):
        assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
            "model.onnx",
            "deep/er/weights",
        }
        assert (folder / "deep/er/weights").read_bytes() == LARGE


async def test_local_forgets_what_was_removed(store, source, tmp_path):
    (tmp_path / "other").write_bytes(b"other")
    await store.put([("j/a/1", source), ("j/a/2", source)])
    await store.local("j/a/")
    await store.remove(["j/a/1"])
    folder = await store.local("j/a/")
    assert sorted(path.name for path in folder.iterdir()) == ["2"]
    await store.put([("j/a/1", tmp_path / "other")])
    assert (await store.local("j/a/1")).read_bytes() == b"other"
    await store.remove(["j/"])
    with pytest.raises(NotFound):
        await store.local("j/a/2")


async def test_many_keys_are_told_apart(store, tmp_path):
    """More of some folders, fewer of others, and names before and behind all that are there."""
    sources = [tmp_path / str(number) for number in range(40)]
    for number, path in enumerate(sources):
        path.write_bytes(b"%d" % number)
    there = [f"{folder}/k{number:02}" for folder in ("a", "b/c") for number in range(20)]
    assert await store.put(list(zip(there, sources, strict=True))) == 40
    asked = ["a/a", *there[::-1], "a/k05x", "a/z", "b/k01", "d/k01", "z"]
    assert await store.absent(asked) == ["a/a", "a/k05x", "a/z", "b/k01", "d/k01", "z"]
    assert await store.keys("b/") == there[20:]


async def test_the_workplace_is_a_folder_of_this_machine_that_is_seen_as_the_store(store, tmp_path):
    prefix = attempt_prefix("job_1", 1)
    grant = store.workplace(prefix)
    folder = Path(unquote(urlsplit(grant.uri).path))
    assert grant.uri.startswith("file:///")
    assert grant.uri.endswith("/jobs/job_1/a1/")
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "manifest").write_bytes(b"lines")
    (folder / "report.json").write_bytes(b"{}")
    assert await store.local(prefix) == folder
    assert await read(store, f"{prefix}report.json") == b"{}"
    assert (await store.stat(f"{prefix}report.json")).size_bytes == 2
    blob = blob_key(hashlib.sha256(b"lines").hexdigest())
    assert await store.put([(blob, folder / "work" / "manifest")], owned=True) == 1
    await store.put([(f"{prefix}report.json", folder / "report.json")], owned=True)
    await store.remove([f"{prefix}work/"])
    assert not (folder / "work").exists()
    assert await read(store, f"{prefix}report.json") == b"{}"
    (folder / "spool").write_bytes(b"of no use")
    await store.leave(prefix)
    await store.leave(prefix)
    if grant != store.grant(prefix):
        with pytest.raises(NotFound):
            await store.local(f"{prefix}spool")
    assert f"{prefix}report.json" in await store.keys(prefix)
    assert await read(store, f"{prefix}report.json") == b"{}"
    assert await read(store, blob) == b"lines"


async def test_a_grant_opens_a_folder(store):
    assert store.grant(BLOBS).uri.endswith("/blobs/sha256/")
    assert store.grant(attempt_prefix("job_1", 2)).uri.endswith("/jobs/job_1/a2/")
    for verb in (store.grant, store.workplace):
        with pytest.raises(ValueError, match="slash"):
            verb("jobs/job_1")
        with pytest.raises(ValueError, match="no object key"):
            verb("jobs/../")


async def test_of_many_at_once_each_object_is_put_once(store, source):
    keys = [f"at-once/{number}" for number in range(6)]
    counts = await asyncio.gather(*(store.put([(key, source)]) for key in keys))
    assert counts == [1] * 6
    assert await store.put([(key, source) for key in keys]) == 0
