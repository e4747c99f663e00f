"""What nothing names goes, and nothing else does: over real files, on every database."""

import asyncio
import time
from pathlib import Path

import pytest
from samples import claim, job, post, started, submit, succeeded

from eyebright.core.kept_upload import KeptUpload
from eyebright.core.records import Version
from eyebright.errors import Conflict, StorageFull, Unavailable
from eyebright.ports.objects import STORE, blob_key
from eyebright.services import removal
from eyebright.services.collection import UPLOAD_HOURS, Collection
from eyebright.services.pairing import NUMBER
from eyebright.services.removal import REMOVALS, TTL_SECONDS, Removal, require
from eyebright.services.staging import Staging
from eyebright.stores.objects.files import FileObjectStore
from eyebright.testing import ManualClock
from eyebright_kit.data.manifest import Header, Sample, line_of, write_manifest
from eyebright_wire.jobs import IMPORTER
from eyebright_wire.storage import Garbage

ORPHAN = blob_key("aa" * 32)


class Server:
    """One process over a database and a folder of objects."""

    def __init__(self, database, root: Path) -> None:
        self.clock = ManualClock()
        self.clock.step(time.time() - self.clock.now_ms() / 1000)
        self.database, self.root, self.objects = database, root, FileObjectStore(root)
        self.restart()

    def restart(self) -> None:
        database, objects, clock = self.database, self.objects, self.clock
        self.removal = Removal(database.datasets, objects, database.markers, database.leases, clock)
        self.collection = Collection(
            database.jobs, database.datasets, database.kept_uploads, objects, database.markers, self.removal, clock
        )

    def leave(self, key: str, content: bytes = b"orphan") -> Path:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def name(self, key: str) -> str:
        """A version comes that names it; the key of its manifest."""
        sample = Sample(sha256=key[-64:], extension="png", size_bytes=6, width=1, height=1, split="train", label=0)
        path = self.root.parent / "manifest"
        sha256 = write_manifest(path, Header(format="imagefolder", classes=("a",)), [line_of(sample)])
        await self.objects.put([(blob_key(sha256), path)])
        version = Version(id="dsv_1", dataset="d", number=0, manifest_sha256=sha256, report={}, created_at_ms=1)
        await self.database.datasets.add_version(version)
        return blob_key(sha256)

    async def stored(self) -> list[str]:
        return [key for folder in ("blobs/", "uploads/") for key in await self.objects.keys(folder)]


@pytest.fixture
async def server(database, tmp_path: Path) -> Server:
    server = Server(database, tmp_path / "objects")
    await server.collection.keep_up()
    return server


async def test_a_blob_that_nothing_names_is_told_and_goes(server: Server):
    server.leave(ORPHAN)
    assert await server.collection.look() == Garbage(files=1, size_bytes=6, removed=False)
    assert await server.collection.collect() == Garbage(files=1, size_bytes=6, removed=True)
    assert await server.stored() == []
    assert await server.collection.look() == Garbage(files=0, size_bytes=0, removed=False)


async def test_what_only_a_deleted_version_named_goes(server: Server):
    server.leave(ORPHAN)
    manifest = await server.name(ORPHAN)
    assert (await server.collection.collect()).files == 0
    await server.database.datasets.delete("d", None, server.clock.now_ms())
    assert (await server.collection.collect()).files == 2
    assert not {ORPHAN, manifest} & set(await server.stored())


async def test_the_file_of_an_upload_without_a_row_goes_once_it_is_old(server: Server):
    for number in (1, 2):
        server.leave(f"uploads/upl_{number}/dataset.zip")
    row = KeptUpload(id="upl_2", user_id="u", dataset_name="d", size_bytes=6, created_at_ms=0)
    await server.database.kept_uploads.add(row)
    assert await server.collection.collect() == Garbage(files=0, size_bytes=0, removed=True)
    server.clock.advance(3600 * UPLOAD_HOURS + 60)
    assert await server.collection.collect() == Garbage(files=1, size_bytes=6, removed=True)
    assert await server.stored() == ["uploads/upl_2/dataset.zip"]


async def test_a_server_keeps_up_at_its_start_and_each_day_and_one_of_several_does(server: Server):
    server.leave(ORPHAN)
    await server.collection.keep_up()
    assert await server.stored() == [ORPHAN], "it was done a moment ago"
    server.restart()
    await server.collection.keep_up()
    assert await server.stored() == []
    server.leave(ORPHAN)
    server.clock.advance(86_400)
    await server.collection.keep_up()
    assert await server.stored() == []


async def test_while_an_import_is_kept_it_waits_but_not_for_ever(server: Server):
    await submit(server.database, job(trainer=IMPORTER))
    await claim(server.database)
    await post(server.database, started())
    await post(server.database, succeeded(2))
    server.leave(ORPHAN)
    for days, left in ((1, [ORPHAN]), (1, [])):
        server.clock.advance(86_400 * days)
        await server.collection.keep_up()
        assert await server.stored() == left


async def test_a_removal_that_was_killed_does_not_wait_for_an_import_which_waits_for_its_end(server: Server):
    await submit(server.database, job(trainer=IMPORTER))
    await claim(server.database)
    await post(server.database, started())
    await post(server.database, succeeded(2))
    await server.database.markers.move(REMOVALS, None, 1)
    await server.collection.keep_up()
    assert await server.database.markers.read(REMOVALS) == 4


