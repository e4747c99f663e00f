"""What has had its time goes by itself."""

import asyncio
from pathlib import Path

import pytest
from harness.platform import Platform

from eyebright.errors import Unavailable
from eyebright.loops import retention
from eyebright.loops.pulse import Pulse
from eyebright.services.models import Models
from eyebright.services.uploads import Announced, Uploads
from eyebright.settings import UploadSettings
from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.objects.files import FileObjectStore
from eyebright.testing import FakeCatalog, FakePredictor, ManualClock


class Counted(Uploads):
    """Says when a round is over."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        super().__init__(folder, clock, UploadSettings(spare_bytes=0, expiry_seconds=90))
        self.rounds: asyncio.Queue[int] = asyncio.Queue()

    async def expire(self) -> int:
        removed = await super().expire()
        self.rounds.put_nowait(removed)
        return removed


def nothing_deleted() -> Models:
    database = MemoryDatabase()
    objects = FileObjectStore(Path("/nowhere"))
    return Models(database.models, database.jobs, objects, FakeCatalog(), FakePredictor(), ManualClock())


async def lies_down() -> None:
    """The loop has done what it can do at this hour."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_expired_uploads_are_removed_at_the_start_and_every_minute(tmp_path: Path) -> None:
    clock, models = ManualClock(), nothing_deleted()
    uploads = Counted(tmp_path / "resumable", clock)
    await uploads.create(Announced(length=1, filename="old"))
    clock.advance(90)
    await uploads.create(Announced(length=1, filename="new"))
    turning = asyncio.create_task(retention.run((uploads.expire, models.clear), Pulse("retention", 0), clock))
    found = [await uploads.rounds.get()]
    for _ in range(2):
        await lies_down()
        clock.advance(60)
        found.append(await uploads.rounds.get())
    turning.cancel()
    assert found == [1, 0, 1]
    assert list((tmp_path / "resumable").iterdir()) == []


async def test_files_of_deleted_models_are_removed_even_while_uploads_cannot_be(platform, monkeypatch) -> None:
    await platform.add_dataset()
    handle = await platform.running(name="cats")
    await platform.succeed(handle)
    with monkeypatch.context() as dying:
        dying.setattr(platform.objects, "remove", broken)
        await platform.models.delete("cats")
    assert await platform.objects.keys("jobs/")
    uploads = Broken(Path("/nowhere"), platform.clock, UploadSettings())
    pulse = Pulse("retention", 0)
    turning = asyncio.create_task(retention.run((uploads.expire, platform.models.clear), pulse, platform.clock))
    await lies_down()
    turning.cancel()
    assert pulse.failures == 1
    assert await platform.objects.keys("jobs/") == []


class Broken(Uploads):
    async def expire(self) -> int:
        raise Unavailable("the folder of uploads is away")


async def broken(keys: object) -> None:
    raise Unavailable("the disk is away")


@pytest.fixture
async def platform():
    platform = Platform(MemoryDatabase())
    yield platform
    await platform.sweep.close()
