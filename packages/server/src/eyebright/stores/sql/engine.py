"""Connections to the database: how they are set up, who may write when, and what their errors mean to the rest of Eyebright.

SQLite has one writing connection, and whoever wants to write waits for its turn in this process instead of spinning on the
file lock; readers have connections of their own and never wait. Postgres sorts that out by itself.
"""

import asyncio
import hashlib
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, event, func, make_url, select
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from eyebright.errors import EyebrightError, GuardViolated, InvalidRequest, LockRefused, StorageFull, Unavailable
from eyebright.settings import PostgresSettings
from eyebright.stores.sql import threads

Dialect = Literal["sqlite", "postgresql"]

BUSY_TIMEOUT_MS = 10_000
SQLITE_READERS = 4
SQLITE_POOL_SECONDS = 30

_SQLITE_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # what is acknowledged survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 4000",  # 16 MB: each checkpoint costs the committer who hits it some milliseconds
    "PRAGMA journal_size_limit = 67108864",
)


class Engine:
    """A database that can be read and written. Close it at the end."""

    def __init__(
        self,
        dialect: Dialect,
        name: str,
        reader: AsyncEngine,
        writer: AsyncEngine,
        turn: AbstractAsyncContextManager[Any],
    ) -> None:
        self.dialect: Dialect = dialect
        self.name = name  # for people; without the password
        self._reader = reader
        self._writer = writer
        self._turn = turn
        self.barred = ""  # why nothing may be written at present, for people

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Each statement sees what was committed when it began. Raises Unavailable while every connection stays in use."""
        async with AsyncExitStack() as stack:
            yield await self._entered(stack, self._reader.connect())

    @asynccontextmanager
    async def at_one_moment(self) -> AsyncIterator[AsyncConnection]:
        """All statements see what was committed when the first began, and none may change anything."""
        async with self._reader.connect() as connection:
            if self.dialect == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                yield connection
                return
            await connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                await connection.exec_driver_sql("ROLLBACK")

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end, rolled back on any exception. Raises Unavailable while that is barred, or
        every connection stays in use."""
        if self.barred:
            raise Unavailable(self.barred)
        async with self._turn, AsyncExitStack() as stack:
            yield await self._entered(stack, self._writer.begin())

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()

    async def _entered(
        self, stack: AsyncExitStack, opening: AbstractAsyncContextManager[AsyncConnection]
    ) -> AsyncConnection:
        try:
            return await stack.enter_async_context(opening)
        except PoolExhausted as error:
            raise Unavailable(_EXHAUSTED[self.dialect].format(name=self.name)) from error


_EXHAUSTED: dict[Dialect, str] = {
    "sqlite": "every connection to the database {name} is in use and none came free in time; try again",
    "postgresql": "every connection that this server may open to the database {name} is in use and none came free in time; try "
    "again. If that goes on, raise EYEBRIGHT_POSTGRES__POOL_OVERFLOW",
}


def connect(url: str, postgres: PostgresSettings | None = None) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://…`; nothing is opened yet. Raises InvalidRequest for anything else."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidRequest(_EXPECTED.format(found="a text that is no URL")) from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return _sqlite(Path(parsed.database))
        case "postgresql" | "postgres":
            return _postgresql(parsed, postgres or PostgresSettings())
        case other:
            raise InvalidRequest(
                _EXPECTED.format(found=f"{other!r} without a path" if other == "sqlite" else repr(other))
            )


async def queue_up(connection: AsyncConnection, name: str) -> None:
    """Until this transaction ends, whoever queues up under the same name waits. SQLite's writers all wait for each other."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(number_of(name))))


def number_of(name: str) -> int:
    """For advisory locks. Two names with the same number only wait for each other."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:8], signed=True)


async def connections(connection: AsyncConnection) -> int | None:
    """How many the database lets in, from all programs together; None for a file."""
    if connection.dialect.name == "sqlite":
        return None
    limits = ("max_connections", "superuser_reserved_connections")
    most, reserved = [int(str(await connection.scalar(select(func.current_setting(name))))) for name in limits]
    return most - reserved


_EXPECTED = "the database URL must be sqlite:///path/to/eyebright.db or postgresql://user@host/name; found {found}"


def _sqlite(path: Path) -> Engine:
    url = URL.create("sqlite+aiosqlite", database=str(path))
    once = {"async_creator_fn": threads.connect}
    pool: dict[str, Any] = {"max_overflow": 0, "pool_timeout": SQLITE_POOL_SECONDS, "connect_args": once}
    writer = create_async_engine(url, pool_size=1, **pool)
    reader = create_async_engine(url, pool_size=SQLITE_READERS, **pool)
    event.listen(writer.sync_engine, "connect", _prepare_sqlite_writer)
    event.listen(reader.sync_engine, "connect", _prepare_sqlite_reader)
    event.listen(writer.sync_engine, "begin", _begin_immediate)
    for engine in (reader, writer):
        _translate_errors(engine, str(path))
    return Engine("sqlite", str(path), reader, writer, asyncio.Lock())


