"""Uploads in pieces: what has come stays, whoever is first goes on, and what nobody wants goes."""

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eyebright.core.scope import DEFAULT_PROJECT, Scope, current_project, within
from eyebright.errors import Conflict, Locked, NotFound, StorageFull, TooLarge, Unavailable
from eyebright.services import room, uploads
from eyebright.services.uploads import Announced, Upload, Uploads
from eyebright.settings import UploadSettings
from eyebright.testing import ManualClock

DAY = 86_400
PHOTOS = bytes(range(256)) * 40


class Desk:
    """The verbs over a folder; `restart` is another process on the same one."""

    def __init__(self, folder: Path, **limits: int) -> None:
        self.folder = folder / "resumable"
        self.clock = ManualClock()
        self.limits = UploadSettings(**{"spare_bytes": 0, **limits})
        self.restart()

    def restart(self) -> None:
        self.uploads = Uploads(self.folder, self.clock, self.limits)

    async def begin(self, length: int = len(PHOTOS), filename: str = "photos.zip") -> str:
        return (await self.uploads.create(Announced(length=length, filename=filename))).id

    async def send(self, upload_id: str, offset: int, content: bytes, **options: int) -> int:
        return (await self.uploads.append(upload_id, offset, pieces(content), **options)).offset

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(uploads, "LETTING_GO_SECONDS", 60)  # a disk that is busy takes longer than a second
    return Desk(tmp_path)


async def pieces(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def cut(content: bytes) -> AsyncIterator[bytes]:
    async for piece in pieces(content):
        yield piece
    raise ConnectionResetError("the line was cut")


class Held:
    """A sender that has sent a piece and waits."""

    def __init__(self, piece: bytes) -> None:
        self.sent, self.may_end = asyncio.Event(), asyncio.Event()
        self._piece = piece

    async def blocks(self) -> AsyncIterator[bytes]:
        yield self._piece
        self.sent.set()
        await self.may_end.wait()


async def test_pieces_become_the_file(desk: Desk) -> None:
    upload_id = await desk.begin()
    assert await desk.send(upload_id, 0, PHOTOS[:3000]) == 3000
    assert await desk.send(upload_id, 3000, PHOTOS[3000:]) == len(PHOTOS)
    complete = await desk.uploads.path_of(upload_id)
    assert (complete.path.read_bytes(), complete.filename) == (PHOTOS, "photos.zip")
    assert complete.path.stat().st_mode & 0o077 == 0


async def test_a_cut_upload_goes_on_where_it_was_cut(desk: Desk) -> None:
    upload_id = await desk.begin()
    with pytest.raises(ConnectionResetError):
        await desk.uploads.append(upload_id, 0, cut(PHOTOS[:2500]))
    desk.restart()
    assert (await desk.uploads.get(upload_id)).offset == 2500
    await desk.send(upload_id, 2500, PHOTOS[2500:])
    assert (await desk.uploads.path_of(upload_id)).path.read_bytes() == PHOTOS


async def test_bytes_that_a_killed_server_had_written_count_and_are_synced_before_they_are_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = await desk.begin()
    await desk.send(upload_id, 0, PHOTOS[:2000])
    path = desk.folder / f"{upload_id}.bytes"
    with path.open("ab") as file:
        file.write(PHOTOS[2000:4500])
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    desk.restart()
    assert (await desk.uploads.get(upload_id)).offset == 4500
    assert synced == [path.stat().st_ino]


async def test_what_is_acknowledged_is_on_the_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = await desk.begin()
    path = desk.folder / f"{upload_id}.bytes"
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    monkeypatch.setattr(room, "_BLOCK", 1000)
    monkeypatch.setattr(room, "_LOOK_BYTES", 3000)
    offset = await desk.send(upload_id, 0, PHOTOS)
    assert sizes[1:4] == [3000, 6000, 9000], "a long upload left all of its syncing for the end"
    assert offset == path.stat().st_size == sizes[-2] == sizes[-1], "the end was not synced before it was told"


async def test_another_offset_is_refused_and_changes_nothing(desk: Desk) -> None:
    upload_id = await desk.begin()
    await desk.send(upload_id, 0, PHOTOS[:100])
    for offset in (0, 99, 101, len(PHOTOS), 10**18):
        with pytest.raises(Conflict, match="stands at byte 100"):
            await desk.send(upload_id, offset, b"x")
    assert (await desk.uploads.get(upload_id)).offset == 100


async def test_more_than_was_announced_is_refused_before_it_is_read_or_where_it_shows(desk: Desk) -> None:
    upload_id = await desk.begin(length=2500)
    with pytest.raises(TooLarge, match="only 2500"):
        await desk.uploads.append(upload_id, 0, cut(b""), announced=2501)
    with pytest.raises(TooLarge, match="only 2500"):
        await desk.send(upload_id, 0, PHOTOS)
    assert (await desk.uploads.get(upload_id)).offset == 2000, "the pieces that were expected are kept"
    assert await desk.send(upload_id, 2000, PHOTOS[2000:2500]) == 2500


async def test_a_length_that_can_never_end_well_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path, archive_bytes=5000)
    with pytest.raises(TooLarge, match="EYEBRIGHT_UPLOADS__ARCHIVE_BYTES"):
        await desk.begin(5001)
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(StorageFull, match="can be used"):
        await Desk(tmp_path, archive_bytes=4 * free).begin(2 * free)
    assert desk.left() == []


