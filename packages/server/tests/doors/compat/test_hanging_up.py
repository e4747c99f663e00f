"""A Training Agent's callers who leave before their training has ended, over a real connection."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from databases import Postgres
from harness.agent import START, Agent
from harness.agent import agent as make_agent
from harness.site import TOKEN

from eyebright.doors.compat.training_agent import door
from eyebright.listener import Listener
from eyebright.services.training_agent.starting import Starting

LIMIT_SECONDS = 60


@pytest.fixture
async def agent(tmp_path: Path, postgres: Postgres) -> AsyncIterator[Agent]:
    async with make_agent(tmp_path, postgres.create()) as agent:
        yield agent


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs whose ends are waited for just now, once for each who waits."""
    found: list[str] = []
    wait = Starting.outcome

    async def noted(starting: Starting, job_id: str) -> str:
        found.append(job_id)
        try:
            return await wait(starting, job_id)
        finally:
            found.remove(job_id)

    monkeypatch.setattr(Starting, "outcome", noted)
    return found


@asynccontextmanager
async def listening(agent: Agent) -> AsyncIterator[Listener]:
    listener, ready = Listener("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(
        listener.serve(agent.site.app, ready=ready.set, asked_to_leave=lambda: False, access_log=False)
    )
    await ready.wait()
    try:
        yield listener
    finally:
        listener.leave()
        await serving
        listener.close()


async def start(listener: Listener, project_id: str) -> asyncio.StreamWriter:
    """A connection on which a start has been asked for, and nothing was answered yet."""
    _, connection = await asyncio.open_connection("127.0.0.1", listener.port)
    body = json.dumps({"project_id": project_id})
    head = (
        f"POST {START} HTTP/1.1",
        f"Host: 127.0.0.1:{listener.port}",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    connection.write("\r\n".join((*head, "", body)).encode())
    return connection


async def eventually(happened: Callable[[], bool]) -> None:
    for _ in range(LIMIT_SECONDS * 100):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("that has not come")


async def test_nobody_waits_for_a_caller_who_has_hung_up(
    agent: Agent, waiting: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "LOOK_SECONDS", 0.02)
    project = await agent.add_project()
    async with listening(agent) as listener:
        leaving, staying = [await start(listener, project) for _ in range(2)]
        await eventually(lambda: len(waiting) == 2)
        leaving.close()
        await eventually(lambda: len(waiting) == 1)
        await asyncio.sleep(0.1)
        assert len(waiting) == 1, "who is still there is waited for"
        staying.transport.abort()
        await eventually(lambda: not waiting)
        await agent.train()
    assert await agent.status(project) == "completed"
    assert not [record for record in caplog.records if record.levelname == "ERROR"], "nobody's fault"
