"""Copies of a server's rows and files: whole or not at all, in either direction, and never trusted."""

import json
import stat
from hashlib import sha256

import pytest
from databases import SQL
from samples import NOW_MS, claim, job, post, progress, started, submit
from sqlalchemy import text

from eyebright.core.access import Token
from eyebright.core.project import Project
from eyebright.core.scope import Scope, within
from eyebright.errors import Conflict, GuardViolated, InvalidRequest
from eyebright.ports.jobs import JobQuery
from eyebright.services.backups import Backups
from eyebright.stores.objects.files import FileObjectStore
from eyebright.stores.sql.database import Database
from eyebright.stores.sql.migrations import REVISIONS
from eyebright.testing import ManualClock
from eyebright_wire.access import Role

BLOB = b"a picture"
KEY = f"blobs/sha256/{sha256(BLOB).hexdigest()[:2]}/{sha256(BLOB).hexdigest()}"


@pytest.fixture
def empty_url(kind, tmp_path, request):
    return f"sqlite:///{tmp_path / 'new.db'}" if kind == "sqlite" else request.getfixturevalue("postgres").create()


@pytest.fixture
async def empty(empty_url):
    database = Database.unopened(empty_url)
    yield database
    await database.close()


@pytest.fixture
async def source(tmp_path, fresh_url):
    """A server with a job and a picture, on SQLite."""
    database = await Database.open(fresh_url("sqlite"))
    await submit(database, job())
    await claim(database)
    await post(database, started(), progress(2))
    await store(tmp_path / "old").put([(KEY, written(tmp_path / "picture", BLOB))])
    yield database
    await database.close()


def written(path, content):
    path.write_bytes(content)
    return path


def store(folder):
    folder.mkdir(exist_ok=True)
    return FileObjectStore(folder)


def backups(database, objects) -> Backups:
    return Backups(database.copies, objects, ManualClock(), "1.0")


def quiet(_what: str) -> None:
    """Nobody is told."""


@pytest.fixture
async def backup(source, tmp_path):
    await backups(source, store(tmp_path / "old")).make(tmp_path / "backup", quiet, with_objects=True)
    return tmp_path / "backup"


def change(backup, **fields) -> None:
    manifest = json.loads((backup / "backup.json").read_text())
    (backup / "backup.json").write_text(json.dumps({**manifest, **fields}))


@pytest.mark.parametrize("kind", SQL)
async def test_guards_watch_over_what_was_restored(backup, empty, tmp_path, kind):
    await backups(empty, store(tmp_path / "new")).restore(backup, quiet)
    assert (await empty.jobs.get("job_0001")).job.progress.epoch == 2
    with pytest.raises(GuardViolated):
        async with empty.engine.writing() as connection:
            await connection.execute(text("UPDATE jobs SET state = 'succeeded' WHERE id = 'job_0001'"))
    with pytest.raises(GuardViolated):
        async with empty.engine.writing() as connection:
            await connection.execute(text("UPDATE events SET data = '{}'"))
    await post(empty, progress(3))


@pytest.mark.parametrize("kind", SQL)
@pytest.mark.parametrize("revoke", [False, True])
async def test_tokens_count_as_they_did_unless_all_are_revoked(source, empty, tmp_path, kind, revoke):
    for number in (1, 2):
        await source.access.add_token(team_token(number))
    await source.access.revoke("tok_1", NOW_MS)
    await backups(source, store(tmp_path / "old")).make(tmp_path / "teams", quiet, with_objects=True)
    await source.access.revoke("tok_2", NOW_MS)
    made = await backups(empty, store(tmp_path / "new")).restore(tmp_path / "teams", quiet, revoke_tokens=revoke)
    assert made.tables["tokens"].rows == 2
    revoked = {token.id: token.revoked_at_ms for token in await empty.access.tokens(None, 9)}
    assert revoked["tok_1"] == NOW_MS
    assert (revoked["tok_2"] is not None) is revoke


def team_token(number: int) -> Token:
    roles = {"default": Role.MEMBER}
    fields = {
        "name": "ci",
        "secret_sha256": f"{number:064}",
        "roles": roles,
        "user_id": None,
        "sponsor": None,
        "maker": None,
    }
    return Token(id=f"tok_{number}", created_at_ms=NOW_MS, expires_at_ms=NOW_MS + 1000, **fields)


@pytest.mark.parametrize("kind", SQL)
async def test_projects_come_back_with_what_is_theirs(source, empty, tmp_path, kind):
    await source.projects.add(Project(id="birds", created_at_ms=7))
    with within(Scope("birds")):
        await submit(source, job(2, project="birds"))
    await backups(source, store(tmp_path / "old")).make(tmp_path / "backup", quiet, with_objects=True)
    await backups(empty, store(tmp_path / "new")).restore(tmp_path / "backup", quiet)
    assert list(await empty.projects.list()) == list(await source.projects.list())
    assert [each.id for each in await empty.jobs.find(JobQuery())] == ["job_0001"]
    with within(Scope("birds")):
        assert [each.id for each in await empty.jobs.find(JobQuery())] == ["job_0002"]
    with pytest.raises(GuardViolated):
        async with empty.engine.writing() as connection:
            await connection.execute(text("DELETE FROM projects"))