@pytest.mark.parametrize("harm", ["database", "store"])
async def test_nothing_is_removed_beside_a_database_that_is_not_the_stores(server: Server, harm: str):
    server.leave(ORPHAN)
    if harm == "database":
        await server.database.markers.write(NUMBER, 7)
    else:
        (server.root / (await server.objects.keys(STORE))[0]).rename(server.root / STORE / "7")
    with pytest.raises(Conflict, match=r"may belong to another database.*EYEBRIGHT_STORAGE__PLACE"):
        await server.collection.collect()
    server.restart()
    await server.collection.keep_up()
    assert await server.stored() == [ORPHAN]


async def test_an_empty_database_beside_a_full_store_removes_nothing(database, tmp_path: Path):
    server = Server(database, tmp_path / "objects")
    server.leave(ORPHAN)
    with pytest.raises(Conflict, match="may belong to another database"):
        await server.collection.collect()
    assert await server.stored() == [ORPHAN]
    assert await database.markers.read(NUMBER) is None


async def test_a_restored_database_has_its_number_and_marks_a_new_store(server: Server):
    (key,) = await server.objects.keys(STORE)
    (server.root / key).unlink()
    await server.collection.collect()
    assert await server.objects.keys(STORE) == [key]


@pytest.mark.parametrize("who", ["a round", "an import"])
async def test_a_removal_that_was_killed_is_brought_to_an_end_once_its_lease_has_run_out(server: Server, who: str):
    await server.database.leases.take(REMOVALS, "killed", server.clock.now_ms(), int(1000 * TTL_SECONDS))
    await server.database.markers.move(REMOVALS, None, 1)
    await server.collection.keep_up()
    with pytest.raises(Unavailable, match="are being removed"):
        await server.removal.number()
    server.clock.advance(TTL_SECONDS)
    await (server.collection.keep_up() if who == "a round" else server.removal.number())
    assert await server.database.markers.read(REMOVALS) == 4


async def test_a_slow_store_keeps_the_lease_of_who_removes(server: Server, monkeypatch: pytest.MonkeyPatch):
    remove, slow = server.objects.remove, asyncio.Event()
    take, kept = server.database.leases.take, asyncio.Semaphore(0)

    async def removed_late(keys):
        await slow.wait()
        await remove(keys)

    async def taken(*arguments):
        found = await take(*arguments)
        kept.release()
        return found

    monkeypatch.setattr(server.objects, "remove", removed_late)
    monkeypatch.setattr(server.database.leases, "take", taken)
    monkeypatch.setattr(removal, "TTL_SECONDS", 0.2)
    server.leave(ORPHAN)
    first = asyncio.create_task(server.collection.collect())
    for _ in range(6):
        await kept.acquire()
        server.clock.advance(0.1)
    with pytest.raises(Conflict, match="another server is removing"):
        await server.collection.collect()
    slow.set()
    assert (await first).files == 1


async def test_who_is_stopped_while_a_store_removes_leaves_the_lease_to_run_out(server: Server, monkeypatch):
    reached = asyncio.Event()

    async def never(_keys):
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(server.objects, "remove", never)
    server.leave(ORPHAN)
    first = asyncio.create_task(server.collection.collect())
    await reached.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert REMOVALS in await server.database.leases.holders(server.clock.now_ms())


async def test_a_version_that_came_since_somebody_looked_keeps_what_it_names(server: Server):
    server.leave(ORPHAN)
    _, looked_at = await server.collection._blobs()
    manifest = await server.name(ORPHAN)
    assert await server.removal.remove([ORPHAN], looked_at) == []
    assert await server.stored() == sorted([ORPHAN, manifest])


async def test_a_failed_import_takes_nothing_of_a_version_that_was_deleted_and_brought_back_meanwhile(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    server.leave(ORPHAN)
    manifest = await server.name(ORPHAN)
    absent, put = server.objects.absent, server.objects.put

    async def deleted_meanwhile(keys):
        await server.database.datasets.delete("d", None, 1)
        await server.collection.collect()
        return await absent(keys)

    async def brought_back_meanwhile(items, owned=False):
        monkeypatch.setattr(server.objects, "put", put)
        server.leave(ORPHAN)
        await server.name(ORPHAN)
        raise StorageFull("full")

    monkeypatch.setattr(server.objects, "absent", deleted_meanwhile)
    monkeypatch.setattr(server.objects, "put", brought_back_meanwhile)
    staging = Staging(server.database.jobs, server.database.datasets, server.objects, server.removal)
    with pytest.raises(StorageFull):
        async with staging.staged("job_a", [(ORPHAN, tmp_path / "f", False), (manifest, tmp_path / "m", False)]):
            pass
    assert await server.stored() == sorted([ORPHAN, manifest])


async def test_a_version_that_relies_on_what_was_removed_since_is_not_committed(server: Server):
    number = await server.removal.number()
    await server.collection.collect()
    async with server.database.jobs.transaction() as transaction:
        await require(transaction, number)
    server.leave(ORPHAN)
    await server.collection.collect()
    async with server.database.jobs.transaction() as transaction:
        with pytest.raises(Unavailable, match="are being removed"):
            await require(transaction, number)


async def test_who_was_frozen_while_another_removed_removes_nothing_any_more(server: Server, monkeypatch):
    looks, frozen, thawed = server.removal.named, asyncio.Event(), asyncio.Event()

    async def named(versions):
        frozen.set()
        await thawed.wait()
        return await looks(versions)

    monkeypatch.setattr(server.removal, "named", named)
    server.leave(ORPHAN)
    late = asyncio.create_task(server.removal.remove([ORPHAN], ()))
    await frozen.wait()
    server.clock.advance(TTL_SECONDS)
    server.restart()
    assert (await server.collection.collect()).files == 1
    server.leave(ORPHAN)
    await server.name(ORPHAN)
    thawed.set()
    with pytest.raises(Unavailable, match="another server has gone on"):
        await late
    assert ORPHAN in await server.stored()
