import asyncio
from dataclasses import replace

import pytest
from databases import SQL
from samples import (
    LEASE_MS,
    LIMITS,
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

from eyebright.core import lifecycle
from eyebright.core.job import Attempt, Run
from eyebright.core.records import changed
from eyebright.errors import Conflict, GuardViolated, NotFound
from eyebright.ports.jobs import JobQuery, Receipt
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Heartbeat, Progress
from eyebright_wire.jobs import JobKind, JobState, Stage
from eyebright_wire.resources import Needs, TimeForecast

ID = "job_0001"
FORECAST = TimeForecast(seconds=0.1 + 0.2, low_seconds=0, basis="scaled", how="ünïcode", error=1e-9, tested=1)


class Sabotage(Exception):
    """Thrown inside a transaction."""


@pytest.mark.parametrize("forecast", [None, FORECAST])
@pytest.mark.parametrize("needs", [None, Needs(place="gpu", memory_bytes=2**40), Needs(disk_bytes=1)])
async def test_a_new_job_is_read_back_whole(database, forecast, needs):
    order = job(
        config={"lr": 1e-4, "nested": {"deep": [1, None, "ü"]}},
        resolved={"lr": 1e-4, "epochs": 5},
        priority=-7,
        executor="slurm",
        max_duration_seconds=3600,
        labels={"team": "eyes", "empty": ""},
        rerun_of="job_0000",
        forecast=forecast,
        needs=needs,
    )
    await submit(database, order)
    assert await database.jobs.get(ID) == Run(order, None)


async def test_every_field_of_a_job_and_an_attempt_survives(database):
    await submit(database, job())
    await claim(database, slot=3)
    everything = {
        "stage": Stage.EVALUATING,
        "reason": ErrorCode.HUNG,
        "message": "two\nlines, ünïcode",
        "retryable": True,
        "cancel_requested": True,
        "progress": Progress(epoch=1, epochs=2, metrics={"loss": 0.1 + 0.2}, eta_seconds=1e-9),
        "metrics": {"loss": 0.1 + 0.2, "top1": 1e300},
        "model_id": "model_1",
        "started_at_ms": NOW_MS - 1,
        "not_before_ms": NOW_MS + 1,
        "failures": 1,
        "losses": 2,
        "preemptions": 3,
        "barren": 4,
    }
    tried = {"launched_at_ms": NOW_MS + 3, "heartbeat_at_ms": NOW_MS + 5, "moved_at_ms": NOW_MS + 7, "checkpoints": 2}

    def decision(run):
        assert run.attempt is not None
        return changed(run, Run(replace(run.job, **everything), replace(run.attempt, **tried)), NOW_MS)

    saved = (await decide(database, (ID, 1), decision)).after
    assert await database.jobs.get(ID) == saved
    assert saved.job.version == 3


async def test_the_claim_of_success_is_kept_until_somebody_has_looked(database):
    await submit(database, job())
    await claim(database)
    saved = await post(database, started(), succeeded(2))
    assert saved.attempt is not None
    assert saved.attempt.claim is not None
    assert (await database.jobs.get(ID)).attempt == saved.attempt


async def test_times_keep_their_milliseconds(database):
    await submit(database, job(created_at_ms=NOW_MS))
    run = await claim(database, now_ms=NOW_MS + 1)
    assert run.attempt is not None
    stored = await database.jobs.get(ID)
    assert stored.job.created_at_ms == NOW_MS
    assert stored.attempt.lease_until_ms == NOW_MS + 1 + LEASE_MS
    assert [each.at_ms for each in await database.history.transitions(ID)] == [NOW_MS, NOW_MS + 1]
    assert [each.at_ms for each in await database.outbox.pending(9)] == [NOW_MS, NOW_MS + 1]


async def test_an_unknown_job_is_not_found(database):
    with pytest.raises(NotFound, match="job_9999"):
        await database.jobs.get("job_9999")


async def test_the_same_job_cannot_be_new_twice(database):
    await submit(database, job())
    with pytest.raises(Conflict):
        await submit(database, job())


async def test_a_job_begins_queued(database):
    for born in (job(state=JobState.RUNNING), job(version=2), job(attempt=1)):
        with pytest.raises(Conflict):
            await submit(database, born)
    assert await database.jobs.find(JobQuery()) == []


async def test_an_exception_undoes_the_whole_transaction(database):
    await submit(database, job(1))
    receipt = Receipt(source="api", key="k", body_sha256="x", job_id="job_0002")

    async def fail_late() -> None:
        async with database.jobs.transaction() as transaction:
            run = (await transaction.lock([(ID, None)]))[ID, None]
            await transaction.save([claiming(run)])
            await transaction.insert(job(2), receipt)
            raise Sabotage

    with pytest.raises(Sabotage):
        await fail_late()
    assert await database.jobs.get(ID) == Run(job(1), None)
    assert [each.id for each in await database.jobs.find(JobQuery())] == [ID]
    assert [message.version for message in await database.outbox.pending(9)] == [1]
    async with database.jobs.transaction() as transaction:
        assert await transaction.receipt("api", "k") is None


async def test_a_cancelled_transaction_is_undone_and_lets_the_next_one_in(database):
    await submit(database, job())
    reached = asyncio.Event()

    async def dawdle() -> None:
        async with database.jobs.transaction() as transaction:
            run = (await transaction.lock([(ID, None)]))[ID, None]
            await transaction.save([claiming(run)])
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(dawdle())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await claim(database)).job.version == 2


