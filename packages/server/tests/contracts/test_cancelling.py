"""A cancelled task stays cancelled, whatever its statement was doing: otherwise a loop would never end."""

import asyncio

import pytest
from databases import SQL
from sqlalchemy import text

SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}


@pytest.mark.parametrize("kind", SQL)
async def test_a_cancel_during_a_statement_is_no_lost_connection(database, kind):
    started = asyncio.Event()

    async def read():
        async with database.engine.reading() as connection:
            started.set()
            await connection.execute(text(SLOW[kind]))

    task = asyncio.create_task(read())
    await started.wait()
    await asyncio.sleep(0.05)  # into the statement
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
