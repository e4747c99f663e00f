"""Tools × personas: what an agent may do, and that nothing else changes the database."""

import base64
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from harness.site import TOKEN, Site, bearer, bmp, pets
from harness.site import site as make_site
from sqlalchemy import Connection, MetaData, select

from doors.mcp.agent import agent, call, refused
from eyebright.core.agent_token import AgentToken, Persona
from eyebright.doors.mcp.changing import Changing
from eyebright.doors.mcp.reading import Reading
from eyebright.doors.mcp.tools import tools_of
from eyebright.settings import McpSettings
from eyebright.stores.sql.database import Database
from eyebright_wire.jobs import JobState, RehearsalRequest
from eyebright_wire.rehearsals import RehearsalReport, RehearsalStep, StepState
from eyebright_wire.resources import DatasetInspection
from eyebright_wire.runs import Handle

READING = [verb.__name__ for verb, _ in tools_of(Reading(None))]
CHANGING = [verb.__name__ for verb, _ in tools_of(Changing(None, 0))]
ID = "0123456789abcdef"
#: It asks a model, and keeps nothing.
KEEPS_NOTHING = {"predict"}
#: They make the server fetch data from addresses; a retry, that of an import.
OPEN_WORLD = {"inspect_dataset", "import_dataset", "retry_job"}


async def arguments(site: Site) -> dict[str, dict[str, Any]]:
    """For each tool some that it can carry out: there are a data set, an ended job with its model, a failed and a queued one, an
    inspection and a rehearsal that have ended."""
    version = await site.add_dataset()
    handle = await site.launch()
    await site.say(handle, site.event(1, "started", pid=7, host="here"))
    await site.succeed(handle, 2)
    model = (await site.context.services.jobs.get(handle.job_id)).model_id
    failed = await site.launch(name="failing")
    started = site.event(1, "started", pid=8, host="here")
    await site.say(failed, started, site.event(2, "failed", code="config_invalid", message="no", retryable=False))
    site.executor.exit(failed, 1)
    await site.context.services.sweep.tick()
    await site.context.services.sweep.settle()
    assert (await site.context.services.jobs.get(failed.job_id)).state is JobState.FAILED
    inspection, rehearsal = await inspected(site), await rehearsed(site)
    queued = await site.order(name="waiting")
    archive = site.folder / "zoo.zip"
    archive.write_bytes(b"a zip, to be looked at later")
    job, one = {"job_id": handle.job_id}, {"model": model}
    return {
        "estimate_training": {"order": {"dataset": "pets"}},
        "describe_rehearsal": {"job_id": rehearsal},
        "list_trainers": {},
        "list_recipes": {},
        "describe_recipe": {"recipe": "toy/classification"},
        "list_datasets": {},
        "describe_dataset": {"name": "pets"},
        "describe_dataset_version": {"version_id": version},
        "describe_inspection": {"job_id": inspection},
        "list_jobs": {"states": ["queued"]},
        "describe_job": job,
        "watch_job": {"job_id": queued.id, "seconds": 0.2},
        "read_log": job,
        "read_metrics": job,
        "list_models": {},
        "describe_model": one,
        "compare_models": {"left": model, "right": model},
        "rehearse_training": {"order": {"dataset": "pets"}},
        "inspect_dataset": {"order": {"path": str(archive)}},
        "import_dataset": {"order": {"path": str(archive)}},
        "start_training": {"order": {"dataset": "pets"}},
        "cancel_job": {"job_id": queued.id},
        "retry_job": {"job_id": failed.job_id},
        "export_model": {**one, "form": "csv"},
        "predict": {**one, "image": base64.b64encode(bmp(1)).decode()},
        "delete_model": {"model_id": model},
    }


async def inspected(site: Site) -> str:
    archive = site.folder / "pets.zip"
    archive.write_bytes(pets())
    job = await site.context.services.datasets.order(DatasetInspection(path=str(archive)))
    await site.import_all()
    return job.id


