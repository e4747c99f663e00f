"""Shut this very process in, for good: `enter(bounds, parent)`, before the first byte of somebody's data is touched.

Several walls, because not every system has each of them: an own network with nothing in it, system calls that are refused,
files that cannot be opened, and the oldest, limits on what is used up.
"""

import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyebright_kit import linux
from eyebright_kit.importing import landlock, seccomp

#: What Python and its libraries may still want to load, beside sys.path.
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/urandom", "/sys/devices/system/cpu")

#: Python's own events that are refused where the kernel refuses nothing. No wall to code that is not Python.
_REFUSED_EVENTS = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "os.kill", "ctypes.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is left to the process."""

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]  # and readable
    memory_bytes: int
    cpu_seconds: int
    file_bytes: int
    open_files: int


def enter(bounds: Bounds, parent: int) -> dict[str, str]:
    """Which walls stand, by what they keep from: for people to read. The process must have a single thread.

    It ends with its parent. Raises ProcessLookupError when that is gone already.
    """
    _limit(bounds)
    layers = {"network": _leave_network()}
    _stood(linux.no_new_privileges)
    _stood(linux.drop_capabilities)
    layers["files"] = _close_files(bounds)
    layers["calls"] = _refuse_calls()
    layers["memory"] = f"{bounds.memory_bytes / 2**30:g} GiB"
    if _stood(lambda: linux.die_with(parent)) is None and os.getppid() != parent:
        raise ProcessLookupError(f"process {parent} is gone")
    return layers


def _limit(bounds: Bounds) -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: bounds.memory_bytes,
        resource.RLIMIT_CPU: bounds.cpu_seconds,
        resource.RLIMIT_FSIZE: bounds.file_bytes,
        resource.RLIMIT_NOFILE: bounds.open_files,
    }
    for what, most in limits.items():
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # A second more for the hard limit of the CPU: that one kills without saying why.
        above = most + 1 if what == resource.RLIMIT_CPU and hard in (resource.RLIM_INFINITY, most + 1) else most
        resource.setrlimit(what, (most, above))


def _leave_network() -> str:
    alone = _stood(lambda: linux.unshare(linux.NEW_USER | linux.NEW_NETWORK))
    return "a namespace of its own, with nothing in it" if alone else "no namespace of its own allowed here"


def _close_files(bounds: Bounds) -> str:
    own = {Path(place) for place in (*sys.path, sys.prefix, sys.base_prefix, *_SYSTEM, *_DEVICES) if place}
    closed = _stood(lambda: landlock.restrict({*own, *bounds.readable}, bounds.writable))
    if not closed:
        return "open as far as its user may (no Landlock here)"
    return f"Landlock (version {closed}): reads the source, writes its work folder"


def _refuse_calls() -> str:
    if _stood(seccomp.refuse):
        return "seccomp: no sockets, no processes"
    sys.addaudithook(_refuse_event)
    return "no seccomp here: sockets and processes refused to Python code only"


def _refuse_event(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED_EVENTS):
        raise PermissionError(f"{event} is refused to whoever reads somebody's data")


def _stood(raise_wall: Callable[[], int | None]) -> int | None:
    """What the wall answered, or 1; None where the system has no such wall."""
    try:
        return raise_wall() or 1
    except ProcessLookupError:
        raise
    except OSError:
        return None
