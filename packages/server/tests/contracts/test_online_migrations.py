"""A Postgres is brought to a newer schema while servers of the older one go on working."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from databases import Postgres
from samples import job, submit
from sqlalchemy import Column, Index, MetaData, Table, Text, event, text

from eyebright.errors import LockRefused, Unavailable
from eyebright.stores.sql import migrations
from eyebright.stores.sql.database import Database
from eyebright.stores.sql.engine import Engine, connect
from eyebright.stores.sql.migrations import late_indexes

#: From here on, what a migration does to a table that is in use is kept short. Those before could expect a pause.
ONLINE_SINCE = "0018"
LINTER = Path(sys.executable).parent / "squawk"


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.create()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url)
    yield database
    await database.close()


def declared() -> MetaData:
    """Tables with one more index, as those of a newer version could have."""
    tables = MetaData()
    orders = Table("orders", tables, Column("name", Text))
    Index("ix_orders_late", orders.c.name, postgresql_concurrently=True)
    return tables


async def validity(engine: Engine, index: str = "ix_orders_late") -> bool | None:
    async with engine.reading() as connection:
        return await connection.scalar(
            text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)"), {"index": index}
        )


async def test_an_index_is_built_while_others_write(database: Database):
    async with database.engine.writing() as connection:
        await connection.execute(text("LOCK TABLE orders IN ROW EXCLUSIVE MODE"))  # as an unfinished write does
        building = asyncio.create_task(late_indexes.build(database.engine, declared()))
        while await validity(database.engine) is None:  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.02)
        await asyncio.wait_for(submit(database, job()), timeout=120)
        assert not building.done()
    await asyncio.wait_for(building, timeout=120)
    assert await validity(database.engine)


async def test_what_a_server_that_died_has_left_half_built_is_built_again(database: Database):
    await late_indexes.build(database.engine, declared())
    async with database.engine.writing() as connection:
        await connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_orders_late'::regclass")
        )
    await late_indexes.build(database.engine, declared())
    assert await validity(database.engine)


async def test_servers_that_start_together_build_once_and_all_wait_for_it(url: str, database: Database):
    others = [connect(url) for _ in range(3)]
    await asyncio.wait_for(asyncio.gather(*(late_indexes.build(other, declared()) for other in others)), timeout=120)
    assert await validity(database.engine)
    for other in others:
        await other.close()


async def test_a_file_gets_its_indexes_too(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path / 'new.db'}")
    for _ in range(2):
        await late_indexes.build(database.engine, declared())
    async with database.engine.reading() as connection:
        found = await connection.execute(text("SELECT name FROM sqlite_master WHERE name = 'ix_orders_late'"))
        assert len(found.all()) == 1
    await database.close()


async def at_first(url: str) -> Engine:
    """At a revision after which tables of every day were altered."""
    engine = connect(url)
    async with engine.writing() as connection:
        await connection.run_sync(migrations.migrate, "0002")
    return engine


async def test_nobody_waits_for_long_behind_a_migration_that_waits(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 0.1)
    engine, reader = await at_first(url), connect(url)
    tries = 0

    @event.listens_for(engine._writer.sync_engine, "rollback")
    def count(_: object) -> None:
        nonlocal tries
        tries += 1

    async with reader.at_one_moment() as connection:  # a long read: a backup, say
        await connection.execute(text("SELECT count(*) FROM jobs"))
        upgrading = asyncio.create_task(migrations.upgrade(engine))
        while tries < 2:  # noqa: ASYNC110  the driver tells nobody
            await asyncio.sleep(0.02)
        assert not upgrading.done()
        async with reader.reading() as other:
            await asyncio.wait_for(other.execute(text("SELECT count(*) FROM jobs")), timeout=120)
    await asyncio.wait_for(upgrading, timeout=120)
    async with reader.reading() as connection:
        assert await connection.run_sync(migrations.revision) == migrations.REVISIONS[-1]
    await reader.close()
    await engine.close()


async def test_a_migration_that_is_never_let_at_its_tables_says_so(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(migrations, "PATIENCE_SECONDS", 0)
    engine = await at_first(url)
    async with engine.at_one_moment() as connection:
        await connection.execute(text("SELECT count(*) FROM jobs"))
        with pytest.raises(LockRefused, match="too busy to give a lock in time"):
            await migrations.upgrade(engine)
    await engine.close()


async def newer(engine: Engine, oldest: str) -> None:
    """As if a newer version had been here, beside which servers from `oldest` on can work."""
    async with engine.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.execute(
            text(f"COMMENT ON TABLE alembic_version IS 'works beside servers from schema {oldest}'")
        )


async def test_an_older_server_starts_beside_a_newer_one_that_can_work_beside_it(url: str, database: Database):
    await newer(database.engine, oldest=migrations.REVISIONS[-1])
    older = await Database.open(url)
    await submit(older, job())
    await older.close()


async def test_an_older_server_refuses_to_start_beside_a_newer_one_that_cannot(url: str, database: Database):
    await newer(database.engine, oldest="9998")
    with pytest.raises(Unavailable, match=r"has schema 9999; this version of Eyebright knows up to"):
        await Database.open(url)


async def test_whom_the_newest_schema_works_beside_is_noted(database: Database):
    assert migrations.WORKS_BESIDE in migrations.REVISIONS
    async with database.engine.reading() as connection:
        note = await connection.scalar(text("SELECT obj_description('alembic_version'::regclass, 'pg_class')"))
    assert note == f"works beside servers from schema {migrations.WORKS_BESIDE}"


async def statements_of(url: str, before: str, revision: str) -> str:
    engine = connect(url)
    async with engine.writing() as connection:
        await connection.run_sync(migrations.migrate, before)
    said: list[str] = []

    @event.listens_for(engine._writer.sync_engine, "before_cursor_execute")
    def note(*arguments: object) -> None:
        said.append(str(arguments[2]).strip())  # that a table is new the linter has to know

    async with engine.writing() as connection:
        await connection.run_sync(migrations.migrate, revision)
    await engine.close()
    return "\n".join(
        f"{statement};" for statement in map(str.strip, said) if statement.startswith(("ALTER", "CREATE", "DROP"))
    )


def complaints(statements: str, folder: Path) -> str:
    """What would hold up others who use the tables."""
    assert LINTER.is_file(), "squawk-cli is one of the development tools"
    (file := folder / "migration.sql").write_text(statements)
    ours = (
        "require-lock-timeout",
        "require-statement-timeout",
    )  # the limits of each migration are set around all of it
    taste = ("prefer-bigint-over-int", "prefer-text-field", "prefer-robust-stmts", "prefer-identity")
    command = [LINTER, "--assume-in-transaction", "--pg-version=14", f"--exclude={','.join((*ours, *taste))}", file]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


async def test_the_linter_finds_what_holds_up_others(url: str, tmp_path: Path):
    assert "require-concurrent-index-creation" in complaints(await statements_of(url, "0015", "0016"), tmp_path)


@pytest.mark.parametrize("revision", migrations.REVISIONS[migrations.REVISIONS.index(ONLINE_SINCE) :])
async def test_a_migration_holds_up_nobody(url: str, tmp_path: Path, revision: str):
    before = migrations.REVISIONS[migrations.REVISIONS.index(revision) - 1]
    told = complaints(await statements_of(url, before, revision), tmp_path)
    assert "Found 0 issues" in told, told
