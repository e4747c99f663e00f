"""Let the disk begin with a file that was just written, while the process goes on: whoever syncs it later waits less.

A gigabyte that is unpacked otherwise stays in memory until the first sync, which then waits for all of it.
"""

import ctypes
import sys
from typing import Any, BinaryIO

_START = 2  # linux/fs.h: SYNC_FILE_RANGE_WRITE


def _found() -> Any:
    """Looked up once, as a sandbox may forbid it later. None where the system has no such call."""
    return getattr(ctypes.CDLL(None), "sync_file_range", None) if sys.platform == "linux" else None


_sync_file_range = _found()


def begin(file: BinaryIO) -> bool:
    """Whether the system took it. What could not be written is told to whoever syncs."""
    file.flush()
    if _sync_file_range is None:
        return False
    everything = ctypes.c_int64(0)
    return _sync_file_range(file.fileno(), everything, everything, _START) == 0