async def test_nobody_reads_what_is_not_committed(database):
    await submit(database, job())
    async with database.jobs.transaction() as transaction:
        run = (await transaction.lock([(ID, None)]))[ID, None]
        await transaction.save([claiming(run)])
        assert (await database.jobs.get(ID)).job.state is JobState.QUEUED
        assert (await transaction.lock([(ID, None)]))[ID, None].job.state is JobState.STARTING


async def test_lock_gives_the_attempts_that_were_asked_for(database):
    await submit(database, job(1), job(2))
    await claim(database)
    await post(database, started(), failed(2, retryable=True))
    await bury(database)
    await claim(database, now_ms=NOW_MS + 10**7)
    async with database.jobs.transaction() as transaction:
        keys = [(ID, 1), (ID, 2), (ID, None), (ID, 3), ("job_0002", None), ("job_0002", 1), ("job_9999", 1)]
        runs = await transaction.lock(keys)
    assert set(runs) == set(keys) - {("job_9999", 1)}
    assert [numbered(runs[key].attempt) for key in keys[:-1]] == [1, 2, 2, None, None, None]
    assert not runs[ID, 1].current
    assert runs[ID, 2].current


def numbered(attempt: Attempt | None) -> int | None:
    return attempt.number if attempt else None


async def test_locking_nothing_gives_nothing(database):
    async with database.jobs.transaction() as transaction:
        assert await transaction.lock([]) == {}
        await transaction.save([])


async def test_a_job_must_be_locked_before_it_is_saved(database):
    await submit(database, job())
    run = await database.jobs.get(ID)

    async def save() -> None:
        async with database.jobs.transaction() as transaction:
            await transaction.save([claiming(run)])

    with pytest.raises(ValueError, match="locked"):
        await save()


async def test_a_decision_about_an_older_version_is_a_conflict(database):
    await submit(database, job(1), job(2))
    old = await database.jobs.get(ID)
    await claim(database)

    async def save_both() -> None:
        async with database.jobs.transaction() as transaction:
            other = (await transaction.lock([(ID, None), ("job_0002", None)]))["job_0002", None]
            await transaction.save([claiming(other), claiming(old)])

    with pytest.raises(Conflict, match="version 2"):
        await save_both()
    assert (await database.jobs.get("job_0002")).job.version == 1


async def test_a_heartbeat_changes_the_attempt_and_not_the_job(database):
    await submit(database, job())
    await claim(database)
    beat = Heartbeat(at_ms=5, moved_at_ms=5)

    def decision(run):
        return changed(run, lifecycle.heartbeat(run, beat, NOW_MS + 500, lease_ms=LEASE_MS), NOW_MS + 500)

    await decide(database, (ID, 1), decision)
    run = await database.jobs.get(ID)
    assert run.job.version == 2
    assert run.attempt.lease_until_ms == NOW_MS + 500 + LEASE_MS
    assert len(await database.outbox.pending(9)) == 2


