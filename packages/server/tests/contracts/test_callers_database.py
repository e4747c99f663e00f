"""What every way to the callers' database must do: by Postgres, by a pooler in transaction mode, by Supabase's HTTP API."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trustme
from databases import Postgres
from harness.callers import TABLES_OF_NAMED_IDS, TABLES_OF_NUMBERS, TABLES_OF_TEXT, TABLES_OF_TYPES, Callers
from harness.pgbouncer import SERVER_CONNECTIONS, PgBouncer
from harness.postgrest import Supabase

from eyebright.core.callers import CallersDataset, CallersModel, LogLine, row_id
from eyebright.errors import Conflict, EyebrightError, NotFound, Unavailable
from eyebright.ports.callers import CallersDatabase
from eyebright.settings import TrainingAgentSettings
from eyebright.stores.projects import callers_database_at
from eyebright.stores.projects.rows import storable

WAYS = ("postgres", "pooler", "supabase")
NOBODY = "00000000-0000-0000-0000-000000000000"
NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
SHORT = {"connect_seconds": 0.4, "answer_seconds": 0.6}
#: What a call may last with them: their sum, two seconds for a connection to be torn down, and a very slow machine.
SHORT_LIMIT_SECONDS = 1 + 2 + 27
HOSTILE = (
    "'; DROP TABLE projects;--",
    'a "quoted" $1 :id %s {x}',
    "nul\0byte",
    "half a surrogate \ud800",
    "Blüten 🌸 \u202e",
    "a,b).(c:d\\",
    "null",
    "eq.x&select=*",
)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def section(way: str, callers: Callers, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Settings that lead to the callers' database."""
    if way == "postgres":
        yield {"database_url": callers.url}
    elif way == "pooler":
        pooler: PgBouncer = request.getfixturevalue("pgbouncer")
        yield {"database_url": f"{pooler.url(callers.name)}?pgbouncer=true&sslmode=disable"}
    else:
        project = Supabase(callers.url)
        with project.serving():
            yield {"supabase_url": project.url, "supabase_key": project.key}


@pytest.fixture
async def database(section: dict[str, Any]) -> AsyncIterator[CallersDatabase]:
    opened = opened_at(**section)
    yield opened
    await opened.close()


def opened_at(**section: Any) -> CallersDatabase:
    found = callers_database_at(TrainingAgentSettings(**section))
    assert found
    return found


def model(project_id: str, **changed: Any) -> CallersModel:
    given = CallersModel(
        id=row_id("model", project_id),
        project_id=project_id,
        name="Flowers_model",
        framework="pytorch",
        gcs_url="gs://bucket/models/Flowers_model.pth",
        metadata={"epochs": 10, "final_loss": 0.234, "training_time_seconds": 1234},
    )
    return replace(given, **changed)


def line(project_id: str, number: int, message: str = "", **changed: Any) -> LogLine:
    given = LogLine(
        id=row_id(project_id, number),
        project_id=project_id,
        message=message or f"Epoch {number}/10 completed. Loss: 0.456",
        level="info",
        created_at=NOW + timedelta(seconds=number),
    )
    return replace(given, **changed)


