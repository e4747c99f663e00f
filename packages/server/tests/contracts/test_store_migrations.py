import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from databases import SQL
from harness import mortal
from samples import job, submit
from sqlalchemy import CheckConstraint, inspect, text

from eyebright.core.scope import DEFAULT_PROJECT
from eyebright.errors import EyebrightError, Unavailable
from eyebright.stores.sql import migrations
from eyebright.stores.sql.database import Database
from eyebright.stores.sql.engine import connect
from eyebright.stores.sql.tables import metadata
from eyebright_wire.jobs import JobKind

OLD_JOB = (
    "INSERT INTO jobs (id, executor, priority, created_at_ms, state, version, attempt, not_before_ms, message, retryable, "
    "cancel_requested, metrics, events, failures, losses, preemptions, barren) VALUES "
    "('job_0001', 'local', 0, 1, 'queued', 1, 0, 0, '', '0', '0', '{}', 0, 0, 0, 0, 0)",
    "INSERT INTO orders (job_id, name, trainer, task, model, dataset_version, config, resolved, labels) VALUES "
    "('job_0001', 'old', 'toy', 'classification', 'tiny', 'dsv_1', '{}', '{}', '{}')",
)


def old_model(number: int, name: str, created_at_ms: int) -> list[str]:
    """A job whose first attempt succeeded, and the model that it made, as revision 0002 kept them."""
    job_id = f"job_{number:04}"
    return [
        *(statement.replace("job_0001", job_id) for statement in OLD_JOB),
        "INSERT INTO attempts (job_id, number, executor, token_sha256, claimed_at_ms, lease_until_ms, heartbeat_at_ms, "
        f"moved_at_ms, last_seq, checkpoints) VALUES ('{job_id}', 1, 'local', 'x', 1, 1, 1, 1, 0, 0)",
        "INSERT INTO models (id, name, job_id, attempt, trainer, task, architecture, dataset_version, classes, metrics, "
        f"exports, artifacts, created_at_ms) VALUES ('mdl_{number}', '{name}', '{job_id}', 1, 'toy', 'classification', "
        f"""'tiny', 'dsv_1', '["ä"]', '{{"top1": 0.5}}', '[]', '[]', {created_at_ms})""",
    ]


pytestmark = pytest.mark.parametrize("kind", SQL)


@pytest.fixture
def empty_url(kind, request, tmp_path):
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    return request.getfixturevalue("postgres").create()


async def test_the_migrations_lead_to_the_tables_of_the_code(database):
    def differences(connection):
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)

    async with database.engine.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_checks_of_the_migrations_are_those_of_the_code(database):
    def checks(connection):
        inspector = inspect(connection)
        return {check["name"] for table in metadata.tables for check in inspector.get_check_constraints(table)}

    async with database.engine.reading() as connection:
        found = await connection.run_sync(checks)
    expected = {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert {str(name) for name in found} == expected


async def test_every_revision_is_known_to_the_start(kind):
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(scripts)) == migrations.REVISIONS


async def test_an_empty_database_gets_the_newest_schema(empty_url):
    database = await Database.open(empty_url)
    await submit(database, job())
    async with database.engine.reading() as connection:
        assert await connection.run_sync(migrations.revision) == migrations.REVISIONS[-1]
    await database.close()


async def test_opening_again_keeps_what_is_there(empty_url):
    first = await Database.open(empty_url)
    await submit(first, job())
    await first.close()
    again = await Database.open(empty_url)
    assert (await again.jobs.get("job_0001")).job == job()
    await again.close()


async def test_jobs_from_before_imports_are_read_as_trainings(empty_url):
    engine = connect(empty_url)
    async with engine.writing() as connection:
        await connection.run_sync(migrations.migrate, "0001")
        for statement in OLD_JOB:
            await connection.execute(text(statement))
    await engine.close()
    database = await Database.open(empty_url)
    found = (await database.jobs.get("job_0001")).job
    assert (found.kind, found.imported_version, found.dataset_version) == (JobKind.TRAINING, None, "dsv_1")
    await database.close()


