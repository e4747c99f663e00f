"""Bytes that callers send on their way into a file, while the disk that everybody shares is watched."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import ParamSpec, TypeVar

from eyebright.errors import StorageFull, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

#: A sender that is silent for so long has been cut off without anybody telling; nothing is kept waiting for it.
SILENCE_SECONDS = 20.0
#: Each write costs a hop to a thread.
_BLOCK = 2**20
#: How much may be written between two looks at the free space: others fill the disk too, and not everybody announces a length.
_LOOK_BYTES = 16 * _BLOCK


@dataclass(frozen=True, slots=True)
class Room:
    """The disk of a folder, on which uploads must leave `spare_bytes`."""

    folder: Path
    spare_bytes: int

    async def require(self, size: int) -> None:
        """Raises StorageFull when so many bytes more do not fit."""
        usable = await self._free() - self.spare_bytes
        if size > usable:
            raise StorageFull(
                f"the upload of {mib(size)} does not fit: {mib(max(0, usable))} can be used. "
                "Free some space; nothing is lost"
            )

    async def check(self) -> None:
        """Raises StorageFull when less than the spare space is left."""
        if await self._free() < self.spare_bytes:
            raise StorageFull(
                f"the disk is full but for the {mib(self.spare_bytes)} that an upload must leave "
                "(EYEBRIGHT_UPLOADS__SPARE_BYTES). Free some space and send it again; nothing is lost"
            )

    async def _free(self) -> int:
        return (await asyncio.to_thread(shutil.disk_usage, self.folder)).free


async def heard(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same blocks. Raises Unavailable when the sender falls silent."""
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                block = await anext(blocks, None)
        except TimeoutError:
            raise Unavailable(
                f"nothing came for {SILENCE_SECONDS:.0f} s; send it again, or, in pieces, ask with HEAD how far it got"
            ) from None
        if block is None:
            return
        yield block


async def within(blocks: AsyncIterator[bytes], room: Room) -> AsyncIterator[bytes]:
    """The same blocks, while the disk has room for them. Raises StorageFull."""
    await room.check()
    unseen = 0
    async for block in blocks:
        unseen += len(block)
        if unseen >= _LOOK_BYTES:
            await room.check()
            unseen = 0
        yield block


async def pour(blocks: AsyncIterator[bytes], path: Path, room: Room, *, durable: bool = False) -> None:
    """Append to the file, which is made if need be. Whatever ends it early: what came until then is in the file, in order.

    `durable` also puts it on the disk, piece by piece, so that no long sync is left for the end. Raises StorageFull or OSError.
    """
    file = await asyncio.to_thread(path.open, "ab", buffering=0)
    with file:
        try:
            await _pour(blocks, file, room, durable)
        finally:
            if durable:
                await to_its_end(os.fsync, file.fileno())


async def _pour(blocks: AsyncIterator[bytes], file: FileIO, room: Room, durable: bool) -> None:
    buffer, unseen = bytearray(), 0
    try:
        async for block in blocks:
            buffer += block
            if len(buffer) < _BLOCK:
                continue
            unseen += len(buffer)
            await to_its_end(_write, file, buffer)
            if unseen >= _LOOK_BYTES:
                await room.check()
                if durable:
                    await to_its_end(os.fsync, file.fileno())
                unseen = 0
    finally:
        await to_its_end(_write, file, buffer)


def _write(file: FileIO, buffer: bytearray) -> None:
    """Empties the buffer. A full disk may take a part, which must not be written twice."""
    while buffer:
        del buffer[: file.write(buffer)]


async def to_its_end(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a thread that is never left behind: a cancel waits until it has let go of the file."""
    future = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.gather(future, return_exceptions=True)
        raise


def mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
