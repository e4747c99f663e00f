"""Run a program that can reach no other machine, and hear of each attempt: `Offline(note).command([...])`.

Linux asks us about every `connect` and addressed `send` of the program and of whatever it starts, in any language: seccomp hands
such a call to a supervisor, here a thread of whoever started the program. Loopback is let through, but for name servers.
"""

import ctypes
import errno
import fcntl
import ipaddress
import os
import platform
import queue
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from eyebright_kit import linux

# linux/seccomp.h, linux/bpf_common.h
_SET_FILTER, _NEW_LISTENER = 1, 8
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_NOTICE, _REPLY = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
_GO_ON = 1
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE, _FIFTH = 0, 4, 16 + 4 * 8  # places in seccomp_data

_NAME_SERVER = 53


@dataclass(frozen=True)
class _Calls:
    architecture: int
    seccomp: int
    connect: int
    sendto: int
    sendmsg: int
    sendmmsg: int


_MACHINES = {
    "x86_64": _Calls(0xC000003E, 317, 42, 44, 46, 307),
    "aarch64": _Calls(0xC00000B7, 277, 203, 206, 211, 269),
}


@dataclass
class Offline:
    """`note` is told of each attempt, from a thread. `watching` says whether the system could be had to ask us at all."""

    note: Callable[[str], None]
    watching: bool = False
    _ours: socket.socket = field(init=False)
    _theirs: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()

    @property
    def kept_open(self) -> tuple[int, ...]:
        """What the program must inherit: `pass_fds` of subprocess."""
        return (self._theirs.fileno(),)

    def command(self, argv: list[str]) -> list[str]:
        return [sys.executable, "-m", __name__, str(self._theirs.fileno()), *argv]

    @property
    def their_end(self) -> socket.socket:
        """What a process inherits that calls `go_under_watch` by itself."""
        return self._theirs

    def begin(self) -> None:
        """Once the program was started: waits until it is under watch, or until it says that it cannot be."""
        self._theirs.close()
        with self._ours:
            _, descriptors, _, _ = socket.recv_fds(self._ours, 1, 1)
        self.watching = bool(descriptors)
        for listener in descriptors:
            threading.Thread(target=self._watch, args=(listener,), daemon=True).start()

    def _watch(self, listener: int) -> None:
        """Until the last process of the program is gone."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        try:
            while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
                self._answer(listener)
        finally:
            os.close(listener)

    def _answer(self, listener: int) -> None:
        notice = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice, True)
            identity, thread, _, number, _, _, *arguments = _NOTICE.unpack(notice)
            if outside := _outside(thread, number, arguments):
                self.note(f"{outside} ({_name_of(thread)})")
            reply = (identity, 0, -errno.ENETUNREACH, 0) if outside else (identity, 0, 0, _GO_ON)
            fcntl.ioctl(listener, _ANSWER, _REPLY.pack(*reply))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EINTR):  # whoever asked was killed meanwhile
                raise


def _outside(thread: int, number: int, arguments: list[int]) -> str:
    """Which other machine, or name server, the call would reach; empty: none."""
    calls = _MACHINES[platform.machine()]
    place, size = {calls.connect: (1, 2), calls.sendto: (4, 5)}.get(number, (0, 0))
    if place:
        address, length = arguments[place], arguments[size]
    else:  # the address lies in a `msghdr`
        header = _memory(thread, arguments[1], 12)
        address, length = struct.unpack("=QI", header) if len(header) == 12 else (0, 0)
    return _named(_memory(thread, address, min(length, 28))) if address and length >= 8 else ""


def _named(address: bytes) -> str:
    if len(address) < 8:  # the memory of whoever was killed meanwhile is gone
        return ""
    family, port = struct.unpack("=H", address[:2])[0], int.from_bytes(address[2:4], "big")
    if family == socket.AF_INET:
        host = ipaddress.ip_address(address[4:8])
    elif family == socket.AF_INET6 and len(address) >= 24:
        host = ipaddress.IPv6Address(address[8:24])
        host = host.ipv4_mapped or host
    else:
        return ""
    here = host.is_loopback or host.is_unspecified or str(host) in _own_addresses()
    return "" if here and port != _NAME_SERVER else f"{host} port {port}"


@cache
def _own_addresses() -> frozenset[str]:
    """Of this machine's name: whoever looks it up is connected to them without sending anything."""
    try:
        return frozenset(str(found[4][0]) for found in socket.getaddrinfo(os.uname().nodename, None))
    except OSError:
        return frozenset()


def _memory(thread: int, place: int, size: int) -> bytes:
    """Of a place where nothing is, nothing: the system refuses such a call by itself."""
    with Path(f"/proc/{thread}/mem").open("rb", buffering=0) as memory:
        try:
            return os.pread(memory.fileno(), size, place)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EFAULT):
                raise
            return b""


def _name_of(thread: int) -> str:
    try:
        return Path(f"/proc/{thread}/comm").read_text().strip()
    except OSError:  # it was killed since it asked; that it did is told nevertheless
        return "a process that is gone"


# The program's side


def _ask_first() -> int:
    """From here on this thread, and whatever it becomes or starts, asks first. Answers where the questions can be heard."""
    calls = _MACHINES.get(platform.machine())
    if calls is None:
        raise OSError(errno.ENOSYS, f"no list of system calls for {platform.machine()}")
    program = linux.filter_of(_filter(calls))
    linux.no_new_privileges()
    return linux.syscall(calls.seccomp, _SET_FILTER, _NEW_LISTENER, ctypes.byref(program))


def _filter(calls: _Calls) -> list[linux.Word]:
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 0, 9, calls.architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_EQUAL, 8, 0, calls.connect),
        (_IF_EQUAL, 7, 0, calls.sendmsg),
        (_IF_EQUAL, 6, 0, calls.sendmmsg),
        (_IF_EQUAL, 0, 4, calls.sendto),
        (_LOAD, 0, 0, _FIFTH),  # an address is what a plain `send` has not
        (_IF_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, _FIFTH + 4),
        (_IF_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ASK),
    ]


def go_under_watch(line: socket.socket) -> None:
    """Whatever this thread does and starts from here on is watched, if it can be. Where the questions are heard is handed over
    by a thread that need not ask."""
    found: queue.Queue[list[int]] = queue.Queue()
    teller = threading.Thread(target=lambda: socket.send_fds(line, [b"x"], found.get()))
    teller.start()
    try:
        found.put([_ask_first()])
    except OSError:
        found.put([])
    teller.join()


if __name__ == "__main__":
    go_under_watch(socket.socket(fileno=int(sys.argv[1])))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - that is what this process is for
