"""The output of a process, in a file that it appends to: read by byte offset, and kept from filling the disk."""

import ctypes
import ctypes.util
import logging
import os
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

from anyio import to_thread

_log = logging.getLogger(__name__)

_CHUNK = 256 * 1024
_BLOCK = 4096
_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02  # linux/falloc.h


async def read_log(path: Path, offset: int) -> AsyncIterator[bytes]:
    """The bytes from `offset` up to the present end; none at all when there is no such file.

    What `trim_log` gave back to the disk reads as NUL bytes, so that offsets stay what they were.
    """
    end = await to_thread.run_sync(_size, path)
    while offset < end:
        chunk = await to_thread.run_sync(_read, path, offset, min(_CHUNK, end - offset))
        if not chunk:
            return
        offset += len(chunk)
        yield chunk


def trim_log(path: Path, limit: int) -> None:
    """Give all but the last `limit` bytes back to the disk, without moving what remains or disturbing who writes.

    Works where files can have holes punched (ext4, XFS, Btrfs, tmpfs on Linux); elsewhere the file keeps growing.
    """
    try:
        status = path.stat()
        if status.st_blocks * 512 > limit + _BLOCK:
            _punch_hole(path, (status.st_size - limit) // _BLOCK * _BLOCK)
    except OSError as error:
        _log.debug("cannot trim %s: %s", path, error)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, offset: int, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError:
        return b""


def _punch_hole(path: Path, length: int) -> None:
    fallocate = _fallocate()
    if fallocate is None or length <= 0:
        return
    with path.open("r+b") as file:
        if fallocate(file.fileno(), _KEEP_SIZE | _PUNCH_HOLE, 0, length) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))


@cache
def _fallocate() -> Any:
    """The C function, which Python has no door to; None where there is none."""
    function = getattr(ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True), "fallocate64", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return function
