"""The history of the schema, forward only, and how a database is brought to its newest state at every start.

A new migration is a file in `versions/` with its number at the end of `REVISIONS`; the tests run it on both databases and
compare the outcome with `tables.py`.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.errors import Unavailable
from eyebright.stores.sql.engine import Engine, queue_up

#: Every revision, oldest first.
REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
)


async def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision, whole or not at all.

    Raises Unavailable when it was written by a newer version of Eyebright.
    """
    async with engine.writing() as connection:
        await take_its_time(connection)
        await queue_up(connection, "migration")  # control planes that start together
        await connection.run_sync(_upgrade, engine.name)


async def take_its_time(connection: AsyncConnection) -> None:
    """A migration of much data may take longer than any statement of every day."""
    if connection.dialect.name == "postgresql":
        for limit in ("statement_timeout", "lock_timeout"):
            await connection.execute(text(f"SET LOCAL {limit} = 0"))


def revision(connection: Connection) -> str | None:
    """Which revision the database has; None = it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(connection: Connection, name: str) -> None:
    found = revision(connection)
    if found == REVISIONS[-1]:
        return  # without importing Alembic: 0.2 s of every start
    if found is not None and found not in REVISIONS:
        raise Unavailable(
            f"the database {name} has schema {found}; this version of Eyebright knows up to {REVISIONS[-1]}. "
            "It was used by a newer version: install that one, or choose another database"
        )
    migrate(connection, REVISIONS[-1])


def migrate(connection: Connection, target: str) -> None:
    """Up to this revision, in the transaction of the connection."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
