"""Files that come in pieces: begun, continued wherever they were cut, used once complete, removed when nobody wants them.

An upload is two files: what was announced, written once, and the bytes. Their number is the offset and their age the expiry, so
there is nothing that a crash could leave in disagreement.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from eyebright.core.scope import DEFAULT_PROJECT, current, current_project
from eyebright.errors import Conflict, Locked, NotFound, TooLarge, Way
from eyebright.ports.clock import Clock
from eyebright.services.quotas import RequireRoom, boundless
from eyebright.services.room import Room, heard, mib, pour, to_its_end
from eyebright.settings import UploadSettings
from eyebright_kit import disk

#: A sender that was cut off asks at once how far it got, often before the server has put away what came last.
LETTING_GO_SECONDS = 1.0
_ID = re.compile(r"upl_[0-9a-f]{23}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What was said at the beginning. `filename` and `metadata` are for people, and never used as paths."""

    length: int  # bytes
    filename: str
    metadata: str = ""  # as it was sent
    project: str = DEFAULT_PROJECT  # nobody else's business


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Where it stands: the first `offset` bytes are on the disk."""

    id: str
    announced: Announced
    offset: int
    expires_at_ms: int

    @property
    def missing(self) -> int:
        """Bytes that have yet to come."""
        return self.announced.length - self.offset


@dataclass(frozen=True, slots=True)
class CompleteUpload:
    path: Path
    filename: str  # what the sender calls it


class _Hold:
    """One request's hold on an upload, from its first step on: whether the upload is its own is known only later."""

    def __init__(self) -> None:
        self.judged = asyncio.Event()  # it is theirs, or they have let go
        self.over = asyncio.Event()

    def end(self) -> None:
        self.judged.set()
        self.over.set()