def _postgresql(url: URL, chosen: PostgresSettings) -> Engine:
    query = dict(url.query)
    if "sslmode" in query:  # libpq's word; asyncpg's is `ssl`
        query["ssl"] = query.pop("sslmode")
    name = url.set(drivername="postgresql").render_as_string(hide_password=True)
    writer = create_async_engine(
        url.set(drivername="postgresql+asyncpg", query=query),
        isolation_level="READ COMMITTED",
        pool_size=chosen.pool_size,
        max_overflow=chosen.pool_overflow,
        pool_timeout=chosen.pool_seconds,
        connect_args={
            "timeout": chosen.connect_seconds,
            "server_settings": {
                "application_name": "eyebright",
                "jit": "off",
                "statement_timeout": _milliseconds(chosen.statement_seconds),
                "lock_timeout": _milliseconds(chosen.lock_seconds),
            },
            "async_creator_fn": partial(_reach, name),
        },
    )
    _translate_errors(writer, name)
    reader = writer.execution_options(isolation_level="AUTOCOMMIT")
    return Engine("postgresql", name, reader, writer, nullcontext())


def _milliseconds(seconds: float) -> str:
    """For Postgres. Any time at all is not rounded to 0, which is none."""
    return str(math.ceil(1000 * seconds))


async def _reach(name: str, *arguments: Any, **options: Any) -> Any:
    """Connect to Postgres, or say that nobody answers: SQLAlchemy takes only a driver's own errors for errors."""
    import asyncpg  # only where it was chosen

    try:
        return await asyncpg.connect(*arguments, **options)
    except OSError as error:
        raise Unavailable(
            f"cannot reach the database {name}: {error}. Is it running, and is the address right?"
        ) from error


def _prepare_sqlite_writer(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    _run(connection, *_SQLITE_PRAGMAS)


def _prepare_sqlite_reader(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    _run(connection, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}", "PRAGMA query_only = ON")


def _run(connection: Any, *statements: str) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at once: a transaction that begins by reading can't be upgraded when another one has written."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _translate_errors(engine: AsyncEngine, name: str) -> None:
    """Errors that mean something to others are raised as such; any other is a fault of ours and stays what it is."""

    def translate(context: ExceptionContext) -> BaseException | None:
        error = context.original_exception
        if not isinstance(error, Exception):
            return None  # a cancelled task: it breaks the connection too, but must stay a cancel
        if isinstance(error, sqlite3.Error):
            return _sqlite_meaning(error, name)
        if context.is_disconnect:
            return Unavailable(f"the database {name} is not available: the connection was lost; try again")
        return _postgres_meaning(str(getattr(error, "sqlstate", "")), str(error), name)

    event.listen(engine.sync_engine, "handle_error", translate, retval=True)


def _sqlite_meaning(error: sqlite3.Error, name: str) -> EyebrightError | None:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return StorageFull(f"the disk that holds {name} is full; free some space. What was stored before is safe")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Unavailable(f"{name} is locked by another program; close it and try again")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return Unavailable(f"{name} cannot be opened for writing ({error}); check the folder and its permissions")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return Unavailable(
                f"{name} is not a whole SQLite database ({error}); restore it from a copy or move it away"
            )
        case sqlite3.SQLITE_IOERR:
            return Unavailable(f"the disk that holds {name} failed ({error}); check its space and its health")
        case sqlite3.SQLITE_CONSTRAINT:
            return GuardViolated(f"the database refused the change: {error}")
        case _:
            return None


def _postgres_meaning(sqlstate: str, text: str, name: str) -> EyebrightError | None:
    if sqlstate == "53100":
        return StorageFull(f"the disk of the database {name} is full; free some space. What was stored before is safe")
    if sqlstate == "22021":
        return InvalidRequest("the request has a NUL character in a text, which the database cannot hold; take it out")
    if sqlstate == "57014" and "statement timeout" in text:
        return Unavailable(_TOO_LONG.format(name=name, what="carry out a statement", setting="STATEMENT_SECONDS"))
    if sqlstate == "55P03":
        return LockRefused(_TOO_LONG.format(name=name, what="give a lock", setting="LOCK_SECONDS"))
    if sqlstate == "40P01":
        return LockRefused(f"the database {name} is not available: {text}")
    match sqlstate[:2]:
        case "23":
            return GuardViolated(f"the database refused the change: {text}")
        case (
            "08" | "28" | "3D" | "40" | "53" | "57"
        ):  # connection, login, no such database, deadlock, no room, shutdown
            return Unavailable(f"the database {name} is not available: {text}")
        case _:
            return None


_TOO_LONG = (
    "the database {name} is too busy to {what} in time; try again. If that goes on, see what it does, or raise "
    "EYEBRIGHT_POSTGRES__{setting}"
)