async def test_of_two_at_once_one_wins(desk: Desk) -> None:
    upload_id, first = await desk.begin(), Held(PHOTOS[:1000])
    winner = asyncio.create_task(desk.uploads.append(upload_id, 0, first.blocks()))
    await first.sent.wait()
    with pytest.raises(Locked):
        await desk.send(upload_id, 0, PHOTOS)
    with pytest.raises(Locked):
        await desk.uploads.abandon(upload_id)
    first.may_end.set()
    assert (await winner).offset == 1000
    assert await desk.send(upload_id, 1000, PHOTOS[1000:]) == len(PHOTOS)


async def test_whoever_asks_while_the_last_bytes_are_put_away_hears_of_them_all(desk: Desk) -> None:
    upload_id, first = await desk.begin(), Held(PHOTOS[:1000])
    sending = asyncio.create_task(desk.uploads.append(upload_id, 0, first.blocks()))
    await first.sent.wait()
    asking = asyncio.create_task(desk.uploads.get(upload_id))
    await asyncio.sleep(0)
    first.may_end.set()
    assert (await asking).offset == (await sending).offset == 1000


async def test_whoever_asks_as_soon_as_the_bytes_have_come_hears_of_them(desk: Desk) -> None:
    upload_id = await desk.begin()
    sending = asyncio.create_task(desk.send(upload_id, 0, PHOTOS[:1000]))
    await asyncio.sleep(0)  # it has taken its first step
    assert (await desk.uploads.get(upload_id)).offset == 1000
    await sending


async def test_whoever_asks_while_the_piece_ends_is_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id, first = await desk.begin(), Held(PHOTOS[:1000])
    sending = asyncio.create_task(desk.uploads.append(upload_id, 0, first.blocks()))
    await first.sent.wait()
    look = desk.uploads._get

    async def slowly(upload_id: str) -> Upload:
        monkeypatch.setattr(desk.uploads, "_get", look)
        first.may_end.set()
        await sending
        return await look(upload_id)

    monkeypatch.setattr(desk.uploads, "_get", slowly)
    assert (await desk.uploads.get(upload_id)).offset == 1000


async def test_whoever_asks_while_somebody_goes_on_sending_is_answered_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LETTING_GO_SECONDS", 0.01)
    upload_id, first = await desk.begin(), Held(PHOTOS[:1000])
    sending = asyncio.create_task(desk.uploads.append(upload_id, 0, first.blocks()))
    await first.sent.wait()
    assert (await desk.uploads.get(upload_id)).offset == 0
    first.may_end.set()
    await sending


