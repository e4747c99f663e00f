"""A trainer without the kit, and an executor to try it on: what the contract of executors is written in."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from eyebright.executors.local import LocalExecutor, LocalExecutorSettings
from eyebright.ports.clock import SystemClock
from eyebright.ports.executor import Environment, Executor
from eyebright_kit.cgroup import Cgroup
from eyebright_kit.keeping.child_environment import RUN_MARK
from eyebright_wire.artifacts import Grant
from eyebright_wire.jobs import DatasetGrant, JobSpec, Resources
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.runs import Handle, Liveness, Vital

SECONDS = timedelta(seconds=1)
#: A process needs a moment to begin, and minutes where many want to.
PATIENCE_SECONDS = 120
AT_ONCE = timedelta(0)
JOB = Handle("job_1", 1)

#: A trainer without the kit: does what its config says, and notes the pids of everything it started in pids.json.
TRAINER = '''
import json, os, signal, subprocess, sys, time
from pathlib import Path

folder = Path(sys.argv[2]).parent
config = json.loads(Path(sys.argv[2]).read_text())["config"]
terms = 0

def note(name, value):
    temporary = folder / f".{name}"
    temporary.write_text(json.dumps(value))
    temporary.replace(folder / name)

def leave(code):
    note("exit.json", {"code": code})
    sys.exit(code)

def on_term(*_):
    global terms
    terms += 1
    note("terms.json", terms)

SLEEPER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
AWAY = "import os, sys; os.fork() and os._exit(0); os.setsid(); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"

def descendants():
    """Two that ignore SIGTERM: one in our session, one in a session of its own; and a daemon without a parent."""
    python = [sys.executable, "-S"]
    here = subprocess.Popen([*python, "-c", SLEEPER])
    away = subprocess.Popen([*python, "-c", SLEEPER], start_new_session=True)
    subprocess.run([*python, "-c", AWAY, "-S", "-c",
        f"import os; open({str(folder / 'daemon.pid')!r}, 'w').write(str(os.getpid())); " + SLEEPER])
    while not (folder / "daemon.pid").exists() or not (folder / "daemon.pid").read_text():
        time.sleep(0.01)
    note("pids.json", [os.getpid(), here.pid, away.pid, int((folder / "daemon.pid").read_text())])

match config["do"]:
    case "leave":
        print(config.get("say", ""), flush=True)
        leave(config["code"])
    case "work":  # until asked to stop; then take a moment for the checkpoint
        signal.signal(signal.SIGTERM, on_term)
        note("ready.json", os.getpid())
        while not terms:
            time.sleep(0.01)
        time.sleep(config.get("moment", 0))
        leave(83)
    case "resist":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        descendants()
        time.sleep(600)
    case "abandon":
        descendants()
        leave(0)
    case "tell":
        note("environ.json", dict(os.environ))
        note("cwd.json", os.getcwd())
        note("stdin.json", sys.stdin.read())
        note("session.json", os.getsid(0))
        note("group.json", os.getpgid(0))
        leave(0)
'''


class Laboratory:
    """Executors on one folder, with a clock and an out-of-memory count that the test turns."""

    def __init__(self, folder: Path) -> None:
        self.runs_dir = folder / "runs"
        self.clock = Clock()
        self._folder = folder
        self._python = self._write_trainer(folder)
        self._made: list[Executor] = []
        self.cgroup = Cgroup(folder / "cgroup", folder / "membership", folder / "vmstat")
        self.out_of_memory(0)

    def executor(self, **settings: Any) -> Executor:
        """A new one, as after a restart of the server."""
        made = LocalExecutor(
            LocalExecutorSettings(
                runs_dir=self.runs_dir, environment={"PATH": os.defpath, "HOME": "/home/me"}, **settings
            ),
            self.clock,
            self.cgroup,
        )
        self._made.append(made)
        return made

    def environment(self, python: Path | None = None) -> Environment:
        manifest = TrainerManifest(name="fake", version="1", module="fake_trainer", licence="Apache-2.0", tasks=())
        return Environment("fake", "fake_trainer", python or self._python, "0" * 64, manifest)

    async def launch(self, executor: Executor, do: str, **config: Any) -> Handle:
        return await executor.launch(spec(do=do, **config), self.environment())

    def out_of_memory(self, kills: int) -> None:
        (self._folder / "vmstat").write_text(f"nr_free_pages 1\noom_kill {kills}\n")

    def folder(self, handle: Handle = JOB) -> Path:
        return self.runs_dir / handle.job_id / f"a{handle.attempt}"

    def note(self, name: str) -> Any:
        """What the trainer noted, once it has."""
        path = self.folder() / name
        until(path.exists)
        return json.loads(path.read_text())

    def processes(self) -> list[psutil.Process]:
        """Whatever bears the mark of a run below this laboratory."""
        return [process for process in psutil.process_iter() if _mark(process).startswith(str(self.runs_dir))]

    def crash_after_launch(self, do: str, **config: Any) -> None:
        """Another server launches the job and is gone at once, without a farewell."""
        program = f"""
            import asyncio, os
            from pathlib import Path
            from harness.laboratory import Laboratory
            laboratory = Laboratory(Path({str(self._folder)!r}))
            asyncio.run(laboratory.launch(laboratory.executor(), {do!r}, **{config!r}))
            os._exit(9)
        """
        environment = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]), "PATH": os.defpath}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], env=environment, timeout=PATIENCE_SECONDS
        )
        assert done.returncode == 9

    async def close(self) -> None:
        for executor in self._made:
            for job in self.runs_dir.glob("*/a*"):
                await executor.stop(Handle(job.parent.name, int(job.name[1:])), AT_ONCE)

    def _write_trainer(self, folder: Path) -> Path:
        (folder / "fake_trainer.py").write_text(TRAINER)
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" -S "$@"\n')
        python.chmod(0o700)
        return python


class Clock(SystemClock):
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.ms


def spec(*, resources: Resources | None = None, **config: Any) -> JobSpec:
    return JobSpec(
        job_id=JOB.job_id,
        attempt=JOB.attempt,
        trainer="fake",
        task="classification",
        model="none",
        config=config,
        dataset=DatasetGrant(version_id="v", name="n", manifest_sha256="0" * 64, blobs=Grant(uri="file:///nowhere/")),
        output=Grant(uri="file:///nowhere/"),
        resources=resources or Resources(),
        token="secret-of-this-attempt",
    )


def until(holds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


async def end(executor: Executor, handle: Handle = JOB) -> Liveness:
    """The first word of the executor that is not `alive`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (liveness := await executor.status(handle)).vital is Vital.ALIVE:
        assert time.monotonic() < deadline, "it never ended"
        await asyncio.sleep(0.01)
    return liveness


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _mark(process: psutil.Process) -> str:
    try:
        return process.environ().get(RUN_MARK, "") if running(process.pid) else ""
    except psutil.Error:
        return ""


async def output(executor: Executor, offset: int = 0) -> bytes:
    return b"".join([chunk async for chunk in executor.logs(JOB, offset)])
