"""Where decoded images stay: in memory, in a file, or nowhere, by what there is room for."""

import os
import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eyebright_torch.memory import available_bytes

# Of what is free. Memory is also needed by training itself; a disk by checkpoints.
_MEMORY_SHARE = 0.4
_DISK_SHARE = 0.5


def room(shape: tuple[int, ...], path: Path, shared: bool) -> NDArray[np.uint8] | None:
    """An array of bytes of this shape, of unknown content, or None when neither memory nor the disk of `path` has room.

    `shared` means that other processes of the run open the same path: then it is one file for all of them.
    """
    size = int(np.prod(shape))
    if not shared and size <= _MEMORY_SHARE * available_bytes(torch.device("cpu")):
        return np.empty(shape, dtype=np.uint8)
    if size <= _DISK_SHARE * shutil.disk_usage(path.parent).free and _reserve(path, size, shared):
        return np.memmap(path, dtype=np.uint8, mode="r+", shape=shape)
    return None


def _reserve(path: Path, size: int, shared: bool) -> bool:
    """Takes the room for real: writing into a hole of a full disk would kill the process with SIGBUS."""
    if not hasattr(os, "posix_fallocate"):
        return False
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        if not shared:
            path.unlink()  # what a quota let it have, checkpoints need
        return False
    finally:
        os.close(descriptor)
    return True
