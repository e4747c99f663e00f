"""One message: settled by the intake, then answered, and only then acknowledged."""

from collections import Counter
from typing import Protocol

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import DeliveryError
from aiormq.exceptions import ChannelAccessRefused

from eyebright.core.parked import kept_of, parked_id
from eyebright.doors.amqp.pause import Pause
from eyebright.ports.clock import Clock
from eyebright_wire.queue import QueueAnswer, QueueOutcome

log = structlog.stdlib.get_logger(__name__)

#: While nothing can be settled, a message is held for so long and then given back: to another consumer, perhaps. The broker
#: would take it back after half an hour, and count every return.
HOLD_SECONDS = 300
PUBLISH_SECONDS = 30
#: A message whose answer has ended so many sessions is settled without one: its job is committed, or it is parked here.
ANSWER_TRIES = 3
_REMEMBERED = 1000
_SHOWN_CHARACTERS = 500
_SHORT_BYTES = 255


class MessageIntake(Protocol):
    """Who settles messages: the services of this process, or a server over HTTP."""

    async def take(self, body: bytes, size_bytes: int | None = None) -> QueueAnswer:
        """Once it has returned, the answer is committed. Whatever it raises, nothing is settled."""
        ...


class Failures:
    """How many sessions have ended over each message. Of the messages of a session that fail, the first one ended it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def many(self, message: AbstractIncomingMessage) -> bool:
        return bool(self._counts) and self._counts[_name(message)] >= ANSWER_TRIES

    def note(self, message: AbstractIncomingMessage) -> None:
        self._counts[_name(message)] += 1
        while len(self._counts) > _REMEMBERED:
            del self._counts[next(iter(self._counts))]

    def forget(self, message: AbstractIncomingMessage) -> None:
        if self._counts:
            self._counts.pop(_name(message), None)


class Delivery:
    """What is done with each message of one session with the broker."""

    def __init__(
        self,
        intake: MessageIntake,
        publishing: AbstractChannel,
        dead_letters: str | None,
        clock: Clock,
        failures: Failures,
        *,
        replies: bool,
    ) -> None:
        """`publishing`: with confirms, and raising for what reaches no queue."""
        self._intake = intake
        self._publishing = publishing
        self._dead_letters = dead_letters
        self._clock = clock
        self._failures = failures
        self._over = False
        self._replies = replies

    async def settle(self, message: AbstractIncomingMessage) -> QueueAnswer | None:
        """None: it was given back. Raises what ends the session; the broker delivers the message again then.

        What this user may not publish is no reason: it would be refused at every delivery, and the message come for ever.
        """
        answer = await self._taken(message)
        if answer is None:
            await message.nack(requeue=True)
            return None
        if self._failures.many(message):
            await self._end(message, answer)
        else:
            await self._answered(message, answer)
            await message.ack()
        self._failures.forget(message)
        return answer

    async def _answered(self, message: AbstractIncomingMessage, answer: QueueAnswer) -> None:
        try:
            if answer.outcome is QueueOutcome.PARKED:
                await self._pass_on(message, answer)
            if self._replies and message.reply_to:
                await self._reply(message, answer)
        except ChannelAccessRefused as error:
            log.warning("this user may not publish that", task_id=answer.task_id, id=answer.parked_id, why=str(error))
        except Exception:
            if not self._over:
                self._failures.note(message)
            self._over = True
            raise

    async def _end(self, message: AbstractIncomingMessage, answer: QueueAnswer) -> None:
        """Without us, the broker itself puts what is parked with its dead letters, where the queue has some."""
        log.error(
            "a message ends without an answer, which ended each session", task_id=answer.task_id, id=answer.parked_id
        )
        if answer.outcome is QueueOutcome.PARKED:
            await message.reject(requeue=False)
        else:
            await message.ack()

    async def _taken(self, message: AbstractIncomingMessage) -> QueueAnswer | None:
        """Trouble that passes is waited for, ever more patiently."""
        body, pause = kept_of(message.body), Pause()
        give_back_ms = self._clock.now_ms() + 1000 * HOLD_SECONDS
        while True:
            try:
                return await self._intake.take(body, message.body_size or len(message.body))
            except Exception as error:
                log.warning(
                    "a message cannot be settled at present; it is held", why=str(error) or type(error).__name__
                )
            if self._clock.now_ms() >= give_back_ms:
                return None
            await self._clock.sleep(pause.next())

    async def _pass_on(self, message: AbstractIncomingMessage, answer: QueueAnswer) -> None:
        """To the dead letters as it came, with the reason."""
        if self._dead_letters is None:
            return
        exchange = await self._publishing.get_exchange(self._dead_letters, ensure=False)
        copy = Message(
            message.body,
            headers={
                "x-eyebright-reason": answer.reason or "",
                "x-eyebright-message": answer.message[:_SHOWN_CHARACTERS],
                "x-eyebright-parked-id": answer.parked_id or "",
            },
            content_type=_fitting(message.content_type),
            correlation_id=_fitting(message.correlation_id),
            message_id=_fitting(message.message_id),
            reply_to=_fitting(message.reply_to),
            delivery_mode=DeliveryMode.PERSISTENT,
        )
        await exchange.publish(copy, _fitting(message.routing_key) or "", mandatory=False, timeout=PUBLISH_SECONDS)

    async def _reply(self, message: AbstractIncomingMessage, answer: QueueAnswer) -> None:
        """A caller who has gone needs no answer."""
        reply = Message(
            answer.model_dump_json().encode(),
            content_type="application/json",
            correlation_id=_fitting(message.correlation_id),
            delivery_mode=DeliveryMode.PERSISTENT,
        )
        try:
            exchange = self._publishing.default_exchange
            await exchange.publish(reply, _fitting(message.reply_to) or "", timeout=PUBLISH_SECONDS)
        except DeliveryError:
            log.info("nobody waits for the answer", reply_to=message.reply_to, task_id=answer.task_id)


def _name(message: AbstractIncomingMessage) -> str:
    return parked_id(kept_of(message.body), len(message.body))


def _fitting(text: str | None) -> str | None:
    """As a property can be: what was no UTF-8 has become longer."""
    return text and text.encode(errors="replace")[:_SHORT_BYTES].decode(errors="ignore")
