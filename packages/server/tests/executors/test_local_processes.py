"""What the local executor makes of the processes of one machine, beyond what every executor promises: its run directories, what
a trainer inherits, whose processes are whose."""

import asyncio
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harness.laboratory import AT_ONCE, JOB, SECONDS, Laboratory, end, output, running, spec, until

from eyebright.errors import StorageFull, Unavailable
from eyebright.executors.local import LocalExecutor, LocalExecutorSettings
from eyebright.ports.executor import Executor, Housekeeping
from eyebright.settings import Settings
from eyebright_kit.keeping import local_run, processes, run_directory
from eyebright_kit.keeping.inheritance import CREDENTIALS
from eyebright_wire.jobs import JobSpec, Resources
from eyebright_wire.runs import Liveness, Vital


@pytest.fixture
async def laboratory(tmp_path: Path) -> Any:
    made = Laboratory(tmp_path)
    yield made
    await made.close()
    assert made.processes() == []


@pytest.fixture
def executor(laboratory: Laboratory) -> Executor:
    return laboratory.executor()


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


# Launching


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


async def test_a_stopped_process_is_alive(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    os.kill(laboratory.note("ready.json"), signal.SIGSTOP)
    assert (await executor.status(JOB)).vital is Vital.ALIVE


async def test_nothing_survives_a_leader_that_died_while_no_server_ran(laboratory: Laboratory) -> None:
    laboratory.crash_after_launch("abandon")
    pids = laboratory.note("pids.json")
    until(lambda: not running(pids[0]))
    assert any(map(running, pids))
    assert (await laboratory.executor().status(JOB)).exit_code == 0
    assert not any(map(running, pids))


async def test_a_look_that_was_held_up_kills_what_was_left_behind_before_it_says_that_it_does_not_end(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    laboratory.crash_after_launch("abandon")
    pids = laboratory.note("pids.json")
    until(lambda: not running(pids[0]))
    monkeypatch.setattr(local_run, "LOOK_SECONDS", 30)
    monkeypatch.setattr(local_run, "time", SimpleNamespace(monotonic=count(0, 100).__next__))
    assert (await laboratory.executor().status(JOB)).exit_code == 0
    assert not any(map(running, pids))


async def test_what_may_still_run_is_found_again(laboratory: Laboratory, executor: Executor) -> None:
    assert await executor.kept() == []
    (laboratory.runs_dir / "job_2" / "a1").mkdir(parents=True)  # nobody ever began to start it
    (laboratory.runs_dir / "readme.txt").touch()
    await laboratory.launch(executor, "work")
    assert await laboratory.executor().kept() == [JOB]
    await executor.stop(JOB, AT_ONCE)
    assert await executor.kept() == []


async def test_scratch_space_of_a_killed_run_is_freed(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    pid = laboratory.note("ready.json")
    (laboratory.folder() / "scratch" / "data").mkdir(parents=True)
    os.kill(pid, signal.SIGKILL)
    await end(executor)
    assert not (laboratory.folder() / "scratch").exists()


# After a crash of the server


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


async def test_whoever_looks_does_not_wait_for_a_kill_under_way(
    laboratory: Laboratory, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs in the disk may resist for long, and there are other runs to look after."""
    killing, release = threading.Event(), threading.Event()

    def resisting(*_: object) -> None:
        killing.set()
        release.wait(60)

    monkeypatch.setattr(local_run, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(processes, "await_end", resisting)
    await laboratory.launch(executor, "resist")
    await asyncio.to_thread(laboratory.note, "pids.json")
    stopping = asyncio.create_task(executor.stop(JOB, AT_ONCE))
    try:
        await asyncio.to_thread(killing.wait, 30)
        async with asyncio.timeout(30):
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


# What it leaves: output and events


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


async def test_a_spool_that_cannot_be_read_is_not_taken_for_an_empty_one(
    laboratory: Laboratory, executor: Executor
) -> None:
    """Too many open files, a disk that stumbles: whoever takes that for silence calls a success a failure."""
    (laboratory.folder() / "spool.jsonl").mkdir(parents=True)
    with pytest.raises(Unavailable, match="spool"):
        await executor.spooled(JOB, 0)


# What is left of runs


async def test_the_folder_of_a_run_that_has_ended_can_go_and_nothing_is_printed_then(
    laboratory: Laboratory, executor: Executor
) -> None:
    assert isinstance(executor, Housekeeping)
    long_after_ms = 1 << 53
    handle = await laboratory.launch(executor, "leave", code=0)
    await end(executor)
    await executor.stop(handle, AT_ONCE)
    found = await executor.ended(long_after_ms)
    assert list(found) == [handle]
    assert found[handle] > 100
    await executor.forget(handle)
    await executor.forget(handle)
    assert not laboratory.folder().exists()
    assert (await executor.ended(long_after_ms), await output(executor)) == ({}, b"")


async def test_the_folder_of_a_run_that_goes_on_is_not_among_those(laboratory: Laboratory, executor: Executor) -> None:
    assert isinstance(executor, Housekeeping)
    await laboratory.launch(executor, "work")
    assert await executor.ended(1 << 53) == {}
    await executor.stop(JOB, AT_ONCE)
