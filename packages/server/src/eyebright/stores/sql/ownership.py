"""One control plane for each database: a second one would not see the first one's processes and take them for dead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from filelock import FileLock, Timeout
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.errors import Conflict
from eyebright.stores.sql.engine import Engine

#: A server that was killed a moment ago may still seem to hold it: Postgres notices when the connection breaks.
PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.2

_LOCK = 0x6579656272  # "eyebr": any number will do, as long as every server asks for the same


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
        async with engine.reading() as connection:
            await _take_advisory(connection, engine.name)
            try:
                yield
            finally:
                await connection.invalidate()  # not back into the pool: the lock is the session's


def _take_file(lock: FileLock, name: str) -> None:
    try:
        lock.acquire(timeout=PATIENCE_SECONDS)
    except Timeout:
        raise _conflict(name) from None


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
