"""Replicas on SQLite and Postgres."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import BigInteger, func, select
from sqlalchemy import cast as as_type

from eyebright.ports.replicas import Replica
from eyebright.stores.sql.batch import insert_into
from eyebright.stores.sql.engine import Engine
from eyebright.stores.sql.tables import replicas


class SqlReplicas:
    """Replicas."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def enter(self, replica: Replica) -> None:
        known = asdict(replica)
        entering = insert_into(replicas, self._engine.dialect).values(known)
        async with self._engine.writing() as connection:
            await connection.execute(entering.on_conflict_do_update(index_elements=["id"], set_=known))

    async def list(self) -> Sequence[Replica]:
        async with self._engine.reading() as connection:
            found = (await connection.execute(select(replicas).order_by(replicas.c.id))).mappings()
            return [Replica(**row) for row in found]

    async def clock_ms(self) -> int:
        if self._engine.dialect == "sqlite":
            now = as_type((func.julianday("now") - 2440587.5) * 86400000, BigInteger)
        else:
            now = as_type(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
        async with self._engine.reading() as connection:
            return (await connection.execute(select(now))).scalar_one()