async def test_many_decisions_are_one_save(database):
    jobs = [job(number) for number in range(1, 301)]
    await submit(database, *jobs)
    async with database.jobs.transaction() as transaction:
        runs = await transaction.lock([(each.id, None) for each in jobs])
        await transaction.save([claiming(run) for run in runs.values()])
    async with database.jobs.transaction() as transaction:
        runs = await transaction.lock([(each.id, 1) for each in jobs])
        await transaction.save([applying(run, started(), progress(2), progress(3)) for run in runs.values()])
    for each in (jobs[0], jobs[299]):
        run = await database.jobs.get(each.id)
        assert (run.job.state, run.job.version, run.job.events, run.attempt.last_seq) == (JobState.RUNNING, 3, 3, 3)
        assert [event.seq for event in await database.history.events(each.id, 0, 9)] == [1, 2, 3]


async def test_decisions_about_one_job_follow_each_other_in_one_save(database):
    await submit(database, job())
    async with database.jobs.transaction() as transaction:
        claimed = claiming((await transaction.lock([(ID, None)]))[ID, None])
        begun = applying(claimed.after, started())
        lost = changed(begun.after, lifecycle.end(begun.after, ErrorCode.HUNG, "", NOW_MS, limits=LIMITS), NOW_MS)
        again = claiming(lost.after, NOW_MS + 10**6)
        await transaction.save([claimed, begun, lost, again])
    run = await database.jobs.get(ID)
    assert (run.job.version, run.attempt.number) == (5, 2)
    assert [each.version for each in await database.outbox.pending(9)] == [1, 2, 3, 4, 5]


async def test_concurrent_transactions_on_the_same_job_take_turns(database):
    await submit(database, job())

    def counted(run: Run):
        return changed(run, Run(replace(run.job, message=str(int(run.job.message or 0) + 1))), NOW_MS)

    await asyncio.gather(*(decide(database, (ID, None), counted) for _ in range(30)))
    assert (await database.jobs.get(ID)).job.message == "30"


