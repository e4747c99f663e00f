"""Takes messages from the queue for as long as it runs, whatever becomes of the broker meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue

from eyebright.doors.amqp import topology
from eyebright.doors.amqp.broker import connected, shown
from eyebright.doors.amqp.delivery import Delivery, Failures, MessageIntake
from eyebright.doors.amqp.pause import Pause
from eyebright.ports.clock import Clock
from eyebright.settings import AmqpSettings
from eyebright_wire.queue import QueueAnswer

log = structlog.stdlib.get_logger(__name__)

#: Messages in hand when it ends are settled within this time, or delivered again to the next consumer.
LEAVE_SECONDS = 5.0
#: A session that ends sooner may have met a message that ends each one. Such are spaced out up to so much: far enough to spare
#: the broker, and near enough for its delivery limit to put the message aside within minutes.
STEADY_SECONDS, LONGEST_BETWEEN_SECONDS = 60.0, 5.0

Settled = Callable[[QueueAnswer, float], None]


class Lost(Exception):
    """The session with the broker is over; the message says why."""


class Consumer:
    """One queue of one broker. `condition` says how it stands with the broker, "ok" while it is connected."""

    def __init__(
        self,
        settings: AmqpSettings,
        intake: MessageIntake,
        clock: Clock,
        *,
        settled: Settled = lambda answer, seconds: None,
    ) -> None:
        """`settled` is told of each message, with the time from its delivery to its acknowledgement."""
        self._settings = settings
        self._intake = intake
        self._clock = clock
        self._settled = settled
        self._failures = Failures()
        self.condition = "not connected yet"

    async def run(self) -> None:
        """Never returns; ends when its task is cancelled. A broker that is absent or goes is waited for."""
        absent, unsteady, where = Pause(), Pause(longest=LONGEST_BETWEEN_SECONDS), shown(self._settings)
        if not self._settings.model_fields_set & {"url", "host"}:
            log.info("no broker is named, so this machine's is taken; EYEBRIGHT_AMQP__URL names another", broker=where)
        while True:
            began_ms = self._clock.now_ms()
            try:
                await self._session()
            except (
                Exception,
                asyncio.CancelledError,
            ) as error:  # the library cancels what waits for a broker that goes
                if _asked_to_end():
                    raise asyncio.CancelledError from error
                if self._clock.now_ms() - began_ms >= 1000 * STEADY_SECONDS:
                    unsteady.reset()
                if connected_before := self.condition == "ok":
                    absent.reset()
                why, wait = _in_words(error), (unsteady if connected_before else absent).next()
                self.condition = f"not connected to {where}: {why}"
                log.warning("the queue cannot be read; trying again", broker=where, why=why, seconds=round(wait, 1))
                await self._clock.sleep(wait)

    async def _session(self) -> None:
        """Raises Lost, or what stood in its way."""
        async with await connected(self._settings) as connection:
            dead_letters = await topology.declare(connection, self._settings)
            publishing = await connection.channel(on_return_raises=True)
            delivery = Delivery(
                self._intake, publishing, dead_letters, self._clock, self._failures, replies=self._settings.replies
            )
            receiving = await connection.channel()
            await receiving.set_qos(self._settings.prefetch)
            queue = await receiving.get_queue(self._settings.queue, ensure=False)
            async with self._consuming(queue, delivery, (publishing, receiving), connection) as over:
                self.condition = "ok"
                log.info("taking orders from the queue", broker=shown(self._settings), queue=self._settings.queue)
                raise Lost(await asyncio.shield(over))

    @asynccontextmanager
    async def _consuming(
        self,
        queue: AbstractQueue,
        delivery: Delivery,
        channels: tuple[AbstractChannel, AbstractChannel],
        connection: AbstractConnection,
    ) -> AsyncIterator["asyncio.Future[str]"]:
        """Gives a future of the reason why no more messages come. At the end, those in hand are settled if they soon can be."""
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        in_hand: set[asyncio.Task[None]] = set()

        def end(why: str) -> None:
            if not over.done():
                over.set_result(why)

        async def receive(message: AbstractIncomingMessage) -> None:
            task = asyncio.ensure_future(self._settle(delivery, message, end))
            in_hand.add(task)
            task.add_done_callback(in_hand.discard)

        for closes in (*channels, connection):
            closes.close_callbacks.add(lambda _, error=None: end(f"the broker closed it ({error})"))
        underlay = await queue.channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: end("the queue was deleted or moved"))
        tag = await queue.consume(receive)
        try:
            yield over
        finally:
            if not queue.channel.is_closed and not connection.is_closed:  # acknowledgements still get through
                await _no_more(queue, tag)
                await _ended(in_hand)
            for task in in_hand:
                task.cancel()

    async def _settle(self, delivery: Delivery, message: AbstractIncomingMessage, end: Callable[[str], None]) -> None:
        begun_ms = self._clock.now_ms()
        try:
            answer = await delivery.settle(message)
        except Exception as error:
            end(f"a message could not be answered: {_in_words(error)}")
            return
        if answer is not None:
            self._settled(answer, (self._clock.now_ms() - begun_ms) / 1000)


def _asked_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _no_more(queue: AbstractQueue, tag: str) -> None:
    """A broker that is going too need not answer."""
    try:
        await queue.cancel(tag, timeout=LEAVE_SECONDS)
    except Exception as error:
        log.info("the broker did not hear the goodbye", why=_in_words(error))


def _in_words(error: BaseException) -> str:
    return str(error) or type(error).__name__


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=LEAVE_SECONDS)
