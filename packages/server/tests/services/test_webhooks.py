import base64
import json
from datetime import UTC, datetime

import pytest
from harness.webhooks import Webhooks
from standardwebhooks import Webhook, WebhookVerificationError

from eyebright.core.webhook import Outgoing
from eyebright.errors import Conflict, InvalidRequest, NotFound, Unavailable
from eyebright.ports.webhooks import Answer
from eyebright.services.webhooks.dialects import Standard
from eyebright.services.webhooks.endpoints import Declared
from eyebright_wire.jobs import JobState
from eyebright_wire.webhooks import DeliveryStatus, WebhookUpdate

ONE, TWO = "https://one.example/h", "https://two.example/h"
HOUR, DAY = 3600, 86_400
WHOLE_LIFE = ["job.created", "job.starting", "job.running", "job.succeeded", "model.registered"]


@pytest.fixture
def webhooks(platform):
    return Webhooks(platform)


def verify(sent, secret, monkeypatch):
    """With the library of Standard Webhooks, at the time of the test's own clock."""
    monkeypatch.setattr(
        Webhook,
        "_Webhook__verify_timestamp",
        lambda _, at: datetime.fromtimestamp(float(at), UTC),
    )
    return Webhook(secret).verify(sent.body, sent.headers)


async def finished(webhooks, **fields):
    handle = await webhooks.platform.running(**fields)
    await webhooks.turn()
    await webhooks.platform.succeed(handle)
    await webhooks.turn()
    return handle


async def test_every_change_of_a_job_is_told_in_order_and_signed(webhooks, monkeypatch):
    made = await webhooks.create()
    handle = await finished(webhooks)
    assert webhooks.types() == WHOLE_LIFE
    told = [verify(sent, made.secret, monkeypatch) for sent in webhooks.sender.sent]
    assert [each["data"]["state"] for each in told[:4]] == ["queued", "starting", "running", "succeeded"]
    versions = [each["data"]["version"] for each in told[:4]]
    assert versions == sorted(versions)
    assert versions[0] == 1
    model = (await webhooks.platform.models.list(None, 9, None)).items[0]
    assert told[4]["data"]["id"] == model.id
    assert told[3]["data"]["id"] == told[4]["data"]["job_id"] == handle.job_id
    assert told[3]["timestamp"].endswith("Z")


async def test_a_job_is_told_as_it_was_even_when_it_has_gone_on(webhooks):
    await webhooks.create(events=("job.created", "job.starting"))
    handle = await webhooks.platform.running()
    await webhooks.platform.succeed(handle)
    await webhooks.turn()
    first, second = (sent.told["data"] for sent in webhooks.sender.sent)
    assert (first["state"], first["version"], first["attempt"]) == ("queued", 1, 0)
    assert (second["state"], second["version"], second["attempt"]) == ("starting", 2, 1)
    assert first["finished_at_ms"] is None
    assert first["model_id"] is None


async def test_only_what_an_endpoint_wants_is_told_to_it(webhooks):
    await webhooks.create(ONE, events=("job.succeeded", "model.*"))
    await webhooks.create(TWO, events=("job.*",), labels={"team": "blue"})
    await finished(webhooks)
    await finished(webhooks, labels={"team": "blue", "x": "y"})
    assert webhooks.types(ONE) == ["job.succeeded", "model.registered"] * 2
    assert webhooks.types(TWO) == WHOLE_LIFE[:4]


async def test_a_disabled_endpoint_hears_nothing(webhooks):
    made = await webhooks.create()
    await webhooks.endpoints.update(made.id, WebhookUpdate(enabled=False))
    await finished(webhooks)
    assert webhooks.sender.sent == []
    assert await webhooks.all() == []


