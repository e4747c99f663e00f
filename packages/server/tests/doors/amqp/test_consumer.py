"""The consumer against a real RabbitMQ: nothing is lost and nothing doubled, whatever becomes of the broker."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
from harness.rabbitmq import SETTLED_SECONDS, RabbitMQ, on_channel, publish, take, waiting
from structlog.testing import capture_logs

from eyebright.core.parked import WHOLE_BYTES
from eyebright.doors.amqp.consumer import Consumer
from eyebright.doors.amqp.delivery import ANSWER_TRIES, Delivery
from eyebright.errors import Unavailable
from eyebright.ports.clock import SystemClock
from eyebright.settings import AmqpSettings
from eyebright_wire.queue import ParkedReason, QueueAnswer, QueueOutcome

QUEUE = "model_training"
DEAD = f"{QUEUE}.dead"
#: A user who may read and declare, and write nowhere.
MAKE_MUTE = """
rabbit_auth_backend_internal:add_user(<<"mute">>, <<"mute">>, <<"guest">>),
rabbit_auth_backend_internal:set_permissions(<<"mute">>, <<"%(vhost)s">>, <<".*">>, <<"^$">>, <<".*">>, <<"guest">>).
"""


class Clerk:
    """An intake that remembers what it was given; b"poison" it parks."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.sizes: list[int | None] = []
        self.trouble: Exception | None = None
        self.tries = 0
        self.slow: asyncio.Event | None = None

    async def take(self, body: bytes, size_bytes: int | None = None) -> QueueAnswer:
        self.tries += 1
        if self.trouble is not None:
            raise self.trouble
        if self.slow is not None:
            await self.slow.wait()
        self.taken.append(body)
        self.sizes.append(size_bytes)
        if body.startswith(b"poison"):
            return QueueAnswer(
                outcome=QueueOutcome.PARKED, parked_id="msg_1", reason=ParkedReason.NOT_JSON, message="it is no JSON"
            )
        return QueueAnswer(outcome=QueueOutcome.TAKEN, task_id="task", job_id=f"job_{len(self.taken)}")


@asynccontextmanager
async def consuming(url: str, clerk: Clerk, **settings: Any) -> AsyncIterator[Consumer]:
    consumer = Consumer(AmqpSettings(url=url, **settings), clerk, SystemClock())
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(true: Callable[[], bool | Awaitable[bool]], within_seconds: float = 120) -> None:
    async with asyncio.timeout(within_seconds):
        while True:
            found = true()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


async def until_waiting(url: str, count: int, queue: str = QUEUE) -> None:
    """What a consumer holds comes back some moments after it went."""

    async def so_many() -> bool:
        return await waiting(url, queue) == count

    await until(so_many)


async def until_empty(url: str, queue: str = QUEUE) -> None:
    """Nothing is left that was not acknowledged."""
    await until_waiting(url, 0, queue)


async def declared(url: str, **arguments: Any) -> None:
    async def declare(channel: Any) -> None:
        await channel.declare_queue(QUEUE, durable=True, arguments=arguments or None)

    await on_channel(url, declare)


async def test_a_message_is_taken_and_acknowledged_once(broker_url: str):
    clerk = Clerk()
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, *(b"%d" % number for number in range(50)))
        await until(lambda: len(clerk.taken) == 50)
    assert sorted(clerk.taken, key=int) == [b"%d" % number for number in range(50)]
    assert await waiting(broker_url) == 0


async def test_the_queue_that_is_made_is_a_quorum_queue_with_dead_letters(rabbitmq: RabbitMQ, broker_url: str):
    async with consuming(broker_url, Clerk()) as consumer:
        await until(lambda: consumer.condition == "ok")
    vhost = broker_url.rsplit("/", 1)[1]
    listed = rabbitmq.control("list_queues", "-p", vhost, "name", "type", "durable", "arguments", "--silent")
    queues = {line.split("\t")[0]: line for line in listed.splitlines()}
    assert queues.keys() == {QUEUE, DEAD}
    assert "\tquorum\ttrue\t" in queues[QUEUE]
    assert f'"x-dead-letter-exchange","{DEAD}"' in queues[QUEUE]
    assert "\ttrue\t" in queues[DEAD]


async def test_a_queue_that_is_there_is_taken_as_it_is(broker_url: str):
    await declared(broker_url, **{"x-max-length": 1000})
    await publish(broker_url, b"early")
    clerk = Clerk()
    async with consuming(broker_url, clerk):
        await until(lambda: clerk.taken == [b"early"])


