import asyncio
import sqlite3
from pathlib import Path

import pytest
from harness.site import site
from samples import NOW_MS, job, submit
from sqlalchemy import text

from eyebright.errors import InvalidRequest, StorageFull, Unavailable
from eyebright.ports.jobs import JobQuery
from eyebright.settings import PostgresSettings
from eyebright.stores.sql import engine
from eyebright.stores.sql.database import Database


@pytest.fixture
def url(fresh_url):
    return fresh_url("sqlite")


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@pytest.mark.parametrize("wrong", ["", "nonsense", "mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
async def test_a_url_of_another_kind_says_what_is_expected(wrong):
    with pytest.raises(InvalidRequest, match="sqlite:///path"):
        await Database.open(wrong)


async def test_a_full_disk_is_told_and_loses_nothing(url):
    database = await Database.open(url)
    await submit(database, job(1))
    async with database.engine.writing() as connection:
        pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StorageFull, match="free some space"):
        await submit(database, *(job(number, config={"x": "y" * 4000}) for number in range(2, 99)))
    assert [each.id for each in await database.jobs.find(JobQuery())] == ["job_0001"]
    async with database.engine.writing() as connection:
        await connection.execute(text("PRAGMA max_page_count = 1000000"))
    await submit(database, job(2))
    await database.close()


async def test_a_database_locked_by_another_program_says_so(url, monkeypatch):
    monkeypatch.setattr(engine, "_SQLITE_PRAGMAS", ("PRAGMA busy_timeout = 1", *engine._SQLITE_PRAGMAS[1:]))
    other = sqlite3.connect(path_of(url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked by another program"):
        await Database.open(url)
    other.execute("COMMIT")
    other.close()
    await (await Database.open(url)).close()


async def test_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(Unavailable, match=r"missing.*check the folder"):
        await Database.open(f"sqlite:///{tmp_path / 'missing' / 'eyebright.db'}")


async def test_a_read_only_database_says_so(url):
    database = await Database.open(url)
    async with database.engine.writing() as connection:
        await connection.execute(text("SELECT 1"))
    async with database.engine._writer.connect() as connection:
        await connection.execute(text("PRAGMA query_only = ON"))
    with pytest.raises(Unavailable, match="permissions"):
        await database.markers.write("x", NOW_MS)
    await database.close()


async def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes, nothing else\n" * 100)
    with pytest.raises(Unavailable, match=r"notes\.txt is not a whole SQLite database"):
        await Database.open(f"sqlite:///{path}")
    assert path.read_text() == "my notes, nothing else\n" * 100


async def test_a_postgres_that_is_not_running_says_so():
    with pytest.raises(Unavailable, match=r"cannot reach the database postgresql://me:\*\*\*@127.0.0.1:1/x"):
        await Database.open("postgresql://me:secret@127.0.0.1:1/x")


async def test_a_postgres_database_that_does_not_exist_says_so(postgres):
    with pytest.raises(Unavailable, match="does not exist"):
        await Database.open(postgres.url("nowhere"))


async def test_a_lost_connection_is_told_and_the_next_one_is_new(fresh_url):
    database = await Database.open(fresh_url("postgresql"))
    await submit(database, job())
    terminate = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()")

    async def lose() -> None:
        async with database.engine.writing() as connection:
            await connection.execute(terminate)

    with pytest.raises(Unavailable, match="not available"):
        await lose()
    assert (await database.jobs.get("job_0001")).job == job()
    await database.close()


@pytest.fixture
async def busy(fresh_url):
    """Opens a Postgres with little patience."""
    opened = []

    async def open_it(**chosen):
        opened.append(await Database.open(fresh_url("postgresql"), PostgresSettings(**chosen)))
        return opened[-1]

    yield open_it
    for database in opened:
        await database.close()


async def test_a_request_that_gets_no_connection_is_answered_with_503(busy, tmp_path):
    database = await busy(pool_size=2, pool_overflow=0, pool_seconds=0.1)
    async with site(tmp_path, database) as served:
        async with database.engine.reading(), database.engine.reading():
            answer = await served.get("/api/v1/jobs")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "every connection that this server may open" in answer.json()["detail"]
        assert "raise EYEBRIGHT_POSTGRES__POOL_OVERFLOW" in answer.json()["detail"]
        assert (await served.get("/api/v1/jobs")).status_code == 200


async def test_a_lock_that_somebody_keeps_is_not_waited_for_for_ever(busy):
    database = await busy(lock_seconds=0.1)
    await submit(database, job())
    async with database.jobs.transaction() as first:
        await first.lock([("job_0001", None)])
        async with database.jobs.transaction() as second:
            with pytest.raises(Unavailable, match=r"too busy to give a lock in time.*POSTGRES__LOCK_SECONDS"):
                await second.lock([("job_0001", None)])


async def test_a_statement_that_takes_too_long_is_ended(busy):
    database = await busy(statement_seconds=1)
    async with database.engine.reading() as connection:
        with pytest.raises(Unavailable, match=r"too busy to carry out a statement.*POSTGRES__STATEMENT_SECONDS"):
            await connection.execute(text("SELECT pg_sleep(30)"))


async def test_a_start_waits_for_a_migration_for_as_long_as_that_takes(fresh_url):
    url = fresh_url("postgresql")
    first = await Database.open(url)
    async with first.engine.writing() as connection:
        await engine.queue_up(connection, "migration")
        second = asyncio.create_task(Database.open(url, PostgresSettings(lock_seconds=0.1, statement_seconds=1)))
        done, _ = await asyncio.wait([second], timeout=2)
        assert not done
    await (await second).close()
    await first.close()


async def test_sqlite_keeps_what_it_acknowledged(url):
    database = await Database.open(url)
    async with database.engine.writing() as connection:
        for pragma, wanted in {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}.items():
            assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one() == wanted
    await database.close()


async def test_readers_cannot_write(url):
    database = await Database.open(url)
    async with database.engine.reading() as connection:
        with pytest.raises(Unavailable):
            await connection.execute(text("DELETE FROM markers"))
    await database.close()