async def test_models_from_before_versions_are_numbered_by_their_creation(empty_url):
    engine = connect(empty_url)
    async with engine.writing() as connection:
        await connection.run_sync(migrations.migrate, "0002")
        for number, (name, created) in enumerate((("cats", 7), ("dogs", 8), ("cats", 5), ("cats", 7)), 1):
            for statement in old_model(number, name, created):
                await connection.execute(text(statement))
    await engine.close()
    database = await Database.open(empty_url)
    found = [await database.models.get(f"mdl_{number}") for number in (1, 2, 3, 4)]
    assert [(each.name, each.number) for each in found] == [("cats", 2), ("dogs", 1), ("cats", 1), ("cats", 3)]
    assert {(each.licence, each.deleted_at_ms, each.aliases) for each in found} == {(None, None, ())}
    assert (found[0].classes, found[0].metrics, found[0].created_at_ms) == (("ä",), {"top1": 0.5}, 7)
    assert (await database.jobs.get("job_0001")).job.licence is None
    await database.models.point("mdl_3", "production")
    assert (await database.models.find("cats", "production")) == replace(found[2], aliases=("production",))
    await database.close()


OLD_THINGS = (
    "INSERT INTO inbox VALUES ('api', 'same', 'ab', 'job_0001')",
    "INSERT INTO dataset_versions VALUES ('pets', 'dsv_1', 1, 'ab', '{}', 1)",
    "UPDATE models SET deleted_at_ms = 5 WHERE id = 'mdl_2'",
    "INSERT INTO model_aliases VALUES ('cats', 'best', 1)",
    "INSERT INTO kept_uploads VALUES ('upl_1', 'ann', 'pets', 1, 1)",
    "INSERT INTO parked_messages VALUES ('msg_1', 'not_json', 'no JSON', 'ew==', 1, 1, NULL)",
    "INSERT INTO webhook_endpoints VALUES ('whe_1', 'https://x.example', 's', NULL, 0, '[\"*\"]', '', '{}', 'standard', "
    "NULL, '1', '', '0', NULL, 1)",
)


async def test_what_is_from_before_projects_is_in_the_default_one_and_guarded_as_before(empty_url, kind):
    engine = connect(empty_url)
    async with engine.writing() as connection:
        await connection.run_sync(migrations.migrate, "0002")
        for statement in (*old_model(1, "cats", 7), *old_model(2, "cats", 8)):
            await connection.execute(text(statement))
        await connection.run_sync(migrations.migrate, "0018")
        for statement in OLD_THINGS:
            told = statement.replace("'1', '', '0'", "1, '', 0") if kind == "sqlite" else statement
            await connection.execute(text(told))
    await engine.close()
    database = await Database.open(empty_url)
    assert (await database.jobs.get("job_0001")).job.project == DEFAULT_PROJECT
    assert (await database.jobs.placed("api", ["same"]))["same"].id == "job_0001"
    assert (await database.datasets.get("pets")).versions[0].project == DEFAULT_PROJECT
    best = await database.models.find("cats", "best")
    assert best is not None
    assert (best.id, best.project) == ("mdl_1", DEFAULT_PROJECT)
    assert (await database.models.get("mdl_2")).deleted_at_ms == 5
    assert (await database.kept_uploads.find("upl_1")).project == DEFAULT_PROJECT
    assert (await database.parked.get("msg_1")).project == DEFAULT_PROJECT
    assert (await database.webhooks.endpoint("whe_1")).project == DEFAULT_PROJECT
    for refused in (
        "DELETE FROM models",
        "UPDATE models SET parent = 'x' WHERE id = 'mdl_1'",
        "UPDATE models SET number = 7 WHERE id = 'mdl_1'",
        "INSERT INTO model_aliases (name, alias, number) VALUES ('cats', 'old', 2)",
        "INSERT INTO model_aliases (name, alias, number) VALUES ('cats', 'none', 9)",
        "INSERT INTO model_aliases (name, alias, number) VALUES ('cats', 'best', 1)",
        "INSERT INTO inbox (source, key, body_sha256, job_id) VALUES ('api', 'same', 'x', 'job_0001')",
        "UPDATE jobs SET project = 'birds'",
        "INSERT INTO kept_uploads VALUES ('upl_2', 'ann', 'pets', 1, 1, 'nowhere')",
        "DELETE FROM projects",
        "UPDATE projects SET id = 'birds'",
    ):
        with pytest.raises(EyebrightError):
            async with database.engine.writing() as connection:
                await connection.execute(text(refused))
    await database.close()