async def test_what_is_parked_lies_with_the_dead_letters_and_says_why(broker_url: str):
    clerk = Clerk()
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, b"poison", correlation_id="c-1", message_id="m-1")
        letter = await take(broker_url, DEAD)
    assert (letter.body, letter.correlation_id, letter.message_id) == (b"poison", "c-1", "m-1")
    assert letter.headers["x-eyebright-reason"] == "not_json"
    assert letter.headers["x-eyebright-message"] == "it is no JSON"
    assert letter.headers["x-eyebright-parked-id"] == "msg_1"
    assert letter.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert await waiting(broker_url) == 0


async def test_a_caller_who_asks_for_an_answer_gets_it_with_its_own_number(broker_url: str):
    async def ask(channel: Any) -> Any:
        answers = await channel.declare_queue("answers")
        message = aio_pika.Message(b"order", reply_to="answers", correlation_id="mine")
        await channel.default_exchange.publish(message, QUEUE)
        return await take(broker_url, answers.name)

    async with consuming(broker_url, Clerk()) as consumer:
        await until(lambda: consumer.condition == "ok")
        answer = await on_channel(broker_url, ask)
    assert answer.correlation_id == "mine"
    assert json.loads(answer.body) == json.loads(
        QueueAnswer(outcome=QueueOutcome.TAKEN, task_id="task", job_id="job_1").model_dump_json()
    )


async def test_a_caller_who_has_gone_holds_up_nobody(broker_url: str):
    clerk = Clerk()
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, b"first", b"second", reply_to="nobody-listens")
        await until(lambda: len(clerk.taken) == 2)
        await publish(broker_url, b"third")
        await until(lambda: len(clerk.taken) == 3)
    assert await waiting(broker_url) == 0


async def test_who_may_answer_nobody_still_takes_each_message_once(rabbitmq: RabbitMQ, broker_url: str):
    vhost = broker_url.rsplit("/", 1)[1]
    rabbitmq.control("eval", MAKE_MUTE % {"vhost": vhost})
    await declared(broker_url)
    await on_channel(broker_url, lambda channel: channel.declare_exchange(DEAD, "fanout", durable=True))
    clerk = Clerk()
    async with consuming(broker_url.replace("guest:guest", "mute:mute"), clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, b"order", b"poison", reply_to="nobody-listens")
        await until(lambda: set(clerk.taken) == {b"order", b"poison"})
        await until_empty(broker_url)
        await asyncio.sleep(1.5)
        tries = clerk.tries
    assert await waiting(broker_url) == 0, "nothing comes back when the consumer has gone"
    assert tries < 10, "no hot loop"


async def test_with_replies_off_nobody_is_answered(broker_url: str):
    clerk = Clerk()
    await declared(broker_url)
    await on_channel(broker_url, lambda channel: channel.declare_queue("answers"))
    async with consuming(broker_url, clerk, replies=False):
        await publish(broker_url, b"order", reply_to="model_training")
        await until(lambda: len(clerk.taken) == 1)
    assert await waiting(broker_url) == 0


async def test_trouble_that_passes_holds_messages_and_loses_none(broker_url: str):
    clerk = Clerk()
    clerk.trouble = Unavailable("the database is away")
    async with consuming(broker_url, clerk, prefetch=3) as consumer:
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, *(b"%d" % number for number in range(9)))
        await until(lambda: clerk.tries >= 6)
        await asyncio.sleep(1)
        assert clerk.tries < 20, "no hot loop"
        clerk.trouble = None
        await until(lambda: len(clerk.taken) == 9)
    assert sorted(clerk.taken) == [b"%d" % number for number in range(9)]
    assert await waiting(broker_url) == 0


async def test_a_message_that_cannot_be_settled_for_long_is_given_back(broker_url: str, monkeypatch):
    monkeypatch.setattr("eyebright.doors.amqp.delivery.HOLD_SECONDS", 0)
    clerk = Clerk()
    clerk.trouble = Unavailable("the database is away")
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, b"order")
        await until(lambda: clerk.tries >= 2)
    await until_waiting(broker_url, 1)


async def test_of_a_huge_message_only_the_beginning_is_handed_on(broker_url: str):
    clerk = Clerk()
    huge = b"poison" + b"x" * (50 * 2**20)
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, huge)
        await until(lambda: len(clerk.taken) == 1, within_seconds=120)
        letter = await take(broker_url, DEAD)
    assert (len(clerk.taken[0]), clerk.sizes) == (4096, [len(huge)])
    assert len(huge) > WHOLE_BYTES
    assert letter.body == huge


async def test_a_broker_that_is_absent_at_the_start_is_waited_for():
    clerk = Clerk()
    async with consuming("amqp://guest:secret@127.0.0.1:1/", clerk) as consumer:
        await until(lambda: consumer.condition.startswith("not connected to amqp://127.0.0.1:1: "))
        assert "secret" not in consumer.condition


