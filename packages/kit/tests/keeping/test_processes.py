"""Which processes belong to a run, and which only look like it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from eyebright_kit.keeping import processes
from eyebright_kit.keeping.child_environment import RUN_MARK

MARK = f"/runs/job_of_test_{os.getpid()}/a1"


@contextmanager
def _sleeper(mark: str | None = None) -> Iterator[psutil.Process]:
    environment = {"PATH": os.defpath, **({RUN_MARK: mark} if mark else {})}
    program = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(program, env=environment, start_new_session=True) as child:
        process = psutil.Process(child.pid)
        while not process.environ():  # a moment of exec in which it has none
            time.sleep(0.001)
        try:
            yield process
        finally:
            child.kill()


def test_a_process_is_recognised_by_its_birth_or_by_its_mark() -> None:
    with _sleeper(MARK) as process:
        born = process.create_time()
        assert processes.recognise(process.pid, born, "/runs/other/a1") == process
        assert processes.recognise(process.pid, born - 3600, MARK) == process
        assert processes.recognise(process.pid, born - 3600, "/runs/other/a1") is None
    assert processes.recognise(process.pid, born, MARK) is None


def test_the_mark_of_another_attempt_does_not_match() -> None:
    with _sleeper(MARK + "0"):
        assert processes.marked(MARK) == []


def test_a_dead_but_unreaped_process_does_not_run() -> None:
    with _sleeper() as process:
        process.kill()
        processes.await_end([process], seconds=20)
        assert psutil.pid_exists(process.pid)
        assert not processes.runs(process)


def test_without_its_leader_only_marked_processes_are_members() -> None:
    """The leader's pid may have been used again by somebody else's session."""
    with _sleeper() as stranger, _sleeper(MARK) as ours:
        assert processes.members(None, MARK) == [ours]
        assert stranger in processes.members(stranger, MARK)


def test_a_member_of_the_session_belongs_to_it_even_without_a_mark() -> None:
    program = (
        "import os, subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'], env={}).pid, flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", program], stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        member = int(leader.stdout.readline())
        leader.kill()
        dead_leader = psutil.Process(leader.pid)
        processes.await_end([dead_leader], seconds=20)
        found = processes.members(dead_leader, MARK)
        assert [process.pid for process in found] == [member]
        processes.kill(found)
        processes.await_end(found, seconds=20)
        assert not processes.runs(found[0])


def test_this_very_process_is_never_a_member() -> None:
    assert os.getpid() not in [process.pid for process in processes.members(psutil.Process(os.getppid()), MARK)]
