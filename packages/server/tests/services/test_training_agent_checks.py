"""What trainings of projects need from others is looked at before they begin."""

import asyncio
import socket
import threading
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from buckets import free_port
from databases import Postgres
from harness.agent import Agent
from harness.agent import agent as make_agent
from harness.object_stores import credentials
from structlog.testing import capture_logs

from eyebright.doors.compat.training_agent.door import AGAIN_SECONDS, TROUBLED_SECONDS
from eyebright.errors import StorageFull, StorageUnusable
from eyebright.services.training_agent import checks as checks_module
from eyebright.services.training_agent.checks import BELIEVED_MS, Checks
from eyebright.stores.projects.sql import SqlCallers
from eyebright.stores.shelves import shelf_at
from eyebright.stores.shelves.folder import FolderShelf
from eyebright.testing import ManualClock


def nobodys() -> SqlCallers:
    """A database that nobody asks for anything."""
    return SqlCallers("postgresql://127.0.0.1:9/projects", 1, 1)


async def test_a_place_that_takes_no_model_is_told_before_the_training(tmp_path: Path, postgres: Postgres):
    (tmp_path / "disk").write_text("a file where a disk belongs")
    async with make_agent(tmp_path, postgres.create(), models=str(tmp_path / "disk/models")) as agent:
        project = await agent.add_project()
        answer = await agent.start(project)
        assert (answer.status_code, answer.json()["success"], answer.json()["model_url"]) == (500, False, None)
        assert f"{tmp_path}/disk is no folder" in answer.json()["error"]
        await agent.turn()
        assert (await agent.status(project)) == "failed"
        (line,) = await agent.lines(project)
        assert line == f"Training failed (storage_error): {answer.json()['error']}"
        assert not agent.site.imports.launches
        (tmp_path / "disk").unlink()
        await agent.set_status(project, "pending_training")
        assert (await agent.start(project)).status_code == 202


async def test_a_place_that_is_only_away_may_be_back_when_the_training_ends():
    away = shelf_at("gs://bucket/models", {"gs": f"http://127.0.0.1:{free_port()}"}, "GCP_BUCKET_NAME")
    clock = ManualClock()
    checks = Checks(nobodys(), away, clock)
    with capture_logs() as said:
        for _ in range(3):
            await checks.require_place()
        clock.advance(BELIEVED_MS / 1000)
        await checks.require_place()
    assert [line["event"] for line in said] == ["the place for models is away; a training begins all the same"] * 2


async def test_a_place_that_is_full_may_have_room_when_the_training_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(FolderShelf, "probe", AsyncMock(side_effect=StorageFull("no room for files")))
    checks = Checks(nobodys(), FolderShelf(tmp_path), ManualClock())
    await checks.require_place()
    assert (await checks.problems())["the place for models"] == "no room for files"


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_a_store_that_is_silent_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch):
    credentials(monkeypatch)
    monkeypatch.setattr(checks_module, "PATIENCE_SECONDS", 30)  # a machine that is busy takes longer for its part of it
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}"
        checks = Checks(nobodys(), shelf_at(f"{scheme}://bucket", {scheme: address}, "GCP_BUCKET_NAME"), ManualClock())
        problem = (await checks.problems())["the place for models"]
        await checks.close()
    assert f"{address} gives no answer (" in problem
    assert f"EYEBRIGHT_SOURCES__{scheme.upper()}_ENDPOINT says where it is" in problem


async def test_a_place_that_was_there_is_believed_in_for_a_while(tmp_path: Path):
    clock, place = ManualClock(), tmp_path / "disk"
    checks = Checks(nobodys(), FolderShelf(place), clock)
    await checks.require_place()
    place.write_text("a file")
    await checks.require_place()
    clock.step(-3600)  # set back, which lengthens nothing
    clock.advance(BELIEVED_MS / 1000)
    with pytest.raises(StorageUnusable):
        await checks.require_place()


async def test_a_place_that_hangs_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(checks_module, "PATIENCE_SECONDS", 0.05)
    begun, hanging = threading.Event(), threading.Event()
    looks: list[FolderShelf] = []

    def hang(shelf: FolderShelf) -> None:
        looks.append(shelf)
        begun.set()
        hanging.wait(60)

    monkeypatch.setattr(FolderShelf, "_probe", hang)
    clock = ManualClock()
    checks = Checks(nobodys(), FolderShelf(tmp_path), clock)
    for _ in range(3):
        assert "does not answer" in (await checks.problems())["the place for models"]
        clock.advance(BELIEVED_MS / 1000)
        await checks.require_place()
    assert await asyncio.to_thread(begun.wait, 60)
    hanging.set()
    assert len(looks) == 1
    await checks.close()


async def condition(agent: Agent, expected: str) -> None:
    """Returns once `/ready` tells that of projects, and is ready for everything else all the while."""
    told = ""
    for _ in range(500):
        answer = await agent.site.get("/ready")
        assert answer.status_code == 200
        if expected in (told := answer.json()["checks"].get("training_agent", "")):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(told)


async def test_what_stands_in_the_way_of_projects_is_told_before_anybody_starts_one(agent: Agent):
    await condition(agent, "ok")
    with capture_logs() as said:
        async with agent.away():
            agent.site.clock.advance(AGAIN_SECONDS)
            await condition(agent, "the callers' database")
        agent.site.clock.advance(TROUBLED_SECONDS)
        await condition(agent, "ok")
    told = [(line["log_level"], line["event"]) for line in said if "projects" in line["event"]]
    assert told == [("warning", "projects cannot be trained at present"), ("info", "projects can be trained again")]
