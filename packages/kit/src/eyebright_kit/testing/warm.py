"""Warm starts: a run that finds its framework imported already, for each takes seconds to import one.

It is forked from a process that has done nothing but import. All else is as in a cold start: a process and a session of its own,
with its own environment, log and watch over the network, that begins with the module's `__main__`.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from socket import socket

from eyebright_kit.offline import go_under_watch
from eyebright_kit.runtime.trace import Process, Program


def warm(imported: tuple[str, ...]) -> Callable[[Program], Process]:
    """How to start a program that finds these modules imported. None of them may read its environment while it is imported: that
    of the program comes later."""

    def start(program: Program) -> Process:
        assert program.cwd is None, "its imports may have looked around where the others stand"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(imported))
        line = program.offline.their_end
        begun = (program.arguments, dict(program.environment), program.log, program.guard)
        process = context.Process(target=_live, args=(line, imported, *begun))
        process.start()
        return _Forked(process)

    return start


class _Forked:
    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return code

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


def _live(
    line: socket,
    imported: tuple[str, ...],
    arguments: tuple[str, ...],
    environment: dict[str, str],
    log: Path,
    guard: Path,
) -> None:
    os.setsid()
    with log.open("wb") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    missing = set(imported) - sys.modules.keys()
    assert not missing, f"could not be imported before: {sorted(missing)}"
    os.environ.clear()
    os.environ.update(environment)
    go_under_watch(line)
    runpy.run_path(str(guard))
    sys.argv = list(arguments)
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