async def test_a_deleted_queue_is_made_again(broker_url: str):
    clerk = Clerk()
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await on_channel(broker_url, lambda channel: channel.queue_delete(QUEUE))
        await until(lambda: consumer.condition != "ok")
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, b"order")
        await until(lambda: clerk.taken == [b"order"])


async def test_dead_letters_that_were_deleted_are_made_again_and_the_message_reaches_them(broker_url: str):
    clerk = Clerk()
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await on_channel(broker_url, lambda channel: channel.exchange_delete(DEAD))
        await publish(broker_url, b"poison")
        assert (await take(broker_url, DEAD)).body == b"poison"
    assert await waiting(broker_url) == 0


async def test_connections_that_an_operator_closes_come_back(rabbitmq: RabbitMQ, broker_url: str):
    clerk = Clerk()
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        vhost = broker_url.rsplit("/", 1)[1]
        await asyncio.to_thread(rabbitmq.control, "close_all_connections", "--vhost", vhost, "maintenance")
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, b"order")
        await until(lambda: b"order" in clerk.taken)  # twice, if the broker closed the connection in between


async def test_a_broker_that_is_killed_during_traffic_loses_nothing(rabbitmq: RabbitMQ, broker_url: str):
    clerk = Clerk()
    clerk.slow = asyncio.Event()
    bodies = {b"%d" % number for number in range(60)}
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await asyncio.sleep(SETTLED_SECONDS)
        await publish(broker_url, *bodies)
        await until(lambda: clerk.tries == 10)  # in hand, and not settled
        await asyncio.to_thread(rabbitmq.kill)
        await until(lambda: consumer.condition != "ok")
        clerk.slow.set()
        await asyncio.to_thread(rabbitmq.start)
        await until(lambda: set(clerk.taken) == bodies)
        await until_empty(broker_url)
    assert await waiting(broker_url) == 0


async def test_what_is_in_hand_at_the_end_is_settled(broker_url: str):
    clerk = Clerk()
    clerk.slow = asyncio.Event()
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, b"order")
        await until(lambda: clerk.tries == 1)
        asyncio.get_running_loop().call_later(0.3, clerk.slow.set)
    assert clerk.taken == [b"order"]
    assert await waiting(broker_url) == 0


async def test_a_consumer_that_is_to_end_ends_although_the_broker_goes_at_the_same_moment(monkeypatch):
    begun = asyncio.Event()

    async def session(_self: Consumer) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError("the broker is gone")

    monkeypatch.setattr(Consumer, "_session", session)
    running = asyncio.create_task(Consumer(AmqpSettings(), Clerk(), SystemClock()).run())
    await begun.wait()
    running.cancel()
    await asyncio.wait([running], timeout=60)
    assert running.cancelled()


async def test_a_cancel_that_nobody_asked_for_is_a_lost_session(monkeypatch):
    sessions = 0

    async def session(_self: Consumer) -> None:
        nonlocal sessions
        sessions += 1
        raise asyncio.CancelledError

    monkeypatch.setattr(Consumer, "_session", session)
    async with consuming("amqp://127.0.0.1/", Clerk()) as consumer:
        await until(lambda: sessions == 2)
        assert consumer.condition == "not connected to amqp://127.0.0.1:5672: CancelledError"


