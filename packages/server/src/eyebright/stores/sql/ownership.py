"""Who may work on a database: one server alone, or several of them that know of each other.

SQLite's owner holds a file lock, which only its death takes away. On Postgres a server holds locks of a session, and that can
end while we live: by a failover, an administrator, a time-out for the idle. From then on nothing is written until they are ours
again. One lock is the database's, which servers share or one has alone; the other one is the server's own name, which a copy of
its folder would have too.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from filelock import FileLock, Timeout
from sqlalchemy import Function, func, select
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
async def owned(engine: Engine, among: str | None = None) -> AsyncIterator[None]:
    """Own the database for as long as the context lasts; death gives it back. Raises Conflict while another owns it.

    `among` several servers: own it together with them, under this name, which no two may have. SQLite's owner is always alone.
    """
    if engine.dialect == "sqlite":
        lock = FileLock(f"{engine.name}.lock", thread_local=False)
        await asyncio.to_thread(_take_file, lock, engine.name)
        try:
            yield
        finally:
            lock.release()
    else:
        taken = asyncio.get_running_loop().create_future()
        keeper = asyncio.create_task(_keep(engine, among, taken), name="ownership")
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


async def _keep(engine: Engine, among: str | None, taken: asyncio.Future[None]) -> None:
    """Hold the lock, and when it is lost take it again as soon as nobody else has it. Never returns after having had it."""
    while True:
        try:
            async with engine.reading() as connection:
                try:
                    await _take_locks(connection, engine.name, among)
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


async def _take_locks(connection: AsyncConnection, name: str, among: str | None) -> None:
    """Locks of the session, so they end with the connection."""
    if among is None:
        await _take(connection, func.pg_try_advisory_lock(_LOCK), _conflict(name))
        return
    await _take(connection, func.pg_try_advisory_lock_shared(_LOCK), _alone(name))
    await _take(connection, func.pg_try_advisory_lock(_number(among)), _copied(among))


async def _take(connection: AsyncConnection, lock: Function[bool], refusal: Conflict) -> None:
    for _ in range(int(PATIENCE_SECONDS / PAUSE_SECONDS)):
        if (await connection.execute(select(lock))).scalar_one():
            return
        await asyncio.sleep(PAUSE_SECONDS)
    raise refusal


def _number(among: str) -> int:
    return int.from_bytes(hashlib.sha256(f"eyebright replica {among}".encode()).digest()[:8], signed=True)


def _conflict(name: str) -> Conflict:
    return Conflict(
        f"another Eyebright server uses the database {name}. Stop that one, or give this one a database of its own "
        "(EYEBRIGHT_DATABASE_URL). Several servers can share one on Postgres where objects lie in a bucket "
        "(EYEBRIGHT_STORAGE__PLACE)"
    )


def _alone(name: str) -> Conflict:
    return Conflict(
        f"a server that works alone uses the database {name}: an older version, or one whose objects are files of its own "
        "machine. Stop that one, or give it a bucket (EYEBRIGHT_STORAGE__PLACE)"
    )


def _copied(among: str) -> Conflict:
    return Conflict(
        f"another server of this database is called {among}, too: its data folder was copied. Remove the file `replica` from the "
        "folder of the copy; it gets a name of its own"
    )
