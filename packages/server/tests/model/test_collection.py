"""Imports, removals and deletions at once, each step in any order, any of them frozen at any step: never a version without its
blobs, and in the end not one too many."""

import asyncio
import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyebright.core.records import Version
from eyebright.errors import Conflict, EyebrightError, Unavailable
from eyebright.ports.objects import blob_key
from eyebright.services import collection
from eyebright.services.collection import Collection
from eyebright.services.removal import TTL_SECONDS, Removal, require
from eyebright.services.staging import Put, Staging
from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.objects.files import FileObjectStore
from eyebright.testing import ManualClock
from eyebright_kit.data.manifest import Header, Sample, line_of, write_manifest
from eyebright_wire.jobs import JobState

BLOBS = 4
TRIES = 3
CALLS = ("absent", "put", "listed", "remove", "local", "manifests", "transaction", "read", "move", "take", "release")


class Turns:
    """Who does something waits for its turn first. Those whom nobody gives one any more are frozen, or were killed."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, asyncio.Future[None]]] = []
        self.all_at_once = False

    async def wait(self, what: str = "") -> None:
        if not self.all_at_once:
            turn = asyncio.get_running_loop().create_future()
            self.waiting.append((what, turn))
            await turn


class Slow:
    """A part of the real thing, each call of which waits for its turn."""

    def __init__(self, real: Any, turns: Turns) -> None:
        self._real = real
        self._turns = turns

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Awaitable[Any]] = getattr(self._real, name)
        if name not in CALLS:
            return call

        async def turned(*arguments: Any, **named: Any) -> Any:
            await self._turns.wait(name)
            return await call(*arguments, **named)

        return turned


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.turns = Turns()
        self.clock = ManualClock()
        self.database = MemoryDatabase()
        self.objects = FileObjectStore(folder / "objects")
        self.succeeded: set[str] = set()
        self._files: dict[frozenset[int], tuple[Sequence[Put], str]] = {}
        objects, datasets, markers, leases = (
            Slow(part, self.turns)
            for part in (self.objects, self.database.datasets, self.database.markers, self.database.leases)
        )
        self.removal = Removal(datasets, objects, markers, leases, self.clock)
        self.staging = Staging(self, datasets, objects, self.removal)  # pyright: ignore[reportArgumentType]
        self.collection = Collection(
            self.database.jobs, datasets, self.database.kept_uploads, objects, markers, self.removal, self.clock
        )

    async def get(self, job_id: str) -> Any:
        state = JobState.SUCCEEDED if job_id in self.succeeded else JobState.RUNNING
        return SimpleNamespace(job=SimpleNamespace(state=state))

    async def bring(self, number: int, blobs: frozenset[int], fails: bool) -> None:
        """Import a version, as often as it is refused for a removal."""
        for _ in range(TRIES):
            try:
                return await self._bring(f"job_{number}", blobs, fails)
            except Unavailable:
                await self.turns.wait()
            except Conflict:
                return None
        return None

    async def _bring(self, job_id: str, blobs: frozenset[int], fails: bool) -> None:
        files, manifest = self.files(blobs)
        async with self.staging.staged(job_id, files) as removals:
            await self.turns.wait()
            if fails:
                raise Conflict("a file changed")
            async with self.database.jobs.transaction() as transaction:
                await require(transaction, removals)
                version = Version(
                    id=manifest, dataset=job_id, number=1, manifest_sha256=manifest, report={}, created_at_ms=0
                )
                transaction._draft.versions[version.dataset, version.id] = version
                self.succeeded.add(job_id)

    async def forget(self, number: int) -> None:
        await self.turns.wait()
        async with self.database.jobs.transaction():
            for key in [key for key in self.database.state.versions if key[0] == f"job_{number}"]:
                del self.database.state.versions[key]

    async def collect(self) -> None:
        try:
            await self.collection.collect()
        except (Conflict, Unavailable):
            return

    def files(self, blobs: frozenset[int]) -> tuple[Sequence[Put], str]:
        """Their bytes, and the manifest that names them."""
        if blobs not in self._files:
            self._files[blobs] = self._written(blobs)
        return self._files[blobs]

    def _written(self, blobs: frozenset[int]) -> tuple[Sequence[Put], str]:
        samples, files = list[bytes](), list[Put]()
        for blob in sorted(blobs):
            content = b"picture %d" % blob
            sha256 = hashlib.sha256(content).hexdigest()
            (path := self.folder / sha256).write_bytes(content)
            files.append((blob_key(sha256), path, False))
            sample = Sample(sha256=sha256, extension="png", size_bytes=9, width=1, height=1, split="train", label=0)
            samples.append(line_of(sample))
        path = self.folder / f"manifest-{'-'.join(map(str, sorted(blobs)))}"
        manifest = write_manifest(path, Header(format="imagefolder", classes=("a",)), samples)
        return [*files, (blob_key(manifest), path, False)], manifest

    async def stored(self) -> set[str]:
        return set(await self.objects.keys("blobs/"))

    async def named(self) -> set[str]:
        of = {self.files(frozenset(blobs))[1]: frozenset(blobs) for blobs in _subsets(range(BLOBS))}
        made = self.database.state.versions.values()
        return {key for version in made for key, _, _ in self.files(of[version.manifest_sha256])[0]}


def _subsets(blobs: Sequence[int]) -> list[list[int]]:
    return [[blob for blob in blobs if chosen >> blob & 1] for chosen in range(1, 1 << len(blobs))]


SETS = st.frozensets(st.integers(0, BLOBS - 1), min_size=1)
IMPORTS = st.lists(st.tuples(SETS, st.booleans()), min_size=1, max_size=3)


@settings(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(
    before=st.lists(SETS, max_size=2),
    imports=IMPORTS,
    removals=st.integers(1, 2),
    forgotten=st.sets(st.integers(0, 4)),
    frozen=st.sets(st.integers(0, 60), max_size=2),
    late=st.sets(st.integers(0, 60), max_size=2),
    order=st.lists(st.integers(0, 7), min_size=60, max_size=60),
)
def test_no_version_ever_lacks_a_blob(before, imports, removals, forgotten, frozen, late, order):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_lived(World(Path(folder)), before, imports, removals, forgotten, frozen, late, order))


@pytest.fixture(autouse=True)
def few_folders(monkeypatch):
    """To list all takes 256 turns of each removal."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        keys = [key for blobs in _subsets(range(BLOBS)) for key, _, _ in world.files(frozenset(blobs))[0]]
    monkeypatch.setattr(collection, "FOLDERS", sorted({f"{key.rpartition('/')[0]}/" for key in keys}))