class Watch(SystemClock):
    """Nobody sleeps, and what was to be slept is noted; the last but one session lasts."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.gone_ms = 0

    def now_ms(self) -> int:
        return self.gone_ms

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) == 12:
            await asyncio.Event().wait()
        await asyncio.sleep(0)


@pytest.mark.parametrize(("connects", "longest"), [(True, 5), (False, 30)])
async def test_sessions_that_end_at_once_are_spaced_out(monkeypatch, connects: bool, longest: float):
    """Whatever ends them: a message that the library cannot read, say, which the broker delivers again each time."""
    clock = Watch()

    async def session(self: Consumer) -> None:
        if connects:
            self.condition = "ok"
        if len(clock.waits) == 11:
            clock.gone_ms += 60_000
        raise ConnectionError("the frame is broken")

    monkeypatch.setattr(Consumer, "_session", session)
    running = asyncio.create_task(Consumer(AmqpSettings(url="amqp://127.0.0.1/"), Clerk(), clock).run())
    await until(lambda: len(clock.waits) == 12)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for place, wait in enumerate(clock.waits[:11]):
        assert min(longest, 0.5 * 2**place) / 2 <= wait <= min(longest, 0.5 * 2**place)
    assert (clock.waits[11] <= 0.5) is connects, "one that lasted is followed at once"


@pytest.mark.parametrize("body", [b"order", b"poison"])
async def test_a_message_whose_answer_ends_each_session_is_settled_without(broker_url: str, body: bytes, monkeypatch):
    clerk = Clerk()

    async def fails(_self: Delivery, message: Any, _answer: QueueAnswer) -> None:
        if message.body == body:
            raise ConnectionError("the broker closed the channel")

    monkeypatch.setattr(Delivery, "_reply", fails)
    monkeypatch.setattr(Delivery, "_pass_on", fails)
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await publish(broker_url, body, b"after", reply_to="somebody")
        await until(lambda: clerk.taken.count(body) == ANSWER_TRIES + 1 and b"after" in clerk.taken)
        await until_empty(broker_url)
        if body == b"poison":
            assert (await take(broker_url, DEAD)).body == body, "the broker puts it there itself"
    assert await waiting(broker_url) == 0


async def test_a_broker_that_says_nothing_more_keeps_nobody_from_ending(rabbitmq: RabbitMQ, broker_url: str):
    clerk = Clerk()
    consumer = Consumer(AmqpSettings(url=broker_url), clerk, SystemClock())
    running = asyncio.create_task(consumer.run())
    await until(lambda: consumer.condition == "ok")
    with rabbitmq.frozen():
        running.cancel()
        await asyncio.wait([running], timeout=60)
        ended = running.cancelled()
    await asyncio.wait([running], timeout=60)
    assert ended


@pytest.mark.parametrize("name", ["correlation_id", "header"])
async def test_properties_that_are_no_text_stop_no_consumer(rabbitmq: RabbitMQ, broker_url: str, name: str):
    """The library may refuse such a message again and again: then the broker's delivery limit ends it."""
    clerk = Clerk()
    async with consuming(broker_url, clerk) as consumer:
        await until(lambda: consumer.condition == "ok")
        await asyncio.to_thread(publish_raw, rabbitmq.port, broker_url.rsplit("/", 1)[1], name)
        await publish(broker_url, b"after")
        await until(lambda: b"after" in clerk.taken)


def publish_raw(port: int, vhost: str, name: str) -> None:
    """With a property in bytes that are no UTF-8, which no client library would send."""
    import socket

    def frame(kind: int, channel: int, payload: bytes) -> bytes:
        return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"

    def short(text: bytes) -> bytes:
        return bytes([len(text)]) + text

    def long(text: bytes) -> bytes:
        return struct.pack(">I", len(text)) + text

    def method(channel: int, number: tuple[int, int], payload: bytes = b"") -> bytes:
        return frame(1, channel, struct.pack(">HH", *number) + payload)

    flags, properties = {
        "correlation_id": (1 << 10, short(b"\xff\xfe")),
        "header": (1 << 13, long(short(b"k") + b"S" + long(b"\xff\xfe"))),
    }[name]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for sent in (
            b"AMQP\x00\x00\x09\x01",
            method(0, (10, 11), long(b"") + short(b"PLAIN") + long(b"\0guest\0guest") + short(b"en_US")),
            method(0, (10, 31), struct.pack(">HIH", 10, 131072, 0))
            + method(0, (10, 40), short(vhost.encode()) + short(b"") + b"\0"),
            method(1, (20, 10), short(b"")),
        ):
            connection.sendall(sent)
            connection.recv(65536)
        header = struct.pack(">HHQH", 60, 0, 3, flags) + properties
        connection.sendall(
            method(1, (60, 40), b"\0\0" + short(b"") + short(QUEUE.encode()) + b"\0")
            + frame(2, 1, header)
            + frame(3, 1, b"odd")
        )
        connection.sendall(method(1, (20, 40), b"\0\0" + short(b"") + b"\0\0\0\0"))
        connection.recv(65536)


async def test_a_virtual_host_that_is_not_there_is_said_in_words(rabbitmq: RabbitMQ):
    async with consuming(rabbitmq.url("nowhere"), Clerk()) as consumer:
        await until(lambda: "no virtual host 'nowhere'" in consumer.condition)


async def test_a_broker_that_nobody_named_is_told_with_the_variable_that_names_one():
    for settings, told in (
        (AmqpSettings(), 1),
        (AmqpSettings(host="localhost"), 0),
        (AmqpSettings(url="amqp://mq/"), 0),
    ):
        with capture_logs() as said:
            running = asyncio.create_task(Consumer(settings, Clerk(), SystemClock()).run())
            await asyncio.sleep(0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert sum("EYEBRIGHT_AMQP__URL" in line["event"] for line in said) == told
