"""How many events 200 training jobs may report, and how long each waits until it is on disk.

The server is a real `eyebright serve`: uvicorn, every middleware and loop, SQLite with `synchronous=FULL` in a data folder on
disk. Its jobs are ordered over HTTP and dispatched to the executor of `ingest_executor`, found by entry point like any other
plug-in, which starts nothing; `ingest_load`, a second process on the same two cores, speaks for all of them: 200 jobs × 8
progress events with five metrics a second (far more than the kit lets a trainer say) and a heartbeat every 15 s each. On a
larger machine both processes are bound to two cores.

The rate is over the time from the beginning of a window of 15 s until all that happened within it is acknowledged, so it stays
below the 1,600/s that are offered; the latency of an event counts from the moment at which it was to happen. Afterwards the
server is asked which events it holds of each job: one that was sent and is not there makes the measurement fail.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from PIL import Image

from benchmarks.beside import postgres
from benchmarks.figure import Family, Figure
from benchmarks.server import ROOT, Server, environment, serving
from benchmarks.spread import percentile, say

RATE = Figure(
    name="ingest_rate",
    unit="events/s",
    bar=1500.0,
    against="200 jobs offering 1,600/s, commits on disk; MLflow 3.17.2's server: 15/s from one reporter",
)
P95 = Figure(
    name="ingest_p95",
    unit="ms",
    bar=100.0,
    lower_is_better=True,
    against="creation to acknowledgement at 1,600/s from 200 jobs; MLflow 3.17.2's server: time-outs from 32 reporters on",
)

RATE_POSTGRES = Figure(
    name="ingest_rate_postgres",
    unit="events/s",
    bar=1500.0,
    against="the same on Postgres with fsync, on the same cores",
)
P95_POSTGRES = Figure(
    name="ingest_p95_postgres",
    unit="ms",
    bar=100.0,
    lower_is_better=True,
    against="the same on Postgres with fsync, on the same cores",
)

JOBS, PER_SECOND, WARM_SECONDS, SECONDS = 200, 8.0, 3.0, 15.0
CORES = 2
_API = "/api/v1"


def ingest() -> Mapping[str, float]:
    with two_cores():
        rate, p95 = measured({})
    return {RATE.name: rate, P95.name: p95}


def ingest_on_postgres() -> Mapping[str, float]:
    with two_cores(), postgres() as url:
        rate, p95 = measured({"EYEBRIGHT_DATABASE_URL": url})
    return {RATE_POSTGRES.name: rate, P95_POSTGRES.name: p95}


def measured(variables: Mapping[str, str]) -> tuple[float, float]:
    with (
        tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder,
        serving({**silent(Path(folder)), **variables}) as server,
    ):
        return _rate_and_p95(reported(server, Path(folder)))


def reported(server: Server, folder: Path) -> dict[str, object]:
    """What the load generator saw of this server, checked against what the server holds."""
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}, timeout=60) as http:
        specs = launched(http, server, folder / "pictures", JOBS)
        control_plane = psutil.Process(server.process.pid)
        before = sum(control_plane.cpu_times()[:2])
        outcome = load(folder, specs, PER_SECOND, SECONDS)
        used = sum(control_plane.cpu_times()[:2]) - before
        say(f"processor seconds: server {used:.1f}, reporters {outcome['cpu_seconds']:.1f}; {outcome['posts']} posts")
        unharmed(http, outcome)
    return outcome


def _rate_and_p95(outcome: Mapping[str, object]) -> tuple[float, float]:
    latencies, rate = outcome["latencies_ms"], len(outcome["latencies_ms"]) / outcome["seconds"]
    median, p95, p99 = (percentile(latencies, share) for share in (0.5, 0.95, 0.99))
    say(
        f"{rate:.0f} events/s; median {median:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, most {max(latencies):.1f} ms"
    )
    return rate, p95


@contextmanager
def two_cores() -> Iterator[None]:
    """This process and its children on two of the cores they may use."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def silent(folder: Path) -> dict[str, str]:
    """The variables of a server whose executor starts nothing."""
    return {"EYEBRIGHT_EXECUTORS": "silent", "PYTHONPATH": f"{_plug_in(folder)}{os.pathsep}{ROOT}"}


