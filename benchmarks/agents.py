"""How long an agent waits for each tool that only looks, on a server that has been used for a while.

The server is a real one on a fresh data folder; 20 data sets are really imported, 50 toy trainings of 30 epochs really run and
leave a model each, and further orders are cancelled, until there are 200 jobs. Then the official client, over HTTP and as a
reader, calls every tool that it is offered: one call that warms, and a hundred that count, one after the other. Each is timed as
the agent sees it, with the check of the answer against the tool's schema; the slowest tool's p95 is the figure.
"""

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client as Agent
from mcp.client.streamable_http import streamable_http_client

from benchmarks.figure import Family, Figure
from benchmarks.pictures import photographs
from benchmarks.server import Server, serving
from benchmarks.spread import percentile, say
from eyebright.client import Client
from eyebright_wire.jobs import JobKind, JobRequest, RehearsalRequest
from eyebright_wire.resources import DatasetInspection

READ_TOOLS = Figure(
    name="mcp_read_tools",
    unit="ms",
    bar=100.0,
    lower_is_better=True,
    against="call to answer of the slowest tool that only looks, p95 of 100; 200 jobs, 50 models, 20 data sets",
)
DATASETS, MODELS, JOBS, EPOCHS, CALLS = 20, 50, 200, 30, 100


def read_tools() -> Mapping[str, float]:
    with serving({"EYEBRIGHT_LOCAL__CPU_SLOTS": "2"}) as server:
        with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder:
            arguments = _used(server, Path(folder))
        took = asyncio.run(_asked(server, arguments))
    for tool, p95 in sorted(took.items(), key=lambda each: each[1]):
        say(f"{tool:26} p95 {p95:5.1f} ms")
    return {READ_TOOLS.name: max(took.values())}


def _used(server: Server, folder: Path) -> dict[str, dict[str, Any]]:
    """Fills the server; the arguments for every tool that only looks."""
    with Client(server.url, server.token) as client:
        pictures = [photographs(folder / f"pictures-{n}", train=40 + n, val=20, size=(64, 48)) for n in range(DATASETS)]
        versions = [client.import_dataset(each).id for each in pictures]
        client.inspect_dataset(DatasetInspection(path=str(pictures[0])))
        inspection = next(client.jobs(kind=JobKind.IMPORT))
        order = RehearsalRequest(dataset=versions[0], trainer="toy")
        rehearsal = client.wait(client.rehearse(order).id)
        for n in range(JOBS - len(list(client.jobs())) - MODELS):
            client.cancel(client.submit(_training(versions, n)).id)
        orders = [client.submit(_training(versions, n)).id for n in range(MODELS)]
        trained = [client.wait(each) for each in orders]
        say(
            f"{len(list(client.jobs()))} jobs, {len(list(client.models()))} models, {len(list(client.datasets()))} data sets"
        )
    job, models = {"job_id": trained[-1].id}, [each.model_id for each in trained]
    return {
        "estimate_training": {"order": {"dataset": versions[0], "trainer": "toy"}},
        "describe_rehearsal": {"job_id": rehearsal.id},
        "list_trainers": {},
        "list_recipes": {},
        "describe_recipe": {"recipe": "toy/classification"},
        "list_datasets": {"limit": 100},
        "describe_dataset": {"name": pictures[0].name},
        "describe_dataset_version": {"version_id": versions[0]},
        "describe_inspection": {"job_id": inspection.id},
        "list_jobs": {"limit": 100},
        "describe_job": job,
        "watch_job": job,
        "read_log": job,
        "read_metrics": job,
        "list_models": {"limit": 100},
        "describe_model": {"model": models[0]},
        "compare_models": {"left": models[0], "right": models[-1]},
    }


def _training(versions: Sequence[str], number: int) -> JobRequest:
    return JobRequest(dataset=versions[number % len(versions)], trainer="toy", config={"epochs": EPOCHS})


async def _asked(server: Server, arguments: Mapping[str, dict[str, Any]]) -> dict[str, float]:
    """The p95 of each tool, in ms. Raises KeyError for a tool that has no arguments here."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {server.token}"}, timeout=60) as http,
        Agent(streamable_http_client(f"{server.url}/mcp", http_client=http)) as agent,
    ):
        tools = [tool.name for tool in (await agent.list_tools()).tools]
        return {tool: percentile(await _calls(agent, tool, arguments[tool]), 0.95) for tool in tools}


async def _calls(agent: Agent, tool: str, arguments: dict[str, Any]) -> list[float]:
    """Milliseconds of each call but the first."""
    took: list[float] = []
    for _ in range(CALLS + 1):
        began = time.monotonic()
        answer = await agent.call_tool(tool, arguments)
        took.append(1000 * (time.monotonic() - began))
        if answer.is_error:
            raise RuntimeError(f"{tool}: {answer.content}")
    return took[1:]


FAMILIES = (Family((READ_TOOLS,), read_tools),)
