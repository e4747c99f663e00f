"""One attempt as a process of this machine. Everything here blocks: its keeper calls it in threads."""

import contextlib
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.keeping import processes
from eyebright_kit.keeping.child_environment import RUN_MARK, child_environment
from eyebright_kit.keeping.run_directory import RunDirectory
from eyebright_wire.errors import ExitCode
from eyebright_wire.jobs import JobSpec
from eyebright_wire.runs import Liveness, Vital

_log = logging.getLogger(__name__)

#: So long a claim without a process may mean that another keeper is between claiming and starting.
YOUNG_MS = 10_000
#: So long a killed process may take to vanish (it finishes the disk or device operation that it is in).
KILL_SECONDS = 10.0
#: So long a mere look may take for that, or wait for a kill under way: there are other runs to look after.
LOOK_SECONDS = 1.0
LOG_TAIL_BYTES = 4096


class Resisting(Exception):
    """Something of a run does not end, although it was killed; the message names it and says what to look at."""


@dataclass(frozen=True, slots=True)
class Program:
    """What runs an attempt: `python -m module run SPEC`."""

    python: Path
    module: str


@dataclass(frozen=True)
class Manners:
    """How a trainer process is treated beside its keeper's own."""

    niceness: int = 5  # whoever keeps it must answer while trainers take every core
    oom_score_adj: int = 500  # when memory runs out, the kernel takes a trainer rather than its keeper
    passed: tuple[str, ...] = ()  # beginnings of variables that it may know besides what every trainer does
    to_fetch: tuple[str, ...] = ()  # and of those that only a trainer may know that fetches


