"""What has had its time goes by itself."""

import asyncio
from pathlib import Path

from eyebright.loops import retention
from eyebright.loops.pulse import Pulse
from eyebright.services.uploads import Announced, Uploads
from eyebright.settings import UploadSettings
from eyebright.testing import ManualClock


class Counted(Uploads):
    """Says when a round is over."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        super().__init__(folder, clock, UploadSettings(spare_bytes=0, expiry_seconds=90))
        self.rounds: asyncio.Queue[int] = asyncio.Queue()

    async def expire(self) -> int:
        removed = await super().expire()
        self.rounds.put_nowait(removed)
        return removed


async def test_expired_uploads_are_removed_at_the_start_and_every_minute(tmp_path: Path) -> None:
    clock = ManualClock()
    uploads = Counted(tmp_path / "resumable", clock)
    await uploads.create(Announced(length=1, filename="old"))
    clock.advance(90)
    await uploads.create(Announced(length=1, filename="new"))
    turning = asyncio.create_task(retention.run(uploads, Pulse("retention", 0), clock))
    found = [await uploads.rounds.get()]
    for _ in range(2):
        await asyncio.sleep(0)  # the loop lies down
        clock.advance(60)
        found.append(await uploads.rounds.get())
    turning.cancel()
    assert found == [1, 0, 1]
    assert list((tmp_path / "resumable").iterdir()) == []
