"""The history of the schema, forward only, and how a database is brought to its newest state at every start.

A new migration is a file in `versions/` with its number at the end of `REVISIONS`; the tests run it on both databases and
compare the outcome with `tables.py`.
"""

from pathlib import Path

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random

from eyebright.errors import Conflict, LockRefused, Unavailable
from eyebright.stores.sql.engine import Engine, queue_up
from eyebright.stores.sql.migrations import late_indexes

log = structlog.stdlib.get_logger(__name__)
_NOTE = "works beside servers from schema "

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
    "0019",
    "0020",
    "0021",
    "0022",
    "0023",
    "0024",
)


#: The oldest revision whose servers go on working beside the newest schema: they may run, and start, while it is there.
WORKS_BESIDE = "0019"
#: A change of a table waits for whoever uses it, and everybody else waits behind it meanwhile: not for longer than this.
LOCK_SECONDS = 2.0
PATIENCE_SECONDS = 300.0


async def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision, whole or not at all, while other servers may be at work on it.

    Raises Unavailable when it was written by a newer version of Eyebright that this one can't work beside, or never lets us at
    its tables.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(LockRefused),
        wait=wait_random(1, 3),
        stop=stop_after_delay(PATIENCE_SECONDS),
        before_sleep=_complain,
        reraise=True,
    ):
        with attempt:
            await _upgrade_once(engine)
    await late_indexes.build(engine)


def _complain(state: RetryCallState) -> None:
    log.warning("others use the tables that are to be changed; trying again", tries=state.attempt_number)


async def _upgrade_once(engine: Engine) -> None:
    async with engine.writing() as connection:
        await take_its_time(connection)
        await queue_up(connection, "migration")  # control planes that start together
        await _limit(connection, "lock_timeout", LOCK_SECONDS)
        await connection.run_sync(_upgrade, engine.name)


async def take_its_time(connection: AsyncConnection) -> None:
    """What touches much data may take longer than any statement of every day."""
    for name in ("statement_timeout", "lock_timeout"):
        await _limit(connection, name, 0)


async def _limit(connection: AsyncConnection, name: str, seconds: float) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"SET LOCAL {name} = {round(1000 * seconds)}"))


def revision(connection: Connection) -> str | None:
    """Which revision the database has; None = it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def require_newest(connection: Connection, name: str) -> str:
    """Which it is. Raises Conflict for a database of another version."""
    found = revision(connection)
    if found is None or found != REVISIONS[-1]:
        raise Conflict(
            f"the database {name} has schema {found}; this version of Eyebright knows {REVISIONS[-1]}. Use the version that "
            "serves it, or start this one on it first"
        )
    return found


def _upgrade(connection: Connection, name: str) -> None:
    found = revision(connection)
    if found == REVISIONS[-1]:
        return  # without importing Alembic: 0.2 s of every start
    if found is None or found in REVISIONS:
        migrate(connection, REVISIONS[-1])
        return
    if _works_beside(connection) not in REVISIONS:
        raise Unavailable(
            f"the database {name} has schema {found}; this version of Eyebright knows up to {REVISIONS[-1]}. "
            "It was used by a newer version: install that one, or choose another database"
        )
    log.warning("a newer version has changed the database; this one can work beside it", schema=found)


def _note_works_beside(connection: Connection, oldest: str) -> None:
    """For servers that don't know this revision yet. They exist beside a Postgres only."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{_NOTE}{oldest}'"))


def _works_beside(connection: Connection) -> str | None:
    if connection.dialect.name != "postgresql":
        return None
    note = connection.scalar(text("SELECT obj_description('alembic_version'::regclass, 'pg_class')"))
    return note.removeprefix(_NOTE) if note else None


def migrate(connection: Connection, target: str) -> None:
    """Up to this revision, in the transaction of the connection."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
    if target == REVISIONS[-1]:
        _note_works_beside(connection, WORKS_BESIDE)