async def test_progress_goes_out_at_most_so_often_and_the_newest_wins(webhooks):
    await webhooks.create(events=("job.progress", "job.succeeded"), progress_seconds=30)
    handle = await webhooks.platform.running()
    for epoch in range(1, 100):
        await webhooks.platform.say(handle, "progress", epoch=epoch, epochs=100)
        webhooks.clock.advance(1)
        await webhooks.turn(1)
    await webhooks.platform.say(handle, "progress", epoch=100, epochs=100)
    await webhooks.platform.succeed(handle)
    await webhooks.turn()
    assert webhooks.types() == ["job.progress"] * 4 + ["job.succeeded"]
    assert [sent.told["data"]["progress"]["epoch"] for sent in webhooks.sender.sent[:4]] == [1, 31, 61, 91]


async def two_epochs(webhooks):
    """Of a job that runs; whoever may hear of progress had the time to."""
    handle = await webhooks.platform.running()
    for epoch in (1, 2):
        await webhooks.platform.say(handle, "progress", epoch=epoch, epochs=3)
        await webhooks.turn()
    return handle


async def test_nothing_is_held_of_a_job_that_has_ended(webhooks):
    await webhooks.create(events=("job.progress",), progress_seconds=HOUR)
    handle = await two_epochs(webhooks)
    await webhooks.platform.succeed(handle)
    await webhooks.turn()
    assert [sent.told["data"]["progress"]["epoch"] for sent in webhooks.sender.sent] == [1, 2]
    assert (vars(webhooks.telling)["_next_ms"], vars(webhooks.telling)["_held"]) == ({}, {})


@pytest.mark.parametrize("order", [{"enabled": False}, {"events": ("job.failed",)}])
async def test_progress_that_nobody_wants_any_more_is_not_held(webhooks, order):
    made = await webhooks.create(events=("job.progress",), progress_seconds=30)
    await two_epochs(webhooks)
    await webhooks.endpoints.update(made.id, WebhookUpdate(**order))
    webhooks.clock.advance(30)
    await webhooks.turn()
    assert len(webhooks.sender.sent) == 1
    assert webhooks.telling.next_ms() is None, "or the loop would never rest again"


async def test_the_end_of_a_job_does_not_wait_for_progress(webhooks):
    await webhooks.create(events=("job.*",), progress_seconds=HOUR)
    handle = await two_epochs(webhooks)
    await webhooks.platform.succeed(handle)
    await webhooks.turn()
    assert webhooks.types()[-2:] == ["job.progress", "job.succeeded"]


async def test_a_delivery_is_tried_ten_times_over_75_hours_and_then_given_up(webhooks):
    await webhooks.create(events=("job.created",))
    webhooks.sender.answers[ONE] = Answer(500)
    await webhooks.platform.submit()
    began = webhooks.clock.now_ms()
    for _ in range(90 * 60):  # 90 h, minute by minute
        await webhooks.turn(1)
        webhooks.clock.advance(60)
    sent = webhooks.sender.sent
    assert len(sent) == 10
    assert 75 <= (sent[-1].at_ms - began) / 3_600_000 <= 84
    assert {(each.id, each.body) for each in sent} == {(sent[0].id, sent[0].body)}
    assert len({each.headers["webhook-timestamp"] for each in sent}) == 10
    (dead,) = await webhooks.all()
    assert (dead.status, dead.attempts, dead.answer) == (DeliveryStatus.DEAD, 10, 500)
    assert dead.reason == "given up after 10 tries; the last one: answered 500, expected 2xx"


async def test_later_news_of_a_job_waits_for_what_is_not_delivered(webhooks):
    await webhooks.create()
    webhooks.sender.answers[ONE] = Answer(problem="no answer")
    await finished(webhooks)
    assert set(webhooks.types()) == {"job.created"}
    webhooks.sender.answers.clear()
    webhooks.clock.advance(400)
    await webhooks.turn()
    assert [each for each in webhooks.types() if each != "job.created"] == WHOLE_LIFE[1:]


