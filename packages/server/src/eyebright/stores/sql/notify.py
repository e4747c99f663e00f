"""Bus over Postgres' NOTIFY, on a connection of its own.

Outside the transactions: a NOTIFY within one takes a lock of the whole database until its commit, and would put all commits in a
queue.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.ports.bus import ALL
from eyebright.stores.sql.engine import Engine

CHANNEL = "eyebright"
#: A call is put off for so long after another one, and goes out with what came meanwhile.
PACE_SECONDS = 0.05
#: How soon a session that ended without anybody telling is missed.
LOOK_SECONDS = 5.0
PAUSE_SECONDS = 1.0
#: Postgres takes less than 8,000 bytes.
MOST_BYTES = 7_900

log = structlog.stdlib.get_logger(__name__)


class SqlBus:
    """Bus. A SQLite file has one server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def carry(
        self, taken: Callable[[], Awaitable[Collection[str]]], heard: Callable[[Collection[str]], None]
    ) -> None:
        while self._engine.dialect == "postgresql":
            try:
                async with self._engine.reading() as connection:
                    try:
                        await _exchange(connection, taken, heard)
                    finally:
                        await connection.invalidate()  # it listens: not back into the pool
            except Exception as error:
                log.info("calls between servers are interrupted", problem=f"{type(error).__name__}: {error}")
            await asyncio.sleep(PAUSE_SECONDS)


async def _exchange(
    connection: AsyncConnection,
    taken: Callable[[], Awaitable[Collection[str]]],
    heard: Callable[[Collection[str]], None],
) -> None:
    """Until the session ends; raises what it died of, or returns."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    own, ended = driver.get_server_pid(), asyncio.Event()

    def hear(_connection: object, sender: int, _channel: str, payload: str) -> None:
        if sender != own:
            heard(json.loads(payload))

    driver.add_termination_listener(lambda _: ended.set())
    await driver.add_listener(CHANNEL, hear)
    heard([ALL])  # of what was called before this nobody told us
    ending = asyncio.create_task(ended.wait())
    taking = asyncio.ensure_future(taken())
    try:
        while not ended.is_set():
            await asyncio.wait((taking, ending), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                await connection.execute(select(func.pg_notify(CHANNEL, _payload(taking.result()))))
                taking = asyncio.ensure_future(taken())
                await asyncio.sleep(PACE_SECONDS)
            else:
                async with asyncio.timeout(LOOK_SECONDS):
                    await connection.execute(select(1))
    finally:
        ending.cancel()
        taking.cancel()
        await asyncio.gather(ending, taking, return_exceptions=True)


def _payload(calls: Collection[str]) -> str:
    payload = json.dumps(sorted(calls))
    return payload if len(payload) < MOST_BYTES else json.dumps([ALL])
