import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from eyebright.errors import Conflict, InvalidRequest, NotFound, StorageFull, Unavailable
from eyebright.ports.objects import BLOBS, Signing, attempt_prefix, blob_key
from eyebright.stores.objects import files
from eyebright.stores.objects.files import FileObjectStore

CONTENT = b"some bytes " * 1000


@pytest.fixture
def root(tmp_path):
    return tmp_path / "a folder" / "objects"


@pytest.fixture
def store(root):
    return FileObjectStore(root)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(CONTENT)
    return path


async def read(store, key, offset=0):
    return b"".join([chunk async for chunk in store.open(key, offset)])


async def test_what_is_put_is_read_back(store, source):
    assert await store.put([("jobs/j/a1/model.onnx", source)]) == 1
    assert await read(store, "jobs/j/a1/model.onnx") == CONTENT


async def test_reading_begins_where_it_is_told_to(store, source):
    await store.put([("k", source)])
    assert await read(store, "k", offset=5) == CONTENT[5:]
    assert await read(store, "k", offset=len(CONTENT) + 1) == b""


async def test_a_large_object_comes_in_chunks(store, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CHUNK_BYTES", 7)
    (tmp_path / "large").write_bytes(b"0123456789" * 3)
    await store.put([("large", tmp_path / "large")])
    assert [chunk async for chunk in store.open("large", 16)] == [b"6789012", b"3456789"]


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


async def test_a_kernel_that_copies_nothing_itself_leaves_it_to_us(store, source, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(files.os, "copy_file_range", refuse)
    await store.put([("k", source)])
    assert await read(store, "k") == CONTENT


async def test_what_is_removed_is_gone_and_nothing_else(store, source):
    await store.put([(key, source) for key in ("a/1", "a/2", "b/work/3", "b/work/deep/4", "b/report")])
    await store.remove(["a/1", "b/work/", "never/was", "never/"])
    assert await store.keys("a/") == ["a/2"]
    assert await store.keys("b/") == ["b/report"]
    assert await store.keys("never/") == []
    assert await store.absent(["a/1", "a/2", "b/work/3"]) == ["a/1", "b/work/3"]


async def test_what_a_killed_process_was_writing_is_tidied_away(store, source, root):
    await store.put([("k", source)])
    (root / ".incoming" / "0123").write_bytes(b"half")
    store.tidy()
    assert [path for path in root.rglob("*") if path.is_file()] == [root / "k"]


async def test_an_owned_file_is_linked_not_copied(store, source):
    await store.put([("k", source)], owned=True)
    assert (await store.local("k")).samefile(source)


@pytest.mark.parametrize("owned", [False, True])
async def test_a_file_system_without_links_gets_copies(store, source, owned, monkeypatch):
    def refuse(_source, _target):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(files.os, "link", refuse)
    assert await store.put([("k", source)], owned=owned) == 1
    assert await read(store, "k") == CONTENT
    assert not (await store.local("k")).samefile(source)


async def test_a_stored_file_cannot_be_opened_for_writing(store, source):
    await store.put([("k", source)])
    assert (await store.local("k")).stat().st_mode & 0o222 == 0


async def test_stat_reads_the_bytes_as_they_lie_there_now(store, source, root):
    await store.put([("k", source)])
    found = await store.stat("k")
    assert (found.key, found.size_bytes, found.sha256) == ("k", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    (root / "k").chmod(0o600)
    (root / "k").write_bytes(b"damaged")
    assert (await store.stat("k")).sha256 == hashlib.sha256(b"damaged").hexdigest()


async def test_local_gives_files_and_folders(store, source, root):
    await store.put([("jobs/j/a1/model.onnx", source)])
    assert await store.local("jobs/j/a1/model.onnx") == root / "jobs/j/a1/model.onnx"
    assert await store.local("jobs/j/a1/") == root / "jobs/j/a1"


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


async def test_a_link_that_leads_out_of_the_store_is_not_followed(store, source, root):
    await store.put([("jobs/j/a1/model.onnx", source)])
    (root / "jobs/j/a1/secret").symlink_to(source)
    with pytest.raises(NotFound):
        await store.local("jobs/j/a1/secret")
    with pytest.raises(NotFound):
        await store.stat("jobs/j/a1/secret")


def test_a_grant_is_the_uri_of_a_folder(store, root):
    assert store.grant(BLOBS).uri == f"file://{root}/blobs/sha256/".replace(" ", "%20")
    assert store.grant(attempt_prefix("job_1", 2)).uri.endswith("/jobs/job_1/a2/")
    with pytest.raises(ValueError, match="slash"):
        store.grant("jobs/job_1")


async def test_no_url_reaches_a_file(store):
    with pytest.raises(InvalidRequest, match="by their grants"):
        await store.signed([Signing("GET", "k")])


async def test_a_full_disk_says_so_and_leaves_nothing_half_written(store, source, root, monkeypatch):
    def full(_reader, writer, _size):
        os.write(writer, b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "copy_file_range", full)
    with pytest.raises(StorageFull, match="free some space"):
        await store.put([("k", source)])
    assert [path for path in root.rglob("*") if path.is_file()] == []


async def test_a_disk_that_fails_says_so(store, source, monkeypatch):
    def broken(_reader, _writer, _size):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files.os, "copy_file_range", broken)
    with pytest.raises(Unavailable, match="Input/output error"):
        await store.put([("k", source)])


async def test_a_missing_source_is_the_callers_mistake(store, tmp_path):
    with pytest.raises(FileNotFoundError):
        await store.put([("k", tmp_path / "missing")])


@pytest.mark.parametrize("owned", [False, True])
async def test_everything_is_synced_before_it_appears(store, source, root, owned, monkeypatch):
    synced: list[Path] = []
    sync, link = files.sync, os.link

    def watched_link(file, target):
        assert file in synced
        return link(file, target)

    monkeypatch.setattr(files, "sync", lambda path: (synced.append(path), sync(path)))
    monkeypatch.setattr(files.os, "link", watched_link)
    key = blob_key(hashlib.sha256(CONTENT).hexdigest())
    assert await store.put([(key, source), ("another/key", source)], owned=owned) == 2
    folders = [root / folder for folder in (*Path(key).parents, "another")]
    assert {root, *folders} <= set(synced)


@pytest.mark.parametrize("owned", [False, True])
async def test_of_many_files_none_appears_when_one_is_not_what_it_says(store, source, root, tmp_path, owned):
    sources = [tmp_path / str(number) for number in range(100)]
    for number, path in enumerate(sources):
        path.write_bytes(bytes([number]))
    keys = [blob_key(hashlib.sha256(path.read_bytes()).hexdigest()) for path in sources]
    sources[70].write_bytes(b"edited")
    with pytest.raises(Conflict, match=f"{sources[70]} changed"):
        await store.put(list(zip(keys, sources, strict=True)), owned=owned)
    assert await store.absent(keys) == keys
    assert [path for path in root.rglob("*") if path.is_file()] == []


async def test_nothing_passing_is_left_behind(store, source, root):
    await store.put([(f"k{number}", source) for number in range(40)])
    assert list((root / ".incoming").iterdir()) == []
    shutil.rmtree(root)
