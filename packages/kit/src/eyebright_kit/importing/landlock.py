"""Landlock: the kernel refuses every file that was not named. Needs no right; Linux 5.13 and later, where it is switched on."""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from eyebright_kit.linux import syscall

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_ASK_VERSION = 1
_BELOW_PATH = 1

# linux/landlock.h
_EXECUTE, _WRITE, _READ, _READ_FOLDER, _REMOVE_FOLDER, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_FOLDER, _MAKE_FILE = 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_FIRST_VERSION = (1 << 13) - 1  # every right that the first version knew
_CONNECT = 0b11  # to bind and to connect, by TCP
_SCOPES = 0b11  # abstract sockets and signals of processes outside
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL

_LOOK = _READ | _READ_FOLDER
_CHANGE = _LOOK | _WRITE | _TRUNCATE | _REFER | _REMOVE_FOLDER | _REMOVE_FILE | _MAKE_FOLDER | _MAKE_FILE


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Below(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> int:
    """From here on nothing else can be opened, made or removed, and no program started; answers the kernel's version of it.

    What does not exist is passed over. No link, device or socket can be made anywhere. Raises OSError where there is no
    Landlock.
    """
    version = syscall(_CREATE, None, ctypes.c_size_t(0), _ASK_VERSION)
    handled = _handled(version)
    rules = _Ruleset(handled, _CONNECT if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    ruleset = syscall(_CREATE, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    try:
        for path in readable:
            _allow(ruleset, path, _LOOK & handled)
        for path in writable:
            _allow(ruleset, path, _CHANGE & handled)
        syscall(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _handled(version: int) -> int:
    later = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL}
    return _FIRST_VERSION | sum(right for since, right in later.items() if version >= since)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed = rights if path.is_dir() else rights & _OF_FILES
        syscall(_ADD, ruleset, _BELOW_PATH, ctypes.byref(_Below(allowed, place)), 0)
    finally:
        os.close(place)