@pytest.mark.parametrize("slow", ["birds", DEFAULT_PROJECT])
async def test_a_stranger_does_not_keep_the_owner_out(desk: Desk, monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
    upload_id, seen = await desk.begin(), threading.Event()
    look = Uploads._look

    def slowly(self: Uploads, upload_id: str) -> Upload:
        if current_project() == slow:
            assert seen.wait(60)
            return look(self, upload_id)
        try:
            return look(self, upload_id)
        finally:
            seen.set()

    monkeypatch.setattr(Uploads, "_look", slowly)

    async def strangely() -> None:
        with within(Scope("birds")), pytest.raises(NotFound):
            await desk.send(upload_id, 0, PHOTOS)

    stranger = asyncio.create_task(strangely())
    await asyncio.sleep(0)  # it was there first
    assert await desk.send(upload_id, 0, PHOTOS) == len(PHOTOS)
    await stranger


async def test_a_sender_that_falls_silent_gives_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SILENCE_SECONDS", 0.01)
    upload_id = await desk.begin()
    with pytest.raises(Unavailable, match="nothing came"):
        await desk.uploads.append(upload_id, 0, Held(PHOTOS[:1000]).blocks())
    assert await desk.send(upload_id, 1000, PHOTOS[1000:]) == len(PHOTOS)


async def test_a_cancelled_request_lets_go_only_when_its_last_write_is_done(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next request would find an offset that still moves."""
    entered, go = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    write = room._write

    def slow(file, buffer) -> None:
        monkeypatch.setattr(room, "_write", write)
        loop.call_soon_threadsafe(entered.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(60)
        write(file, buffer)

    monkeypatch.setattr(room, "_write", slow)
    upload_id = await desk.begin()
    sending = asyncio.create_task(desk.send(upload_id, 0, PHOTOS[:1000]))
    await entered.wait()
    sending.cancel()
    await asyncio.wait({sending}, timeout=0.05)
    with pytest.raises(Locked):
        await desk.send(upload_id, 0, PHOTOS)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert (await desk.uploads.get(upload_id)).offset == 1000


async def test_a_disk_that_takes_only_a_part_keeps_that_part_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    write = room._write

    class Full:
        def __init__(self, file) -> None:
            self.file = file

        def write(self, buffer) -> int:
            nonlocal taken
            if taken + len(buffer) > 1500:
                if taken == 1500:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                buffer = buffer[: 1500 - taken]
            taken += self.file.write(buffer)
            return len(buffer)

    upload_id = await desk.begin()
    monkeypatch.setattr(room, "_write", lambda file, buffer: write(Full(file), buffer))
    with pytest.raises(OSError, match="No space"):
        await desk.send(upload_id, 0, PHOTOS)
    monkeypatch.undo()
    assert await desk.send(upload_id, 1500, PHOTOS[1500:]) == len(PHOTOS)
    assert (await desk.uploads.path_of(upload_id)).path.read_bytes() == PHOTOS


async def test_an_incomplete_one_cannot_be_used(desk: Desk) -> None:
    upload_id = await desk.begin()
    await desk.send(upload_id, 0, PHOTOS[:10])
    with pytest.raises(Conflict, match="only 10 of 10240"):
        await desk.uploads.path_of(upload_id)


async def test_an_empty_file_is_complete_from_the_start(desk: Desk) -> None:
    assert (await desk.uploads.path_of(await desk.begin(length=0))).path.read_bytes() == b""


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\x00b", "..", "C:\\x", "\x1b[31m", "x" * 255])
async def test_a_name_is_never_a_path(desk: Desk, name: str) -> None:
    upload_id = await desk.begin(length=0, filename=name)
    complete = await desk.uploads.path_of(upload_id)
    assert (complete.path, complete.filename) == (desk.folder / f"{upload_id}.bytes", name)


@pytest.mark.parametrize("upload_id", ["", ".", "..", "upl_", "../upl_1", "upl_" + "0" * 24, "upl_" + "g" * 23, "*"])
async def test_what_is_no_id_is_not_looked_for(desk: Desk, upload_id: str) -> None:
    await desk.begin()
    for verb in (desk.uploads.get, desk.uploads.path_of, desk.uploads.abandon):
        with pytest.raises(NotFound):
            await verb(upload_id)
    with pytest.raises(NotFound):
        await desk.send(upload_id, 0, b"x")
    assert len(desk.left()) == 2


async def test_an_abandoned_one_leaves_nothing(desk: Desk) -> None:
    upload_id = await desk.begin()
    await desk.send(upload_id, 0, PHOTOS[:10])
    await desk.uploads.abandon(upload_id)
    assert desk.left() == []
    with pytest.raises(NotFound):
        await desk.uploads.abandon(upload_id)


async def test_what_nobody_continues_or_uses_expires(desk: Desk) -> None:
    begun, complete = await desk.begin(), await desk.begin(length=0)
    desk.clock.advance(DAY - 1)
    await desk.send(begun, 0, PHOTOS[:10])
    assert await desk.uploads.expire() == 0
    desk.clock.advance(1)
    with pytest.raises(NotFound):
        await desk.uploads.path_of(complete)
    assert await desk.uploads.expire() == 1
    assert (await desk.uploads.get(begun)).expires_at_ms == desk.clock.now_ms() + 1000 * (DAY - 1)
    desk.clock.advance(DAY - 1)
    desk.restart()
    assert await desk.uploads.expire() == 1
    assert desk.left() == []


async def test_one_that_is_used_at_the_last_moment_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    old, used = await desk.begin(length=0), await desk.begin(length=0)
    find = desk.uploads._expired
    desk.clock.advance(DAY)

    def then_it_is_used() -> list[str]:
        found = find()
        desk.uploads._touch(used)
        return found

    monkeypatch.setattr(desk.uploads, "_expired", then_it_is_used)
    assert await desk.uploads.expire() == 1
    assert (await desk.uploads.get(used)).id == used
    with pytest.raises(NotFound):
        await desk.uploads.get(old)


async def test_what_a_crash_left_of_a_beginning_expires_too(desk: Desk) -> None:
    upload_id = await desk.begin()
    announcement = desk.folder / f"{upload_id}.json"
    announcement.rename(desk.folder / f".{upload_id}.json.1234.tmp")
    with pytest.raises(NotFound):
        await desk.uploads.get(upload_id)
    desk.clock.advance(DAY)
    assert await desk.uploads.expire() == 1
    assert desk.left() == []


async def test_without_a_folder_there_is_nothing_to_expire(desk: Desk) -> None:
    assert await desk.uploads.expire() == 0