async def test_a_job_that_cannot_be_told_holds_up_no_other_job(webhooks):
    await webhooks.create(events=("job.created",))
    webhooks.sender.answers[ONE] = [Answer(500), Answer(200)]
    await webhooks.platform.submit()
    await webhooks.turn()
    await webhooks.platform.submit()
    await webhooks.turn()
    assert [each.status for each in await webhooks.all()] == [DeliveryStatus.PENDING, DeliveryStatus.DELIVERED]


async def test_what_a_receiver_asks_for_is_honoured(webhooks):
    await webhooks.create(events=("job.created",))
    webhooks.sender.answers[ONE] = [Answer(503, retry_after="120"), Answer(200)]
    await webhooks.platform.submit()
    await webhooks.turn()
    webhooks.clock.advance(119)
    await webhooks.turn()
    assert len(webhooks.sender.sent) == 1
    webhooks.clock.advance(1)
    await webhooks.turn()
    assert len(webhooks.sender.sent) == 2


async def test_a_receiver_that_is_gone_is_not_told_again(webhooks):
    made = await webhooks.create()
    webhooks.sender.answers[ONE] = Answer(410)
    await finished(webhooks)
    view = await webhooks.endpoints.get(made.id)
    assert (view.enabled, view.disabled_reason) == (False, "the receiver answered 410 Gone")
    assert webhooks.types() == ["job.created"]
    assert {each.status for each in await webhooks.all()} == {DeliveryStatus.DEAD}


async def test_five_days_of_nothing_but_failures_disable_an_endpoint(webhooks):
    made = await webhooks.create(events=("job.created",))
    webhooks.sender.answers[ONE] = Answer(problem="connection refused")
    for day in range(6):
        assert (await webhooks.endpoints.get(made.id)).enabled, day
        await webhooks.platform.submit()
        for _ in range(24):
            await webhooks.turn(1)
            webhooks.clock.advance(HOUR)
    view = await webhooks.endpoints.get(made.id)
    assert not view.enabled
    assert view.disabled_reason == "every delivery of 5 days failed; the last one: connection refused"
    assert {each.status for each in await webhooks.all()} == {DeliveryStatus.DEAD}


async def test_one_success_in_between_lets_an_endpoint_live(webhooks):
    made = await webhooks.create(events=("job.created",))
    for day in range(8):
        webhooks.sender.answers[ONE] = Answer(200) if day == 4 else Answer(500)
        await webhooks.platform.submit()
        for _ in range(24):
            await webhooks.turn(1)
            webhooks.clock.advance(HOUR)
    assert (await webhooks.endpoints.get(made.id)).enabled


async def test_who_is_enabled_again_can_have_everything_replayed(webhooks):
    made = await webhooks.create()
    webhooks.sender.answers[ONE] = Answer(410)
    await finished(webhooks)
    with pytest.raises(Conflict, match="enable"):
        await webhooks.deliveries.replay_dead(made.id, 0)
    await webhooks.endpoints.update(made.id, WebhookUpdate(enabled=True))
    webhooks.sender.answers.clear()
    first = webhooks.sender.sent[0]
    webhooks.sender.sent.clear()
    assert (await webhooks.deliveries.replay_dead(made.id, 0)).replayed == 3
    await webhooks.turn()
    assert webhooks.types() == WHOLE_LIFE[:3]
    assert (webhooks.sender.sent[0].id, webhooks.sender.sent[0].body) == (first.id, first.body)


async def test_a_delivered_message_can_be_replayed_too(webhooks):
    made = await webhooks.create(events=("job.created",))
    await webhooks.platform.submit()
    await webhooks.turn()
    (delivery,) = await webhooks.all()
    await webhooks.deliveries.replay(made.id, delivery.id)
    await webhooks.turn()
    first, second = webhooks.sender.sent
    assert (first.id, first.body) == (second.id, second.body)
    with pytest.raises(NotFound):
        await webhooks.deliveries.replay("whe_x", delivery.id)


