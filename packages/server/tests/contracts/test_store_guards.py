"""What the databases refuse by themselves, even from raw SQL."""

import itertools
from contextlib import asynccontextmanager

import pytest
from databases import SQL
from samples import (
    NOW_MS,
    applying,
    bury,
    claim,
    claiming,
    decide,
    failed,
    job,
    post,
    progress,
    started,
    submit,
    succeeded,
)
from sqlalchemy import text

from eyebright.core import lifecycle
from eyebright.core.curves import Curves
from eyebright.core.job import Run
from eyebright.core.lifecycle import TRANSITIONS
from eyebright.core.records import StoredEvent, changed
from eyebright.errors import Conflict, GuardViolated
from eyebright.stores.sql import tables
from eyebright.stores.sql.tables import names
from eyebright.stores.sql.transaction import SqlTransaction
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Event
from eyebright_wire.jobs import JobState

ID = "job_0001"
pytestmark = pytest.mark.parametrize("kind", SQL)


class Undo(Exception):
    """Leaves a transaction without keeping what it did."""


@asynccontextmanager
async def undone(database):
    """A connection whose changes are not kept."""
    try:
        async with database.engine.writing() as connection:
            yield connection
            raise Undo
    except Undo:
        pass


async def raw(database, *statements: str) -> None:
    async with undone(database) as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def bring_to(database, state: JobState) -> None:
    """A job in that state, by the rules."""
    await submit(database, job())
    if state is JobState.QUEUED:
        return
    if state is JobState.CANCELLED:
        await decide(database, (ID, None), lambda run: changed(run, lifecycle.request_cancel(run, NOW_MS), NOW_MS))
        return
    await claim(database)
    if state is JobState.STARTING:
        return
    last = {JobState.FAILED: [failed(2)], JobState.SUCCEEDED: [succeeded(2)]}
    await post(database, started(), *last.get(state, []))
    if state is JobState.SUCCEEDED:
        await decide(database, (ID, 1), lambda run: changed(run, lifecycle.succeed(run, NOW_MS, model_id="m"), NOW_MS))


def forced(before: Run, state: JobState) -> list[str]:
    """SQL that makes the rest of the tables fit, so that only the change of state itself can be what is refused."""
    live = before.attempt is not None and before.attempt.live
    fitting: list[str] = []
    attempt = before.job.attempt
    if state.live and not live:
        attempt += 1
        fitting.append(
            "INSERT INTO attempts (job_id, number, executor, token_sha256, claimed_at_ms, lease_until_ms, heartbeat_at_ms,"
            f" moved_at_ms, last_seq, checkpoints) VALUES ('{ID}', {attempt}, 'local', 'x', 1, 1, 1, 1, 0, 0)"
        )
    if not state.live and live:
        fitting.append(f"UPDATE attempts SET ended_at_ms = 1, outcome = 'hung' WHERE job_id = '{ID}'")
    finished = "1" if state.final else "NULL"
    return [
        *fitting,
        f"UPDATE jobs SET state = '{state}', version = version + 1, attempt = {attempt}, finished_at_ms = {finished}"
        f" WHERE id = '{ID}'",
    ]


@pytest.mark.parametrize("state", JobState)
async def test_the_database_allows_exactly_the_transitions_of_the_core(database, state):
    await bring_to(database, state)
    before = await database.jobs.get(ID)
    assert before.job.state is state
    allowed: set[JobState] = set()
    for wanted in JobState:
        try:
            await raw(database, *forced(before, wanted))
        except GuardViolated:
            continue
        allowed.add(wanted)
    stays = set() if state.final else {state}
    assert allowed == TRANSITIONS[state] | stays
    assert await database.jobs.get(ID) == before


@pytest.mark.parametrize("state", [state for state in JobState if state.final])
async def test_a_final_job_never_changes_in_any_way(database, state):
    await bring_to(database, state)
    for change in ("version = version + 1", "version = version + 1, message = 'x'", "attempt = attempt + 1"):
        with pytest.raises(GuardViolated):
            await raw(database, f"UPDATE jobs SET {change} WHERE id = '{ID}'")


@pytest.mark.parametrize("version", ["version", "version - 1", "version + 2", "1"])
async def test_the_version_rises_by_one_with_every_change(database, version):
    await bring_to(database, JobState.RUNNING)
    await raw(database, "UPDATE jobs SET version = version + 1, message = 'fine'")
    with pytest.raises(GuardViolated):
        await raw(database, f"UPDATE jobs SET version = {version}, message = 'not fine'")


