"""What the Training Agent's requests cost over the API's own, and how soon many who poll are answered.

A real `eyebright serve` on SQLite, with the callers' tables in a real Postgres beside it. The store that data sets are to come
from takes connections and never answers, so imports queue and no training disturbs. Four hundred projects are started one after
another, each in turn with the same order by the API itself (an import with `train`), and asked for in the same way: every project
has 50 lines of log, and none is asked for twice, so each status is read from the database. Then fifty of them are polled by
fifty callers with a connection each, as often as no answer is remembered from the poll before.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx

from benchmarks.beside import postgres_server
from benchmarks.figure import Family, Figure
from benchmarks.server import Server, serving
from benchmarks.spread import percentile, say

START = Figure(
    name="agent_start_overhead",
    unit="ms",
    bar=5.0,
    lower_is_better=True,
    against="p95 of 400 starts less that of the same orders by the API, in turn",
)
STATUS = Figure(
    name="agent_status_overhead",
    unit="ms",
    bar=5.0,
    lower_is_better=True,
    against="p95 of 400 projects' status less that of their jobs by the API, in turn",
)
POLLS = Figure(
    name="agent_polls_p95",
    unit="ms",
    bar=50.0,
    lower_is_better=True,
    against="50 callers, each of which polls a project of its own 20 times, every 1.1 s at a moment of its own",
)
PROJECTS, LINES, POLLERS, POLLS_EACH, WARM = 400, 50, 50, 20, 5
#: Between two requests, so that none is timed with what the server still does for the one before.
APART_SECONDS = 0.1
#: Longer than an answer is remembered.
EVERY_SECONDS = 1.1
_AGENT, _API = "/agents/training", "/api/v1"

Ask = Callable[[str], Awaitable[httpx.Response]]


def training_agent() -> Mapping[str, float]:
    with postgres_server(durable=False) as databases, _silent() as store:
        url = databases.create()
        variables = {
            "EYEBRIGHT_TRAINING_AGENT__DATABASE_URL": url,
            "EYEBRIGHT_TRAINING_AGENT__PRETRAINED": "false",
            "EYEBRIGHT_TRAINING_AGENT__STARTS_PER_MINUTE": "100000",
            "GCP_BUCKET_NAME": "bucket",
            "EYEBRIGHT_SOURCES__GS_ENDPOINT": store,
        }
        with serving(variables) as server:
            return asyncio.run(_measured(server, url))


FAMILIES = (Family((START, STATUS, POLLS), training_agent),)


async def _measured(server: Server, url: str) -> Mapping[str, float]:
    projects = await _projects(url)
    async with _client(server) as http:
        jobs: dict[str, str] = {}

        async def order(project: str) -> httpx.Response:
            headers = {"Prefer": "respond-async", "Idempotency-Key": project}
            answer = await http.post(f"{_API}/datasets:import", json=_ORDER, headers=headers)
            jobs[project] = answer.json()["id"]
            return answer

        async def start(project: str) -> httpx.Response:
            headers = {"Prefer": "respond-async"}
            return await http.post(f"{_AGENT}/start", json={"project_id": project}, headers=headers)

        started = await _overhead("start", projects, order, start)
        asked = await _overhead(
            "status",
            projects,
            lambda project: http.get(f"{_API}/jobs/{jobs[project]}"),
            lambda project: http.get(f"{_AGENT}/status/{project}"),
        )
    return {START.name: started, STATUS.name: asked, POLLS.name: await _polled(server, projects[:POLLERS])}


async def _overhead(what: str, projects: Sequence[str], ours: Ask, theirs: Ask) -> float:
    """Milliseconds."""
    took = [(await _took(ours, project), await _took(theirs, project)) for project in projects][WARM:]
    native, agent = ([percentile(each, share) for share in (0.5, 0.95)] for each in zip(*took, strict=True))
    say(
        f"{what}: median {agent[0]:.2f}, p95 {agent[1]:.2f} ms; of the API's own {native[0]:.2f} and {native[1]:.2f} ms"
    )
    return agent[1] - native[1]


async def _polled(server: Server, projects: Sequence[str]) -> float:
    """Milliseconds. A poll that begins late, as the one before it took so long, counts from when it should have begun."""
    began = time.perf_counter() + 1
    pollers = (_poller(server, project, began + EVERY_SECONDS * n / POLLERS) for n, project in enumerate(projects))
    waits = [wait for each in await asyncio.gather(*pollers) for wait in each]
    median, p95 = percentile(waits, 0.5), percentile(waits, 0.95)
    say(f"polls: median {median:.1f} ms, p95 {p95:.1f} ms, most {max(waits):.1f} ms of {len(waits)}")
    return p95


async def _poller(server: Server, project: str, began: float) -> list[float]:
    waits: list[float] = []
    async with _client(server) as http:
        for number in range(WARM + POLLS_EACH):
            due = began + EVERY_SECONDS * number
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            (await http.get(f"{_AGENT}/status/{project}")).raise_for_status()
            waits.append(1000 * (time.perf_counter() - due))
    return waits[WARM:]


async def _took(ask: Ask, project: str) -> float:
    """Milliseconds. Raises for a refusal."""
    await asyncio.sleep(APART_SECONDS)
    began = time.perf_counter()
    answer = await ask(project)
    took = 1000 * (time.perf_counter() - began)
    answer.raise_for_status()
    return took


def _client(server: Server) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60, trust_env=False)


_METADATA = {"preferred_model": "resnet18", "epochs": 10, "learning_rate": 0.001}
_ADDRESS = "gs://bucket/raw/flowers.zip"
#: What a start makes of such a project.
_ORDER = {
    "url": _ADDRESS,
    "name": "flowers",
    "train": {
        "task": "classification",
        "trainer": "torchvision",
        "model": "resnet18",
        "config": {"epochs": 10, "batch": 32, "lr0": 0.001, "pretrained": False, "optimizer": "Adam"},
    },
}


_LOG = """
    INSERT INTO agent_logs (project_id, agent_name, message, log_level)
    SELECT $1, 'training', 'Epoch ' || epoch || ' completed.', 'info'
    FROM generate_series(1, $2::int) AS epoch
"""


async def _projects(url: str) -> list[str]:
    from harness.callers import TABLES, Callers

    callers = Callers(url)
    await callers.script(TABLES)
    made = [await callers.add_project(metadata=_METADATA) for _ in range(PROJECTS)]
    for project in made:
        await callers.add_dataset(project, gcs_url=_ADDRESS)
        await callers.execute(_LOG, project, LINES)
    return made


@contextmanager
def _silent() -> Iterator[str]:
    """A store that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