async def test_a_failing_endpoint_rests_and_is_then_probed_once(webhooks):
    await webhooks.create(events=("job.created",))
    webhooks.sender.answers[ONE] = Answer(500)
    for _ in range(20):
        await webhooks.platform.submit()
    await webhooks.turn()
    assert len(webhooks.sender.sent) == 5  # four at once, then one
    webhooks.clock.advance(400)
    await webhooks.turn()
    probes = len(webhooks.sender.sent) - 5
    assert probes == 1
    webhooks.sender.answers.clear()
    webhooks.clock.advance(400)
    await webhooks.turn()
    assert {each.status for each in await webhooks.all()} == {DeliveryStatus.DELIVERED}


async def test_a_restart_tells_nothing_twice_under_another_id(webhooks):
    await webhooks.create()
    handle = await webhooks.platform.running()
    await webhooks.platform.relay.tick()
    await webhooks.deliverer.tick()  # sent, and killed before that is noted
    webhooks.restart()
    await webhooks.turn()
    await webhooks.platform.succeed(handle)
    await webhooks.turn()
    assert webhooks.types() == ["job.created", *WHOLE_LIFE]
    assert webhooks.sender.sent[0].id == webhooks.sender.sent[1].id
    assert webhooks.sender.sent[0].body == webhooks.sender.sent[1].body


async def test_for_a_day_after_a_rotation_both_secrets_verify(webhooks, monkeypatch):
    made = await webhooks.create(events=("job.created",))
    rotated = await webhooks.endpoints.rotate(made.id)
    assert rotated.secret != made.secret
    await webhooks.platform.submit()
    await webhooks.turn()
    webhooks.clock.advance(DAY)
    await webhooks.platform.submit()
    await webhooks.turn()
    during, after = webhooks.sender.sent
    verify(during, made.secret, monkeypatch)
    verify(during, rotated.secret, monkeypatch)
    verify(after, rotated.secret, monkeypatch)
    with pytest.raises(WebhookVerificationError):
        verify(after, made.secret, monkeypatch)
    assert len(base64.b64decode(rotated.secret.removeprefix("whsec_"))) >= 24


async def test_a_test_is_sent_at_once_and_once(webhooks, monkeypatch):
    made = await webhooks.create(events=("job.failed",))
    await webhooks.endpoints.update(made.id, WebhookUpdate(enabled=False))
    delivered = await webhooks.deliveries.test(made.id)
    webhooks.sender.answers[ONE] = Answer(302)
    failed = await webhooks.deliveries.test(made.id)
    await webhooks.turn()
    assert (delivered.status, delivered.answer, delivered.job_id) == (DeliveryStatus.DELIVERED, 200, None)
    assert (failed.status, failed.answer) == (DeliveryStatus.DEAD, 302)
    assert "redirects are not followed" in failed.reason
    assert verify(webhooks.sender.sent[0], made.secret, monkeypatch)["type"] == "webhook.test"
    assert len(webhooks.sender.sent) == 2


async def test_addresses_and_dialects_are_checked_before_anything_is_kept(webhooks):
    with pytest.raises(InvalidRequest, match="private"):
        await webhooks.create("https://private/")
    with pytest.raises(InvalidRequest, match="standard"):
        await webhooks.create(dialect="standart")
    made = await webhooks.create()
    with pytest.raises(InvalidRequest, match="private"):
        await webhooks.endpoints.update(made.id, WebhookUpdate(url="https://private/"))
    assert [each.url for each in await webhooks.endpoints.list()] == [ONE]


async def test_no_list_shows_a_secret(webhooks):
    made = await webhooks.create()
    shown = (await webhooks.endpoints.get(made.id)).model_dump_json() + repr(await webhooks.store.endpoint(made.id))
    assert made.secret not in shown
    assert made.secret not in repr(made)