class Uploads:
    """`folder` is made when the first upload begins."""

    def __init__(
        self, folder: Path, clock: Clock, limits: UploadSettings, require_room: RequireRoom = boundless
    ) -> None:
        self._require_room = require_room
        self._folder = folder
        self._clock = clock
        self._limits = limits
        self._room = Room(folder, limits.spare_bytes)
        self._held: dict[str, _Hold] = {}

    async def create(self, announced: Announced) -> Upload:
        """Begin one. Raises TooLarge or StorageFull for what could not end well."""
        if announced.length > self._limits.archive_bytes:
            raise TooLarge(
                f"the file of {mib(announced.length)} is larger than the {mib(self._limits.archive_bytes)} that this server "
                "accepts; see EYEBRIGHT_UPLOADS__ARCHIVE_BYTES"
            )
        await self._require_room(announced.length + await asyncio.to_thread(self._promised, current_project()))
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        await self._room.require(announced.length)
        upload_id = self._clock.new_id("upl")
        await to_its_end(self._begin, upload_id, replace(announced, project=current_project()))
        return await self._get(upload_id)

    async def adopt(self, upload_id: str, file: Path, filename: str) -> None:
        """A file that came in one piece becomes a complete upload of this new id; it is moved away from where it lies."""
        await to_its_end(self._adopt, upload_id, file, filename)

    async def get(self, upload_id: str) -> Upload:
        """Raises NotFound, also for one whose time is up. Of one in use what has been written by now."""
        if (held := self._held.get(upload_id)) is not None:
            await self._get(upload_id)
            with suppress(TimeoutError):
                await asyncio.wait_for(held.over.wait(), LETTING_GO_SECONDS)
        return await self._get(upload_id)

    async def _get(self, upload_id: str) -> Upload:
        if not _ID.fullmatch(upload_id):
            raise _unknown(upload_id)
        return await asyncio.to_thread(self._look, upload_id)

    async def append(self, upload_id: str, offset: int, blocks: AsyncIterator[bytes], *, announced: int = 0) -> Upload:
        """Continue at `offset`; `announced` is the length of the blocks, where it is known before they come.

        Whatever ends it early, what came until then is kept. Raises NotFound, Locked while somebody else is at it, Conflict
        for another offset than the upload stands at, TooLarge for more than was announced, StorageFull, or Unavailable when
        the sender falls silent.
        """
        async with self._alone(upload_id) as upload:
            if offset != upload.offset:
                raise Conflict(f"the upload stands at byte {upload.offset}, not at {offset}; send from there")
            _require_expected(announced, upload.missing)
            await self._room.require(announced)
            try:
                await pour(_bounded(blocks, upload.missing), self._bytes(upload_id), self._room, durable=True)
            finally:
                await to_its_end(self._touch, upload_id)
            return await self._get(upload_id)

    async def abandon(self, upload_id: str) -> None:
        """Remove it. Raises NotFound, or Locked while it is in use."""
        async with self._alone(upload_id):
            await to_its_end(self._remove, upload_id)

    async def path_of(self, upload_id: str) -> CompleteUpload:
        """Where its bytes are; its time begins anew. Raises NotFound, or Conflict unless all of them have come."""
        upload = await self._get(upload_id)
        if upload.missing:
            raise Conflict(
                f"of upload {upload_id} only {upload.offset} of {upload.announced.length} bytes have come; send the rest first"
            )
        await asyncio.to_thread(self._touch, upload_id)
        return CompleteUpload(self._bytes(upload_id), upload.announced.filename)

    async def expire(self) -> int:
        """Remove those that nobody has continued or used for too long; how many."""
        removed = 0
        for upload_id in await asyncio.to_thread(self._expired):
            if upload_id not in self._held:
                with self._hold(upload_id):
                    removed += await to_its_end(self._remove_expired, upload_id)
        return removed

    @asynccontextmanager
    async def _alone(self, upload_id: str) -> AsyncGenerator[Upload]:
        """Held from the first step on: a sender that is cut off and asks at once must find that its piece is still at work.
        A stranger holds it only until they hear that it is not theirs, and whoever owns it waits for that.
        """
        while (held := self._held.get(upload_id)) is not None:
            await self._get(upload_id)  # nobody else is told that it is in use
            await held.judged.wait()
            if self._held.get(upload_id) is held:
                raise Locked(f"upload {upload_id} is in use by another request; try again when that has ended")
        with self._hold(upload_id) as hold:
            upload = await self._get(upload_id)
            hold.judged.set()
            yield upload

    @contextmanager
    def _hold(self, upload_id: str) -> Generator[_Hold]:
        hold = self._held[upload_id] = _Hold()
        try:
            yield hold
        finally:
            del self._held[upload_id]
            hold.end()

    def _promised(self, project: str) -> int:
        """Bytes of what has been announced and is still there."""
        found = 0
        for path in self._folder.glob(f"*{self._announcement('').name}"):
            with suppress(NotFound, OSError):
                announced = self._announced(path.name.removesuffix(self._announcement("").name))
                found += announced.length if announced.project == project else 0
        return found

    def _begin(self, upload_id: str, announced: Announced) -> None:
        """The announcement comes last: with it the upload is there."""
        self._bytes(upload_id).touch(0o600, exist_ok=False)
        self._touch(upload_id)
        disk.replace_durably(self._announcement(upload_id), json.dumps(asdict(announced)).encode())

    def _adopt(self, upload_id: str, file: Path, filename: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        announced = Announced(length=file.stat().st_size, filename=filename, project=current_project())
        file.replace(self._bytes(upload_id))
        self._touch(upload_id)
        disk.replace_durably(self._announcement(upload_id), json.dumps(asdict(announced)).encode())

    def _announced(self, upload_id: str) -> Announced:
        try:
            announced = Announced(**json.loads(self._announcement(upload_id).read_bytes()))
        except FileNotFoundError:
            raise _unknown(upload_id) from None
        if not current().covers(announced.project):
            raise _unknown(upload_id)
        return announced

    def _look(self, upload_id: str) -> Upload:
        """Synced first: a killed server may have left bytes that are in the file but not on the disk."""
        announced = self._announced(upload_id)
        try:
            found = self._bytes(upload_id).stat()
            disk.sync(self._bytes(upload_id))
        except FileNotFoundError:
            raise _unknown(upload_id) from None
        expires_at_ms = self._expiry(found)
        if expires_at_ms <= self._clock.now_ms():
            raise _unknown(upload_id)
        return Upload(id=upload_id, announced=announced, offset=found.st_size, expires_at_ms=expires_at_ms)

    def _touch(self, upload_id: str) -> None:
        now_ns = self._clock.now_ms() * 1_000_000
        os.utime(self._bytes(upload_id), ns=(now_ns, now_ns))

    def _expired(self) -> list[str]:
        if not self._folder.exists():
            return []
        return [path.stem for path in self._folder.glob("*.bytes") if self._is_expired(path.stem)]

    def _is_expired(self, upload_id: str) -> bool:
        return self._expiry(self._bytes(upload_id).stat()) <= self._clock.now_ms()

    def _remove_expired(self, upload_id: str) -> bool:
        """Unless somebody has used it since it was found."""
        if expired := self._is_expired(upload_id):
            self._remove(upload_id)
        return expired

    def _expiry(self, found: os.stat_result) -> int:
        return found.st_mtime_ns // 1_000_000 + round(1000 * self._limits.expiry_seconds)

    def _remove(self, upload_id: str) -> None:
        """The announcement goes first: without it the upload is gone, and what remains is found again by its age."""
        self._announcement(upload_id).unlink(missing_ok=True)
        for path in self._folder.glob(f"*{upload_id}*"):  # the bytes, and what a crash left of writing the announcement
            path.unlink(missing_ok=True)

    def _bytes(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.bytes"

    def _announcement(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.json"


def _unknown(upload_id: str) -> NotFound:
    return NotFound(f"there is no upload {upload_id[:40]}, or its time is up", way=Way.UPLOAD)


def _require_expected(size: int, missing: int) -> None:
    if size > missing:
        raise TooLarge(
            f"the body has {size} bytes or more, and only {missing} are missing of what Upload-Length announced"
        )


async def _bounded(blocks: AsyncIterator[bytes], missing: int) -> AsyncIterator[bytes]:
    total = 0
    async for block in heard(blocks):
        total += len(block)
        _require_expected(total, missing)
        yield block