@pytest.mark.parametrize("attempt", [0, 1, 4])
async def test_the_attempt_of_a_job_neither_falls_nor_jumps(database, attempt):
    await submit(database, job())
    for now_ms in (NOW_MS, NOW_MS + 10**7):
        number = (await claim(database, now_ms=now_ms)).job.attempt
        await post(database, started(), failed(2, retryable=True), attempt=number)
        await bury(database, attempt=number)
    with pytest.raises(GuardViolated):
        await raw(database, f"UPDATE jobs SET version = version + 1, attempt = {attempt}")


async def test_a_job_is_live_exactly_when_its_attempt_is(database):
    await bring_to(database, JobState.RUNNING)
    with pytest.raises(GuardViolated):
        await raw(database, "UPDATE jobs SET state = 'queued', version = version + 1")
    with pytest.raises(GuardViolated):
        await raw(
            database,
            "UPDATE attempts SET ended_at_ms = 1, outcome = 'hung'",
            "UPDATE jobs SET message = 'still running', version = version + 1",
        )


async def test_a_job_is_born_queued(database):
    await submit(database, job())
    columns = names(tables.jobs)
    for column, value in (("state", "'running'"), ("version", "2"), ("attempt", "1")):
        chosen = ", ".join({"id": "'job_0002'", column: value}.get(name, name) for name in columns)
        with pytest.raises(GuardViolated):
            await raw(database, f"INSERT INTO jobs SELECT {chosen} FROM jobs")
    chosen = ", ".join({"id": "'job_0002'"}.get(name, name) for name in columns)
    await raw(database, f"INSERT INTO jobs SELECT {chosen} FROM jobs")


@pytest.mark.parametrize("table", ["jobs", "transitions", "outbox"])
async def test_there_are_no_other_states(database, table):
    await bring_to(database, JobState.RUNNING)
    version = ", version = version + 1" if table == "jobs" else ""
    with pytest.raises(GuardViolated):
        await raw(database, f"UPDATE {table} SET state = 'paused'{version}")


async def test_a_job_has_one_live_attempt(database):
    await bring_to(database, JobState.RUNNING)
    columns = names(tables.attempts)
    second = ", ".join({"number": "2", "last_seq": "0"}.get(name, name) for name in columns)
    with pytest.raises(GuardViolated):
        await raw(database, f"INSERT INTO attempts SELECT {second} FROM attempts")


async def test_an_attempt_that_ended_stays_ended_and_forgets_nothing(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), failed(2, retryable=True))
    await raw(database, "UPDATE attempts SET gone_at_ms = 1")
    for change in ("ended_at_ms = NULL, outcome = NULL", "last_seq = 1", "token_sha256 = 'mine'", "number = 2"):
        with pytest.raises(GuardViolated):
            await raw(database, f"UPDATE attempts SET {change}")


async def test_an_attempt_cannot_have_seen_events_that_are_not_stored(database):
    await bring_to(database, JobState.RUNNING)
    with pytest.raises(GuardViolated):
        await raw(database, "UPDATE attempts SET last_seq = 2")


def event(attempt: int, seq: int, position: int, job_id: str = ID) -> str:
    return f"INSERT INTO events VALUES ('{job_id}', {attempt}, {seq}, {position}, 'progress', 1, '{{}}')"


async def test_an_event_must_be_the_next_of_the_live_attempt(database):
    await bring_to(database, JobState.RUNNING)
    await raw(database, event(1, 2, 2), event(1, 3, 3))
    for attempt, seq in itertools.product((0, 1, 2), (0, 1, 2, 3)):
        if (attempt, seq) != (1, 2):
            with pytest.raises(GuardViolated):
                await raw(database, event(attempt, seq, 9))
    with pytest.raises(GuardViolated):
        await raw(database, event(1, 1, 1, job_id="job_9999"))


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.FAILED, JobState.SUCCEEDED, JobState.CANCELLED])
async def test_no_event_comes_after_the_end(database, state):
    await bring_to(database, state)
    for attempt in (0, 1):
        with pytest.raises(GuardViolated):
            await raw(database, event(attempt, 3, 3))


async def test_an_event_of_an_attempt_that_was_replaced_is_refused(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), failed(2, retryable=True))
    await bury(database)
    await claim(database, now_ms=NOW_MS + 10**7)
    with pytest.raises(GuardViolated):
        await raw(database, event(1, 3, 3))
    await raw(database, event(2, 1, 3))


async def test_events_and_orders_are_never_rewritten(database):
    await bring_to(database, JobState.RUNNING)
    for statement in ("UPDATE events SET data = '{}'", "UPDATE orders SET config = '{}'"):
        with pytest.raises(GuardViolated):
            await raw(database, statement)


