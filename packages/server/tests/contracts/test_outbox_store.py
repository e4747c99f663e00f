import asyncio

from samples import NOW_MS, claim, failed, job, post, progress, started, submit

from eyebright.core.records import Message
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobState


def keys(messages):
    return [(message.job_id[-1], message.version) for message in messages]


async def test_every_version_of_a_job_has_its_message(database):
    await submit(database, job(created_at_ms=NOW_MS))
    await claim(database, now_ms=NOW_MS + 1)
    await post(database, started(), now_ms=NOW_MS + 2)
    await post(database, progress(2), now_ms=NOW_MS + 3)
    await post(database, failed(3, ErrorCode.NAN_LOSS), now_ms=NOW_MS + 4)
    messages = await database.outbox.pending(9)
    assert [(each.version, each.topic, each.at_ms - NOW_MS) for each in messages] == [
        (1, "job.queued", 0),
        (2, "job.starting", 1),
        (3, "job.running", 2),
        (4, "job.progress", 3),
        (5, "job.failed", 4),
    ]
    assert messages[-1] == Message(
        job_id="job_0001",
        version=5,
        topic="job.failed",
        at_ms=NOW_MS + 4,
        attempt=1,
        trainer="toy",
        state=JobState.FAILED,
        reason=ErrorCode.NAN_LOSS,
        ran_ms=2,
    )
    assert {each.ran_ms for each in messages[:-1]} == {None}


async def test_no_job_waits_behind_the_backlog_of_another(database):
    await submit(database, job(1), job(2), job(3))
    await claim(database, "job_0001")
    await post(database, started(), job_id="job_0001")
    await claim(database, "job_0003")
    assert keys(await database.outbox.pending(4)) == [("1", 1), ("2", 1), ("3", 1), ("1", 2)]
    assert sorted(keys(await database.outbox.pending(99))) == [
        ("1", 1), ("1", 2), ("1", 3), ("2", 1), ("3", 1), ("3", 2),
    ]  # fmt: skip


async def test_what_is_told_already_is_left_out_if_asked(database):
    await submit(database, job(1), job(2), job(3))
    await claim(database, "job_0001")
    await post(database, started(), job_id="job_0001")
    told = {"job_0001": 1, "job_0002": 2**31 - 1, "job_0004": 1}
    assert keys(await database.outbox.pending(9, told)) == [("1", 2), ("3", 1), ("1", 3)]
    assert keys(await database.outbox.pending(2, told)) == [("1", 2), ("3", 1)]


async def test_what_was_delivered_is_not_pending_any_more(database):
    await submit(database, job(1), job(2))
    await claim(database)
    first, second, _ = await database.outbox.pending(3)
    await database.outbox.delivered([first, second])
    assert keys(await database.outbox.pending(9)) == [("1", 2)]
    await database.outbox.delivered(await database.outbox.pending(9))
    assert await database.outbox.pending(9) == []


async def test_a_job_goes_on_after_everything_was_delivered(database):
    await submit(database, job())
    await database.outbox.delivered(await database.outbox.pending(9))
    await claim(database)
    assert keys(await database.outbox.pending(9)) == [("1", 2)]
    await post(database, started())
    await database.outbox.delivered(await database.outbox.pending(9))
    await post(database, progress(2))
    assert keys(await database.outbox.pending(9)) == [("1", 4)]


async def test_delivering_twice_does_no_harm(database):
    await submit(database, job())
    messages = await database.outbox.pending(9)
    await database.outbox.delivered(messages)
    await database.outbox.delivered(messages)
    await database.outbox.delivered([])
    await claim(database)
    assert keys(await database.outbox.pending(9)) == [("1", 2)]


async def test_a_message_delivered_before_its_turn_is_delivered_again(database):
    await submit(database, job())
    await claim(database)
    await post(database, started())
    one, two, three = await database.outbox.pending(9)
    await database.outbox.delivered([three])
    assert keys(await database.outbox.pending(9)) == [("1", 1), ("1", 2), ("1", 3)]
    await database.outbox.delivered([three, one])
    assert keys(await database.outbox.pending(9)) == [("1", 2), ("1", 3)]
    await database.outbox.delivered([three, two])
    assert await database.outbox.pending(9) == []
    await post(database, progress(2))


async def test_a_slower_relay_does_not_set_back_a_faster_one(database):
    await submit(database, job())
    await claim(database)
    await post(database, started())
    for seq in range(2, 12, 3):
        messages = await database.outbox.pending(9)
        await asyncio.gather(*(database.outbox.delivered(messages[:upto]) for upto in (3, 2, 1)))
        assert await database.outbox.pending(9) == []
        for number in range(3):
            await post(database, progress(seq + number))


async def test_delivery_goes_on_while_jobs_change(database):
    await submit(database, job())
    await claim(database)
    await post(database, started())
    seen: list[int] = []

    async def report() -> None:
        for seq in range(2, 30):
            await post(database, progress(seq))

    async def relay() -> None:
        while not seen or seen[-1] < 31:
            messages = await database.outbox.pending(3)
            seen.extend(message.version for message in messages)
            await database.outbox.delivered(messages)
            await asyncio.sleep(0)

    await asyncio.gather(report(), relay())
    assert seen == list(range(1, 32))
