"""Seccomp: the kernel refuses whole system calls. Needs no right, and holds in containers that allow no namespaces."""

import errno
import os
import platform
from dataclasses import dataclass

from eyebright_kit.linux import Word, filter_of, install_filter

# linux/bpf_common.h, linux/seccomp.h: the words of the little language that the kernel understands
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_BITS, _ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000

_THREAD = 0x00010000  # the flag of `clone` that makes a thread and no process
_OTHER_NUMBERING = 0x40000000  # x32: the same calls once more under other numbers


@dataclass(frozen=True)
class _Machine:
    """What a kind of processor calls its system calls."""

    architecture: int
    clone: int
    tgkill: int  # allowed towards this very process only: a decoder that gives up ends itself by it
    prlimit: int  # towards this very process, which it may call 0
    refused: tuple[int, ...]


#: To speak to anybody, to touch other processes, to start one, to change what the system is made of, and the doors behind which
#: parsers of attackers' choice wait in the kernel: socket socketpair connect · kill tkill rt_sigqueueinfo rt_tgsigqueueinfo
#: pidfd_send_signal pidfd_getfd ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp migrate_pages
#: move_pages sched_setaffinity sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set · fork vfork execve
#: execveat · mount unshare setns open_by_handle_at · bpf perf_event_open io_uring_setup userfaultfd add_key request_key keyctl ·
#: shmget shmat semget msgget mq_open. And what Landlock does not keep from files elsewhere: chmod fchmod fchmodat fchmodat2 chown
#: fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        56,
        234,
        302,
        (
            *(41, 53, 42, 62, 200, 129, 297, 424, 438, 101, 310, 311, 440, 448, 312, 256),
            *(279, 203, 144, 142, 314, 141, 251, 57, 58, 59, 322, 165, 272, 308, 304),
            *(321, 298, 425, 323, 248, 249, 250, 29, 30, 64, 68, 240),
            *(90, 91, 268, 452, 92, 93, 94, 260, 188, 189, 190, 197, 198, 199),
        ),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        220,
        131,
        261,
        (
            *(198, 199, 203, 129, 130, 138, 240, 424, 438, 117, 270, 271, 440, 448, 272, 238),
            *(239, 122, 119, 118, 274, 140, 30, 221, 281, 40, 97, 268, 265),
            *(280, 241, 425, 282, 217, 218, 219, 194, 196, 190, 186, 180),
            *(52, 53, 452, 54, 55, 5, 6, 7, 14, 15, 16),
        ),
    ),
}
_CLONE3 = 435  # its flags lie in memory, which a filter cannot read: callers fall back to `clone`


def refuse() -> None:
    """From here on: no sockets, no other processes, no new ones; threads go on. Raises OSError where that cannot be had."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise OSError(errno.ENOSYS, f"no list of system calls for {platform.machine()}")
    install_filter(filter_of(_written(machine)))


def _written(machine: _Machine) -> list[Word]:
    no = (_ANSWER, 0, 0, _REFUSE | errno.EPERM)
    words = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, machine.architecture),
        no,
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 0, 1, _OTHER_NUMBERING),
        no,
        (_IF_EQUAL, 0, 1, _CLONE3),
        (_ANSWER, 0, 0, _REFUSE | errno.ENOSYS),
        (_IF_EQUAL, 0, 4, machine.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_BITS, 1, 0, _THREAD),
        no,
        (_ANSWER, 0, 0, _ALLOW),
    ]
    words += _towards_itself(machine.tgkill, (os.getpid(),)) + _towards_itself(machine.prlimit, (0, os.getpid()))
    for number in machine.refused:
        words += [(_IF_EQUAL, 0, 1, number), no]
    return [*words, (_ANSWER, 0, 0, _ALLOW)]


def _towards_itself(number: int, names: tuple[int, ...]) -> list[Word]:
    """A call whose first argument is a process: allowed where that is one of these."""
    known = [(_IF_EQUAL, len(names) - place, 0, name) for place, name in enumerate(names)]
    return [
        (_IF_EQUAL, 0, len(names) + 3, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *known,
        (_ANSWER, 0, 0, _REFUSE | errno.EPERM),
        (_ANSWER, 0, 0, _ALLOW),
    ]
