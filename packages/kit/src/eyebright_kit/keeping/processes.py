"""Find and end the processes of a run, never anybody else's: a pid alone proves nothing, because pids are used again."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence

import psutil

from eyebright_kit.keeping.child_environment import RUN_MARK

#: Two processes never share a pid within so short a time, and the clock's corrections are smaller.
_SAME_BIRTH_SECONDS = 1.0
_ENDED = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})


def birth(pid: int) -> float | None:
    """When that process began, in seconds since 1970; None when there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def recognise(pid: int, created: float, mark: str) -> psutil.Process | None:
    """The process that was started as `pid` at `created`, dead but unreaped ones included; None when it is gone.

    It must have begun at that moment or bear the run's mark. Either will do: a step of the system clock shifts every
    creation time, and a program that sets its own title may overwrite its environment.
    """
    try:
        process = psutil.Process(pid)
        same_birth = abs(process.create_time() - created) < _SAME_BIRTH_SECONDS
    except psutil.Error:
        return None
    return process if same_birth or bears_mark(process, mark) else None


def runs(process: psutil.Process | None) -> bool:
    """It exists and has not ended; a stopped one (SIGSTOP) does run."""
    try:
        return process is not None and process.status() not in _ENDED
    except psutil.Error:
        return False


def bears_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(RUN_MARK) == mark
    except (psutil.Error, OSError):
        return False


def marked(mark: str) -> list[psutil.Process]:
    """Every running process that was started by the run, oldest first; this process is never among them."""
    found = [process for process in _others() if bears_mark(process, mark) and runs(process)]
    return sorted(found, key=_age_order)


def members(leader: psutil.Process | None, mark: str) -> list[psutil.Process]:
    """Everything of the run that is still running, whatever it did to get away.

    `leader` counts as long as it is in the process table, dead or alive: only then does its pid still name its session and
    group. Beyond that (its descendants may have outlived it by days) nothing but the mark proves that a process is ours.
    """
    found = {process.pid: process for process in marked(mark)}
    if leader is not None:
        found.update({process.pid: process for process in (leader, *_descendants(leader), *_session(leader.pid))})
    found.pop(os.getpid(), None)
    return [process for process in found.values() if runs(process)]


def ask(leader: psutil.Process) -> None:
    """SIGTERM for the leader alone, waking it if it was stopped.

    Not for its group: data workers that die first, or ranks that a launcher signals once more, would turn an orderly stop
    with a checkpoint into a crash. What the leader leaves behind is killed after it.
    """
    with contextlib.suppress(psutil.Error):
        leader.terminate()
        leader.send_signal(signal.SIGCONT)


def kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):  # psutil compares the creation time again before it sends the signal
            process.kill()


def await_end(processes: Sequence[psutil.Process], seconds: float) -> None:
    """Until none of them runs, or the time is over. Unreaped ones don't run, so this needs nobody to wait for them."""
    deadline = time.monotonic() + seconds
    while any(map(runs, processes)) and time.monotonic() < deadline:
        time.sleep(0.005)


def _others() -> Iterator[psutil.Process]:
    """Looked up anew each time: psutil's own iterator may hand out an object for a process that had the pid before."""
    own = os.getpid()
    for pid in psutil.pids():
        if pid != own:
            with contextlib.suppress(psutil.Error):
                yield psutil.Process(pid)


def _descendants(leader: psutil.Process) -> list[psutil.Process]:
    try:
        return leader.children(recursive=True)
    except psutil.Error:
        return []


def _session(leader_pid: int) -> Iterator[psutil.Process]:
    for process in _others():
        with contextlib.suppress(OSError, psutil.Error):
            if leader_pid in (os.getsid(process.pid), os.getpgid(process.pid)):
                yield process


def _age_order(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.Error:
        return float("inf")
