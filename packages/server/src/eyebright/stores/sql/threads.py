"""SQLite connections that cross to their thread and back once per statement.

aiosqlite crosses four times (make a cursor, execute, fetch, close), and each time the thread may have to wait 5 ms for the GIL
while the event loop is busy.
"""

import asyncio
import sqlite3
from collections.abc import Iterable
from typing import Any, Self

import aiosqlite


class Connection(aiosqlite.Connection):
    """Made by `connect`."""

    def cursor(self) -> "Cursor":  # type: ignore[override]  # SQLAlchemy only enters what it gets
        return Cursor(self)


class Cursor:
    """Executes, fetches everything and closes in one go."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._done: sqlite3.Cursor | None = None
        self._rows: list[Any] = []
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Self:
        return await self._cross("execute", sql, parameters)

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        return await self._cross("executemany", sql, parameters)

    async def fetchall(self) -> list[Any]:
        return self._rows

    async def close(self) -> None:
        self._rows = []

    @property
    def description(self) -> Any:
        return self._done.description if self._done else None

    @property
    def rowcount(self) -> int:
        return self._done.rowcount if self._done else -1

    @property
    def lastrowid(self) -> int | None:
        return self._done.lastrowid if self._done else None

    async def _cross(self, verb: str, sql: str, parameters: Iterable[Any]) -> Self:
        self._done, self._rows = await self._connection._execute(_run, self._connection._conn, verb, sql, parameters)
        return self


async def connect(path: str, **options: Any) -> Connection:
    """An open connection. Raises what sqlite3 raises, once its thread has ended."""
    connection = Connection(lambda: sqlite3.connect(path, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # a forgotten connection must not keep the process alive
    try:
        await connection
    except BaseException:
        await asyncio.to_thread(connection._thread.join)  # it still has something to tell this event loop
        raise
    return connection


def _run(
    connection: sqlite3.Connection, verb: str, sql: str, parameters: Iterable[Any]
) -> tuple[sqlite3.Cursor, list[Any]]:
    cursor = getattr(connection, verb)(sql, parameters)
    rows = cursor.fetchall() if cursor.description else []
    cursor.close()
    return cursor, rows