async def test_a_project_is_read_as_it_stands(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    found = await database.project(project_id)
    assert (found.id, found.name, found.task_type, found.framework, found.status) == (
        project_id,
        "Flowers",
        "image_classification",
        "pytorch",
        "pending_training",
    )
    assert found.metadata == {"preferred_model": "resnet18", "epochs": 10, "learning_rate": 0.001, "num_classes": 5}


async def dataset_of(database: CallersDatabase, project_id: str) -> CallersDataset:
    """Raises what is wrong with it."""
    found = (await database.assignment(project_id)).dataset
    if isinstance(found, EyebrightError):
        raise found
    return found


@pytest.mark.parametrize("project_id", [NOBODY, "12", "", "'; DROP TABLE projects;--", "a\0b", "x" * 5000])
async def test_a_project_that_is_not_there_is_not_found(database: CallersDatabase, project_id: str):
    asked = (
        database.project(project_id),
        dataset_of(database, project_id),
        database.change_status(project_id, "training", before=["pending_training"]),
    )
    for each in asked:
        with pytest.raises(NotFound) as caught:
            await each
        assert len(caught.value.message) < 400


async def test_a_row_of_nulls_is_read(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project(None, name=None, task_type=None, framework=None, metadata=None)
    await callers.add_dataset(project_id, name=None, gcs_url=None)
    await callers.add("agent_logs", project_id=project_id, agent_name="training")
    found = await database.project(project_id)
    assert (found.name, found.task_type, found.framework, found.status, found.metadata) == ("", None, None, "", {})
    assert (await dataset_of(database, project_id)).gcs_url == ""
    [only] = await database.recent_logs(project_id, 5)
    assert (only.message, only.level) == ("", "info")
    assert not await database.change_status(project_id, "training", before=["pending_training"])


@pytest.mark.parametrize(
    ("stored", "meant"),
    [
        ('{"epochs": 3}', {"epochs": 3}),
        ("no json", {}),
        ([1], {}),
        (3, {}),
        ({"a": {"b": [None]}}, {"a": {"b": [None]}}),
    ],
)
async def test_metadata_of_another_kind_is_tolerated(
    database: CallersDatabase, callers: Callers, stored: Any, meant: Any
):
    assert (await database.project(await callers.add_project(metadata=stored))).metadata == meant


@pytest.mark.parametrize("said", ['{"epochs": 1e999}', '{"a": "\\ud800"}'])
async def test_metadata_that_only_the_database_reads_hide_no_project(
    section: dict[str, Any], callers: Callers, said: str
):
    """Its type `json` takes what no number and no text can be."""
    await callers.script(f"DROP TABLE projects, datasets, models, agent_logs;{TABLES_OF_TYPES}")
    project_id = await callers.add_project()
    await callers.execute("UPDATE projects SET metadata = $1::text::json", said)
    database = opened_at(**section)
    assert (await database.project(project_id)).status == "pending_training"
    assert (await database.assignment(project_id)).project.id == project_id
    await database.close()


async def test_metadata_nested_without_end_fail_in_words_if_they_do(
    way: str, database: CallersDatabase, callers: Callers
):
    project_id = await callers.add_project()
    await callers.execute("UPDATE projects SET metadata = $1::text::jsonb", "[" * 3000 + "]" * 3000)
    if way == "supabase":
        with pytest.raises(Unavailable, match="nested too deeply"):
            await database.project(project_id)
    else:
        assert (await database.project(project_id)).metadata == {}


async def test_the_one_data_set_of_a_project_is_read(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    with pytest.raises(NotFound, match="has no data set"):
        await dataset_of(database, project_id)
    dataset_id = await callers.add_dataset(project_id)
    await callers.add_dataset(await callers.add_project())
    found = await dataset_of(database, project_id)
    assert (found.id, found.project_id, found.name, found.gcs_url) == (
        dataset_id,
        project_id,
        "flowers",
        "gs://bucket/raw/dataset.zip",
    )


async def test_of_several_data_sets_nobody_says_which_is_meant(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    for _ in range(3):
        await callers.add_dataset(project_id)
    with pytest.raises(Conflict, match="several data sets"):
        await dataset_of(database, project_id)


async def test_a_status_changes_only_from_those_before_it(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    assert await database.change_status(project_id, "training", before=["pending_training", "failed"])
    assert await database.change_status(project_id, "training", before=["pending_training"]), "it is done already"
    assert not await database.change_status(project_id, "failed", before=["pending_training"])
    assert (await database.project(project_id)).status == "training"


async def test_a_change_of_status_touches_no_other_project(database: CallersDatabase, callers: Callers):
    changed, other = await callers.add_project(), await callers.add_project()
    await database.change_status(changed, "training", before=["pending_training"])
    assert (await database.project(other)).status == "pending_training"


async def test_of_two_who_change_the_status_at_once_one_wins(section: dict[str, Any], callers: Callers):
    ours, theirs = opened_at(**section), opened_at(**section)
    for _ in range(10):
        project_id = await callers.add_project()
        won = await asyncio.gather(
            ours.change_status(project_id, "training", before=["pending_training"]),
            theirs.change_status(project_id, "cancelled", before=["pending_training"]),
        )
        assert sorted(won) == [False, True]
        assert (await ours.project(project_id)).status == ("training" if won[0] else "cancelled")
    await ours.close()
    await theirs.close()


async def test_a_model_is_there_once_however_often_it_is_added(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    await database.add_model(model(project_id))
    await database.add_model(model(project_id, name="another name"))
    [row] = await callers.rows("models")
    assert row.pop("created_at")
    assert row == {
        "id": row_id("model", project_id),
        "project_id": project_id,
        "name": "Flowers_model",
        "framework": "pytorch",
        "gcs_url": "gs://bucket/models/Flowers_model.pth",
        "metadata": {"epochs": 10, "final_loss": 0.234, "training_time_seconds": 1234},
    }


async def test_a_number_that_is_none_is_no_reason_to_lose_the_model(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    await database.add_model(model(project_id, metadata={"final_loss": float("nan"), "all": (1, float("inf"))}))
    assert [row["metadata"] for row in await callers.rows("models")] == [{"final_loss": None, "all": [1, None]}]


async def test_log_lines_are_there_once_and_read_newest_first(database: CallersDatabase, callers: Callers):
    project_id, other = await callers.add_project(), await callers.add_project()
    await database.add_logs([])
    await database.add_logs([line(project_id, number) for number in (2, 1, 3)])
    await database.add_logs([line(project_id, number) for number in (3, 4)])
    await database.add_logs([line(other, 9)])
    await callers.add("agent_logs", project_id=project_id, agent_name="dataset", message="theirs", log_level="info")
    await callers.add("agent_logs", project_id=project_id, agent_name="training", message="timeless", created_at=None)
    assert await database.recent_logs(project_id, 3) == [line(project_id, number) for number in (4, 3, 2)]
    assert [each.message for each in await database.recent_logs(project_id, 100)][4:] == ["timeless"]
    assert len(await callers.rows("agent_logs")) == 7
    assert {row["agent_name"] for row in await callers.rows("agent_logs")} == {"training", "dataset"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [("ERROR", "error"), ("warn", "warning"), ("Debug", "debug"), ("fatal", "info"), ("", "info")],
)
async def test_a_level_of_others_is_understood_or_information(
    database: CallersDatabase, callers: Callers, written: str, meant: str
):
    project_id = await callers.add_project()
    await callers.add("agent_logs", project_id=project_id, agent_name="training", message="x", log_level=written)
    assert [each.level for each in await database.recent_logs(project_id, 1)] == [meant]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_hostile_text_is_a_text(database: CallersDatabase, callers: Callers, text: str):
    kept = storable(text)
    project_id = await callers.add_project(kept, name=kept, task_type=kept, metadata={kept: [kept]})
    await callers.add_dataset(project_id, name=kept, gcs_url=kept)
    found = await database.project(project_id)
    assert (found.name, found.task_type, found.status, found.metadata) == (kept, kept, kept, {kept: [kept]})
    assert (await dataset_of(database, project_id)).gcs_url == kept
    assert not await database.change_status(project_id, "training", before=["pending_training", f"{text}?"])
    assert await database.change_status(project_id, "training", before=["pending_training", text])
    assert await database.change_status(project_id, text, before=["training"])
    await database.add_logs([line(project_id, 1, text)])
    await database.add_model(
        model(project_id, name=text, framework=text, gcs_url=text, metadata={text: {text: [text]}})
    )
    assert (await database.project(project_id)).status == kept
    assert [each.message for each in await database.recent_logs(project_id, 1)] == [kept]
    [row] = await callers.rows("models")
    assert (row["name"], row["framework"], row["gcs_url"], row["metadata"]) == (
        kept,
        kept,
        kept,
        {kept: {kept: [kept]}},
    )


@pytest.mark.parametrize("tables", [TABLES_OF_TEXT, TABLES_OF_TYPES], ids=["text", "types"])
async def test_columns_may_have_other_types(section: dict[str, Any], callers: Callers, tables: str):
    await callers.script("DROP TABLE agent_logs, models, datasets, projects;" + tables)
    database = opened_at(**section)
    project_id = await callers.add_project()
    await callers.add_dataset(project_id)
    assert (await database.project(project_id)).metadata["epochs"] == 10
    assert (await dataset_of(database, project_id)).project_id == project_id
    assert await database.change_status(project_id, "training", before=["pending_training"])
    await database.add_model(model(project_id))
    await database.add_logs([line(project_id, 1)])
    await database.add_logs([line(project_id, 1)])
    assert await database.recent_logs(project_id, 5) == [line(project_id, 1)]
    await database.close()


async def test_a_row_that_breaks_the_callers_own_rules_is_refused_for_good(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    await callers.script("ALTER TABLE models ADD CONSTRAINT short CHECK (length(name) < 20)")
    with pytest.raises(Conflict, match="rules of their own"):
        await database.add_model(model(project_id, name="x" * 40))
    with pytest.raises(Conflict, match="violates foreign key"):
        await database.add_logs([line(NOBODY, 1)])
    assert await callers.rows("models") == await callers.rows("agent_logs") == []


RAISING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not on Sundays'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse();
"""


async def test_what_a_trigger_of_the_callers_refuses_is_refused_for_good(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    for table in ("projects", "models", "agent_logs"):
        await callers.script(RAISING.replace("refuse()", f"refuse_{table}()").format(table=table))
    writing = (
        database.change_status(project_id, "training", before=["pending_training"]),
        database.add_model(model(project_id)),
        database.add_logs([line(project_id, 1)]),
    )
    for each in writing:
        with pytest.raises(Conflict, match="refuses the row: not on Sundays"):
            await each


@pytest.mark.parametrize(
    "rule",
    [
        "ALTER TABLE models ALTER name TYPE varchar(5)",
        "ALTER TABLE models ALTER name TYPE integer USING 0",
        "ALTER TABLE models ADD owner uuid NOT NULL",
        "ALTER TABLE models RENAME TO kept; "
        "CREATE VIEW models AS SELECT * FROM kept WHERE length(name) < 5 WITH CHECK OPTION",
    ],
    ids=["length", "type", "missing", "view"],
)
async def test_a_row_that_does_not_fit_is_refused_for_good(database: CallersDatabase, callers: Callers, rule: str):
    project_id = await callers.add_project()
    await callers.script(rule)
    with pytest.raises(Conflict, match="rules of their own"):
        await database.add_model(model(project_id))


async def test_tables_that_are_not_there_are_asked_for(database: CallersDatabase, callers: Callers):
    await callers.script("DROP TABLE agent_logs, models, datasets, projects")
    with pytest.raises(
        Unavailable, match=r"Expected are the tables projects, datasets, models and agent_logs"
    ) as caught:
        await database.project(NOBODY)
    assert "projects" in caught.value.message


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("DROP TABLE agent_logs", "agent_logs"),
        ("ALTER TABLE datasets DROP COLUMN gcs_url", "datasets.gcs_url"),
        ("ALTER TABLE projects DROP COLUMN status", "projects.status"),
        ("DROP TABLE models", "models"),
    ],
)
async def test_a_probe_finds_what_is_missing(database: CallersDatabase, callers: Callers, missing: str, named: str):
    await database.probe()
    await callers.script(missing)
    with pytest.raises(Unavailable, match=rf"lacks what is needed: .*\b{named}\b.*\. Expected are"):
        await database.probe()


async def test_a_column_that_is_missing_is_said_with_its_table(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    await callers.script("ALTER TABLE datasets DROP gcs_url; ALTER TABLE agent_logs DROP log_level")
    for asked, named in (
        (database.assignment(project_id), "datasets.gcs_url"),
        (database.recent_logs(project_id, 1), "agent_logs.log_level"),
    ):
        with pytest.raises(Unavailable, match=f"column {named} does not exist"):
            await asked


#: As the documentation grants them.
RIGHTS = """
GRANT SELECT ON projects, datasets, models, agent_logs TO {role};
GRANT UPDATE (status) ON projects TO {role};
GRANT INSERT ON models, agent_logs TO {role};
"""


async def login(callers: Callers, name: str, rights: str) -> str:
    """The database's URL for a role with these rights only."""
    role = f"{name}_{callers.name}"
    await callers.script(f"CREATE ROLE {role} LOGIN; {rights.format(role=role)}")
    return callers.url.replace("postgres@", f"{role}@")


async def test_the_rights_that_are_asked_for_are_enough(callers: Callers):
    project_id = await callers.add_project()
    await callers.add_dataset(project_id)
    database = opened_at(database_url=await login(callers, "enough", RIGHTS))
    await database.probe()
    await database.assignment(project_id)
    await database.change_status(project_id, "training", before=["pending_training"])
    await database.add_model(model(project_id))
    await database.add_logs([line(project_id, 1)])
    await database.recent_logs(project_id, 1)
    await database.close()


@pytest.mark.parametrize(
    ("right", "named"),
    [
        ("SELECT ON datasets", "SELECT on datasets"),
        ("UPDATE (status) ON projects", "UPDATE on projects"),
        ("INSERT ON models", "INSERT on models"),
        ("INSERT ON agent_logs", "INSERT on agent_logs"),
    ],
)
async def test_a_probe_finds_a_right_that_is_missing(callers: Callers, right: str, named: str):
    url = await login(callers, "fewer", f"{RIGHTS} REVOKE {right} FROM {{role}};")
    database = opened_at(database_url=url)
    table = named.split()[-1]
    with pytest.raises(
        Unavailable, match=rf"does not allow that: {named}: permission denied for table {table}\. Grant SELECT on "
    ):
        await database.probe()
    await database.close()


@pytest.mark.parametrize("way", ["postgres", "pooler"])
async def test_a_probe_finds_a_table_without_its_primary_key(database: CallersDatabase, callers: Callers):
    """Without one what is written twice would be there twice, so nothing is."""
    await callers.script("ALTER TABLE models DROP CONSTRAINT models_pkey")
    with pytest.raises(Unavailable, match=r"INSERT on models: there is no unique .*primary key `id`"):
        await database.probe()


async def test_a_probe_writes_nothing_and_wakes_no_trigger(database: CallersDatabase, callers: Callers):
    await callers.add_project()
    for table in ("projects", "models", "agent_logs"):
        raising = RAISING.replace("refuse()", f"refuse_{table}()").replace("FOR EACH ROW", "FOR EACH STATEMENT")
        await callers.script(raising.format(table=table))
    await database.probe()
    assert await callers.rows("models") == await callers.rows("agent_logs") == []


async def test_a_long_answer_shows_where_it_was_cut(database: CallersDatabase, callers: Callers):
    project_id = await callers.add_project()
    await callers.script(RAISING.replace("not on Sundays", "x" * 1000).format(table="agent_logs"))
    with pytest.raises(Conflict, match=r"refuses the row: x{299}…\. Its tables") as caught:
        await database.add_logs([line(project_id, 1)])
    assert "x" * 300 not in caught.value.message


@pytest.mark.parametrize("way", ["postgres", "supabase"])
async def test_a_right_that_is_missing_is_said(way: str, callers: Callers):
    """By row-level security, as in a Supabase project whose key is the public one."""
    role = f"reader_{callers.name}"
    await callers.script(
        f"CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {role};"
        "ALTER TABLE agent_logs ENABLE ROW LEVEL SECURITY"
    )
    project_id = await callers.add_project()
    login = callers.url.replace("postgres@", f"{role}@")
    project = Supabase(login)
    with project.serving():
        database = opened_at(
            **(
                {"database_url": login}
                if way == "postgres"
                else {"supabase_url": project.url, "supabase_key": project.key}
            )
        )
        with pytest.raises(Unavailable, match=r"row-level security.*service_role key"):
            await database.add_logs([line(project_id, 1)])
        with pytest.raises(Unavailable, match=r"permission denied.*UPDATE on projects"):
            await database.change_status(project_id, "training", before=["pending_training"])
        await database.close()


async def test_many_ask_for_different_things_at_once(database: CallersDatabase, callers: Callers):
    ids = [await callers.add_project(name=str(number)) for number in range(20)]
    for project_id in ids:
        await callers.add_dataset(project_id)

    async def ask(project_id: str) -> tuple[str, str, list[LogLine]]:
        project, dataset, _ = await asyncio.gather(
            database.project(project_id), dataset_of(database, project_id), database.add_logs([line(project_id, 1)])
        )
        return project.name, dataset.project_id, list(await database.recent_logs(project_id, 5))

    found = await asyncio.gather(*map(ask, ids * 3))
    assert found == [(str(number), each, [line(each, 1)]) for number, each in enumerate(ids)] * 3


async def test_a_database_that_does_not_listen_is_told_at_once(way: str):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        await _unavailable_within_limits(
            lambda: opened_at(**_at(way, bound.getsockname()[1]), **SHORT), "Connect|connect"
        )


async def test_a_database_that_is_silent_is_not_waited_for(way: str):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        await _unavailable_within_limits(
            lambda: opened_at(**_at(way, mute.getsockname()[1]), **SHORT), "did not answer"
        )


async def test_an_answer_that_does_not_come_is_not_waited_for(section: dict[str, Any], callers: Callers):
    project_id = await callers.add_project()
    database = opened_at(**section, **SHORT)
    holder = await asyncpg.connect(callers.url)
    async with holder.transaction():
        await holder.execute("LOCK TABLE projects")
        await _within_limits(lambda: database.project(project_id), "did not answer within 1 s")
        await _within_limits(
            lambda: database.change_status(project_id, "training", before=["pending_training"]), "may have been done"
        )
    await holder.close()
    async with asyncio.timeout(60):
        while not await _serves(database, project_id):  # as soon as it can
            continue
    await database.close()


async def test_connections_that_were_lost_meanwhile_are_made_anew(
    way: str, database: CallersDatabase, callers: Callers, postgres: Postgres, request: pytest.FixtureRequest
):
    project_id = await callers.add_project()
    await asyncio.gather(*(database.project(project_id) for _ in range(10)))
    if way == "pooler":
        request.getfixturevalue("pgbouncer").restart()
    postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{callers.name}'")
    found = await asyncio.gather(*(database.project(project_id) for _ in range(10)))
    assert {each.id for each in found} == {project_id}


async def test_wrong_credentials_are_told_without_showing_them(way: str, section: dict[str, Any], callers: Callers):
    wrong = {
        "postgres": {"database_url": callers.url.replace("postgres@", "stranger:very-secret@")},
        "pooler": {"database_url": section.get("database_url", "").replace("sword%2Ffish%3F%23", "very-secret")},
        "supabase": {**section, "supabase_key": "very-secret"},
    }[way]
    database = opened_at(**wrong)
    with pytest.raises(Unavailable, match="Check its address and credentials") as caught:
        await database.project(NOBODY)
    assert "secret" not in caught.value.message
    with pytest.raises(Unavailable, match="Check its address and credentials"):
        await database.probe()
    await database.close()


async def test_nothing_stays_behind_with_the_pooler(callers: Callers, pgbouncer: PgBouncer):
    """Neither a prepared statement nor a setting: whoever gets the connection next must not meet them."""
    url, project_id = pgbouncer.url(callers.name), await callers.add_project()
    database = opened_at(database_url=url)
    clean = await _sessions(url)
    for _ in range(5):
        await asyncio.gather(
            *(database.project(project_id) for _ in range(10)),
            *(database.add_logs([line(project_id, number)]) for number in range(10)),
            database.change_status(project_id, "training", before=["pending_training"]),
        )
    assert await _sessions(url) == clean
    assert len(clean) == SERVER_CONNECTIONS
    await database.close()


@pytest.mark.parametrize("tables", [TABLES_OF_NUMBERS, TABLES_OF_NAMED_IDS], ids=["numbers", "named"])
async def test_ids_of_other_types_keep_nothing_of_the_pooler(postgres: Postgres, pgbouncer: PgBouncer, tables: str):
    """What the driver itself cannot write, or must look up first, would leave a sequence open or a setting behind."""
    callers = Callers(postgres.create())
    await callers.script(tables)
    url = pgbouncer.url(callers.name)
    clean, database = await _sessions(url), opened_at(database_url=url)
    asked = (
        database.project(NOBODY),
        dataset_of(database, NOBODY),
        database.recent_logs(NOBODY, 5),
        database.change_status(NOBODY, "training", before=["pending_training"]),
        database.add_logs([line(NOBODY, 1)]),
    )
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert Conflict in map(type, answers)
    assert Unavailable not in map(type, answers)
    assert await _sessions(url) == clean
    await database.close()


async def test_calls_given_up_keep_nothing_of_the_pooler(callers: Callers, pgbouncer: PgBouncer):
    url, project_id = pgbouncer.url(callers.name), await callers.add_project()
    clean, database = await _sessions(url), opened_at(database_url=url, **SHORT)
    holder = await asyncpg.connect(callers.url)
    await holder.execute("BEGIN; LOCK TABLE projects")
    for refused in await asyncio.gather(*(database.project(project_id) for _ in range(5)), return_exceptions=True):
        assert isinstance(refused, Unavailable)
    await holder.close()
    assert await _sessions(url) == clean
    await database.close()


async def test_tls_is_as_the_url_says(callers: Callers, postgres: Postgres, pgbouncer: PgBouncer, tmp_path: Path):
    authority, stranger = trustme.CA(), trustme.CA()
    for name, each in {"ours": authority, "strange": stranger}.items():
        each.cert_pem.write_to_path(tmp_path / name)
    project_id = await callers.add_project()
    strict = PgBouncer(postgres, authority.issue_cert("127.0.0.1"))
    foreign = PgBouncer(postgres, authority.issue_cert("elsewhere.example.org"))
    ours = f"sslmode=verify-full&sslrootcert={tmp_path / 'ours'}"
    try:
        for query in ("sslmode=require", ours, ""):
            database = opened_at(database_url=f"{strict.url(callers.name)}?{query}")
            assert (await database.project(project_id)).id == project_id
            await database.close()
        for pooler, query in (
            (strict, "sslmode=disable"),
            (strict, f"sslmode=verify-full&sslrootcert={tmp_path / 'strange'}"),
            (strict, "sslmode=verify-full&sslrootcert=/no/such/file"),
            (foreign, ours),
            (pgbouncer, "sslmode=require"),
        ):
            database = opened_at(database_url=f"{pooler.url(callers.name)}?{query}")
            with pytest.raises(Unavailable) as caught:
                await database.project(project_id)
            assert "sword" not in caught.value.message
            await database.close()
    finally:
        strict.close()
        foreign.close()


async def test_a_key_that_a_proxy_repeats_is_not_shown():
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(row for row in asked.splitlines() if row.lower().startswith("apikey"))
        body = f'{{"message": "denied: {key}"}}'.encode()
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = opened_at(supabase_url=f"http://127.0.0.1:{port}", supabase_key="very-secret")
    with pytest.raises(Unavailable, match="denied") as caught:
        await database.project(NOBODY)
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is None
    await database.close()
    server.close()


@pytest.mark.parametrize("body", [b"<html>a page</html>", b'{"id": 1}', b""])
async def test_what_is_no_answer_of_supabase_is_not_believed(body: bytes):
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = opened_at(supabase_url=f"http://127.0.0.1:{port}", supabase_key="key")
    asked = (
        database.project(NOBODY),
        dataset_of(database, NOBODY),
        database.recent_logs(NOBODY, 5),
        database.change_status(NOBODY, "training", before=["pending_training"]),
    )
    for each in asked:
        with pytest.raises(Unavailable, match="does not serve us"):
            await each
    await database.close()
    server.close()


async def test_supabase_is_asked_as_its_documentation_says(callers: Callers):
    project_id = await callers.add_project()
    project = Supabase(callers.url)
    with project.serving():
        database = opened_at(supabase_url=f"{project.url}/", supabase_key=project.key)
        await database.change_status(project_id, "training", before=["pending_training", "failed"])
        await database.add_logs([line(project_id, 1)])
        await database.recent_logs(project_id, 7)
        await database.close()
    change, add, read = project.seen
    assert (change.method, change.url.path) == ("PATCH", "/rest/v1/projects")
    assert dict(change.query_params) == {
        "id": f"eq.{project_id}",
        "status": "in.(pending_training,failed)",
        "select": "id",
    }
    assert change.headers["prefer"] == "return=representation"
    assert (add.method, add.query_params["on_conflict"]) == ("POST", "id")
    assert set(add.headers["prefer"].split(",")) == {"return=minimal", "resolution=ignore-duplicates"}
    assert dict(read.query_params) == {
        "select": "id,project_id,agent_name,message,log_level,created_at",
        "project_id": f"eq.{project_id}",
        "agent_name": "eq.training",
        "order": "created_at.desc.nullslast,id.desc",
        "limit": "7",
    }


def test_the_postgres_url_goes_before_supabase():
    both = TrainingAgentSettings(
        database_url="postgresql://db/x", supabase_url="https://x.supabase.co", supabase_key="k"
    )
    assert type(callers_database_at(both)).__name__ == "SqlCallers"
    for half in ({}, {"supabase_url": "https://x.supabase.co"}, {"supabase_key": "k"}):
        assert callers_database_at(TrainingAgentSettings(**half)) is None


def _at(way: str, port: int) -> dict[str, str]:
    if way == "supabase":
        return {"supabase_url": f"http://127.0.0.1:{port}", "supabase_key": "key"}
    return {"database_url": f"postgresql://caller:very-secret@127.0.0.1:{port}/postgres"}


async def _unavailable_within_limits(made: Callable[[], CallersDatabase], why: str) -> None:
    database = made()
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: database.project(NOBODY),
        lambda: database.recent_logs(NOBODY, 5),
        lambda: database.change_status(NOBODY, "training", before=["pending_training"]),
        lambda: database.add_model(model(NOBODY)),
        lambda: database.add_logs([line(NOBODY, 1)]),
    ]
    for call in calls:
        await _within_limits(call, why)
    await database.close()


async def _within_limits(call: Callable[[], Awaitable[Any]], why: str) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match=why) as caught:
        await call()
    assert time.monotonic() - began < SHORT_LIMIT_SECONDS
    assert "secret" not in caught.value.message


async def _serves(database: CallersDatabase, project_id: str) -> bool:
    try:
        return (await database.project(project_id)).id == project_id
    except Unavailable:
        return False


async def _sessions(url: str) -> list[list[Any]]:
    """What the next ones find in the connections of the pooler: all of them are held at once to be sure of each."""
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        held = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(SERVER_CONNECTIONS)]
        for connection in held:
            stack.push_async_callback(connection.close)
            await stack.enter_async_context(connection.transaction())
        return [await _session(connection) for connection in held]


async def _session(connection: Any) -> list[Any]:
    left = await connection.fetch("SELECT statement FROM pg_prepared_statements WHERE name <> ''")
    changed = await connection.fetch(
        "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name <> 'application_name' ORDER BY 1"
    )
    return [*map(tuple, left), *map(tuple, changed)]