async def test_the_settings_can_declare_endpoints(webhooks):
    declared = Declared(name="backend", url=ONE, secret="whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY", events=("job.*",))
    await webhooks.endpoints.declare([declared])
    await webhooks.endpoints.declare([declared])
    (view,) = await webhooks.endpoints.list()
    assert (view.id, view.managed, view.events) == ("whe_backend", True, ("job.*",))
    for asked in (
        webhooks.endpoints.update(view.id, WebhookUpdate(url=TWO)),
        webhooks.endpoints.update(view.id, WebhookUpdate(enabled=False)),
        webhooks.endpoints.delete(view.id),
        webhooks.endpoints.rotate(view.id),
    ):
        with pytest.raises(Conflict, match="settings"):
            await asked
    await webhooks.endpoints.declare([])
    assert "no longer" in (await webhooks.endpoints.get(view.id)).disabled_reason
    await webhooks.endpoints.declare([declared])
    assert (await webhooks.endpoints.get(view.id)).enabled


async def test_a_declared_endpoint_that_was_gone_is_told_again_at_another_address(webhooks):
    await webhooks.endpoints.declare([Declared(name="backend", url=ONE)])
    webhooks.sender.answers[ONE] = Answer(410)
    await finished(webhooks)
    await webhooks.endpoints.declare([Declared(name="backend", url=ONE)])
    assert not (await webhooks.endpoints.get("whe_backend")).enabled, "the same settings change nothing"
    await webhooks.endpoints.declare([Declared(name="backend", url=TWO)])
    found = await webhooks.endpoints.get("whe_backend")
    assert (found.enabled, found.disabled_reason, found.failing_since_ms) == (True, "", None)


async def test_a_declared_endpoint_that_was_gone_can_be_enabled_by_hand(webhooks):
    await webhooks.endpoints.declare([Declared(name="backend", url=ONE)])
    webhooks.sender.answers[ONE] = Answer(410)
    await finished(webhooks)
    assert (await webhooks.endpoints.update("whe_backend", WebhookUpdate(enabled=True))).enabled


async def test_what_the_settings_declare_is_signed_with_their_secret_or_not_at_all(webhooks, monkeypatch):
    secret = "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
    for signing in (secret, None):
        await webhooks.endpoints.declare([Declared(name="backend", url=ONE, secret=signing, events=("job.created",))])
        await webhooks.platform.submit()
        await webhooks.turn()
    signed, unsigned = webhooks.sender.sent
    verify(signed, secret, monkeypatch)
    assert [name for name in unsigned.headers if name.startswith("webhook-")] == ["webhook-id"]