async def rehearsed(site: Site) -> str:
    job = (await site.context.services.jobs.rehearse(RehearsalRequest(dataset="pets"))).view
    await site.context.services.dispatch.tick()
    handle = Handle(job.id, 1)
    report = RehearsalReport(steps=(RehearsalStep(name="data", state=StepState.PASSED),), seconds=1.0)
    found = site.leave(handle, "rehearsal.json", report.model_dump_json().encode())
    await site.say(handle, site.event(1, "started", pid=9, host="here"))
    await site.succeed(handle, 2, artifacts=[found], metrics={}, classes=[])
    return job.id


@pytest.fixture(params=["sqlite", "postgresql"])
async def stored(request, fresh_url):
    """A database, and a look at all that is in it."""
    database = await Database.open(fresh_url(request.param))
    yield database, lambda: everything(database)
    await database.close()


async def everything(database: Database) -> dict[str, list[str]]:
    """But for the audit log, which notes each call of an agent, whatever it asks for."""

    def read(connection: Connection) -> dict[str, list[str]]:
        found = MetaData()
        found.reflect(connection)
        kept = [table for table in found.sorted_tables if table.name != "audit"]
        return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in kept}

    async with database.engine.reading() as connection:
        return await connection.run_sync(read)


def token_for(site: Site, persona: str, **claims: Any) -> str:
    expires_s = site.clock.now_ms() // 1000 + 3600
    return AgentToken(**{"id": ID, "persona": Persona(persona), "expires_s": expires_s, **claims}).signed(TOKEN)


@pytest.mark.parametrize("persona", Persona)
@pytest.mark.parametrize("by", ["setting", "token"])
async def test_only_a_confirmed_change_of_an_operator_changes_the_database(stored, tmp_path, persona, by):
    """Whichever says who the agent is; of the two the token's own word counts, whatever the setting."""
    database, look = stored
    other = next(each for each in Persona if each is not persona)
    async with make_site(tmp_path, database, mcp={"persona": persona if by == "setting" else other}) as site:
        asked = await arguments(site)
        assert set(asked) == {*READING, *CHANGING}
        async with agent(site, TOKEN if by == "setting" else token_for(site, persona)) as client:
            offered = {tool.name for tool in (await client.list_tools()).tools}
            assert offered == {*READING, *(CHANGING if persona == "operator" else [])}
            before = await look()
            assert before["jobs"]
            for tool in READING:
                assert (await call(client, tool, **asked[tool]))["data"], tool
                assert await look() == before, tool
            for tool in CHANGING:
                if persona == "reader":
                    why = await refused(client, tool, **asked[tool], confirm=True)
                    assert why.startswith(f"forbidden: the tool {tool} is for an operator"), why
                    assert await look() == before, tool
                    continue
                preview = await call(client, tool, **asked[tool])
                assert (preview["done"], preview["result"]) == (False, None), tool
                assert preview["preview"], tool
                assert await look() == before, tool
                result = await call(client, tool, **asked[tool], confirm=True)
                assert result["done"], tool
                assert result["result"], tool
                assert (await look() == before) == (tool in KEEPS_NOTHING), tool
                before = await look()


@pytest.mark.parametrize("persona", Persona)
async def test_every_tool_says_what_it_changes_and_whether_it_goes_elsewhere(tmp_path, persona):
    async with make_site(tmp_path, mcp={"persona": persona}) as site, agent(site) as client:
        for tool in (await client.list_tools()).tools:
            assert tool.annotations.read_only_hint is (tool.name in READING), tool.name
            assert tool.annotations.destructive_hint is (tool.name in {"cancel_job", "delete_model"}), tool.name
            assert tool.annotations.open_world_hint is (tool.name in OPEN_WORLD), tool.name
            assert tool.annotations.title
            assert tool.description
            assert tool.output_schema
            assert ("confirm" in tool.input_schema["properties"]) is (tool.name in CHANGING), tool.name


async def test_agents_may_only_read_unless_the_setting_says_more(tmp_path):
    async with make_site(tmp_path) as site, agent(site) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == set(READING)