async def test_only_one_of_many_dispatchers_claims_a_job(database):
    await submit(database, job())
    outcomes = await asyncio.gather(*(claim(database) for _ in range(10)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(Run) == 1
    assert all(isinstance(outcome, Run | Conflict) for outcome in outcomes)


async def test_transactions_that_lock_in_different_orders_do_not_block_each_other_for_ever(database):
    await submit(database, *(job(number) for number in range(1, 6)))
    ids = [f"job_{number:04}" for number in range(1, 6)]

    async def rename(order):
        async with database.jobs.transaction() as transaction:
            runs = await transaction.lock([(job_id, None) for job_id in order])
            await transaction.save(
                [changed(run, Run(replace(run.job, failures=run.job.failures + 1)), NOW_MS) for run in runs.values()]
            )

    await asyncio.gather(*(rename(ids if number % 2 else ids[::-1]) for number in range(20)))
    assert {each.failures for each in await database.jobs.find(JobQuery())} == {20}


async def test_jobs_are_found_by_the_keys_that_they_were_taken_under(database):
    for number, source, key in ((1, "import", "a"), (2, "import", "b"), (3, "api", "a")):
        receipt = Receipt(source=source, key=key, body_sha256="x", job_id=f"job_000{number}")
        async with database.jobs.transaction() as transaction:
            await transaction.insert(job(number), receipt)
    assert await database.jobs.placed("import", ["b", "a", "c"]) == {"a": job(1), "b": job(2)}
    assert await database.jobs.placed("api", ["a"]) == {"a": job(3)}
    assert await database.jobs.placed("api", []) == {}


async def test_a_receipt_is_found_again(database):
    receipt = Receipt(source="api", key="k", body_sha256="ef" * 32, job_id=ID)
    async with database.jobs.transaction() as transaction:
        await transaction.insert(job(), receipt)
    async with database.jobs.transaction() as transaction:
        assert await transaction.receipt("api", "k") == receipt
        assert await transaction.receipt("amqp", "k") is None
        assert await transaction.receipt("api", "other") is None


async def test_an_order_repeated_at_the_same_moment_is_one_job(database):
    async def order(number: int) -> str:
        async with database.jobs.transaction() as transaction:
            known = await transaction.receipt("api", "k")
            if known:
                return known.job_id
            await asyncio.sleep(0)
            new = job(number)
            await transaction.insert(new, Receipt(source="api", key="k", body_sha256="x", job_id=new.id))
            return new.id

    assert len(set(await asyncio.gather(*(order(number) for number in range(1, 9))))) == 1
    assert len(await database.jobs.find(JobQuery())) == 1


async def test_stored_events_can_be_compared_with_repeated_ones(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), progress(2), progress(3))
    async with database.jobs.transaction() as transaction:
        found = await transaction.events(ID, 1, 2, 99)
        assert [(event.seq, event.kind, event.at_ms, event.data) for event in found] == [
            (event.seq, event.kind, event.at_ms, event.data) for event in (progress(2), progress(3))
        ]
        assert await transaction.events(ID, 2, 1, 99) == []
        assert await transaction.events("job_9999", 1, 1, 99) == []


async def test_whatever_a_trainer_utters_can_be_stored_and_read(database):
    await submit(database, job())
    await claim(database)
    odd = {"epoch": 1, "epochs": 2, "big": 2**80, "text": "nul \0 and \ud800 half", "metrics": {"a\0": 1e-320}}
    kinds = progress(2).model_copy(update={"data": odd}), progress(3).model_copy(update={"kind": "new \0 kind"})
    await post(database, started(), *kinds)
    broken = failed(4).model_copy(update={"data": {"code": "hung", "message": "nul \0 half \ud800"}})
    await post(database, broken)
    stored = (await database.history.events(ID, 1, 9))[0]
    assert stored.data == odd
    run = await database.jobs.get(ID)
    assert run.job.metrics == {"a\0": 1e-320}
    assert run.job.message.startswith("nul ")
    assert [each.message[:4] for each in await database.history.transitions(ID)][-1] == "nul "


@pytest.mark.parametrize("kind", SQL)
async def test_a_loss_that_is_not_a_number_does_not_make_a_job_unreadable(database):
    await submit(database, job())
    await claim(database)
    nan = progress(2, metrics={"loss": float("nan"), "worse": float("inf"), "lr": 0.5})
    await post(database, started(), nan)
    assert (await database.jobs.get(ID)).job.metrics == {"lr": 0.5}
    said = (await database.history.events(ID, 0, 10))[-1].data["metrics"]
    assert said["loss"] != said["loss"]  # what was said is kept as it was
    assert said["worse"] == float("inf")


async def test_jobs_are_listed_newest_first_page_by_page(database):
    await submit(database, *(job(number) for number in (3, 1, 2, 5, 4)))
    first = await database.jobs.find(JobQuery(limit=2))
    rest = await database.jobs.find(JobQuery(after=first[-1].id, limit=99))
    assert [each.id[-1] for each in (*first, *rest)] == ["5", "4", "3", "2", "1"]
    assert first[0] == job(5)


async def test_jobs_are_found_by_what_they_are(database):
    await submit(
        database,
        job(1, trainer="toy", labels={"team": "a", "env": "x"}),
        job(2, trainer="torchvision", labels={"team": "a", "env": "y"}),
        job(3, dataset_version="dsv_2", labels={"team": "b"}),
    )
    await claim(database, "job_0003")

    async def found(**query):
        return [each.id[-1] for each in await database.jobs.find(JobQuery(**query))]

    assert await found(states=frozenset({JobState.QUEUED})) == ["2", "1"]
    assert await found(states=frozenset({JobState.STARTING, JobState.FAILED})) == ["3"]
    assert await found(trainer="toy") == ["3", "1"]
    assert await found(dataset_version="dsv_2") == ["3"]
    assert await found(labels={"team": "a"}) == ["2", "1"]
    assert await found(labels={"team": "a", "env": "y"}) == ["2"]
    assert await found(trainer="toy", labels={"team": "a"}, states=frozenset({JobState.QUEUED})) == ["1"]
    assert await found(labels={"team": "%"}) == []


async def test_pages_of_what_is_filtered_have_no_hole(database):
    await submit(database, *(job(number, labels={"team": "ab"[number % 2]}) for number in range(1, 10)))
    for query in (
        JobQuery(labels={"team": "b"}),
        JobQuery(kinds=frozenset({JobKind.TRAINING})),
        JobQuery(trainer="toy"),
    ):
        whole = [each.id for each in await database.jobs.find(query)]
        first = await database.jobs.find(replace(query, limit=2))
        rest = await database.jobs.find(replace(query, after=first[-1].id))
        assert [each.id for each in (*first, *rest)] == whole


async def test_imports_and_rehearsals_are_told_from_trainings(database):
    await submit(database, job(1), job(2, trainer="importer"), job(3), job(4, trainer="rehearser"))
    expected = {
        (): "4321",
        (JobKind.IMPORT,): "2",
        (JobKind.TRAINING,): "31",
        (JobKind.REHEARSAL,): "4",
        (JobKind.IMPORT, JobKind.REHEARSAL): "42",
        (JobKind.IMPORT, JobKind.TRAINING): "321",
        tuple(JobKind): "4321",
    }
    for kinds, ids in expected.items():
        found = await database.jobs.find(JobQuery(kinds=frozenset(kinds)))
        assert "".join(each.id[-1] for each in found) == ids


async def test_the_imports_of_a_version_are_found(database):
    imported = {"trainer": "importer", "imported_version": "dsv_1"}
    await submit(database, job(1, **imported), job(2, trainer="importer"), job(3, **imported), job(4))
    query = JobQuery(kinds=frozenset({JobKind.IMPORT}), imported_version="dsv_1")
    assert [each.id[-1] for each in await database.jobs.find(query)] == ["3", "1"]
    assert await database.jobs.find(replace(query, imported_version="dsv_2")) == []


async def test_due_jobs_come_by_priority_then_age(database):
    await submit(database, job(4), job(2), job(3, priority=5), job(1), job(5, priority=-5), job(6, executor="ray"))
    assert [each.id[-1] for each in await database.jobs.due("local", NOW_MS, 9)] == ["3", "1", "2", "4", "5"]
    assert [each.id[-1] for each in await database.jobs.due("local", NOW_MS, 2)] == ["3", "1"]
    assert [each.id[-1] for each in await database.jobs.due("ray", NOW_MS, 9)] == ["6"]
    assert await database.jobs.queue_positions("local", 9) == {
        "job_0003": 1,
        "job_0001": 2,
        "job_0002": 3,
        "job_0004": 4,
        "job_0005": 5,
    }
    assert await database.jobs.queue_positions("local", 2) == {"job_0003": 1, "job_0001": 2}
    assert await database.jobs.queue_positions("ray", 9) == {"job_0006": 1}
    assert await database.jobs.queue_positions("nobody", 9) == {}
    assert await database.jobs.queued() == 6


async def test_the_place_of_one_job_is_the_one_that_it_has_among_all(database):
    orders = [
        job(number, priority=number % 3, executor=("local", "ray")[number % 2], created_at_ms=NOW_MS + number % 4)
        for number in range(1, 25)
    ]
    await submit(database, *orders)
    await claim(database, "job_0001")
    places = {**await database.jobs.queue_positions("local", 99), **await database.jobs.queue_positions("ray", 99)}
    assert len(places) == await database.jobs.queued() == 23
    for order in orders:
        assert await database.jobs.queue_position(order.id) == places.get(order.id)
    assert await database.jobs.queue_position("job_none") is None


async def test_a_held_job_waits_in_no_queue_until_it_is_released(database):
    await submit(database, job(1, held=True, priority=9), job(2))
    assert await database.jobs.get(ID) == Run(job(1, held=True, priority=9), None)
    assert [each.id for each in await database.jobs.due("local", NOW_MS, 9)] == ["job_0002"]
    assert await database.jobs.queue_positions("local", 9) == {"job_0002": 1}
    assert await database.jobs.queued() == 1
    assert await database.jobs.queue_position(ID) is None
    assert await database.jobs.queue_position("job_0002") == 1
    await decide(database, (ID, None), lambda run: changed(run, lifecycle.release(run), NOW_MS))
    assert [each.id for each in await database.jobs.due("local", NOW_MS, 9)] == [ID, "job_0002"]
    assert await database.jobs.queue_positions("local", 9) == {ID: 1, "job_0002": 2}
    assert await database.jobs.queue_position(ID) == 1


async def test_the_store_lets_nothing_begin_that_is_held(database):
    await submit(database, job(held=True))

    def decision(run):
        claimed = claiming(Run(replace(run.job, held=False), run.attempt), NOW_MS).after
        return changed(run, replace(claimed, job=replace(claimed.job, held=True)), NOW_MS)

    with pytest.raises(GuardViolated):
        await decide(database, (ID, None), decision)
    assert (await database.jobs.get(ID)).attempt is None


async def test_a_job_is_due_when_its_time_has_come(database):
    await submit(database, job(not_before_ms=NOW_MS + 1))
    assert await database.jobs.due("local", NOW_MS, 9) == []
    assert len(await database.jobs.due("local", NOW_MS + 1, 9)) == 1


async def test_a_claimed_or_cancelled_job_is_not_due(database):
    await submit(database, job(1), job(2), job(3, cancel_requested=True))
    await claim(database)
    await decide(database, ("job_0002", None), lambda run: changed(run, lifecycle.request_cancel(run, NOW_MS), NOW_MS))
    assert await database.jobs.due("local", NOW_MS, 9) == []
    assert await database.jobs.queue_positions("local", 9) == {"job_0003": 1}


async def test_a_job_is_not_due_while_an_earlier_attempt_is_not_gone(database):
    await submit(database, job())
    await claim(database)
    await post(database, started(), failed(2, retryable=True))
    later = NOW_MS + 10**7
    assert (await database.jobs.get(ID)).job.state is JobState.QUEUED
    assert await database.jobs.due("local", later, 9) == []
    assert await database.jobs.queue_positions("local", 9) == {ID: 1}
    await bury(database)
    assert [each.id for each in await database.jobs.due("local", later, 9)] == [ID]


async def test_a_run_is_unfinished_until_it_is_gone(database):
    await submit(database, job(1), job(2))
    assert await database.jobs.unfinished() == []
    await claim(database, slot=1)
    live = await database.jobs.unfinished()
    assert live == [await database.jobs.get(ID)]
    await post(database, started(), failed(2))
    ended = await database.jobs.unfinished()
    assert [(run.job.state, run.attempt.live, run.attempt.slot) for run in ended] == [(JobState.FAILED, False, 1)]
    await bury(database)
    assert await database.jobs.unfinished() == []


async def test_a_live_attempt_cannot_be_gone(database):
    await submit(database, job())
    await claim(database)
    with pytest.raises(Conflict):
        await bury(database)


async def test_an_outage_is_credited_to_live_leases_only(database):
    await submit(database, job(1), job(2))
    before = await claim(database, "job_0001")
    await claim(database, "job_0002")
    ended = await post(database, started(), failed(2), job_id="job_0002")
    assert await database.jobs.credit(86_400_000, None) == 1
    run = await database.jobs.get("job_0001")
    assert before.attempt is not None
    assert run.attempt.lease_until_ms == before.attempt.lease_until_ms + 86_400_000
    assert run.attempt.moved_at_ms == before.attempt.moved_at_ms + 86_400_000
    assert run.attempt.heartbeat_at_ms == before.attempt.heartbeat_at_ms
    assert run.job.version == 2
    assert (await database.jobs.get("job_0002")).attempt == ended.attempt


async def test_an_outage_is_credited_to_the_place_that_was_away(database):
    await submit(database, job(1), job(2))
    here = await claim(database, "job_0001", place="rep_1")
    nowhere = await claim(database, "job_0002")
    assert await database.jobs.credit(1000, "rep_1") == 1
    assert await database.jobs.credit(1000, "rep_2") == 0
    assert (await database.jobs.get("job_0001")).attempt.lease_until_ms == here.attempt.lease_until_ms + 1000
    assert (await database.jobs.get("job_0002")).attempt == nowhere.attempt


async def test_what_runs_and_names_no_place_can_be_adopted(database):
    await submit(database, *map(job, (1, 2, 3, 4)))
    await claim(database, "job_0001")
    await claim(database, "job_0002", place="rep_2")
    await claim(database, "job_0003")
    await post(database, started(), failed(2), job_id="job_0003")
    await bury(database, "job_0003")
    assert await database.jobs.adopt("rep_1", ["ray"]) == 0
    assert await database.jobs.adopt("rep_1", ["ray", "local"]) == 1
    places = [(await database.jobs.get(f"job_000{number}")).attempt.place for number in (1, 2, 3)]
    assert places == ["rep_1", "rep_2", None]
    after = await post(database, started(), job_id="job_0001")
    assert after.attempt.place == "rep_1", "a decision keeps it"


async def test_a_credit_is_not_lost_to_a_decision_under_way(database):
    await submit(database, job())
    lease = (await claim(database)).attempt.lease_until_ms
    async with database.jobs.transaction() as transaction:
        run = (await transaction.lock([(ID, 1)]))[ID, 1]
        crediting = asyncio.create_task(database.jobs.credit(1000, None))
        for _ in range(20):
            await asyncio.sleep(0.001)
        await transaction.save([applying(run, started())])
    await crediting
    assert (await database.jobs.get(ID)).attempt.lease_until_ms == lease + 1000


async def claimed(database, limit: int, now_ms: int = NOW_MS) -> list[str]:
    """As one dispatcher does; the ids, in the order in which they were given."""
    async with database.jobs.transaction() as transaction:
        runs = await transaction.claimable("local", now_ms, limit)
        await transaction.save([claiming(run, now_ms) for run in runs])
    return [run.job.id for run in runs]


async def test_the_best_can_be_claimed_at_once(database):
    await submit(database, job(1), job(2, priority=1), job(3), job(4, executor="ray"), job(5, not_before_ms=NOW_MS + 1))
    assert await claimed(database, 2) == ["job_0002", "job_0001"]
    assert await claimed(database, 9) == ["job_0003"]
    assert await claimed(database, 9) == []


async def test_what_is_not_known_to_be_gone_cannot_be_claimed(database):
    await submit(database, job())
    assert await claimed(database, 9) == [ID]
    await post(database, started(), failed(2, retryable=True))
    later = NOW_MS + 10**7
    assert await claimed(database, 9, later) == []
    await bury(database)
    assert await claimed(database, 9, later) == [ID]


async def test_many_claimers_take_each_job_once_and_the_best_first(database):
    await submit(database, *(job(number, priority=number % 3) for number in range(1, 61)))

    async def claimer() -> list[str]:
        taken: list[str] = []
        while found := await claimed(database, 4):
            taken.extend(found)
        return taken

    each = await asyncio.gather(*(claimer() for _ in range(3)))
    assert sorted(job_id for taken in each for job_id in taken) == [f"job_{number:04}" for number in range(1, 61)]
    for taken in each:  # of two claimers nobody knows who came first
        priorities = [int(job_id[-4:]) % 3 for job_id in taken]
        assert priorities == sorted(priorities, reverse=True)


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_what_another_one_is_claiming_is_not_waited_for(database):
    await submit(database, job(1), job(2))
    async with database.jobs.transaction() as first:
        assert [run.job.id for run in await first.claimable("local", NOW_MS, 1)] == ["job_0001"]
        async with database.jobs.transaction() as second:
            assert [run.job.id for run in await second.claimable("local", NOW_MS, 9)] == ["job_0002"]