@pytest.mark.parametrize("kind", SQL)
async def test_a_restoration_that_breaks_off_leaves_the_database_new(backup, empty, kind):
    def breaks():
        yield [json.loads((backup / "tables" / "jobs.jsonl").read_text())]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await empty.copies.load(REVISIONS[-1], {"jobs": breaks()})
    await empty.copies.require_empty()


@pytest.mark.parametrize("kind", SQL)
@pytest.mark.parametrize("revision", ["0001", "0007"])
async def test_a_backup_of_an_older_version_is_brought_to_the_newest_schema(empty, kind, revision):
    counts = await empty.copies.load(revision, {"markers": [[{"name": "a", "value": 7}]]} if revision > "0006" else {})
    assert counts["jobs"] == 0
    async with empty.engine.reading() as connection:
        found = await connection.execute(text("SELECT version_num FROM alembic_version"))
    assert found.scalar_one() == REVISIONS[-1]


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"schema_revision": "9999"}, "made by a newer version"),
        ({"format": 2}, "this version reads up to 1"),
        ({"tables": {"../jobs": {"rows": 1, "sha256": "0" * 64}}}, "names a table"),
        ({"objects": 7}, "lists 1 files"),
        ({"objects": -1}, "cannot be understood"),
    ],
)
async def test_what_cannot_be_restored_is_refused_and_changes_nothing(backup, empty, tmp_path, kind, fields, said):
    change(backup, **fields)
    with pytest.raises(InvalidRequest, match=said):
        await backups(empty, store(tmp_path / "new")).restore(backup, quiet)
    await empty.copies.require_empty()


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("name", ["spies", "sqlite_master", "alembic_version"])
async def test_a_table_that_the_schema_does_not_have_is_refused(backup, empty, tmp_path, kind, name):
    lines = written(backup / "tables" / f"{name}.jsonl", b'{"id":1}\n')
    tables = json.loads((backup / "backup.json").read_text())["tables"]
    change(backup, tables={**tables, name: {"rows": 1, "sha256": sha256(lines.read_bytes()).hexdigest()}})
    with pytest.raises(InvalidRequest, match=f"does not have: {name}"):
        await backups(empty, store(tmp_path / "new")).restore(backup, quiet)
    await empty.copies.require_empty()


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b'{"id":"job_1","spy":1}\n', "columns that are not known: spy"),
        (b"[]\n", "no row"),
        (b"{", "no row"),
        (b"", "has 0 rows"),
    ],
)
async def test_rows_that_are_none_are_refused(backup, empty, tmp_path, kind, lines, said):
    written(backup / "tables" / "jobs.jsonl", lines)
    tables = json.loads((backup / "backup.json").read_text())["tables"]
    change(backup, tables={**tables, "jobs": {"rows": 1, "sha256": sha256(lines).hexdigest()}})
    with pytest.raises(InvalidRequest, match=said):
        await backups(empty, store(tmp_path / "new")).restore(backup, quiet)
    await empty.copies.require_empty()


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("key", ["../../picture", "/etc/passwd", "blobs/../../picture", "blobs/"])
async def test_no_name_in_a_backup_leads_out_of_it(backup, empty, tmp_path, kind, key):
    line = json.dumps({"key": key, "size_bytes": len(BLOB), "sha256": sha256(BLOB).hexdigest()}).encode()
    written(backup / "objects.jsonl", line)
    change(backup, objects_sha256=sha256(line).hexdigest())
    with pytest.raises(InvalidRequest, match="cannot be understood"):
        await backups(empty, store(tmp_path / "new")).restore(backup, quiet)


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_files_that_are_only_listed_must_be_in_the_store(source, empty, tmp_path, kind):
    made = await backups(source, store(tmp_path / "old")).make(tmp_path / "rows", quiet, with_objects=False)
    assert (made.objects, made.objects_copied) == (1, False)
    with pytest.raises(InvalidRequest, match="1 of the 1 files"):
        await backups(empty, store(tmp_path / "new")).restore(tmp_path / "rows", quiet)
    await backups(empty, store(tmp_path / "old")).restore(tmp_path / "rows", quiet)
    assert (await empty.jobs.get("job_0001")).job.attempt == 1


async def test_a_backup_that_breaks_off_leaves_nothing(source, tmp_path):
    def breaks(what: str) -> None:
        if what == KEY:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await backups(source, store(tmp_path / "old")).make(tmp_path / "backup", breaks, with_objects=True)
    assert not (tmp_path / "backup").exists()


async def test_a_file_that_goes_meanwhile_is_left_out(source, tmp_path):
    objects = store(tmp_path / "old")

    def goes(what: str) -> None:
        if what == KEY:
            (tmp_path / "old" / KEY).unlink()

    made = await backups(source, objects).make(tmp_path / "backup", goes, with_objects=True)
    assert made.objects == 0
    assert not (tmp_path / "backup" / "objects" / KEY).exists()


async def test_nobody_else_can_look_into_a_backup(backup):
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700


async def test_a_database_of_another_version_is_not_copied(tmp_path, source):
    async with source.engine.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    with pytest.raises(Conflict, match="has schema 0005"):
        await backups(source, store(tmp_path / "old")).make(tmp_path / "backup", quiet, with_objects=True)
    assert not (tmp_path / "backup").exists()
