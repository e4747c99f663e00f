"""How long a caller waits to see what a trainer has told, on both databases.

100 jobs report every second for 20 s, each at a moment of its own, as the trainers of a Vision AI Training Platform do: a POST to
the callback address with a status, a share, a message and metrics. Once it is answered, the job is asked for by the API until it
tells what was told. The latency counts from the moment at which the report was to be sent until the answer that shows it, whether
or not the server keeps up. The server is that of `ingest`, on two cores with whoever reports and asks.
"""

import asyncio
import json
import random
import ssl
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks.beside import postgres
from benchmarks.figure import Family, Figure
from benchmarks.ingest import launched, silent, two_cores
from benchmarks.server import Server, serving
from benchmarks.spread import percentile, say


def _figure(name: str, where: str) -> Figure:
    return Figure(
        name=name,
        unit="ms",
        bar=250.0,
        lower_is_better=True,
        against=f"sent, committed and seen by the API, p95; 100 jobs that report every second, {where}",
    )


SQLITE, POSTGRES = _figure("callback_p95_sqlite", "SQLite"), _figure("callback_p95_postgres", "Postgres with fsync")
JOBS, WARM, REPORTS = 100, 3, 20


def on_sqlite() -> Mapping[str, float]:
    with two_cores():
        return {SQLITE.name: _measured({})}


def on_postgres() -> Mapping[str, float]:
    with two_cores(), postgres() as url:
        return {POSTGRES.name: _measured({"EYEBRIGHT_DATABASE_URL": url})}


def _measured(variables: Mapping[str, str]) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder,
        serving({**silent(Path(folder)), **variables}) as server,
    ):
        headers = {"Authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False) as http:
            specs = launched(http, server, Path(folder) / "pictures", JOBS)
        took = asyncio.run(_told(server, [json.loads(spec.read_text()) for spec in specs]))
    median, p95, most = percentile(took, 0.5), percentile(took, 0.95), max(took)
    say(f"{len(took)} reports were seen: median {median:.1f} ms, p95 {p95:.1f} ms, most {most:.1f} ms")
    return p95


async def _told(server: Server, specs: list[dict[str, Any]]) -> list[float]:
    """Milliseconds of every report but the first few of each job."""
    numbers = random.Random(7)  # noqa: S311 - phases, not secrets
    begins, verify = time.monotonic() + 1, ssl.create_default_context()
    told = [_reported(server, verify, spec, begins + numbers.random()) for spec in specs]
    return [each for found in await asyncio.gather(*told) for each in found[WARM:]]


async def _reported(server: Server, verify: ssl.SSLContext, spec: dict[str, Any], begins: float) -> list[float]:
    """Each job with a connection of its own: one pool for all of them costs more than the server."""
    took: list[float] = []
    async with httpx.AsyncClient(base_url=server.url, verify=verify, timeout=60, trust_env=False) as http:
        for number in range(1, WARM + REPORTS + 1):
            sent = begins + number
            await asyncio.sleep(max(0.0, sent - time.monotonic()))
            await _tell(http, spec, number)
            await _see(http, server.token, spec["job_id"], number)
            took.append(1000 * (time.monotonic() - sent))
    return took


async def _tell(http: httpx.AsyncClient, spec: dict[str, Any], number: int) -> None:
    body = {
        "status": "running",
        "progress": number / 100,
        "message": f"report {number}",
        "metrics": {"epoch": number - 1, "loss": 2.3 / number, "accuracy": 0.5},
    }
    headers = {"Authorization": f"Bearer {spec['token']}"}
    answer = await http.post(
        f"/training/jobs/{spec['job_id']}/callback", params={"attempt": spec["attempt"]}, json=body, headers=headers
    )
    answer.raise_for_status()


async def _see(http: httpx.AsyncClient, token: str, job_id: str, number: int) -> None:
    """Raises TimeoutError when it is not there within half a minute."""
    deadline = time.monotonic() + 30
    while True:
        answer = await http.get(f"/api/v1/jobs/{job_id}", headers={"Authorization": f"Bearer {token}"})
        progress = answer.raise_for_status().json().get("progress") or {}
        if progress.get("note") == f"report {number}":
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"job {job_id} does not tell report {number}, but {progress}")


FAMILIES = (Family((SQLITE,), on_sqlite), Family((POSTGRES,), on_postgres))
