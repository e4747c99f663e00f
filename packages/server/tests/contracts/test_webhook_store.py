from dataclasses import replace

import pytest
from samples import NOW_MS

from eyebright.core.webhook import Delivery, Endpoint, Outgoing
from eyebright.errors import GuardViolated, NotFound
from eyebright.ports.webhooks import DeliveryQuery
from eyebright.posting import EgressSender
from eyebright.services.webhooks.endpoints import Declared, Endpoints
from eyebright.testing import ManualClock
from eyebright_kit.egress import EgressRules
from eyebright_wire.webhooks import DeliveryStatus

PENDING, DELIVERED, DEAD = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED, DeliveryStatus.DEAD
OUTGOING = Outgoing(body='{"é": "\\u0000"}'.encode(), method="PATCH", path="/a?b", headers={"X": "1"})


def endpoint(name="a", **fields):
    return Endpoint(
        **{"id": f"whe_{name}", "url": "https://x.example/h", "secret": "whsec_AAAA", "created_at_ms": NOW_MS, **fields}
    )


def delivery(number=1, version=1, **fields):
    told = {"endpoint_id": "whe_a", "subject": "job_1", "event": "job.running", "outgoing": OUTGOING}
    when = {"next_at_ms": NOW_MS, "created_at_ms": NOW_MS}
    return Delivery(**{"id": f"msg_{number:03}", "version": version, **told, **when, **fields})


def progress(number=1, version=1, **fields):
    return delivery(number, version, event="job.progress", **fields)


def done(each, status=DELIVERED, **fields):
    return replace(
        each,
        status=status,
        attempts=each.attempts + 1,
        tried_at_ms=NOW_MS,
        ended_at_ms=NOW_MS + 1,
        answer=204,
        **fields,
    )


@pytest.fixture
async def store(database):
    await database.webhooks.add_endpoint(endpoint())
    return database.webhooks


async def due(store, now_ms=NOW_MS, **how):
    return [each.id for each in await store.due(now_ms, **{"each": 9, "limit": 99, **how})]


async def stored(store, **query):
    return [each.id for each in await store.find(DeliveryQuery(**query))]


async def test_an_endpoint_can_be_declared_as_often_as_one_likes(database):
    first = endpoint(managed=True, labels={"team": "a"})
    await database.webhooks.declare_endpoint(first)
    off = await database.webhooks.change_endpoint(first.id, {"enabled": False, "disabled_reason": "it failed"})
    said = {"url": "https://y.example", "events": ("job.failed",), "labels": {}, "progress_seconds": 2.5}
    await database.webhooks.declare_endpoint(replace(first, created_at_ms=NOW_MS + 9, **said))
    assert await database.webhooks.endpoints() == [replace(off, **said)]


class Overtaken:
    """The store as one server sees it that is overtaken by another once it has looked what is there."""

    def __init__(self, store, meanwhile):
        self._store, self._meanwhile = store, meanwhile

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def endpoints(self):
        found = await self._store.endpoints()
        await self._meanwhile
        return found


async def test_two_servers_that_start_at_once_declare_the_same(database):
    def started(store):
        sender = EgressSender(EgressRules(), timeout_seconds=1, at_once=1)
        return Endpoints(store, sender, {}, ManualClock()).declare(
            [Declared(name="backend", url="https://x.example/h")]
        )

    await started(Overtaken(database.webhooks, started(database.webhooks)))
    (found,) = await database.webhooks.endpoints()
    assert (found.id, found.url, found.enabled, found.managed) == ("whe_backend", "https://x.example/h", True, True)


async def test_an_endpoint_is_added_once(store):
    with pytest.raises(GuardViolated):
        await store.add_endpoint(endpoint(url="https://other.example"))
    assert (await store.endpoint("whe_a")).url == endpoint().url


async def test_an_endpoint_comes_back_as_it_was(database):
    whole = endpoint(
        events=("job.*", "model.registered"),
        description="ours",
        labels={"team": "blue"},
        dialect="standard",
        progress_seconds=0.5,
        previous_secret="whsec_BBBB",
        previous_until_ms=NOW_MS + 5,
        enabled=False,
        disabled_reason="gone",
        managed=True,
        failing_since_ms=NOW_MS - 1,
    )
    await database.webhooks.add_endpoint(whole)
    await database.webhooks.add_endpoint(endpoint("b", created_at_ms=NOW_MS - 1))
    assert await database.webhooks.endpoint("whe_a") == whole
    assert await database.webhooks.endpoints() == [endpoint("b", created_at_ms=NOW_MS - 1), whole]


async def test_only_the_named_fields_of_an_endpoint_change(store):
    changed = await store.change_endpoint("whe_a", {"events": ("job.failed",), "labels": {"a": "b"}, "enabled": False})
    assert changed == endpoint(events=("job.failed",), labels={"a": "b"}, enabled=False)
    assert await store.endpoint("whe_a") == changed