@pytest.mark.parametrize("version", [2, 3, 5])
async def test_the_outbox_takes_no_version_twice_and_leaves_none_out(database, version):
    await bring_to(database, JobState.RUNNING)
    row = "'job.progress', 1, 1, 'toy', 'running', NULL, NULL"
    await raw(database, f"INSERT INTO outbox VALUES ('{ID}', 4, {row})")
    with pytest.raises(GuardViolated):
        await raw(database, f"INSERT INTO outbox VALUES ('{ID}', {version}, {row})")
    await database.outbox.delivered(await database.outbox.pending(99))
    with pytest.raises(GuardViolated):
        await raw(database, f"INSERT INTO outbox VALUES ('{ID}', {version}, {row})")


async def test_the_first_message_of_a_job_is_about_its_first_version(database):
    with pytest.raises(GuardViolated):
        await raw(database, "INSERT INTO outbox VALUES ('job_9', 2, 'job.queued', 1, 0, 'toy', 'queued', NULL, NULL)")


async def test_a_model_keeps_its_place_and_no_alias_leads_to_a_deleted_one(database):
    await bring_to(database, JobState.SUCCEEDED)
    row = f"'cats', {{}}, '{ID}', 1, 'toy', 'classification', 'tiny', 'dsv_1', '[]', '{{{{}}}}', '[]', '[]', NULL, 1"
    born = f"INSERT INTO models VALUES ('mdl_1', {row.format(1)}, NULL, NULL, NULL, 'default')"
    alias, gone = (
        "INSERT INTO model_aliases VALUES ('cats', 'best', 1, 'default')",
        "UPDATE models SET deleted_at_ms = 5",
    )
    await raw(database, born, alias)
    await raw(database, born, gone, "UPDATE models SET cleared_at_ms = 6")
    for refused in (
        (born.replace("'cats', 1", "'cats', 2"),),
        (born, "DELETE FROM models"),
        (born, "UPDATE models SET number = 2"),
        (born, "UPDATE models SET parent = 'mdl_0'"),
        (born, "UPDATE models SET cleared_at_ms = 6"),
        (born, gone, alias),
        (born, alias, gone),
        (born, gone, "UPDATE models SET deleted_at_ms = NULL"),
        (born, alias.replace("1,", "2,")),
    ):
        with pytest.raises(GuardViolated):
            await raw(database, *refused)


async def test_a_stale_decision_is_refused_even_without_the_store_comparing(database, monkeypatch):
    monkeypatch.setattr(SqlTransaction, "_compare", lambda self, change: None)
    await submit(database, job())
    old = await database.jobs.get(ID)
    await claim(database)
    with pytest.raises(Conflict):
        await decide(database, (ID, None), lambda _: claiming(old))


async def test_a_zombies_event_is_refused_even_without_the_core_looking(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), failed(2, retryable=True))
    await bury(database)
    await claim(database, now_ms=NOW_MS + 10**7)
    late = StoredEvent(job_id=ID, attempt=1, seq=3, position=3, kind="progress", at_ms=1, data={})
    with pytest.raises(GuardViolated):
        await decide(database, (ID, 1), lambda run: changed(run, run, NOW_MS, events=(late,)))


async def test_a_loss_is_written_with_the_last_events_of_its_attempt(database):
    """The guards see events, then the end of the attempt, then the job: in one save, for many jobs."""
    await submit(database, job(1), job(2))
    await claim(database)
    await claim(database, "job_0002")
    async with database.jobs.transaction() as transaction:
        runs = await transaction.lock([(ID, 1), ("job_0002", 1)])
        last = (started(), progress(2), failed(3, ErrorCode.WORKER_LOST))
        await transaction.save([applying(run, *last) for run in runs.values()])
    for job_id in (ID, "job_0002"):
        run = await database.jobs.get(job_id)
        assert (run.job.state, run.job.events, run.attempt.last_seq) == (JobState.QUEUED, 3, 3)


async def test_of_events_only_those_go_that_curves_have(database):
    """Progress, neither first nor last, of a job that has ended and of which nothing runs."""
    await submit(database, job(1), job(2), job(3))
    for job_id in (ID, "job_0002", "job_0003"):
        await claim(database, job_id)
        stage = Event(seq=4, kind="stage", at_ms=NOW_MS, data={"stage": "evaluating"})
        await post(database, started(), progress(2), progress(3), stage, progress(5), progress(6), job_id=job_id)
        await database.curves.keep(job_id, Curves(5), 0)
    for job_id in (ID, "job_0002"):
        await post(database, failed(7), job_id=job_id)
    await bury(database)
    drop = "DELETE FROM events WHERE job_id = '{}' AND position = {}"
    for position in (2, 3, 5):
        await raw(database, drop.format(ID, position))
    for job_id, position in (*((ID, number) for number in (1, 4, 6, 7)), ("job_0002", 2), ("job_0003", 2)):
        with pytest.raises(GuardViolated):
            await raw(database, drop.format(job_id, position))
