"""How many events of trainings we take for each that MLflow's tracking server takes, on the same Postgres in the same run.

MLflow's server runs in an environment of its own that uv makes (`uv tool run`), with a database beside ours on one Postgres with
fsync. Its reporters each have a run, and log an event of five metrics with one `log-batch` as soon as the one before is answered;
1, 8 and 32 of them are tried, and what counts is the best of the three. Ours is the rate of `ingest_rate_postgres`: 200 jobs that
offer 1,600 such events a second, each stored as an event of its own. Both share two cores with their reporters.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from benchmarks.beside import postgres_server
from benchmarks.figure import Family, Figure, NotHere
from benchmarks.ingest import measured, two_cores
from benchmarks.server import ROOT, free_port
from benchmarks.spread import say

MLFLOW = "mlflow==3.17.2"
OF_MLFLOW = Figure(
    name="ingest_of_mlflow",
    unit="ratio",
    bar=10.0,
    against=f"{MLFLOW} on the same Postgres, at its best of 1, 8 and 32 reporters: our events/s ÷ its",
)
REPORTERS, SECONDS, READY_SECONDS = (1, 8, 32), 10.0, 180.0
_API = "/api/2.0/mlflow"
_METRICS = {"loss": 0.5, "train_top1": 0.5, "lr": 0.001, "grad_norm": 1.5, "memory_gb": 3.25}


def ingest_of_mlflow() -> Mapping[str, float]:
    with postgres_server() as server, two_cores():
        ours, _ = measured({"EYEBRIGHT_DATABASE_URL": server.create()})
        with _mlflow(server.create()) as url:
            rates = {count: asyncio.run(_rate(url, count)) for count in REPORTERS}
    say("MLflow: " + ", ".join(f"{rate:.1f} events/s from {count}" for count, rate in rates.items()))
    return {OF_MLFLOW.name: ours / max(rates.values())}


@contextmanager
def _mlflow(database: str) -> Iterator[str]:
    """Its server's URL, with as many workers as it chooses. Raises NotHere where it cannot be installed."""
    command = [_uv(), "tool", "run", "--quiet", "--from", MLFLOW, "--with", "psycopg[binary]", "mlflow"]
    if subprocess.run([*command, "--version"], capture_output=True).returncode:
        raise NotHere(f"{MLFLOW} cannot be installed")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder, Path(folder, "log").open("wb") as log:
        options = ["--backend-store-uri", database, "--artifacts-destination", folder, "--host", "127.0.0.1"]
        process = subprocess.Popen(
            [*command, "server", *options, "--port", str(port)],
            stdout=log, stderr=log, cwd=folder, start_new_session=True,
        )  # fmt: skip
        try:
            if not _ready(process, url := f"http://127.0.0.1:{port}"):
                raise RuntimeError(f"MLflow was not ready: {Path(folder, 'log').read_text()[-2000:]}")
            yield url
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def _uv() -> str:
    found = ROOT / ".uv/bin/uv"
    return str(found) if found.exists() else shutil.which("uv") or "uv"


def _ready(process: "subprocess.Popen[bytes]", url: str) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return True
        except httpx.TransportError:
            time.sleep(0.2)
    return False


async def _rate(url: str, reporters: int) -> float:
    """Events that were acknowledged, a second."""
    async with httpx.AsyncClient(base_url=f"{url}{_API}", timeout=60, trust_env=False) as http:
        runs = [await _run(http) for _ in range(reporters)]
        began = time.monotonic()
        counts = await asyncio.gather(*(_reported(http, run, began + SECONDS) for run in runs))
        return sum(counts) / (time.monotonic() - began)


async def _run(http: httpx.AsyncClient) -> str:
    answer = await http.post("/runs/create", json={"experiment_id": "0", "start_time": time.time_ns() // 1_000_000})
    return answer.raise_for_status().json()["run"]["info"]["run_id"]


async def _reported(http: httpx.AsyncClient, run: str, ends: float) -> int:
    count = 0
    while time.monotonic() < ends:
        at = {"timestamp": time.time_ns() // 1_000_000, "step": count}
        metrics = [{"key": key, "value": value, **at} for key, value in _METRICS.items()]
        answer = await http.post("/runs/log-batch", json={"run_id": run, "metrics": metrics})
        answer.raise_for_status()
        count += 1
    return count


FAMILIES = (Family((OF_MLFLOW,), ingest_of_mlflow),)