async def test_what_is_not_there_is_not_found(store):
    for asked in (
        store.endpoint("whe_x"),
        store.change_endpoint("whe_x", {"enabled": False}),
        store.disable_endpoint("whe_x", "why", NOW_MS),
        store.delete_endpoint("whe_x"),
        store.delivery("msg_x"),
        store.replay("msg_x", NOW_MS),
    ):
        with pytest.raises(NotFound):
            await asked


async def test_a_delivery_comes_back_as_it_was(store):
    whole = replace(done(delivery(), DEAD, reason="answered 500"), ordinal=1, event="model.registered")
    await store.add([whole])
    assert await store.delivery("msg_001") == whole


async def test_a_delivery_is_stored_once_by_job_and_version(store):
    await store.add([delivery(1), delivery(2, ordinal=1)])
    await store.add([delivery(3), delivery(4, ordinal=1), delivery(5, 2)])
    assert await stored(store) == ["msg_005", "msg_002", "msg_001"]


async def test_no_delivery_is_stored_for_an_endpoint_that_is_not_there(store):
    with pytest.raises(GuardViolated):
        await store.add([delivery(endpoint_id="whe_x")])


async def test_only_the_first_of_each_lane_is_due(store):
    await store.add_endpoint(endpoint("b"))
    await store.add([delivery(1, 2), delivery(2, 1, ordinal=1), delivery(3, 1), delivery(4, 1, subject="job_2")])
    await store.add([delivery(5, 7, endpoint_id="whe_b")])
    assert sorted(await due(store)) == ["msg_003", "msg_004", "msg_005"]
    await store.mark([done(delivery(3, 1))])
    assert sorted(await due(store)) == ["msg_002", "msg_004", "msg_005"]
    await store.mark([done(delivery(2, 1, ordinal=1), DEAD)])
    assert sorted(await due(store)) == ["msg_001", "msg_004", "msg_005"]


async def test_what_waits_for_its_time_holds_up_what_comes_after_it(store):
    await store.add([delivery(1, 1, next_at_ms=NOW_MS + 5), delivery(2, 2)])
    assert await due(store) == []
    assert await store.next_at_ms(NOW_MS) == NOW_MS + 5
    assert await due(store, NOW_MS + 5) == ["msg_001"]
    assert await store.next_at_ms(NOW_MS + 5) is None


async def test_no_endpoint_waits_behind_the_backlog_of_another(store):
    await store.add_endpoint(endpoint("b"))
    await store.add([delivery(n, subject=f"job_{n}") for n in range(1, 6)])
    await store.add([delivery(9, endpoint_id="whe_b", next_at_ms=NOW_MS + 1)])
    assert await due(store, NOW_MS + 1, each=2) == ["msg_001", "msg_009", "msg_002"]
    assert await due(store, NOW_MS + 1, limit=2) == ["msg_001", "msg_009"]
    assert await due(store, NOW_MS + 1, skip=["whe_a", "whe_x"]) == ["msg_009"]


async def test_newer_news_takes_the_place_of_undelivered_progress(store):
    await store.add([progress(1, 3)])
    await store.add([progress(2, 4)])
    assert await stored(store) == ["msg_002"]
    await store.add([delivery(3, 5)])
    assert await stored(store) == ["msg_003"]


async def test_newer_progress_goes_out_when_the_older_would_have(store):
    await store.add([progress(1, 3, next_at_ms=NOW_MS + 5)])
    await store.add([progress(2, 4, next_at_ms=NOW_MS + 35)])
    assert await due(store, NOW_MS + 5) == ["msg_002"]
    await store.add([delivery(3, 5, next_at_ms=NOW_MS + 9)])
    assert await store.next_at_ms(NOW_MS) == NOW_MS + 9


async def test_a_change_of_state_is_never_replaced(store):
    await store.add([delivery(1, 2), progress(2, 3), progress(3, 4), delivery(4, 5)])
    assert await stored(store) == ["msg_004", "msg_001"]


async def test_delivered_progress_stays_and_progress_of_others_too(store):
    await store.add_endpoint(endpoint("b"))
    others = [progress(2, 3, subject="job_2"), progress(3, 3, endpoint_id="whe_b")]
    await store.add([progress(1, 3), *others])
    await store.mark([done(progress(1, 3))])
    await store.add([delivery(4, 5)])
    assert await stored(store) == ["msg_004", "msg_003", "msg_002", "msg_001"]


async def test_progress_that_is_told_again_late_is_dropped(store):
    await store.add([progress(1, 3)])
    await store.add([delivery(2, 4)])
    await store.add([progress(3, 3), progress(4, 4)])
    assert await stored(store) == ["msg_002"]


async def test_what_came_of_a_try_is_kept(store):
    first = delivery()
    await store.add([first])
    tried = replace(first, attempts=1, next_at_ms=NOW_MS + 5000, tried_at_ms=NOW_MS, answer=500, reason="answered 500")
    await store.mark([tried])
    assert await store.delivery(first.id) == tried


