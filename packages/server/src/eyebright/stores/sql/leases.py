"""Leases on SQLite and Postgres: one statement takes, keeps or takes over, so that of two who ask at once one has it."""

from collections.abc import Mapping

from sqlalchemy import case, or_, select, update

from eyebright.stores.sql.batch import insert_into
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.tables import leases


class SqlLeases:
    """Leases."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def take(self, name: str, holder: str, now_ms: int, ttl_ms: int) -> int | None:
        asked = {"name": name, "holder": holder, "term": 1, "until_ms": now_ms + ttl_ms}
        over = leases.c.until_ms <= now_ms
        taking = insert_into(leases, self._engine.dialect).values(asked)
        taking = taking.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "holder": holder,
                "term": case((over, leases.c.term + 1), else_=leases.c.term),
                "until_ms": now_ms + ttl_ms,
            },
            where=or_(over, leases.c.holder == holder),
        )
        async with self._engine.writing() as connection:
            return await connection.scalar(taking.returning(leases.c.term))

    async def release(self, name: str, holder: str) -> None:
        mine = (leases.c.name == name, leases.c.holder == holder)
        async with self._engine.writing() as connection:
            await connection.execute(update(leases).where(*mine).values(until_ms=0))

    async def holders(self, now_ms: int) -> Mapping[str, str]:
        held = select(leases.c.name, leases.c.holder).where(leases.c.until_ms > now_ms).order_by(leases.c.name)
        async with self._engine.reading() as connection:
            return {row.name: row.holder for row in await connection.execute(held)}
