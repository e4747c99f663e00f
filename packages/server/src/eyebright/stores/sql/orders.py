"""The part of a job that never changes: written once, and remembered by whoever has read it."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.job import Job
from eyebright.stores.sql import rows
from eyebright.stores.sql.among import among, values
from eyebright.stores.sql.batch import Row
from eyebright.stores.sql.engine import Dialect
from eyebright.stores.sql.tables import orders

#: How many orders are remembered, some 15 kB each: more jobs than report to one control plane at the same time.
REMEMBERED = 1000


class Orders:
    """Completes jobs with their orders. Remembering is safe because the database refuses to change an order."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect: Dialect = dialect
        self._known: dict[str, Row] = {}
        self._select = select(orders.c.job_id, *(orders.c[name] for name in rows.ORDER)).where(
            among(orders.c.job_id, "ids", dialect)
        )

    async def jobs(
        self, connection: AsyncConnection, hot: Sequence[Sequence[Any]], *, remember: bool = True
    ) -> dict[str, Job]:
        """Whole jobs from rows of `jobs`, by id, in the same order. What somebody leafs through is not to be remembered: it would
        push out those that report."""
        needed = await self._of(connection, {values[0] for values in hot}, remember)
        return {values[0]: rows.job(values, needed[values[0]]) for values in hot}

    async def _of(self, connection: AsyncConnection, ids: Collection[str], remember: bool) -> dict[str, Row]:
        found = {job_id: self._known[job_id] for job_id in ids if job_id in self._known}
        if missing := set(ids) - found.keys():
            result = await connection.execute(self._select, {"ids": values(missing, self._dialect)})
            read = {row[0]: rows.order(row[1:]) for row in result}
            found |= read
            if remember:
                self._remember(read.items())
        return found

    def _remember(self, read: Iterable[tuple[str, Row]]) -> None:
        self._known.update(read)
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