async def _lived(world, before, imports, removals, forgotten, frozen, late, order) -> None:
    world.turns.all_at_once = True
    await world.collect()  # they are a pair from now on
    for number, blobs in enumerate(before):
        await world.bring(number, blobs, False)
    world.turns.all_at_once = False
    works = [
        *(world.bring(len(before) + number, blobs, fails) for number, (blobs, fails) in enumerate(imports)),
        *(world.collect() for _ in range(removals)),
        *(world.forget(number) for number in forgotten),
    ]
    tasks = [asyncio.create_task(work) for work in works]
    abandoned: list[asyncio.Future[None]] = []
    for step in range(2000):
        await _until_all_wait(world, tasks, len(abandoned))
        if not world.turns.waiting:
            break
        _, turn = world.turns.waiting.pop(order[step % len(order)] % len(world.turns.waiting))
        if step in frozen:
            abandoned.append(turn)
        else:
            turn.set_result(None)
        if step in late and "remove" not in {
            what for what, _ in world.turns.waiting
        }:  # no store can be kept from what is on its way
            world.clock.advance(TTL_SECONDS + 1)
        await _until_all_wait(world, tasks, len(abandoned))
        assert await world.named() <= await world.stored()
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for each in ended if isinstance(each, EyebrightError | AssertionError)] == []
    world.turns.all_at_once = True
    world.clock.advance(TTL_SECONDS + 1)
    await world.collection.collect()
    assert await world.stored() == await world.named()
    await world.removal.number()


async def _until_all_wait(world: World, tasks: Sequence[asyncio.Task[None]], abandoned: int) -> None:
    while sum(not task.done() for task in tasks) > len(world.turns.waiting) + abandoned:  # noqa: ASYNC110  it is they who take steps
        await asyncio.sleep(0)
