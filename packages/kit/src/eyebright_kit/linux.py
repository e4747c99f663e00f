"""The few system calls of Linux that Python has no door to. On other systems each raises OSError (ENOSYS)."""

import ctypes
import errno
import os
import signal
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # linux/sched.h
_SET_DEATH_SIGNAL, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES = 1, 22, 38  # linux/prctl.h
#: Of a seccomp program: code, words to pass over if true and if false, operand.
Word = tuple[int, int, int, int]
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h: two words of each set


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def unshare(flags: int) -> None:
    """Leave what is shared with others. A new user namespace needs no right, and a process with a single thread."""
    _checked(_libc().unshare(flags))


def no_new_privileges() -> None:
    """Nothing that is started from here on gains rights by its file; needed by what follows where nobody is root."""
    _checked(_prctl(_SET_NO_NEW_PRIVILEGES, 1))


def drop_capabilities() -> None:
    """Every right of root's is gone for good, those inside an own user namespace too."""
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc().capset(ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION, 0)), nothing))


def die_with(parent: int) -> None:
    """Be killed when that thread of the parent ends. Raises ProcessLookupError when it has ended already."""
    _checked(_prctl(_SET_DEATH_SIGNAL, signal.SIGKILL))
    if os.getppid() != parent:
        raise ProcessLookupError(errno.ESRCH, f"process {parent} is gone")


def filter_of(words: Sequence[Word]) -> ctypes.Structure:
    """The seccomp program that these words are."""
    return _Program(len(words), (_Instruction * len(words))(*(_Instruction(*word) for word in words)))


def install_filter(program: ctypes.Structure) -> None:
    """A seccomp program, for this thread and those that it starts."""
    _checked(_prctl(_SET_SECCOMP, 2, ctypes.addressof(program)))


def syscall(number: int, *arguments: Any) -> int:
    """Its answer, if that is no error."""
    return _checked(_libc().syscall(ctypes.c_long(number), *arguments))


def _prctl(option: int, argument: int, more: int = 0) -> int:
    words = [ctypes.c_ulong(word) for word in (argument, more, 0, 0)]
    return _libc().prctl(option, *words)


def _checked(answer: int) -> int:
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


@cache
def _libc() -> Any:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, f"{sys.platform} has no such call")
    return ctypes.CDLL(None, use_errno=True)
