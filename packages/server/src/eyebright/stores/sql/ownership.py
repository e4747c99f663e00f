"""One control plane for each database: a second one would not see the first one's processes and take them for dead.

SQLite's owner holds a file lock, which only its death takes away. Postgres' holds a lock of a session, and that can end while we
live: by a failover, an administrator, a time-out for the idle. From then on nothing is written until the lock is ours again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from filelock import FileLock, Timeout
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.errors import Conflict
from eyebright.stores.sql.engine import Engine

#: A server that was killed a moment ago may still seem to hold it: Postgres notices when the connection breaks.
PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.2
#: How soon a session that ended without anybody telling is missed. A connection that breaks is noticed at once.
LOOK_SECONDS = 5.0

_LOCK = 0x6579656272  # "eyebr": any number will do, as long as every server asks for the same

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def owned(engine: Engine) -> AsyncIterator[None]:
    """Own the database for as long as the context lasts; death gives it back. Raises Conflict while another owns it."""
    if engine.dialect == "sqlite":
        lock = FileLock(f"{engine.name}.lock", thread_local=False)
        await asyncio.to_thread(_take_file, lock, engine.name)
        try:
            yield
        finally:
            lock.release()
    else:
        taken = asyncio.get_running_loop().create_future()
        keeper = asyncio.create_task(_keep(engine, taken), name="ownership")
        try:
            await taken
            yield
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])


def _take_file(lock: FileLock, name: str) -> None:
    try:
        lock.acquire(timeout=PATIENCE_SECONDS)
    except Timeout:
        raise _conflict(name) from None


async def _keep(engine: Engine, taken: asyncio.Future[None]) -> None:
    """Hold the lock, and when it is lost take it again as soon as nobody else has it. Never returns after having had it."""
    while True:
        try:
            async with engine.reading() as connection:
                try:
                    await _take_advisory(connection, engine.name)
                    _answer(taken)
                    engine.barred = ""
                    await _until_lost(connection)
                finally:
                    await connection.invalidate()  # not back into the pool: the lock is the session's
        except Exception as error:
            if not taken.done():
                return taken.set_exception(error)
            _bar(engine, error)
        await asyncio.sleep(PAUSE_SECONDS)


def _answer(taken: asyncio.Future[None]) -> None:
    if not taken.done():
        taken.set_result(None)


def _bar(engine: Engine, error: Exception) -> None:
    why = f"this server has lost its hold on the database ({error}); it writes nothing until it has it again"
    if why != engine.barred:
        log.warning(why)
    engine.barred = why


async def _until_lost(connection: AsyncConnection) -> None:
    """Raises what the session died of."""
    ended = asyncio.Event()
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    driver.add_termination_listener(lambda _: ended.set())
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), LOOK_SECONDS)
        async with asyncio.timeout(LOOK_SECONDS):
            await connection.execute(select(1))


async def _take_advisory(connection: AsyncConnection, name: str) -> None:
    """A lock of the session, so it ends with the connection."""
    for _ in range(int(PATIENCE_SECONDS / PAUSE_SECONDS)):
        if (await connection.execute(select(func.pg_try_advisory_lock(_LOCK)))).scalar_one():
            return
        await asyncio.sleep(PAUSE_SECONDS)
    raise _conflict(name)


def _conflict(name: str) -> Conflict:
    return Conflict(
        f"another Eyebright server uses the database {name}. Stop that one, or give this one a database of its own "
        "(EYEBRIGHT_DATABASE_URL)."
    )
