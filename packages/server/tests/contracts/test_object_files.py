"""What objects that lie in files do besides the contract: links, syncs, full disks."""

import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from eyebright.errors import InvalidRequest, NotFound, StorageFull, Unavailable
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


async def test_a_large_object_comes_in_chunks(store, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CHUNK_BYTES", 7)
    (tmp_path / "large").write_bytes(b"0123456789" * 3)
    await store.put([("large", tmp_path / "large")])
    assert [chunk async for chunk in store.open("large", 16)] == [b"6789012", b"3456789"]


async def test_a_kernel_that_copies_nothing_itself_leaves_it_to_us(store, source, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(files.os, "copy_file_range", refuse)
    await store.put([("k", source)])
    assert await read(store, "k") == CONTENT


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


async def test_nothing_passing_is_left_behind(store, source, root):
    await store.put([(f"k{number}", source) for number in range(40)])
    assert list((root / ".incoming").iterdir()) == []
    shutil.rmtree(root)


async def test_what_a_killed_trainer_was_writing_is_no_object(store, source, root):
    await store.put([("jobs/j/a1/model.onnx", source)])
    (rest := root / "jobs/j/a1/checkpoints/.writing-1f").mkdir(parents=True)
    (rest / "model.json").write_text("{")
    assert [*await store.listed("jobs/j/a1/")] == ["jobs/j/a1/model.onnx"]
