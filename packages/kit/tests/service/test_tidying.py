"""Which folders of runs a service removes in the end."""

import json
import os
from pathlib import Path
from unittest.mock import AsyncMock

import psutil
import pytest

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.keeping.keeper import House, Keeper
from eyebright_kit.keeping.local_run import Manners, Program, Resisting
from eyebright_kit.service.destinations import Destinations
from eyebright_kit.service.foreign import Elsewhere
from eyebright_kit.service.runs import Runs
from eyebright_kit.service.ticket import Ticket
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.runs import Handle

NOW = 1_800_000_000
DAY = 24 * 3600
MANIFEST = TrainerManifest(name="fake", version="1", module="fake", licence="Apache-2.0", tasks=())
TICKET = {
    "job_id": "1",
    "callback_url": "http://localhost/",
    "digest": "d",
    "slot": 0,
    "output": "file:///x/",
    "heartbeat_seconds": 15,
}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    house = House(runs_dir=tmp_path, environment={}, manners=Manners(), log_limit_bytes=1 << 20)
    keeper = Keeper(house, lambda: NOW * 1000, Cgroup())
    program = Program(Path("/no/python"), "fake")
    return Runs(tmp_path, MANIFEST, program, (), keeper, Destinations(), lambda: NOW * 1000, Elsewhere())


def run(folder: Path, job: str, attempt: int, *, over: bool, days_ago: float) -> Path:
    made = folder / job / f"a{attempt}"
    made.mkdir(parents=True)
    (made / "ticket.json").write_text(json.dumps(TICKET))
    (made / "told.json").write_text(json.dumps({"over": over}))
    os.utime(made / "told.json", (NOW - days_ago * DAY,) * 2)
    return made


async def test_what_is_over_and_told_for_so_long_goes_and_nothing_else(runs: Runs, tmp_path: Path) -> None:
    gone = [run(tmp_path, "old", 1, over=True, days_ago=31), run(tmp_path, "half", 1, over=True, days_ago=31)]
    stays = [
        run(tmp_path, "half", 2, over=True, days_ago=29),
        run(tmp_path, "long", 1, over=False, days_ago=300),
        run(tmp_path, "young", 1, over=True, days_ago=0),
    ]
    assert await runs.tidy(30 * DAY) == 2
    assert [folder.exists() for folder in gone + stays] == [False, False, True, True, True]
    assert not gone[0].parent.exists()
    assert await runs.tidy(30 * DAY) == 0


async def test_one_whose_process_has_not_ended_stays_until_it_has(runs: Runs, tmp_path: Path) -> None:
    late = run(tmp_path, "late", 1, over=True, days_ago=31)
    process = psutil.Process()
    launched = {"pid": process.pid, "created": process.create_time()}
    (late / "launch.json").write_text(json.dumps({"at_ms": 1}))
    (late / "process.json").write_text(json.dumps(launched))
    assert await runs.tidy(30 * DAY) == 0
    assert late.exists()
    (late / "gone.json").write_text(json.dumps({"code": 0, "out_of_memory": False}))
    assert await runs.tidy(30 * DAY) == 1
    assert not late.parent.exists()


async def test_one_of_which_something_resists_stays(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resisting = run(tmp_path, "old", 1, over=True, days_ago=31)
    monkeypatch.setattr(Keeper, "status", AsyncMock(side_effect=Resisting("it does not end")))
    assert await runs.tidy(30 * DAY) == 0
    assert resisting.exists()


async def test_one_that_cannot_be_removed_keeps_no_other_from_it(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (run(tmp_path, job, 1, over=True, days_ago=31) for job in ("a", "b"))
    forget = Keeper.forget

    async def refused(self: Keeper, handle: Handle) -> None:
        if handle.job_id == "a":
            raise PermissionError("not yours")
        await forget(self, handle)

    monkeypatch.setattr(Keeper, "forget", refused)
    assert await runs.tidy(30 * DAY) == 1
    assert (first.exists(), second.exists()) == (True, False)
    assert "run eyebright-a-a1: cannot remove its folder: not yours" in caplog.text


async def test_couriers_of_a_run_leave_its_copies_by_the_same_hand(runs: Runs) -> None:
    ticket = Ticket.model_validate({**TICKET, "spool_url": "file:///there/spool.jsonl"})
    first = runs._left_behind(Handle("job", 1), ticket)
    assert runs._left_behind(Handle("job", 1), ticket) is first
    assert runs._left_behind(Handle("job", 2), ticket) is not first
    assert runs._left_behind(Handle("job", 3), Ticket.model_validate(TICKET)) is None


async def test_what_a_removal_that_was_killed_has_left_goes(runs: Runs, tmp_path: Path) -> None:
    rest = run(tmp_path, "old", 1, over=True, days_ago=31)
    rest.rename(rest.with_name("leaving-a1"))
    assert await runs.tidy(30 * DAY) == 0
    assert not rest.parent.exists()


async def test_what_no_service_made_is_left_alone(runs: Runs, tmp_path: Path) -> None:
    theirs = run(tmp_path, "x", 1, over=True, days_ago=99)
    (theirs / "ticket.json").write_text("{")
    other = tmp_path / "notes" / "a1"
    other.mkdir(parents=True)
    assert await runs.tidy(DAY) == 0
    assert theirs.exists()
    assert other.exists()
