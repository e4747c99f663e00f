"""The queue of orders, and where what is parked goes. What is there already is taken as it is, whatever its arguments."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelClosed, ChannelNotFoundEntity, ChannelPreconditionFailed

from eyebright.settings import AmqpSettings

log = structlog.stdlib.get_logger(__name__)

#: After so many times in a consumer's hands a message goes to the dead letters: one that ends every consumer must not come
#: back for ever. The broker's own limit, 20 in RabbitMQ 4, would be met by consumers that are restarted often.
DELIVERY_LIMIT = 100
QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}

_Work = Callable[[AbstractChannel], Awaitable[Any]]


async def declare(connection: AbstractConnection, settings: AmqpSettings) -> str | None:
    """Make what is missing. The exchange for dead letters; None where this user may not make one.

    Raises AMQPError when there is no queue and none can be made.
    """
    dead_letters = settings.dead_letters or f"{settings.queue}.dead"
    try:
        await _dead_letters(connection, dead_letters)
    except ChannelClosed as error:
        log.warning(
            "no dead letters: parked messages are kept by this server alone", exchange=dead_letters, why=str(error)
        )
        dead_letters = None
    await _queue(connection, settings.queue, {"x-dead-letter-exchange": dead_letters} if dead_letters else {})
    return dead_letters


async def _dead_letters(connection: AbstractConnection, name: str) -> None:
    """An exchange that is there is somebody's own, with queues of their choice."""

    async def make(channel: AbstractChannel) -> None:
        exchange = await channel.declare_exchange(name, "fanout", durable=True)
        await (await channel.get_queue(name, ensure=False)).bind(exchange)

    if not await _exists(connection, lambda channel: channel.declare_exchange(name, passive=True)):
        await _queue(connection, name, {})
        await _on_channel(connection, make)


async def _queue(connection: AbstractConnection, name: str, arguments: dict[str, Any]) -> None:
    """A quorum queue where the broker has them, else a classic one."""

    async def there(channel: AbstractChannel) -> None:
        await channel.declare_queue(name, passive=True)

    if await _exists(connection, there):
        return
    for kind in ({**QUORUM, **arguments}, arguments):
        if await _made(connection, name, kind):
            return
    await _on_channel(connection, there)  # somebody else made it meanwhile, or this says why nobody can


async def _made(connection: AbstractConnection, name: str, arguments: dict[str, Any]) -> bool:
    try:
        await _on_channel(connection, lambda channel: channel.declare_queue(name, durable=True, arguments=arguments))
    except ChannelPreconditionFailed as error:
        log.info("the broker does not make such a queue", queue=name, arguments=arguments, why=str(error))
        return False
    return True


async def _exists(connection: AbstractConnection, look: _Work) -> bool:
    try:
        await _on_channel(connection, look)
    except ChannelNotFoundEntity:
        return False
    return True


async def _on_channel(connection: AbstractConnection, work: _Work) -> None:
    """On one of its own: a refusal closes it."""
    channel = await connection.channel()
    try:
        await work(channel)
    finally:
        if not channel.is_closed:
            await channel.close()