def test_the_setting_names_the_same_personas():
    assert set(get_args(McpSettings.model_fields["persona"].annotation)) == set(Persona)


@pytest.mark.parametrize(
    ("claims", "settings", "why"),
    [
        ({"expires_s": 1_700_000_000}, {}, "expired on 2023-11-14 at 22:13 UTC"),
        ({}, {"revoked": f"aaaa, {ID}"}, f"{ID}.* was revoked by EYEBRIGHT_MCP__REVOKED"),
    ],
)
async def test_a_token_that_is_over_opens_nothing(tmp_path, claims, settings, why):
    async with make_site(tmp_path, mcp=settings) as site:
        answer = await site.post("/mcp", headers=bearer(token_for(site, "reader", **claims)))
        assert answer.status_code == 401
        assert re.search(why, answer.json()["detail"])
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_only_the_one_that_was_revoked_is_over(tmp_path):
    async with (
        make_site(tmp_path, mcp={"revoked": ID}) as site,
        agent(site, token_for(site, "reader", id="f" * 16)) as client,
    ):
        assert await client.list_tools()


async def test_a_token_of_another_server_opens_nothing(site):
    token = AgentToken(ID, Persona.OPERATOR, site.clock.now_ms() // 1000 + 60).signed("another operator's")
    answer = await site.post("/mcp", headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_the_guide_names_every_tool_in_its_place():
    guide = (Path(__file__).parents[5] / "docs/guide/mcp.md").read_text()
    rows = [row.split("|")[1:4] for row in guide.splitlines() if row.startswith("| ") and "---" not in row][1:]
    named = [
        (name, phase.strip(), changes)
        for phase, *cells in rows
        for changes, cell in enumerate(cells)
        for name in re.findall(r"`(\w+)`", cell)
    ]
    tools = [*tools_of(Reading(None)), *tools_of(Changing(None, 0))]
    assert sorted(named) == sorted((verb.__name__, kind.phase, kind.changes) for verb, kind in tools)


def test_the_files_of_the_guide_are_json_and_lead_to_the_door():
    guide = (Path(__file__).parents[5] / "docs/guide/mcp.md").read_text()
    files = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", guide, re.DOTALL)]
    servers = [server for file in files for server in (file.get("mcpServers") or file["servers"]).values()]
    assert {server["url"] for server in servers if "url" in server} == {"http://127.0.0.1:8765/mcp"}
    assert {server["args"][0] for server in servers if "command" in server} == {"mcp"}


@pytest.mark.parametrize("agent", ["Claude Desktop", "Cursor", "VS Code"])
def test_the_files_of_the_guide_are_as_makers_document_them(agent):
    """Of programs that are not run here: where each looks for servers, and what it wants of them."""
    guide = (Path(__file__).parents[5] / "docs/guide/mcp.md").read_text()
    section = re.search(rf"^\*\*{agent}\*\*(.*?)(?=^\*\*)", guide, re.DOTALL | re.MULTILINE)
    file, *_ = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", section.group(1), re.DOTALL))
    match agent:
        case "Claude Desktop":
            assert file.keys() == {"mcpServers"}
            assert [server.keys() for server in file["mcpServers"].values()] == [{"command", "args"}]
        case "Cursor":
            assert file.keys() == {"mcpServers"}
            assert [server["type"] for server in file["mcpServers"].values()] == ["stdio"]
            assert "leave `type` out" in section.group(1)
            assert "`${env:MY_AGENTS_TOKEN}`" in section.group(1)
        case _:
            assert file.keys() == {"inputs", "servers"}
            assert [server["type"] for server in file["servers"].values()] == ["stdio", "http"]
            assert all(name.isalnum() for name in file["servers"])
            (asked,) = file["inputs"]
            assert {"type": "promptString", "password": True}.items() <= asked.items()
            assert f"Bearer ${{input:{asked['id']}}}" in json.dumps(file["servers"])