def _plug_in(folder: Path) -> Path:
    """A folder for PYTHONPATH that holds the metadata of an installed distribution with one executor."""
    metadata = folder / "plug-in" / "eyebright_bench-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: eyebright-bench\nVersion: 1\n")
    entry = "silent = benchmarks.ingest_executor:SilentExecutor"
    (metadata / "entry_points.txt").write_text(f"[eyebright.executors]\n{entry}\n")
    return metadata.parent


def drawn(folder: Path) -> Path:
    for label, shade in (("dark", 40), ("light", 200)):
        for split, number in (("train", 4), ("val", 2)):
            for at in range(number):
                path = folder / split / label / f"{at}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (16, 16), (shade + at, len(split) * 10, shade)).save(path)
    return folder


def launched(http: httpx.Client, server: Server, pictures: Path, jobs: int) -> list[Path]:
    """The sealed orders of as many live attempts as there shall be."""
    version = asked(http.post(f"{_API}/datasets:import", json={"path": str(drawn(pictures)), "name": "bench"}))
    order = {"dataset": version["id"], "trainer": "toy", "executor": "silent"}
    ids = [asked(http.post(f"{_API}/jobs", json=order))["id"] for _ in range(jobs)]
    specs = [server.data_dir / "runs" / job_id / "a1" / "spec.json" for job_id in ids]
    deadline = time.monotonic() + 60
    while len(found := [spec for spec in specs if spec.exists()]) < jobs:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(found)} of {jobs} jobs were launched within a minute")
        time.sleep(0.1)
    time.sleep(1)  # the last one is noted
    return found


def load(folder: Path, specs: list[Path], per_second: float, seconds: float) -> dict[str, object]:
    """The jobs report, each so many events a second, in a process of its own; what it saw."""
    plan, result = folder / "plan.json", folder / "result.json"
    shape = {"events_per_second": per_second, "warm_seconds": WARM_SECONDS, "seconds": seconds}
    plan.write_text(json.dumps({"specs": [str(spec) for spec in specs], **shape}))
    command = [sys.executable, "-m", "benchmarks.ingest_load", str(plan), str(result)]
    subprocess.run(command, cwd=ROOT, env=environment(folder), check=True, stdout=sys.stderr)
    return json.loads(result.read_text())


def unharmed(http: httpx.Client, outcome: Mapping[str, object]) -> None:
    """Everything that was said was taken, and everything that was taken is there, without a hole."""
    if outcome["refused"]:
        raise RuntimeError(f"{len(outcome['refused'])} posts were refused, such as {outcome['refused'][0]}")
    for job_id, sent in outcome["sent"].items():
        stored = _stored(http, job_id)
        if not stored == list(range(1, sent + 1)) or outcome["acked"][job_id] != sent:
            raise RuntimeError(f"job {job_id}: {sent} sent, {outcome['acked'][job_id]} acked, {len(stored)} stored")
    say(f"{sum(outcome['sent'].values())} events sent, acknowledged and stored")


def _stored(http: httpx.Client, job_id: str) -> list[int]:
    """The numbers of the stored events."""
    found: list[int] = []
    after: str | None = "0"
    while after is not None:
        page = asked(http.get(f"{_API}/jobs/{job_id}/events", params={"after": after, "limit": 500}))
        found += [event["seq"] for event in page["items"]]
        after = page["next"]
    return found


def asked(answer: httpx.Response) -> dict[str, object]:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    return answer.json()


FAMILIES = (Family((RATE, P95), ingest), Family((RATE_POSTGRES, P95_POSTGRES), ingest_on_postgres))
