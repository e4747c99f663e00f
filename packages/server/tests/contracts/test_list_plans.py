"""How lists and queues are read from a database that is full: along indexes, and never more than a page needs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from databases import SQL
from samples import claim, job, post, progress, started, submit
from sqlalchemy import event, text

from eyebright.ports.curves import STRIDE
from eyebright.ports.jobs import JobQuery
from eyebright.stores.sql import orders
from eyebright_wire.jobs import JobKind, JobState

JOBS, PAGE = 20_000, 51
#: Of all steps of a plan together.
ROWS = 20 * PAGE
COUNTED = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {JOBS})"
JOB_ID = "'job_' || SUBSTR('0000000' || i, -8)"
FILLING = (
    "INSERT INTO jobs (id, executor, priority, created_at_ms, state, version, attempt, not_before_ms, message, retryable, "
    f"cancel_requested, metrics, events, failures, losses, preemptions, barren) {COUNTED} SELECT {{id}}, "
    "CASE i % 2 WHEN 0 THEN 'local' ELSE 'ray' END, i % 7, i, 'queued', 1, 0, 0, '', '0', '0', '{{}}', 0, 0, 0, 0, 0 FROM n",
    f"INSERT INTO orders (job_id, name, trainer, task, model, dataset_version, config, resolved, labels) {COUNTED} "
    "SELECT {id}, 'n', CASE WHEN i > 15000 THEN 'importer' WHEN i % 3 = 0 THEN 'timm' ELSE 'toy' END, 't', 'm', "
    "'dsv_' || (i % 9), '{{}}', '{{}}', '{{}}' FROM n",
    f"INSERT INTO labels (job_id, key, value) {COUNTED} SELECT {{id}}, 'team', 'vision' FROM n WHERE i % 2 = 0",
    f"INSERT INTO labels (job_id, key, value) {COUNTED} SELECT {{id}}, 'rare', 'yes' FROM n WHERE i % 4000 = 0",
    "UPDATE jobs SET state = 'cancelled', version = 2, finished_at_ms = 1 WHERE created_at_ms % 4 < 2",
)
QUERIES = {
    "all": JobQuery(),
    "a late page": JobQuery(after="job_00010000"),
    "a state": JobQuery(states=frozenset({JobState.CANCELLED})),
    "a state that none has": JobQuery(states=frozenset({JobState.RUNNING})),
    "all states": JobQuery(states=frozenset(JobState)),
    "trainings": JobQuery(kinds=frozenset({JobKind.TRAINING})),
    "a late page of trainings": JobQuery(kinds=frozenset({JobKind.TRAINING}), after="job_00010000"),
    "imports": JobQuery(kinds=frozenset({JobKind.IMPORT})),
    "all kinds": JobQuery(kinds=frozenset(JobKind)),
    "trainings that run": JobQuery(kinds=frozenset({JobKind.TRAINING}), states=frozenset({JobState.RUNNING})),
    "a trainer": JobQuery(trainer="timm"),
    "a data set": JobQuery(dataset_version="dsv_3", after="job_00010000"),
    "a common label": JobQuery(labels={"team": "vision"}),
    "a late page of a common label": JobQuery(labels={"team": "vision"}, after="job_00010000"),
    "a rare label": JobQuery(labels={"rare": "yes"}),
    "trainings of a rare label": JobQuery(labels={"rare": "yes"}, kinds=frozenset({JobKind.TRAINING})),
}


@pytest.fixture(params=SQL)
async def kind(request):
    return request.param


@pytest.fixture
async def full(database, kind):
    job_id = JOB_ID if kind == "sqlite" else "'job_' || LPAD(i::text, 8, '0')"
    async with database.engine.writing() as connection:
        for statement in FILLING:
            await connection.execute(text(statement.format(id=job_id)))
    if kind == "postgresql":
        async with database.engine.reading() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
    return database


async def test_no_page_costs_more_than_its_rows(full):
    for name, query in QUERIES.items():
        with said(full) as statements:
            await full.jobs.find(query)
        assert not await faults(full, *statements[0]), name


async def test_old_trainings_are_found_behind_many_imports(full):
    with said(full) as statements:
        await full.jobs.find(QUERIES["trainings"])
    assert "ix_orders_trainings" in await plan_of(full, *statements[0])


async def test_neither_the_next_jobs_nor_places_in_a_queue_need_the_whole_of_it(full):
    for asked in (full.jobs.due("local", 2, PAGE), full.jobs.queue_positions("local", PAGE)):
        with said(full) as statements:
            await asked
        assert not await faults(full, *statements[0])


async def test_long_jobs_are_found_without_a_look_at_each_of_their_events(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), *(progress(seq) for seq in range(2, STRIDE + 1)))
    if database.engine.dialect == "postgresql":
        async with database.engine.reading() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
    with said(database) as statements:
        assert await database.curves.behind(9) == ["job_0001"]
    assert "ix_events_milestones" in await plan_of(database, *statements[0])


async def test_who_leafs_through_jobs_pushes_none_that_reports_out_of_memory(database, monkeypatch):
    monkeypatch.setattr(orders, "REMEMBERED", 2)
    await submit(database, *(job(number) for number in range(1, 6)))
    async with database.jobs.transaction() as transaction:
        await transaction.lock([("job_0001", None)])
    assert len(await database.jobs.find(JobQuery())) == 5
    with said(database) as statements:
        await database.jobs.get("job_0001")
    assert not any("FROM orders" in statement for statement, _ in statements)


async def plan_of(database: Any, statement: str, parameters: Any) -> str:
    explaining = "EXPLAIN QUERY PLAN" if database.engine.dialect == "sqlite" else "EXPLAIN"
    async with database.engine.reading() as connection:
        found = await connection.exec_driver_sql(f"{explaining} {statement}", parameters)
        return "\n".join(str(step[-1]) for step in found)


async def faults(database: Any, statement: str, parameters: Any) -> list[str]:
    """What of its plan reads more than it should: everything to sort it, or a table from end to end."""
    async with database.engine.reading() as connection:
        if database.engine.dialect == "sqlite":
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            return [step for *_, step in plan if _is_fault(step)]
        plan = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        steps = list(_steps(_parsed(plan.scalar_one())[0]["Plan"]))
    read = sum(rows for _, rows in steps)
    return [f"{step}: {rows} rows" for step, rows in steps] if read > ROWS else []


def _is_fault(step: str) -> bool:
    return "TEMP B-TREE" in step or ("SCAN" in step and "INDEX" not in step and step != "SCAN chosen")


def _parsed(plan: Any) -> Any:
    return json.loads(plan) if isinstance(plan, str) else plan


def _steps(plan: dict[str, Any]) -> Iterator[tuple[str, int]]:
    rows = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    yield f"{plan['Node Type']} {plan.get('Index Name', '')}", rows * plan["Actual Loops"]
    for step in plan.get("Plans", ()):
        yield from _steps(step)


class said:
    """The statements that are sent meanwhile, with their parameters."""

    def __init__(self, database: Any) -> None:
        self._engine = database.engine._reader.sync_engine
        self._found: list[tuple[str, Any]] = []

    def __enter__(self) -> list[tuple[str, Any]]:
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self._found

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        self._found.append((statement, parameters))