async def test_a_dialect_words_method_path_and_body(webhooks):
    class Seeds(Standard):
        progress_interval_seconds = 30.0
        first_waits_seconds = (1, 2, 4)

        async def request(self, happening, endpoint):
            if happening.event != "job.failed":
                return None
            body = {"reason": happening.job.reason, "task": happening.job.labels.get("task_id")}
            return Outgoing(method="PATCH", path="/api/failed", body=json.dumps(body).encode())

    webhooks.dialects["seeds"] = Seeds()
    await webhooks.create("https://one.example/base/?key=1", dialect="seeds")
    url = "https://one.example/base/api/failed?key=1"
    webhooks.sender.answers[url] = [Answer(500), Answer(500), Answer(500), Answer(200)]
    handle = await webhooks.platform.running(labels={"task_id": "7"})
    await webhooks.platform.say(handle, "failed", code="nan_loss", message="loss is NaN", retryable=False)
    await webhooks.turn()
    for _ in range(10):
        webhooks.clock.advance(1)
        await webhooks.turn(1)
    assert [sent.method for sent in webhooks.sender.sent] == ["PATCH"] * 4
    assert {sent.url for sent in webhooks.sender.sent} == {url}
    assert webhooks.sender.sent[0].told == {"reason": "nan_loss", "task": "7"}
    gaps = [(b.at_ms - a.at_ms) // 1000 for a, b in zip(webhooks.sender.sent, webhooks.sender.sent[1:], strict=False)]
    assert gaps == [2, 3, 5]  # 1, 2, 4 s and a little jitter, looked at once a second


async def test_a_dialect_that_cannot_say_it_yet_is_asked_again_and_holds_up_no_other_endpoint(webhooks):
    class Later(Standard):
        ready = False

        async def request(self, happening, endpoint):
            if happening.job.state is JobState.SUCCEEDED and not self.ready:
                raise RuntimeError("not published yet")
            return await super().request(happening, endpoint)

    webhooks.dialects["later"] = later = Later()
    await webhooks.create(ONE, dialect="later")
    await webhooks.create(TWO)
    await finished(webhooks)
    assert "job.succeeded" not in webhooks.types(ONE)
    assert webhooks.types(TWO)[-2:] == WHOLE_LIFE[-2:]
    later.ready = True
    webhooks.clock.advance(6)
    await webhooks.turn()
    assert [each for each in webhooks.types(ONE) if each != "job.progress"] == WHOLE_LIFE
    assert [each for each in webhooks.types(TWO) if each != "job.progress"] == WHOLE_LIFE


async def test_a_job_that_cannot_be_said_for_hours_holds_up_no_other_job(webhooks):
    class Away(Standard):
        stuck = None

        async def request(self, happening, endpoint):
            if happening.job.id == self.stuck and happening.job.state is JobState.SUCCEEDED:
                raise Unavailable("the bucket is away")
            return await super().request(happening, endpoint)

    webhooks.dialects["away"] = away = Away()
    await webhooks.create(dialect="away", events=("job.succeeded",))
    handle = await webhooks.platform.running()
    away.stuck = handle.job_id
    await webhooks.platform.succeed(handle)
    for told in range(1, 20):
        await finished(webhooks)
        assert len(webhooks.sender.sent) == told, "each as soon as it has ended"
        webhooks.clock.advance(600)
    away.stuck = None
    await webhooks.turn()
    assert webhooks.sender.sent[-1].told["data"]["id"] == handle.job_id


async def test_what_comes_back_from_another_address_disables_nobody(webhooks):
    made = await webhooks.create(events=("job.created",))
    webhooks.sender.answers[ONE] = Answer(410)
    await webhooks.platform.submit()
    await webhooks.platform.relay.tick()
    await webhooks.deliverer.tick()  # on its way
    await webhooks.endpoints.update(made.id, WebhookUpdate(enabled=False))
    await webhooks.endpoints.update(made.id, WebhookUpdate(enabled=True, url=TWO))
    await webhooks.deliverer.settle()
    found = await webhooks.endpoints.get(made.id)
    assert (found.enabled, found.failing_since_ms) == (True, None)
    (given_up,) = await webhooks.all()
    assert (given_up.status, given_up.reason) == (DeliveryStatus.DEAD, "disabled by hand")
    await webhooks.deliveries.replay_dead(made.id, 0)
    await webhooks.turn()
    assert [sent.url for sent in webhooks.sender.sent] == [ONE, TWO]


async def test_progress_of_an_hour_ago_is_forgotten(webhooks):
    await webhooks.create(events=("job.progress", "job.created"))
    handle = await webhooks.platform.running()
    await webhooks.platform.say(handle, "progress", epoch=1, epochs=2)
    await webhooks.turn()
    assert len(await webhooks.all()) == 2
    webhooks.clock.advance(HOUR + 1)
    await webhooks.deliveries.expire()
    assert [each.event for each in await webhooks.all()] == ["job.created"]


async def test_what_was_delivered_a_week_ago_is_forgotten(webhooks):
    await webhooks.create(events=("job.created",))
    await webhooks.platform.submit()
    await webhooks.turn()
    webhooks.clock.advance(7 * DAY)
    await webhooks.deliveries.expire()
    assert len(await webhooks.all()) == 1
    webhooks.clock.advance(1)
    await webhooks.deliveries.expire()
    assert await webhooks.all() == []