async def test_an_older_server_writes_into_the_default_project(empty_url):
    """It names no column that it does not know."""
    database = await Database.open(empty_url)
    async with database.engine.writing() as connection:
        for statement in (
            *OLD_JOB,
            "INSERT INTO inbox (source, key, body_sha256, job_id) VALUES ('a', 'b', 'c', 'job_0001')",
        ):
            await connection.execute(text(statement))
    assert (await database.jobs.placed("a", ["b"]))["b"].project == DEFAULT_PROJECT
    await database.close()


async def test_control_planes_that_start_together_migrate_once(empty_url):
    opened = await asyncio.gather(*(Database.open(empty_url) for _ in range(3)))
    await submit(opened[0], job())
    assert (await opened[2].jobs.get("job_0001")).job == job()
    for database in opened:
        await database.close()


async def test_a_database_of_a_newer_version_is_left_alone(kind, empty_url):
    database = await Database.open(empty_url)
    async with database.engine.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        if kind == "postgresql":
            await connection.execute(text("COMMENT ON TABLE alembic_version IS NULL"))
    await database.close()
    with pytest.raises(Unavailable, match=r"has schema 9999; this version of Eyebright knows up to .*newer version"):
        await Database.open(empty_url)


async def test_a_migration_that_fails_leaves_nothing_behind(empty_url, monkeypatch):
    from alembic.operations import Operations

    def break_down(*_arguments, **_options):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(Operations, "create_index", break_down)
        with pytest.raises(ZeroDivisionError):
            await Database.open(empty_url)
    database = await Database.open(empty_url)
    await submit(database, job())
    await database.close()


async def test_a_migration_that_is_killed_before_any_of_its_statements_is_done_by_the_next_start(empty_url):
    engine = connect(empty_url)
    async with engine.writing() as connection:
        await connection.run_sync(migrations.migrate, "0002")
        for statement in (*old_model(1, "cats", 7), *old_model(2, "cats", 8)):
            await connection.execute(text(statement))
    await engine.close()
    command, tests = [sys.executable, "-m", mortal.__name__, empty_url, "0002"], Path(__file__).parents[1]
    done = await asyncio.to_thread(subprocess.run, command, cwd=tests, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 40, "so many statements a migration from there has at least"
    database = await Database.open(empty_url)
    found = [await database.models.get(f"mdl_{number}") for number in (1, 2)]
    assert [(each.name, each.number) for each in found] == [("cats", 1), ("cats", 2)]
    await submit(database, job(9))
    await database.close()


async def test_a_start_without_anything_to_migrate_does_not_import_alembic(fresh_url, kind):
    program = (
        "import asyncio, sys\n"
        "from eyebright.stores.sql.database import Database\n"
        "async def main():\n"
        f"    await (await Database.open({fresh_url(kind)!r})).close()\n"
        "asyncio.run(main())\n"
        "sys.exit('alembic' in sys.modules)\n"
    )
    assert (await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program])).returncode == 0


async def test_migrations_only_go_forward(kind):
    for script in (Path(migrations.__file__).parent / "versions").glob("*.py"):
        assert "def downgrade" not in script.read_text()
    assert sqlite3.sqlite_version_info >= (3, 37)  # STRICT tables
