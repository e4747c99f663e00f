"""The rows of the store's objects say what the store does: whoever touches it at once, and whoever is killed at it."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest
from harness.object_stores import bucket, credentials, endpoints, store_in
from harness.objects import MemoryObjects
from samples import claim, job, submit

from eyebright.errors import Conflict, Unavailable
from eyebright.ports.objects import Signing, attempt_prefix, blob_key
from eyebright.ports.stored import WALKED, Held
from eyebright.services import storage as module
from eyebright.services.ledgered import OPEN_HOURS, LedgeredObjectStore
from eyebright.services.storage import LEASE, Storage
from eyebright.stores.memory_stored import MemoryStored
from eyebright.stores.objects.files import FileObjectStore
from eyebright.testing import ManualClock

__all__ = ["endpoints"]

KEYS = [*(f"jobs/j/a{attempt}/{name}" for attempt in (1, 2) for name in "xy"), "uploads/u/f"]


class Server:
    """One process over a database and a store of objects."""

    def __init__(self, database, objects) -> None:
        self.clock, self.database, self.lying = ManualClock(), database, objects
        self.restart()

    def restart(self) -> None:
        database, clock = self.database, self.clock
        self.objects = LedgeredObjectStore(self.lying, database.stored, clock, url_seconds=3600)
        self.storage = Storage(self.objects, database.stored, database.jobs, database.markers, database.leases, clock)


@pytest.fixture(params=["files", "moto"])
def server(request, database, endpoints, tmp_path: Path, monkeypatch) -> Iterator[Server]:
    if request.param == "files":
        yield Server(database, FileObjectStore(tmp_path / "objects"))
        return
    credentials(monkeypatch)
    with store_in(bucket("moto", endpoints["moto"]), tmp_path / "a folder") as opened:
        yield Server(database, opened)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"seven b")
    return path


async def blocks(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def settled(server: Server) -> bool:
    """Nothing is open, and the sums are those of the list."""
    lying = {
        key: each.size_bytes
        for folder in ("blobs/", "jobs/", "uploads/")
        for key, each in (await server.lying.listed(folder)).items()
    }
    view = await server.storage.view()
    assert (view.files, view.size_bytes) == (len(lying), sum(lying.values()))
    return not view.unsettled


async def test_what_is_put_poured_and_removed_is_counted(server: Server, file: Path):
    key = blob_key("2ee3ab7b0dc9a2d9f9b6ff16bf4e0dd1f0a4c1a6b1f0f1a0e0a0a0a0a0a0a0a0")
    with pytest.raises(Conflict):
        await server.objects.put([(key, file)])
    await server.objects.put([("jobs/j/a1/m", file), ("jobs/j/a1/n/o", file)])
    await server.objects.put([("jobs/j/a1/m", file)])
    await server.objects.pour("uploads/u/f", blocks(b"12", b"345"))
    assert await server.database.stored.held() == [Held("jobs", 2, 14, 0), Held("uploads", 1, 5, 0)]
    await server.objects.remove(["jobs/j/a1/", "uploads/u/none"])
    assert await server.database.stored.held() == [Held("uploads", 1, 5, 0)]
    assert await settled(server)


async def test_what_a_run_has_written_itself_is_counted_when_it_is_gone(server: Server, file: Path):
    await server.lying.put([("jobs/j/a1/checkpoint", file)])
    await server.objects.leave("jobs/j/a1/")
    assert await server.database.stored.held() == [Held("jobs", 1, 7, 0)]


async def test_what_breaks_off_is_not_counted(server: Server):
    async def broken() -> AsyncIterator[bytes]:
        yield b"12"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await server.objects.pour("uploads/u/f", broken())
    assert await server.database.stored.held() == []


async def test_a_check_tells_what_differs_and_mending_puts_it_right(server: Server, file: Path):
    await server.objects.put([("jobs/j/a1/gone", file), ("jobs/j/a1/kept", file)])
    await server.lying.remove(["jobs/j/a1/gone"])
    await server.lying.put([("uploads/u/come", file)])
    told: list[str] = []
    found = await server.storage.check(told.append)
    assert (found.differing, found.examples, found.mended) == (2, ("jobs/j/a1/gone", "uploads/u/come"), False)
    assert "jobs/" in told
    assert found.storage.files == 2
    found = await server.storage.mend()
    assert (found.differing, found.mended) == (2, True)
    assert found.storage.walked_at_ms == server.clock.now_ms()
    assert await settled(server)
    assert (await server.storage.check()).differing == 0


@pytest.mark.parametrize("kind", ["memory"])
async def test_what_runs_are_at_work_on_is_left_out(server: Server, file: Path):
    await submit(server.database, job())
    await claim(server.database)
    await server.lying.put([(attempt_prefix("job_0001", 1) + "checkpoint", file), ("jobs/job_0001/images.jsonl", file)])
    assert (await server.storage.check()).differing == 0
    assert (await server.storage.mend()).differing == 0


@pytest.mark.parametrize("kind", ["memory"])
async def test_a_store_that_was_never_counted_is_at_the_start(server: Server, file: Path):
    await server.lying.put([("uploads/u/f", file)])
    await server.storage.keep_up()
    assert await settled(server)
    await server.lying.put([("uploads/u/g", file)])
    await server.storage.keep_up()
    assert (await server.storage.check()).examples == ("uploads/u/g",), "it has been counted once"


@pytest.mark.parametrize("kind", ["memory"])
async def test_a_restored_database_counts_its_store_at_the_start(server: Server, file: Path):
    await server.database.markers.write(WALKED, 1)
    await server.lying.put([("uploads/u/f", file)])
    await server.storage.keep_up()
    assert await settled(server)


@pytest.mark.parametrize("kind", ["memory"])
async def test_one_server_counts_at_a_time_and_another_one_goes_on_later(server: Server):
    await server.database.leases.take(LEASE, "another", server.clock.now_ms(), 10**9)
    with pytest.raises(Conflict, match="another server counts"):
        await server.storage.mend()
    await server.storage.keep_up()
    await server.database.leases.release(LEASE, "another")
    await server.storage.keep_up()
    assert await server.database.markers.read(WALKED) is None, "it rests"
    server.clock.advance(60 * module.REST_MINUTES)
    await server.storage.keep_up()
    assert await server.database.markers.read(WALKED) == server.clock.now_ms()


async def test_what_a_killed_server_left_open_is_looked_at_by_the_next_and_closed_in_time(server: Server, file: Path):
    await server.storage.keep_up()
    await server.database.stored.open(["uploads/u/came", "uploads/u/never"], 1, server.clock.now_ms() + 1000)
    await server.lying.put([("uploads/u/came", file)])
    server.restart()
    await server.storage.keep_up()
    assert not await settled(server)
    server.clock.advance(1)
    await server.storage.keep_up()
    assert await settled(server)


@pytest.mark.parametrize("kind", ["memory"])
async def test_a_database_that_fails_after_a_put_costs_nothing_but_time(server: Server, file: Path, monkeypatch):
    await server.storage.keep_up()

    async def fail(*_: object) -> frozenset[str]:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(server.database.stored, "settle", fail)
        assert await server.objects.put([("uploads/u/f", file)]) == 1
    server.clock.advance(3600 * OPEN_HOURS)
    await server.storage.keep_up()
    assert await settled(server)


@pytest.mark.parametrize("kind", ["memory"])
async def test_a_signed_url_keeps_its_row_open_while_it_holds(
    endpoints, database, tmp_path: Path, monkeypatch, file: Path
):
    credentials(monkeypatch)
    with store_in(bucket("moto", endpoints["moto"]), tmp_path / "a folder") as opened:
        server = Server(database, opened)
        wanted = [
            Signing("GET", "jobs/j/a1/none"),
            Signing("PUT", "jobs/j/a1/x"),
            Signing("PUT", "jobs/j/a1/s", seconds=9000),
        ]
        assert len(await server.objects.signed(wanted)) == 3
        await opened.put([("jobs/j/a1/x", file)])
        await server.objects.leave("jobs/j/a1/")
        assert await database.stored.held() == [Held("jobs", 1, 7, 2)]
        await opened.put([("jobs/j/a1/s", file)])
        for seconds, held in ((3600, Held("jobs", 2, 14, 1)), (5400, Held("jobs", 2, 14, 0))):
            server.clock.advance(seconds)
            await server.storage.keep_up()
            assert await database.stored.held() == [held]
        assert await settled(server)


class Killed(BaseException):
    """Not even a `finally` gets anything done any more."""


class Mortal:
    """A store as one process sees it, which is killed before or after any of its calls."""

    def __init__(self, behind: object, chosen: random.Random, fuse: list[int]) -> None:
        self._behind, self._chosen, self._fuse = behind, chosen, fuse

    def __getattr__(self, name: str) -> object:
        verb = getattr(self._behind, name)

        async def called(*arguments: object, **named: object) -> object:
            await self._wait()
            answer = await verb(*arguments, **named)
            await self._wait()
            return answer

        return called

    async def _wait(self) -> None:
        for _ in range(self._chosen.randrange(4)):
            await asyncio.sleep(0)
        self._fuse[0] -= 1
        if self._fuse[0] < 0:
            raise Killed


class Lying(MemoryObjects):
    """Each object is written or removed at a moment of its own."""

    def __init__(self, chosen: random.Random) -> None:
        super().__init__()
        self._chosen = chosen
        self.working: list[asyncio.Task[None]] = []

    def _read(self, path: Path) -> bytes:
        return bytes(int(path.name))

    async def put(self, files: Sequence[tuple[str, Path]], *, owned: bool = False) -> int:
        await asyncio.shield(self._one_by_one(super().put, [[each] for each in files]))
        return 0

    async def remove(self, keys: Sequence[str]) -> None:
        await asyncio.shield(self._one_by_one(super().remove, [[key] for key in keys]))

    def _one_by_one(self, verb: Callable[..., Awaitable[object]], asked: Sequence[object]) -> asyncio.Task[None]:
        """As in a thread: whoever is cancelled, or dead, does not end it."""

        async def done() -> None:
            for each in asked:
                await asyncio.sleep(0)
                await verb(each)

        self.working.append(asyncio.create_task(done()))
        return self.working[-1]


async def act(objects: LedgeredObjectStore, chosen: random.Random) -> None:
    for _ in range(4):
        keys = chosen.sample(KEYS, 2)
        if chosen.random() < 0.1:
            asyncio.get_running_loop().call_later(0, asyncio.current_task().cancel)  # type: ignore[union-attr]
        match chosen.randrange(4):
            case 0:
                await objects.remove(keys)
            case 1:
                await objects.remove(["jobs/j/a1/"])
            case 2:
                await objects.look_below("jobs/j/a1/")
            case _:
                await objects.put([(key, Path(str(chosen.randrange(9)))) for key in keys])


@pytest.mark.parametrize("seeds", [range(start, start + 100) for start in range(0, 500, 100)], ids=str)
async def test_whoever_does_what_at_once_and_is_killed_the_rows_are_right_once_the_open_ones_were_looked_at(seeds):
    for seed in seeds:
        chosen, clock, stored = random.Random(seed), ManualClock(), MemoryStored()
        lying = Lying(chosen)
        fuses = [[chosen.choice([10**6, chosen.randrange(30)])] for _ in range(4)]
        actors = [
            LedgeredObjectStore(Mortal(lying, chosen, fuse), Mortal(stored, chosen, fuse), clock, url_seconds=60)  # type: ignore[arg-type]
            for fuse in fuses
        ]
        await asyncio.gather(*(act(each, chosen) for each in actors), return_exceptions=True)
        await asyncio.gather(*lying.working)
        clock.advance(3600 * OPEN_HOURS)
        objects = LedgeredObjectStore(lying, stored, clock, url_seconds=60)
        await objects.look_at(await stored.due(clock.now_ms(), "", 100), clock.now_ms())
        known = {**await stored.known("jobs/"), **await stored.known("uploads/")}
        assert known == {key: len(content) for key, content in lying.bytes.items()}, seed
        assert await stored.due(1 << 53, "", 100) == [], seed


def hoarded(url: str, folder: Path, seed: int) -> None:
    """A process puts and removes for a while, and is killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "harness.hoarder", url, folder, str(seed)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    ) as hoarder:
        assert hoarder.stdout is not None
        assert hoarder.stdout.read(20 + 7 * seed)
        assert hoarder.poll() is None
        hoarder.kill()


async def until_alone(url: str) -> None:
    """A server carries out the last statement of whoever was killed, if it had it already."""
    others = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(60):
            while await connection.fetchval(others):  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.01)
    finally:
        await connection.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_after_a_kill_the_rows_are_mended_from_those_that_were_left_open(kind, fresh_url, tmp_path: Path):
    from eyebright.stores.sql.database import Database

    url = fresh_url(kind)
    for seed in range(6):
        await asyncio.to_thread(hoarded, url, tmp_path, seed)
        if kind == "postgresql":
            await until_alone(url)
        database = await Database.open(url)
        server = Server(database, FileObjectStore(tmp_path / "objects"))
        server.clock.step(10**9)
        await database.markers.write(WALKED, 1)
        await server.storage.keep_up()
        assert await settled(server), "without a list of the whole store"
        await database.close()