async def test_what_was_given_up_meanwhile_stays_so_unless_it_was_delivered(store):
    await store.add([delivery(1), delivery(2, subject="job_2")])
    off = await store.disable_endpoint("whe_a", "by hand", NOW_MS + 7)
    assert (off.enabled, off.disabled_reason) == (False, "by hand")
    failed = replace(delivery(1), attempts=1, reason="answered 500", next_at_ms=NOW_MS + 9)
    await store.mark([failed, done(delivery(2, subject="job_2"))])
    dead = await store.delivery("msg_001")
    assert (dead.status, dead.reason, dead.ended_at_ms, dead.attempts) == (DEAD, "by hand", NOW_MS + 7, 0)
    assert (await store.delivery("msg_002")).status is DELIVERED


async def test_a_try_of_what_was_dropped_or_deleted_is_forgotten(store):
    await store.add([progress(1, 3)])
    await store.add([delivery(2, 4)])
    await store.mark([done(progress(1, 3))])
    assert await stored(store) == ["msg_002"]


async def test_a_replay_begins_anew_with_the_same_bytes(store):
    first = delivery()
    await store.add([first])
    await store.mark([done(replace(first, attempts=9), DEAD, reason="given up")])
    again = await store.replay(first.id, NOW_MS + 50)
    assert again == replace(first, next_at_ms=NOW_MS + 50, tried_at_ms=NOW_MS, answer=204)
    assert await due(store, NOW_MS + 50) == [first.id]


async def test_all_that_was_given_up_since_a_time_is_replayed(store):
    await store.add_endpoint(endpoint("b"))
    await store.add([delivery(n, subject=f"job_{n}", created_at_ms=NOW_MS + n) for n in range(1, 5)])
    await store.add([delivery(9, endpoint_id="whe_b", created_at_ms=NOW_MS + 9)])
    given_up = [delivery(n, subject=f"job_{n}", created_at_ms=NOW_MS + n) for n in (1, 2, 3)]
    await store.mark([done(each, DEAD) for each in given_up])
    await store.disable_endpoint("whe_b", "why", NOW_MS)
    assert await store.replay_dead("whe_a", NOW_MS + 2, NOW_MS + 50) == 2
    assert await stored(store, status=PENDING) == ["msg_004", "msg_003", "msg_002"]
    assert await stored(store, status=DEAD) == ["msg_009", "msg_001"]


async def test_deliveries_are_found_newest_first_by_filters_and_pages(store):
    await store.add_endpoint(endpoint("b"))
    await store.add([delivery(n, n, event="job.failed" if n == 2 else "job.running") for n in range(1, 5)])
    await store.add([delivery(5, endpoint_id="whe_b", subject="job_2")])
    assert await stored(store, limit=2) == ["msg_005", "msg_004"]
    assert await stored(store, limit=2, after="msg_004") == ["msg_003", "msg_002"]
    assert await stored(store, endpoint_id="whe_b") == ["msg_005"]
    assert await stored(store, event="job.failed") == ["msg_002"]
    assert await stored(store, job_id="job_2") == ["msg_005"]


async def test_what_ended_long_ago_is_forgotten(store):
    each = [delivery(n, subject=f"job_{n}") for n in range(1, 6)]
    await store.add(each)
    ended = [done(each[0]), done(each[1], DEAD), replace(done(each[2]), ended_at_ms=NOW_MS + 9)]
    await store.mark([*ended, replace(done(each[3], DEAD), ended_at_ms=NOW_MS + 9)])
    before_ms = NOW_MS + 1
    assert await store.forget(delivered_before_ms=before_ms, dead_before_ms=before_ms, progress_before_ms=0) == 0
    before_ms = NOW_MS + 5
    assert await store.forget(delivered_before_ms=before_ms, dead_before_ms=before_ms, progress_before_ms=0) == 2
    assert await stored(store) == ["msg_005", "msg_004", "msg_003"]


async def test_delivered_progress_is_forgotten_before_the_rest(store):
    each = [progress(1), progress(2, subject="job_2"), progress(3, subject="job_3"), delivery(4, subject="job_4")]
    await store.add(each)
    await store.mark(
        [done(each[0]), replace(done(each[1]), ended_at_ms=NOW_MS + 9), done(each[2], DEAD), done(each[3])]
    )
    assert await store.forget(delivered_before_ms=0, dead_before_ms=0, progress_before_ms=NOW_MS + 5) == 1
    assert await stored(store) == ["msg_004", "msg_003", "msg_002"]


async def test_an_endpoint_goes_with_its_deliveries(store):
    await store.add_endpoint(endpoint("b"))
    await store.add([delivery(1), delivery(2, endpoint_id="whe_b")])
    await store.delete_endpoint("whe_a")
    assert await stored(store) == ["msg_002"]
    assert [each.id for each in await store.endpoints()] == ["whe_b"]
