"""What a thousand jobs cost that do little but live, on both databases.

The server and the reporters are those of `ingest`; each of 1,000 live attempts tells one event in ten seconds and a heartbeat
every 15 s, for a minute. No event and no heartbeat may be refused, none may be lost, and afterwards every job must still be in
its first attempt: a heartbeat that came too late would have cost one of them its lease.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx

from benchmarks.beside import postgres
from benchmarks.figure import Family, Figure
from benchmarks.ingest import asked, launched, load, silent, two_cores, unharmed
from benchmarks.server import Server, serving
from benchmarks.spread import percentile, say

JOBS, PER_SECOND, SECONDS = 1000, 0.1, 60.0


def _figures(where: str, named: str) -> tuple[Figure, Figure]:
    crowd = f"{JOBS:,} jobs with an event every ten seconds and heartbeats, {named}"
    memory = "most resident memory of the control plane"
    return (
        Figure(name=f"crowd_memory_{where}", unit="MB", bar=400.0, lower_is_better=True, against=f"{memory}; {crowd}"),
        Figure(
            name=f"crowd_p95_{where}",
            unit="ms",
            bar=500.0,
            lower_is_better=True,
            against=f"creation of an event to its acknowledgement, none refused or lost; {crowd}",
        ),
    )


SQLITE, POSTGRES = _figures("sqlite", "SQLite"), _figures("postgres", "Postgres with fsync")


def on_sqlite() -> Mapping[str, float]:
    with two_cores():
        return _values(SQLITE, {})


def on_postgres() -> Mapping[str, float]:
    with two_cores(), postgres() as url:
        return _values(POSTGRES, {"EYEBRIGHT_DATABASE_URL": url})


def _values(figures: tuple[Figure, Figure], variables: Mapping[str, str]) -> Mapping[str, float]:
    with (
        tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder,
        serving({**silent(Path(folder)), **variables}) as server,
    ):
        memory, p95 = _lived(server, Path(folder))
    return {figures[0].name: memory, figures[1].name: p95}


def _lived(server: Server, folder: Path) -> tuple[float, float]:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60, trust_env=False) as http:
        specs = launched(http, server, folder / "pictures", JOBS)
        outcome = load(folder, specs, PER_SECOND, SECONDS)
        unharmed(http, outcome)
        _require_first_attempts(http)
    took, memory = outcome["latencies_ms"], _peak_mb(server.process.pid)
    say(f"{len(took)} events: median {percentile(took, 0.5):.1f} ms, most {max(took):.1f} ms; {memory:.0f} MB")
    return memory, percentile(took, 0.95)


def _require_first_attempts(http: httpx.Client) -> None:
    after: str | None = None
    seen = 0
    while True:
        params = {"limit": 500, "kind": "training", **({"after": after} if after else {})}
        page = asked(http.get("/api/v1/jobs", params=params))
        for job in page["items"]:
            if (job["state"], job["attempt"]) != ("running", 1):
                raise RuntimeError(f"job {job['id']} is {job['state']} in attempt {job['attempt']}: {job['message']}")
        seen += len(page["items"])
        if (after := page["next"]) is None:
            break
    if seen != JOBS:
        raise RuntimeError(f"{seen} of {JOBS} jobs are there")


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1e3


FAMILIES = (Family(SQLITE, on_sqlite), Family(POSTGRES, on_postgres))