class LocalRun:
    """The attempt's process tree and its run directory.

    At most one process is ever started for it, by whichever keeper: the claim in the run directory is taken once. Within
    this process a lock makes each verb wait for the others.
    """

    def __init__(
        self,
        directory: RunDirectory,
        now_ms: Callable[[], int],
        environment: Mapping[str, str],
        manners: Manners,
        cgroup: Cgroup,
    ) -> None:
        self._directory = directory
        self._now_ms = now_ms
        self._own_environment = environment
        self._manners = manners
        self._cgroup = cgroup
        self._mark = str(directory.path)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._oom_kills: int | None = None
        self._end: tuple[int | None, bool] | None = None

    def start(self, spec: JobSpec, program: Program) -> None:
        """Start it, unless that was done before. Raises OSError, with nothing started and the claim given back."""
        with self._lock:
            if not self._directory.claim(self._now_ms()):
                return
            try:
                self._directory.write_spec(spec.model_dump_json(indent=2))
                self._child = self._spawn(spec, program)
            except OSError:
                self._directory.unclaim()
                raise
            self._note_start(self._child.pid)

    def liveness(self) -> Liveness:
        """Looks, and if the leader has died kills what it left behind. Raises Resisting if that does not end."""
        if not self._lock.acquire(timeout=LOOK_SECONDS):
            return Liveness(Vital.ALIVE)  # somebody is at it, and it is not gone before they say so
        try:
            return self._look()
        finally:
            self._lock.release()

    def ask_to_stop(self) -> bool:
        """Ask once, however often this is called and by how many keepers; a second SIGTERM ends a trainer at once.

        True while its leader runs. If it was never started, it never will be.
        """
        with self._lock:
            if self._known_end() is not None or self._prevent_start():
                return False
            leader = self._leader()
            if leader is None or not processes.runs(leader):
                return False
            if not self._directory.asked_to_stop():
                processes.ask(leader)
                self._try_to_note(lambda: self._directory.write_asked_to_stop(self._now_ms()))
            return True

    def leads(self) -> bool:
        """The leader still runs."""
        with self._lock:
            return self._known_end() is None and processes.runs(self._leader())

    def kill(self) -> None:
        """Nothing of it runs once this returns. Raises Resisting if something does not end even so."""
        with self._lock:
            if self._known_end() is None:
                self._bury(KILL_SECONDS)

    @property
    def ended(self) -> bool:
        return self._end is not None

    def _look(self) -> Liveness:
        if self._known_end() is None:
            if processes.runs(self._leader()):
                return Liveness(Vital.ALIVE, heartbeat=self._directory.heartbeat())
            if self._directory.claimed_at_ms() is None:
                return Liveness(Vital.GONE)  # never started; it still may be
            if self._may_still_start():
                return Liveness(Vital.UNKNOWN)
            self._bury(LOOK_SECONDS)
        return self._gone()

    def _spawn(self, spec: JobSpec, program: Program) -> subprocess.Popen[bytes]:
        self._oom_kills = self._cgroup.oom_kills()
        with os.fdopen(os.open(self._directory.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            return subprocess.Popen(
                [program.python, "-m", program.module, "run", self._directory.spec],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory.path,
                env=self._environment(spec, program.python),
                start_new_session=True,
            )

    def _environment(self, spec: JobSpec, python: Path) -> dict[str, str]:
        granted = spec.resources
        variables = child_environment(self._own_environment, python, threads=granted.threads, devices=granted.devices)
        beginnings = self._manners.passed + (self._manners.to_fetch if spec.fetching is not None else ())
        passed = {name: value for name, value in self._own_environment.items() if name.startswith(beginnings)}
        return {**variables, **passed, RUN_MARK: self._mark}

    def _note_start(self, pid: int) -> None:
        """Losing these notes to a full disk is harmless: the process writes its own, and its mark finds it without any."""
        if (created := processes.birth(pid)) is not None:
            self._try_to_note(lambda: self._directory.write_process(pid, created))
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + self._manners.niceness)
        with contextlib.suppress(OSError):  # Linux only
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(self._manners.oom_score_adj))

    def _leader(self) -> psutil.Process | None:
        """The leading process as far as it is in the process table, perhaps dead and unreaped."""
        if self._child is not None:
            return None if self._child.returncode is not None else _process(self._child.pid)
        record = self._directory.process()
        if record is not None:
            return processes.recognise(*record, self._mark)
        return self._adopt() if self._directory.claimed_at_ms() is not None else None

    def _adopt(self) -> psutil.Process | None:
        """A keeper crashed between starting the process and noting which it was."""
        found = processes.marked(self._mark)
        if not found:
            return None
        leader = next((process for process in found if _leads_session(process)), found[0])
        if (created := processes.birth(leader.pid)) is not None:
            self._try_to_note(lambda: self._directory.write_process(leader.pid, created))
        return leader

    def _may_still_start(self) -> bool:
        claimed = self._directory.claimed_at_ms()
        if self._child is not None or claimed is None or self._directory.process() is not None:
            return False
        return abs(self._now_ms() - claimed) < YOUNG_MS

    def _prevent_start(self) -> bool:
        """Take the claim ourselves, so that a launch that comes too late starts nothing."""
        try:
            return self._directory.claim(self._now_ms())
        except OSError:
            return False

    def _bury(self, seconds: float) -> None:
        """Kill all that is left, then write down how it ended: from then on it is a fact that no process disturbs."""
        self._kill_all(seconds)
        code = self._exit_code()
        self._end = code, code == ExitCode.KILLED and self._memory_ran_out()
        end = self._end
        self._try_to_note(lambda: self._directory.write_end(*end))
        self._directory.remove_scratch()

    def _kill_all(self, seconds: float) -> None:
        # The leader stays unreaped meanwhile: as long as its pid is taken, its session can be nobody else's.
        leader = self._leader()
        deadline = time.monotonic() + seconds
        while left := processes.members(leader, self._mark):  # again, for what was being forked while we looked
            processes.kill(left)
            processes.await_end(left, seconds)
            if time.monotonic() > deadline and (left := processes.members(leader, self._mark)):
                processes.kill(left)  # what was forked since
                raise Resisting(_resisting(left))

    def _exit_code(self) -> int | None:
        """As the parent learned it, else as the process wrote it down; a signal counts as 128 + its number."""
        if self._child is None:
            return self._directory.exit_code()
        code = self._child.wait()
        return code if code >= 0 else 128 - code

    def _memory_ran_out(self) -> bool:
        now = self._cgroup.oom_kills()
        return now is not None and self._oom_kills is not None and now > self._oom_kills

    def _known_end(self) -> tuple[int | None, bool] | None:
        if self._end is None:
            self._end = self._directory.end()
        return self._end

    def _gone(self) -> Liveness:
        code, out_of_memory = self._end or (None, False)
        return Liveness(
            Vital.GONE,
            exit_code=code,
            out_of_memory=out_of_memory,
            heartbeat=self._directory.heartbeat(),
            log_tail=self._directory.log_tail(LOG_TAIL_BYTES),
        )

    def _try_to_note(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            _log.warning("cannot write in %s: %s", self._directory.path, error)


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _leads_session(process: psutil.Process) -> bool:
    try:
        return os.getsid(process.pid) == process.pid
    except OSError:
        return False


def _resisting(left: list[psutil.Process]) -> str:
    pids = ", ".join(str(process.pid) for process in left)
    return (
        f"process {pids} does not end although it was killed: it belongs to another user or hangs in a disk or device "
        "operation. Its place stays taken until it is gone; check the disk and `dmesg`"
    )
