"""What every executor promises, tried on each that is registered with real processes.

A new executor adds a laboratory to `LABORATORIES`: how to build one in a folder.
"""

import asyncio
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from eyebright import plugins
from eyebright.errors import StorageFull, Unavailable
from eyebright.executors.local import LocalExecutor, LocalExecutorSettings
from eyebright.ports.clock import SystemClock
from eyebright.ports.executor import Environment, Executor
from eyebright.settings import Settings
from eyebright_kit.cgroup import Cgroup
from eyebright_kit.keeping import local_run, processes, run_directory
from eyebright_kit.keeping.child_environment import RUN_MARK
from eyebright_kit.keeping.inheritance import CREDENTIALS
from eyebright_wire.artifacts import Grant
from eyebright_wire.events import Heartbeat
from eyebright_wire.jobs import DatasetGrant, JobSpec, Resources
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.runs import Handle, Liveness, Vital

SECONDS = timedelta(seconds=1)
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
            from test_executor_contract import Laboratory
            laboratory = Laboratory(Path({str(self._folder)!r}))
            asyncio.run(laboratory.launch(laboratory.executor(), {do!r}, **{config!r}))
            os._exit(9)
        """
        environment = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]), "PATH": os.defpath}
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment, timeout=60)
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


LABORATORIES: dict[str, type[Laboratory]] = {"local": Laboratory}


class Clock(SystemClock):
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture(params=sorted(LABORATORIES))
async def laboratory(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = LABORATORIES[request.param](tmp_path)
    yield made
    await made.close()
    assert made.processes() == []


@pytest.fixture
def executor(laboratory: Laboratory) -> Executor:
    return laboratory.executor()


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


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


async def end(executor: Executor, handle: Handle = JOB) -> Liveness:
    """The first word of the executor that is not `alive`."""
    deadline = time.monotonic() + 20
    while (liveness := await executor.status(handle)).vital is Vital.ALIVE:
        assert time.monotonic() < deadline, "it never ended"
        await asyncio.sleep(0.01)
    return liveness


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of the executor's business."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _mark(process: psutil.Process) -> str:
    try:
        return process.environ().get(RUN_MARK, "") if running(process.pid) else ""
    except psutil.Error:
        return ""


def test_every_registered_executor_has_a_laboratory() -> None:
    assert set(plugins.names("eyebright.executors")) == set(LABORATORIES)


# Launching


async def test_launching_twice_starts_one_process(laboratory: Laboratory, executor: Executor) -> None:
    handles = await asyncio.gather(*(laboratory.launch(executor, "work") for _ in range(4)))
    laboratory.note("ready.json")
    assert set(handles) == {JOB}
    assert len(laboratory.processes()) == 1


async def test_launching_again_after_a_restart_starts_nothing(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    laboratory.note("ready.json")
    await laboratory.launch(laboratory.executor(), "work")
    assert len(laboratory.processes()) == 1


async def test_launching_an_attempt_that_has_ended_starts_nothing(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "leave", code=65)
    assert (await end(executor)).exit_code == 65
    await laboratory.launch(executor, "work")
    assert (await executor.status(JOB)).exit_code == 65


async def test_the_order_is_for_the_trainers_eyes_only(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "leave", code=0)
    folder = laboratory.folder()
    sealed = JobSpec.model_validate_json((folder / "spec.json").read_bytes())
    assert sealed.token == "secret-of-this-attempt"
    assert stat.S_IMODE((folder / "spec.json").stat().st_mode) == 0o600
    for private in (folder, folder.parent, laboratory.runs_dir):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700


async def test_a_trainer_sees_its_share_of_the_machine_and_no_secrets(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EYEBRIGHT_TOKEN", "a secret of this process")
    served = {
        "PATH": os.defpath,
        "HOME": "/home/me",
        "LC_ALL": "C.UTF-8",
        "NVIDIA_DRIVER_CAPABILITIES": "compute",
        "CUDA_VISIBLE_DEVICES": "7",
        "EYEBRIGHT_DATABASE_URL": "postgresql://me:secret@db/eyebright",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "HTTPS_PROXY": "http://me:secret@proxy",
        "PYTHONPATH": "/somewhere",
    }
    executor = LocalExecutor(LocalExecutorSettings(runs_dir=laboratory.runs_dir, environment=served, devices=()))
    order = spec(do="tell", resources=Resources(devices=(1, 3), threads=5))
    await executor.launch(order, laboratory.environment())
    seen = laboratory.note("environ.json")
    laboratory.note("exit.json")
    assert await end(executor) == Liveness(Vital.GONE, exit_code=0)
    assert "secret" not in json.dumps(seen)
    assert not [name for name in seen if name.startswith(("EYEBRIGHT", "AWS")) or name.lower().endswith("_proxy")]
    assert seen["HOME"] == "/home/me"
    assert (seen["LC_ALL"], seen["NVIDIA_DRIVER_CAPABILITIES"]) == ("C.UTF-8", "compute")
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["CUDA_DEVICE_ORDER"]) == ("1,3", "PCI_BUS_ID")
    assert (seen["OMP_NUM_THREADS"], seen["MKL_NUM_THREADS"], seen["GOMP_SPINCOUNT"]) == ("5", "5", "2000")
    assert laboratory.note("cwd.json") == str(laboratory.folder())
    assert laboratory.note("stdin.json") == ""
    assert laboratory.note("session.json") == laboratory.note("group.json") == laboratory.note("process.json")["pid"]


@pytest.mark.parametrize("who", ["an importer", "a trainer that fetches"])
async def test_who_fetches_may_know_where_the_credentials_of_buckets_are_and_nothing_else(
    laboratory: Laboratory, who: str
) -> None:
    served = {
        "PATH": os.defpath,
        "AWS_SECRET_ACCESS_KEY": "for the bucket",
        "GOOGLE_APPLICATION_CREDENTIALS": "/key.json",
        "EYEBRIGHT_DATABASE_URL": "secret",
        "HTTPS_PROXY": "secret",
    }
    fetches = who == "a trainer that fetches"
    passed = () if fetches else CREDENTIALS
    settings = LocalExecutorSettings(runs_dir=laboratory.runs_dir, environment=served, devices=(), passed=passed)
    executor = LocalExecutor(settings)
    order = spec(do="tell").model_copy(update={"fetching": {} if fetches else None})
    await executor.launch(order, laboratory.environment())
    seen = laboratory.note("environ.json")
    assert (seen["AWS_SECRET_ACCESS_KEY"], seen["GOOGLE_APPLICATION_CREDENTIALS"]) == ("for the bucket", "/key.json")
    assert "secret" not in json.dumps(seen)
    await end(executor)


def test_imports_have_places_of_their_own(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, imports={"at_once": 3}, local={"devices": (0, 1), "cpu_slots": 1})
    slots = LocalExecutor.for_imports(settings).slots()
    assert [(slot.index, slot.resources.devices) for slot in slots] == [(0, ()), (1, ()), (2, ())]


async def test_a_trainer_on_the_cpu_sees_no_gpu(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "tell")
    assert laboratory.note("environ.json")["CUDA_VISIBLE_DEVICES"] == ""
    await end(executor)


async def test_a_full_disk_starts_nothing_and_can_be_tried_again(
    laboratory: Laboratory, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(StorageFull, match=r"disk below .*runs is full.*Free some space"):
            await laboratory.launch(executor, "leave", code=0)
    assert (await executor.status(JOB)).vital is Vital.GONE
    await laboratory.launch(executor, "leave", code=0)
    assert (await end(executor)).exit_code == 0


async def test_a_disk_that_fills_up_right_after_the_start_loses_nothing(
    laboratory: Laboratory, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_directory.RunDirectory, "write_process", full)
    await laboratory.launch(executor, "work")
    laboratory.note("ready.json")
    assert (await executor.status(JOB)).vital is Vital.ALIVE
    assert (await laboratory.executor().status(JOB)).vital is Vital.ALIVE


async def test_a_folder_that_cannot_be_written_is_named(laboratory: Laboratory, executor: Executor) -> None:
    laboratory.runs_dir.write_text("a file stands in the way")
    with pytest.raises(Unavailable, match=r"cannot write .*runs.*must be writable"):
        await laboratory.launch(executor, "leave", code=0)
    laboratory.runs_dir.unlink()


async def test_an_environment_that_is_gone_can_be_installed_and_the_launch_repeated(
    laboratory: Laboratory, executor: Executor, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="eyebright trainers install fake"):
        await executor.launch(spec(do="leave", code=0), laboratory.environment(tmp_path / "gone" / "python"))
    await laboratory.launch(executor, "leave", code=0)
    assert (await end(executor)).exit_code == 0


# Status


async def test_what_was_never_launched_is_gone(executor: Executor) -> None:
    assert await executor.status(Handle("job_never", 1)) == Liveness(Vital.GONE)


@pytest.mark.parametrize("code", [0, 1, 65, 83])
async def test_a_run_is_alive_and_then_gone_with_its_exit_code(
    laboratory: Laboratory, executor: Executor, code: int
) -> None:
    await laboratory.launch(executor, "leave", code=code, say="my last words")
    liveness = await end(executor)
    assert (liveness.vital, liveness.exit_code, liveness.out_of_memory) == (Vital.GONE, code, False)
    assert "my last words" in liveness.log_tail
    assert await laboratory.executor().status(JOB) == liveness, "a later server knows it too"


async def test_a_later_server_reads_the_exit_code_that_the_trainer_left(laboratory: Laboratory) -> None:
    laboratory.crash_after_launch("leave", code=65)
    assert (await end(laboratory.executor())).exit_code == 65


async def test_nobody_knows_the_exit_code_of_one_that_was_killed_unseen(laboratory: Laboratory) -> None:
    laboratory.crash_after_launch("work")
    os.kill(laboratory.note("ready.json"), signal.SIGKILL)
    assert await end(laboratory.executor()) == Liveness(Vital.GONE, exit_code=None)


@pytest.mark.parametrize(("kills", "out_of_memory"), [(0, False), (1, True)])
async def test_killed_is_out_of_memory_only_if_the_kernel_says_so(
    laboratory: Laboratory, executor: Executor, kills: int, out_of_memory: bool
) -> None:
    await laboratory.launch(executor, "work")
    pid = laboratory.note("ready.json")
    laboratory.out_of_memory(kills)
    os.kill(pid, signal.SIGKILL)
    liveness = await end(executor)
    assert (liveness.exit_code, liveness.out_of_memory) == (137, out_of_memory)


async def test_the_last_heartbeat_on_disk_is_reported(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    laboratory.note("ready.json")
    assert (await executor.status(JOB)).heartbeat is None
    beat = Heartbeat(at_ms=2000, moved_at_ms=1000, step=7)
    (laboratory.folder() / "heartbeat.json").write_text(beat.model_dump_json())
    assert (await executor.status(JOB)).heartbeat == beat
    (laboratory.folder() / "heartbeat.json").write_text('{"at_ms": 2000, "mov')
    assert (await executor.status(JOB)).heartbeat is None


async def test_a_stopped_process_is_alive(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    os.kill(laboratory.note("ready.json"), signal.SIGSTOP)
    assert (await executor.status(JOB)).vital is Vital.ALIVE


async def test_nothing_survives_its_leader(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "abandon")
    pids = laboratory.note("pids.json")
    laboratory.note("exit.json")
    assert (await end(executor)).exit_code == 0
    assert not any(map(running, pids))


async def test_nothing_survives_a_leader_that_died_while_no_server_ran(laboratory: Laboratory) -> None:
    laboratory.crash_after_launch("abandon")
    pids = laboratory.note("pids.json")
    until(lambda: not running(pids[0]))
    assert any(map(running, pids))
    assert (await laboratory.executor().status(JOB)).exit_code == 0
    assert not any(map(running, pids))


async def test_scratch_space_of_a_killed_run_is_freed(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    pid = laboratory.note("ready.json")
    (laboratory.folder() / "scratch" / "data").mkdir(parents=True)
    os.kill(pid, signal.SIGKILL)
    await end(executor)
    assert not (laboratory.folder() / "scratch").exists()


# After a crash of the server


async def test_a_run_outlives_its_server_and_is_adopted_by_the_next(laboratory: Laboratory) -> None:
    laboratory.crash_after_launch("work")
    pid = laboratory.note("ready.json")
    executor = laboratory.executor()
    assert (await executor.status(JOB)).vital is Vital.ALIVE
    await executor.stop(JOB, 20 * SECONDS)
    assert not running(pid)
    assert (await executor.status(JOB)).exit_code == 83


async def test_a_run_whose_start_was_never_noted_is_found_by_its_mark(laboratory: Laboratory) -> None:
    laboratory.crash_after_launch("work")
    laboratory.note("ready.json")
    (laboratory.folder() / "process.json").unlink()
    executor = laboratory.executor()
    assert (await laboratory.launch(executor, "work"), len(laboratory.processes())) == (JOB, 1)
    assert (await executor.status(JOB)).vital is Vital.ALIVE
    assert laboratory.note("process.json")["pid"] == laboratory.note("ready.json")


async def test_a_server_that_crashed_before_it_started_anything_leaves_nothing_behind(
    laboratory: Laboratory, executor: Executor
) -> None:
    laboratory.folder().mkdir(parents=True)
    (laboratory.folder() / "launch.json").write_text(json.dumps({"at_ms": laboratory.clock.ms}))
    assert (await executor.status(JOB)).vital is Vital.UNKNOWN
    await laboratory.launch(executor, "work")
    laboratory.clock.ms += 11_000
    assert await executor.status(JOB) == Liveness(Vital.GONE)
    assert laboratory.processes() == []


async def test_a_torn_claim_counts_as_an_old_one(laboratory: Laboratory, executor: Executor) -> None:
    laboratory.folder().mkdir(parents=True)
    (laboratory.folder() / "launch.json").write_text("")
    assert (await executor.status(JOB)).vital is Vital.GONE


async def test_a_pid_that_now_belongs_to_a_stranger_is_gone_and_left_alone(
    laboratory: Laboratory, executor: Executor, stranger: subprocess.Popen[bytes]
) -> None:
    laboratory.folder().mkdir(parents=True)
    (laboratory.folder() / "launch.json").write_text(json.dumps({"at_ms": laboratory.clock.ms}))
    (laboratory.folder() / "process.json").write_text(json.dumps({"pid": stranger.pid, "created": 1_700_000_000.25}))
    await executor.stop(JOB, AT_ONCE)
    assert (await executor.status(JOB)).vital is Vital.GONE
    assert running(stranger.pid)


async def test_a_step_of_the_system_clock_does_not_orphan_a_run(laboratory: Laboratory) -> None:
    laboratory.crash_after_launch("work")
    pid = laboratory.note("ready.json")
    record = laboratory.note("process.json")
    (laboratory.folder() / "process.json").write_text(json.dumps({**record, "created": record["created"] - 7200}))
    executor = laboratory.executor()
    assert (await executor.status(JOB)).vital is Vital.ALIVE
    await executor.stop(JOB, AT_ONCE)
    assert not running(pid)


# Stopping


async def test_stopping_what_was_never_launched_prevents_it(laboratory: Laboratory, executor: Executor) -> None:
    await executor.stop(JOB, SECONDS)
    await laboratory.launch(executor, "work")
    assert (await executor.status(JOB)).vital is Vital.GONE
    assert laboratory.processes() == []


async def test_stopping_what_is_gone_changes_nothing(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "leave", code=65)
    before = await end(executor)
    await executor.stop(JOB, SECONDS)
    assert await executor.status(JOB) == before


async def test_a_trainer_gets_the_time_to_leave_a_checkpoint(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work", moment=0.1)
    laboratory.note("ready.json")
    await executor.stop(JOB, 20 * SECONDS)
    assert (await executor.status(JOB)).exit_code == 83


async def test_a_trainer_is_asked_only_once(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work", moment=1.5)
    laboratory.note("ready.json")
    later = laboratory.executor()
    first = asyncio.create_task(executor.stop(JOB, 20 * SECONDS))
    laboratory_noted = asyncio.to_thread(laboratory.note, "terms.json")
    await laboratory_noted
    await asyncio.gather(first, executor.stop(JOB, 20 * SECONDS), later.stop(JOB, 20 * SECONDS))
    assert laboratory.note("terms.json") == 1


@pytest.mark.parametrize("adopted", [False, True], ids=["own child", "adopted"])
async def test_stop_ends_the_whole_tree_however_it_resists(laboratory: Laboratory, adopted: bool) -> None:
    executor = laboratory.executor()
    if adopted:
        laboratory.crash_after_launch("resist")
    else:
        await laboratory.launch(executor, "resist")
    pids = await asyncio.to_thread(laboratory.note, "pids.json")
    assert all(map(running, pids))
    await executor.stop(JOB, timedelta(milliseconds=50))
    assert not any(map(running, pids))
    assert (await executor.status(JOB)).exit_code == (None if adopted else 137)


async def test_whoever_looks_does_not_wait_for_a_kill_under_way(
    laboratory: Laboratory, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs in the disk may resist for long, and there are other runs to look after."""
    killing, release = threading.Event(), threading.Event()

    def resisting(*_: object) -> None:
        killing.set()
        release.wait(5)

    monkeypatch.setattr(local_run, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(processes, "await_end", resisting)
    await laboratory.launch(executor, "resist")
    await asyncio.to_thread(laboratory.note, "pids.json")
    stopping = asyncio.create_task(executor.stop(JOB, AT_ONCE))
    try:
        await asyncio.to_thread(killing.wait, 30)
        async with asyncio.timeout(4):
            assert (await executor.status(JOB)).vital is Vital.ALIVE
    finally:
        release.set()
        await stopping
    assert (await executor.status(JOB)).vital is Vital.GONE


async def test_a_stopped_process_is_woken_to_leave_in_order(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    os.kill(laboratory.note("ready.json"), signal.SIGSTOP)
    await executor.stop(JOB, 20 * SECONDS)
    assert (await executor.status(JOB)).exit_code == 83


async def test_a_process_that_stops_itself_again_is_killed(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "resist")
    pids = await asyncio.to_thread(laboratory.note, "pids.json")
    for pid in pids[1:]:
        os.kill(pid, signal.SIGSTOP)
    await executor.stop(JOB, AT_ONCE)
    assert not any(map(running, pids))


async def test_strangers_are_left_alone(
    laboratory: Laboratory, executor: Executor, stranger: subprocess.Popen[bytes]
) -> None:
    await laboratory.launch(executor, "resist")
    laboratory.note("pids.json")
    await executor.stop(JOB, AT_ONCE)
    assert running(stranger.pid)


async def test_another_attempt_of_the_same_job_is_left_alone(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    pid = laboratory.note("ready.json")
    await executor.stop(Handle(JOB.job_id, 10), AT_ONCE)
    assert running(pid)


# What it leaves: output and events


async def output(executor: Executor, offset: int = 0) -> bytes:
    return b"".join([chunk async for chunk in executor.logs(JOB, offset)])


async def test_output_is_read_from_a_byte_offset(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "leave", code=0, say="Grüße und 0123456789")
    await end(executor)
    whole = await output(executor)
    assert whole.decode() == "Grüße und 0123456789\n"
    assert await output(executor, len(whole) - 5) == whole[-5:]
    assert await output(executor, len(whole)) == b""
    assert await output(executor, 10**9) == b""


async def test_output_is_readable_while_it_is_written(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    laboratory.note("ready.json")
    with (laboratory.folder() / "log.txt").open("ab") as log:
        log.write(b"x" * 700_000)
    assert len(await output(executor)) == 700_000


async def test_no_output_is_no_error(executor: Executor) -> None:
    assert await output(executor) == b""


async def test_output_beyond_the_limit_is_dropped_from_the_front(laboratory: Laboratory) -> None:
    executor = laboratory.executor(log_limit_bytes=100_000)
    await laboratory.launch(executor, "work")
    laboratory.note("ready.json")
    path = laboratory.folder() / "log.txt"
    path.write_bytes(b"a" * 900_000 + b"b" * 100_000)
    await executor.status(JOB)
    assert path.stat().st_size == 1_000_000, "offsets stay what they were"
    assert path.stat().st_blocks * 512 < 200_000
    assert await output(executor, 900_000) == b"b" * 100_000


def _line(seq: int) -> str:
    return json.dumps({"seq": seq, "kind": "progress", "at_ms": 1, "data": {}}) + "\n"


async def test_spooled_events_are_read_up_to_a_torn_line(laboratory: Laboratory, executor: Executor) -> None:
    laboratory.folder().mkdir(parents=True)
    spool = laboratory.folder() / "spool.jsonl"
    assert await executor.spooled(JOB, 0) == []
    spool.write_text(_line(1) + _line(2) + _line(3) + _line(4).rstrip("\n"))
    assert [event.seq for event in await executor.spooled(JOB, 0)] == [1, 2, 3]
    assert [event.seq for event in await executor.spooled(JOB, 2)] == [3]
    spool.write_text(_line(1) + '{"seq": 2, "ki\n' + _line(3))
    assert [event.seq for event in await executor.spooled(JOB, 0)] == [1], "what follows damage cannot be trusted"


async def test_a_spool_that_cannot_be_read_is_not_taken_for_an_empty_one(
    laboratory: Laboratory, executor: Executor
) -> None:
    """Too many open files, a disk that stumbles: whoever takes that for silence calls a success a failure."""
    (laboratory.folder() / "spool.jsonl").mkdir(parents=True)
    with pytest.raises(Unavailable, match="spool"):
        await executor.spooled(JOB, 0)


async def test_a_job_id_that_is_a_path_is_refused(executor: Executor) -> None:
    with pytest.raises(ValueError, match="no job id"):
        await executor.status(Handle("../../etc", 1))
