"""How long a page of a long list and the chart of a long training take, on both databases.

A database of 100,000 jobs that wait, and of one with 1,000,000 points of one metric, is filled by SQL; then a real server answers
over HTTP, on one connection, from the first question on: the first page of 100, the 1,000th of the same, reached by its `after`,
and the chart. Jobs are for an executor that is not there, so nobody claims them. The server has taken the points into the
job's curve, but for the newest: as many as it ever leaves to be read one by one.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import text

from benchmarks.beside import postgres
from benchmarks.figure import Family, Figure
from benchmarks.server import serving
from benchmarks.spread import percentile, say
from eyebright.core.scope import EVERYTHING, within
from eyebright.ports.curves import STRIDE
from eyebright.stores.sql.database import Database

JOBS, PAGE = 100_000, 100
_FOLDED, _NEWEST = 1_000_000 // STRIDE * STRIDE, STRIDE - 1
POINTS = _FOLDED + _NEWEST
_FOLDING_SECONDS = 600
_ASKED, _CHARTS = 50, 3
_PLACES = {"sqlite": "SQLite", "postgres": "Postgres with fsync"}


def _figure(name: str, database: str, bar: float, against: str) -> Figure:
    return Figure(
        name=f"{name}_{database}", unit="ms", bar=bar, lower_is_better=True, against=f"{against}; {_PLACES[database]}"
    )


FIRST, LATE, CHART = "list_first_page", "list_late_page", "chart_of_a_million"
FIGURES = {
    database: (
        _figure(FIRST, database, 100.0, f"p95 of {_ASKED} first pages of {PAGE}, of {JOBS:,} jobs that wait"),
        _figure(LATE, database, 100.0, f"p95 of {_ASKED} times the 1,000th page, of the same"),
        _figure(CHART, database, 200.0, f"slowest of {_CHARTS} charts of {POINTS:,} points, {_NEWEST:,} of them new"),
    )
    for database in _PLACES
}

_COUNTED = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
_JOBS = (
    "INSERT INTO jobs (id, executor, priority, created_at_ms, state, version, attempt, not_before_ms, message, retryable, "
    "cancel_requested, metrics, events, failures, losses, preemptions, barren) {counted} SELECT {id}, 'elsewhere', i % 7, i, "
    "'queued', 1, 0, 0, '', '0', '0', '{{}}', 0, 0, 0, 0, 0 FROM n",
    "INSERT INTO orders (job_id, name, trainer, task, model, dataset_version, config, resolved, labels) {counted} SELECT {id}, "
    "'job ' || i, 'toy', 'classification', 'tiny', 'dsv_1', '{{}}', '{settings}', '{{}}' FROM n",
)
_POINTS = (
    "INSERT INTO events (job_id, attempt, seq, position, kind, at_ms, data) {counted} SELECT {id}, 1, i, i, 'progress', i, "
    '\'{{"epoch": 1, "epochs": 1, "step": \' || i || \', "metrics": {{"loss": \' || (1.0 / i) || \'}}}}\' FROM n '
    "WHERE i > {after}",
    "UPDATE jobs SET events = {count}, version = version + 1 WHERE id = {id}",
)
#: Each event is looked at by a guard; what it guards is no matter of a figure.
_UNGUARDED = {"sqlite": "DROP TRIGGER events_accepted", "postgres": "ALTER TABLE events DISABLE TRIGGER USER"}
_SETTINGS = "{" + ", ".join(f'"setting_{number}": {number}' for number in range(60)) + "}"
_PADDED = {"sqlite": "SUBSTR('0000000' || {i}, -8)", "postgres": "LPAD(CAST({i} AS TEXT), 8, '0')"}


def measured(database: str) -> Mapping[str, float]:
    with _filled(database) as url, serving({"EYEBRIGHT_DATABASE_URL": url}) as server:
        headers = {"Authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=170, trust_env=False) as http:
            asyncio.run(_grow(url))
            late = {"limit": PAGE, "after": f"job_{JOBS - 999 * PAGE + 1:08}"}
            first = _timed("the first page", _ASKED, lambda: http.get("/jobs", params={"limit": PAGE}))
            last = _timed("the 1,000th page", _ASKED, lambda: http.get("/jobs", params=late))
            chart = _timed("the chart", _CHARTS, lambda: http.get("/jobs/job_00000001/metrics"))
    values = (percentile(first, 0.95), percentile(last, 0.95), max(chart))
    return {figure.name: value for figure, value in zip(FIGURES[database], values, strict=True)}


def _timed(what: str, times: int, ask: Callable[[], httpx.Response]) -> list[float]:
    """Milliseconds, the first and cold one too."""
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        answer = ask()
        took.append(1000 * (time.perf_counter() - began))
        answer.raise_for_status()
    found = sorted(took)
    say(
        f"{what}: median {found[len(found) // 2]:.1f} ms, {found[0]:.1f} to {found[-1]:.1f}; {len(answer.content)} bytes"
    )
    return took


@contextmanager
def _filled(database: str) -> Iterator[str]:
    if database == "postgres":
        with postgres() as url:
            asyncio.run(_fill(url, database))
            yield url
        return
    with tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder:
        url = f"sqlite:///{Path(folder, 'eyebright.db')}"
        asyncio.run(_fill(url, database))
        yield url


async def _fill(url: str, database: str) -> None:
    opened = await Database.open(url)
    began, padded = time.monotonic(), _PADDED[database]
    job_id = f"'job_' || {padded.format(i='i')}"
    async with opened.engine.writing() as connection:
        if database == "postgres":
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
        counted = _COUNTED.format(count=JOBS)
        for statement in _JOBS:
            await connection.exec_driver_sql(statement.format(counted=counted, id=job_id, settings=_SETTINGS))
        await connection.execute(text(_UNGUARDED[database]))
        for statement in _POINTS:
            await connection.exec_driver_sql(_said(statement, 0, _FOLDED))
    if database == "postgres":
        async with opened.engine.reading() as connection:
            await connection.execute(text("ANALYZE"))
    await opened.close()
    say(f"{JOBS} jobs and {_FOLDED} points are there after {time.monotonic() - began:.0f} s")


async def _behind(opened: Database) -> bool:
    with within(EVERYTHING):
        return bool(await opened.curves.behind(1))


async def _grow(url: str) -> None:
    """Once all points are in the curve, the newest ones."""
    began, opened = time.monotonic(), Database.unopened(url)
    while await _behind(opened):
        if time.monotonic() > began + _FOLDING_SECONDS:
            raise TimeoutError(f"the points were not in the curve after {_FOLDING_SECONDS} s")
        await asyncio.sleep(0.5)
    say(f"the points are in the curve after {time.monotonic() - began:.0f} s")
    async with opened.engine.writing() as connection:
        for statement in _POINTS:
            await connection.exec_driver_sql(_said(statement, _FOLDED, POINTS))
    await opened.close()


def _said(statement: str, after: int, count: int) -> str:
    return statement.format(counted=_COUNTED.format(count=count), id="'job_00000001'", after=after, count=count)


FAMILIES = tuple(Family(figures, lambda database=database: measured(database)) for database, figures in FIGURES.items())
