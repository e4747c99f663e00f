"""What every executor promises, tried on each that is registered with real processes.

A new executor adds a laboratory to `LABORATORIES`: how to build one in a folder. What is true of the processes of one machine
alone is in `executors/test_local_processes.py`.
"""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from harness.laboratory import AT_ONCE, JOB, SECONDS, Laboratory, end, output, running
from harness.service_laboratory import ServiceLaboratory

from eyebright import plugins
from eyebright.ports.executor import Executor
from eyebright_wire.events import Heartbeat
from eyebright_wire.runs import Handle, Liveness, Vital

LABORATORIES: dict[str, type[Laboratory]] = {"local": Laboratory, "service": ServiceLaboratory}


@pytest.fixture(params=sorted(LABORATORIES))
async def laboratory(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = LABORATORIES[request.param](tmp_path)
    yield made
    await made.close()
    assert made.processes() == []


@pytest.fixture
def executor(laboratory: Laboratory) -> Executor:
    return laboratory.executor()


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


async def test_the_last_heartbeat_on_disk_is_reported(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    laboratory.note("ready.json")
    assert (await executor.status(JOB)).heartbeat is None
    beat = Heartbeat(at_ms=2000, moved_at_ms=1000, step=7)
    (laboratory.folder() / "heartbeat.json").write_text(beat.model_dump_json())
    assert (await executor.status(JOB)).heartbeat == beat
    (laboratory.folder() / "heartbeat.json").write_text('{"at_ms": 2000, "mov')
    assert (await executor.status(JOB)).heartbeat is None


async def test_nothing_survives_its_leader(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "abandon")
    pids = laboratory.note("pids.json")
    laboratory.note("exit.json")
    assert (await end(executor)).exit_code == 0
    assert not any(map(running, pids))


# After a crash of the server


async def test_a_run_outlives_its_server_and_is_adopted_by_the_next(laboratory: Laboratory) -> None:
    laboratory.crash_after_launch("work")
    pid = laboratory.note("ready.json")
    executor = laboratory.executor()
    assert (await executor.status(JOB)).vital is Vital.ALIVE
    await executor.stop(JOB, 20 * SECONDS)
    assert not running(pid)
    assert (await executor.status(JOB)).exit_code == 83


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
    await asyncio.to_thread(laboratory.note, "stop.json")  # the other executor knows of the first by its note alone
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


async def test_another_attempt_of_the_same_job_is_left_alone(laboratory: Laboratory, executor: Executor) -> None:
    await laboratory.launch(executor, "work")
    pid = laboratory.note("ready.json")
    await executor.stop(Handle(JOB.job_id, 10), AT_ONCE)
    assert running(pid)


# What it leaves: output and events


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


async def test_a_job_id_that_is_a_path_is_refused(executor: Executor) -> None:
    with pytest.raises(ValueError, match="no job id"):
        await executor.status(Handle("../../etc", 1))
