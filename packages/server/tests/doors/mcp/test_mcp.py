"""The door for agents: who may come in, what they are told, and what they never learn."""

import asyncio
import re
import subprocess
import sys

import httpx
import pytest
from harness.site import TOKEN, URL, bearer
from harness.site import site as make_site
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from doors.mcp.agent import agent, call, refused
from doors.mcp.schemas import inner_fields, leads_somewhere
from eyebright.doors.mcp.answers import LONGEST, MOST, within_limits
from eyebright.doors.mcp.ways import WAYS
from eyebright.services.watch import Watch
from eyebright_wire.resources import JobView

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
async def operated(tmp_path):
    async with make_site(tmp_path, mcp={"persona": "operator"}) as site:
        yield site


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Authorization": ""}, 401),
        (bearer("guessed"), 401),
        (bearer(f"{TOKEN}x"), 401),
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": URL}, 200),
    ],
)
async def test_the_gate_is_the_same_as_everywhere(site, headers, status):
    answer = await site.post("/mcp", json=INITIALIZE, headers={**ACCEPT, **headers})
    assert answer.status_code == status, answer.text


async def test_a_body_that_is_too_large_is_refused(tmp_path):
    async with make_site(tmp_path, uploads={"json_bytes": 10_000}) as site:
        answer = await site.post("/mcp", json={**INITIALIZE, "more": "x" * 10_000}, headers=ACCEPT)
        assert answer.status_code == 413


async def test_there_is_no_session_to_open_or_to_end(site):
    assert (await site.get("/mcp", headers=ACCEPT)).status_code == 405
    answer = await site.post("/mcp", json=INITIALIZE, headers=ACCEPT)
    assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_clients_of_every_generation_are_answered(site, mode):
    async with agent(site, mode=mode) as client:
        assert client.server_info.name == "eyebright"
        assert "confirm=true" in client.instructions
        assert (await call(client, "list_recipes"))["data"]["items"][0]["name"] == "toy/classification"


async def test_a_server_that_no_agent_uses_never_loads_the_sdk():
    modules = "eyebright.app, eyebright.website, eyebright.settings"
    look = (
        f"import sys, {modules}; eyebright.website.installed_doors(eyebright.settings.Settings()); "
        "print('eyebright.doors.mcp.door' in sys.modules, 'mcp' in sys.modules, 'mcp_types' in sys.modules)"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", look], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False", "False"]


async def test_a_door_that_cannot_open_says_so(tmp_path, monkeypatch):
    def broken(context, persona):
        raise RuntimeError("no SDK")

    monkeypatch.setattr("eyebright.doors.mcp.server.answering", broken)
    async with make_site(tmp_path) as site:
        answer = await site.post("/mcp", json=INITIALIZE, headers=ACCEPT)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert (await site.get("/api/v1/jobs")).status_code == 200


async def test_who_calls_first_when_the_server_has_stopped_does_not_wait(tmp_path):
    async with make_site(tmp_path) as site:
        stopped = httpx.ASGITransport(site.app)
    async with asyncio.timeout(60), httpx.AsyncClient(transport=stopped, base_url=URL, headers=bearer(TOKEN)) as late:
        answer = await late.post("/mcp", json=INITIALIZE, headers=ACCEPT)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_what_an_agent_sees_is_what_the_api_shows(site):
    version = await site.add_dataset()
    handle = await site.launch()
    await site.say(handle, site.event(1, "progress", epoch=1, epochs=2, step=10, metrics={"loss": 0.5}))
    site.executor.outputs[handle] = b"epoch 1\nepoch 2\n"
    job = (await site.get(f"/api/v1/jobs/{handle.job_id}")).json()
    async with agent(site) as client:
        told = await call(client, "describe_job", job_id=handle.job_id)
        assert told == {"data": job, "cut": []}
        listed = (await call(client, "list_jobs", kind="training"))["data"]["items"]
        assert [each["id"] for each in listed] == [handle.job_id]
        assert listed[0].items() <= job.items()
        curves = await call(client, "read_metrics", job_id=handle.job_id)
        assert curves["data"] == {"metrics": {"loss": [[1, 10, 0.5]]}}
        first = (await call(client, "read_log", job_id=handle.job_id, lines=1))["data"]
        assert first["lines"] == ["epoch 1"]
        rest = await call(client, "read_log", job_id=handle.job_id, offset=first["next_offset"])
        assert rest["data"]["lines"] == ["epoch 2"]
        (summary,) = (await call(client, "describe_dataset", name="pets"))["data"]["versions"]
        assert (summary["id"], summary["classes"], summary["ready_for"]) == (version, 2, ["classification"])
        report = await call(client, "describe_dataset_version", version_id=version)
        assert report["data"] == (await site.get(f"/api/v1/dataset-versions/{version}")).json()


async def test_cards_are_the_same_views(site):
    await site.add_dataset()
    job = await site.order()
    async with agent(site) as client:
        templates = (await client.list_resource_templates()).resource_templates
        assert {each.uri_template.split("/")[2] for each in templates} == {"jobs", "models", "datasets"}
        (card,) = (await client.read_resource(f"eyebright://jobs/{job.id}")).contents
        assert card.mime_type == "application/json"
        assert f'"id":"{job.id}"' in card.text
        with pytest.raises(MCPError, match=r"not_found: .*petz") as caught:
            await client.read_resource("eyebright://datasets/petz")
        assert caught.value.error.code == INVALID_PARAMS


async def test_journeys_name_only_tools_that_there_are(operated):
    async with agent(operated) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        journeys = (await client.list_prompts()).prompts
        assert {journey.name for journey in journeys} == {"train_from_folder", "diagnose_job", "choose_model"}
        for journey in journeys:
            prompt = await client.get_prompt(journey.name, {each.name: "x" for each in journey.arguments})
            text = prompt.messages[0].content.text
            named = set(re.findall(r"(?<!`)\b[a-z]+_[a-z_]+", text))
            assert named, journey.name
            assert named <= tools, journey.name


async def test_watching_tells_of_progress_until_the_job_has_ended(site, monkeypatch):
    await site.add_dataset()
    handle = await site.launch()
    heard, watched, follow = [], [], Watch.follow

    async def noted(watch, *asked):
        async for news in follow(watch, *asked):
            watched.append(news)
            yield news

    async def hear(progress, total, message):
        heard.append((progress, total, message))

    async def until(holds):
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110  nobody tells of it
                await asyncio.sleep(0.01)

    async def train():
        await until(lambda: watched)
        started = site.event(1, "started", pid=7, host="here")
        await site.say(handle, started, site.event(2, "progress", epoch=1, epochs=2, step=10))
        await until(lambda: any(isinstance(news, JobView) and news.progress for news in watched))
        await site.succeed(handle, 3)

    monkeypatch.setattr(Watch, "follow", noted)
    async with agent(site) as client:
        training = asyncio.create_task(train())
        answer = await client.call_tool("watch_job", {"job_id": handle.job_id}, progress_callback=hear)
        await training
    assert answer.structured_content["data"]["state"] == "succeeded"
    assert heard[0] == (1, 2, "running, epoch 1")


async def test_watching_ends_when_its_time_is_over(site):
    await site.add_dataset()
    job = await site.order()
    async with agent(site) as client:
        assert (await call(client, "watch_job", job_id=job.id, seconds=0.1))["data"]["state"] == "queued"


async def test_a_refusal_says_what_was_found_and_the_way_out(operated):
    async with agent(operated) as client:
        why = await refused(client, "start_training", order={"dataset": "petz"}, confirm=True)
        assert "not_found: " in why
        assert "config_invalid" in await refused(
            client, "start_training", order={"dataset": "petz", "config": {"epocs": 1}}, confirm=True
        )
        assert "invalid_request: there is no file or folder /nowhere" in await refused(
            client, "import_dataset", order={"path": "/nowhere"}
        )
        both = await refused(client, "predict", model="pets", path="/a", image="aaaa")
        assert "exactly one of path and image" in both
        assert "not in base64" in await refused(client, "predict", model="pets", image="ümlaut")
        assert "absolute path" in await refused(client, "predict", model="pets", path="../token")


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("list_jobs", {"stats": ["failed"]}, "stats is not a field that is known here. Did you mean 'states'"),
        ("list_jobs", {"limit": 0}, "limit must be at least 1, not 0"),
        ("describe_job", {}, "job_id is needed"),
        ("start_training", {"order": {"datset": "pets"}}, "Did you mean 'order.dataset'"),
        (
            "start_training",
            {"order": {"dataset": "pets"}, "confirm": "yes"},
            "confirm must be true or false, not 'yes'",
        ),
        ("start_training", {"order": {"dataset": "pets"}, "confirm": 1}, "confirm must be true or false, not 1"),
        ("start_training", {"order": {"dataset": "pets"}, "confrim": True}, "Did you mean 'confirm'"),
        ("import_dataset", {"order": {"url": "https://me:secret@host/x?sig=1", "path": 1}}, "order.path must be text"),
        ("list_jobs", {"states": ["none"] * 20_000}, "states.0 must be one of"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_in_words(operated, tool, arguments, why):
    async with agent(operated) as client:
        said = await refused(client, tool, **arguments)
    assert why in said
    assert said.startswith("invalid_request: ")
    assert "pydantic" not in said
    assert "secret" not in said
    assert len(said) <= 2_000
    assert (await operated.get("/api/v1/jobs")).json()["items"] == []


async def test_what_is_meant_is_told_with_its_true_place(operated):
    """For each argument of each tool: mistyped, and each field of an object outside of it, or what is beside that within it."""
    async with agent(operated) as client:
        for tool in (await client.list_tools()).tools:
            schema, beside = tool.input_schema, set(tool.input_schema["properties"])
            for name in beside:
                assert f"Did you mean {name!r}" in await refused(client, tool.name, **{f"{name}s": 1}), tool.name
            for outer in beside:
                inner = inner_fields(schema, outer)
                for name in inner - beside:
                    wanted = f"{name} is not a field that is known here. Did you mean '{outer}.{name}'"
                    assert wanted in await refused(client, tool.name, **{name: 1}), tool.name
                    assert f"give `{outer}` as an object" in await refused(client, tool.name, **{f"{outer}.{name}": 1})
                for name in beside - inner if inner else ():
                    said = await refused(client, tool.name, **{outer: {name: 1}})
                    assert f"{outer}.{name} is not a field that is known here. Did you mean {name!r}" in said, tool.name
                for name in inner:
                    said = await refused(client, tool.name, **{outer: {f"{name}s": 1}})
                    (meant,) = re.findall(rf"{outer}\.{name}s is .*?Did you mean '(.+?)'", said)
                    assert leads_somewhere(schema, meant), (tool.name, meant)


async def test_a_field_within_a_list_is_told_with_its_entry(operated):
    async with agent(operated) as client:
        order = {"images": [{"url": "https://a.example/1.png"}, {"uri": "https://a.example/2.png"}]}
        assert "Did you mean 'order.images.1.url'" in await refused(client, "import_dataset", order=order)
        order = {"path": "/data", "train": {"nme": "cats"}}
        assert "Did you mean 'order.train.name'" in await refused(client, "import_dataset", order=order)


async def test_every_refusal_begins_with_its_code(operated, monkeypatch):
    """What a tool refuses, what never reaches it, and what it breaks of."""
    async with agent(operated) as client:
        for tool, arguments, code in (
            ("describe_job", {"job_id": "job_1"}, "not_found"),
            ("describe_job", {}, "invalid_request"),
            ("describe_job", {"job": "job_1"}, "invalid_request"),
            ("list_jobs", {"limit": 0}, "invalid_request"),
            ("predict", {"model": "pets"}, "invalid_request"),
            ("describe_jobs", {}, "not_found"),
        ):
            assert (await refused(client, tool, **arguments)).startswith(f"{code}: "), tool
        assert "Did you mean 'describe_job'" in await refused(client, "describe_jobs")
        for what, way in (("jobs/job_1", "`list_jobs`"), ("cats/1", "eyebright://jobs/{job_id}")):
            with pytest.raises(MCPError, match=rf"^not_found: .*{re.escape(way)}"):
                await client.read_resource(f"eyebright://{what}")

        async def broken(*_):
            raise RuntimeError("the password is 1234")

        monkeypatch.setattr(type(operated.context.services.jobs), "get", broken)
        assert (await refused(client, "describe_job", job_id="job_1")).startswith("internal: Something went wrong")
        with pytest.raises(MCPError, match=r"^internal: Something went wrong"):
            await client.read_resource("eyebright://jobs/job_1")


@pytest.mark.parametrize(
    ("prompt", "arguments", "why"),
    [
        (
            "train_from_foldr",
            {},
            "^not_found: there is no prompt 'train_from_foldr'; there are train_from_folder, diagnose_job",
        ),
        ("choose_model", {"left": "pets@1"}, "^invalid_request: choose_model needs right"),
    ],
)
async def test_a_prompt_that_cannot_be_made_says_why(site, prompt, arguments, why):
    async with agent(site) as client:
        with pytest.raises(MCPError, match=why):
            await client.get_prompt(prompt, arguments)


async def test_a_list_of_models_is_short_and_tells_which_they_are(site):
    await site.add_dataset()
    handle = await site.launch()
    await site.say(handle, site.event(1, "started", pid=7, host="here"))
    await site.succeed(handle, 2)
    async with agent(site) as client:
        (listed,) = (await call(client, "list_models"))["data"]["items"]
        model = (await call(client, "describe_model", model=listed["id"]))["data"]
    assert listed == {**{name: model[name] for name in listed}, "classes": 2, "exports": []}
    assert "artifacts" not in listed


async def test_what_would_be_refused_is_not_previewed(operated):
    await operated.add_dataset()
    handle = await operated.launch()
    async with agent(operated) as client:
        for confirm in (False, True):
            why = await refused(client, "retry_job", job_id=handle.job_id, confirm=confirm)
            assert "only a finished job can be run again" in why
        await operated.say(handle, operated.event(1, "started", pid=7, host="here"))
        await operated.succeed(handle, 2)
        model = (await operated.context.services.jobs.get(handle.job_id)).model_id
        for confirm in (False, True):
            why = await refused(client, "cancel_job", job_id=handle.job_id, confirm=confirm)
            assert "is over (succeeded); there is nothing to cancel" in why
            assert "config_invalid: " in await refused(
                client, "export_model", model=model, form="../x", confirm=confirm
            )


async def test_before_a_model_is_deleted_its_loss_is_shown(operated):
    await operated.add_dataset()
    handle = await operated.launch()
    await operated.say(handle, operated.event(1, "started", pid=7, host="here"))
    await operated.succeed(handle, 2)
    model = (await operated.context.services.jobs.get(handle.job_id)).model_id
    async with agent(operated) as client:
        loss = (await call(client, "delete_model", model_id=model))["preview"]
        assert (loss["model"]["id"], loss["files"], loss["size_bytes"]) == (model, 2, len(b"weights" + b"picture"))
        assert "mdl_" in await refused(client, "delete_model", model_id="pets@1")
        await operated.context.services.models.point(model, "production")
        for confirm in (False, True):
            assert "take the alias away first" in await refused(client, "delete_model", model_id=model, confirm=confirm)
        await operated.context.services.models.unpoint(model, "production")
        assert (await call(client, "delete_model", model_id=model, confirm=True))["result"] == {"id": model}
        assert "was deleted on" in await refused(client, "describe_model", model=model)


async def test_the_way_out_of_a_refusal_is_one_of_the_tools(operated):
    refusals = {
        "list_jobs": [("describe_job", {"job_id": "job_1"}), ("cancel_job", {"job_id": "job_1", "confirm": True})],
        "list_models": [("describe_model", {"model": "cats@2"}), ("delete_model", {"model_id": "mdl_1"})],
        "list_datasets": [
            ("describe_dataset", {"name": "petz"}),
            ("describe_dataset_version", {"version_id": "dsv_1"}),
            ("start_training", {"order": {"dataset": "petz"}, "confirm": True}),
        ],
        "describe_job": [("describe_inspection", {"job_id": (await ordered(operated)).id})],
    }
    async with agent(operated) as client:
        for way, asked in refusals.items():
            for tool, arguments in asked:
                said = await refused(client, tool, **arguments)
                assert f"`{way}`" in said, said
                assert_no_command(said)
        upload = await refused(client, "inspect_dataset", order={"upload": "upl_0192f3"})
        assert "name a path on the server" in upload
        assert_no_command(upload)


async def test_findings_tell_an_agent_of_its_tools_and_others_of_commands(operated):
    await operated.add_dataset()
    order = {"dataset": "petz", "parent": "cats"}
    async with agent(operated) as client:
        told = (await call(client, "estimate_training", order=order))["data"]["findings"]
        previews = [
            (await call(client, tool, order=order))["preview"] for tool in ("start_training", "rehearse_training")
        ]
    assert [preview["findings"] for preview in previews] == [told, told]
    said = "\n".join(finding["message"] for finding in told)
    assert "`list_models`" in said
    assert "`list_datasets`" in said
    assert_no_command(said)
    answer = await operated.post("/api/v1/jobs:preflight", json=order)
    assert "`eyebright models list` (GET /api/v1/models)" in answer.text


async def test_the_ways_of_agents_fit_and_name_tools_that_there_are(operated):
    async with agent(operated) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
    for way, words in WAYS.items():
        assert set(re.findall(r"`(\w+)`", words)) <= tools, way
        assert set(re.findall(r"{\w+}", words)) <= set(re.findall(r"{\w+}", way)), way


async def ordered(site):
    await site.add_dataset()
    return await site.order()


def assert_no_command(said):
    assert not re.search(r"`eyebright |(GET|POST|DELETE) /", said), said


async def test_a_report_that_is_not_there_yet_is_said_so(site):
    await site.add_dataset()
    job = await site.order()
    async with agent(site) as client:
        for tool in ("describe_rehearsal", "describe_inspection"):
            assert "has no artifact" in await refused(client, tool, job_id=job.id)
            assert "not_found" in await refused(client, tool, job_id="job_1")


async def test_an_agent_cannot_have_an_address_called_by_a_rehearsal(operated):
    await operated.add_dataset()
    order = {"dataset": "pets", "webhook": "https://evil.example/"}
    async with agent(operated) as client:
        assert "webhook" in await refused(client, "rehearse_training", order=order, confirm=True)


async def test_of_a_mistake_of_ours_an_agent_learns_nothing(site, monkeypatch):
    async def broken(*_):
        raise RuntimeError("the password is 1234")

    monkeypatch.setattr(type(site.context.services.jobs), "get", broken)
    async with agent(site) as client:
        assert "1234" not in await refused(client, "describe_job", job_id="job_1")


async def test_an_image_that_is_too_large_is_refused(tmp_path):
    (tmp_path / "large.png").write_bytes(bytes(2_000))
    settings = {"mcp": {"persona": "operator"}, "uploads": {"image_bytes": 1_000}}
    async with make_site(tmp_path, **settings) as site, agent(site) as client:
        assert "1000 bytes" in await refused(client, "predict", model="x", path=str(tmp_path / "large.png"))
        assert "1000 bytes" in await refused(client, "predict", model="x", image="A" * 2_000)


async def test_the_same_key_is_one_job(operated):
    await operated.add_dataset()
    order = {"order": {"dataset": "pets"}, "confirm": True, "key": "once"}
    async with agent(operated) as client:
        jobs = [(await call(client, "start_training", **order))["result"]["id"] for _ in range(2)]
        other = {**order, "order": {"dataset": "pets", "name": "other"}}
        why = await refused(client, "start_training", **other)
    assert jobs[0] == jobs[1]
    assert why.endswith("this key was already used for another order; use a new key for a new order")


def test_what_is_long_is_cut_and_said_so():
    view = JobView(
        id="job_1", name="x", state="failed", message="y" * (LONGEST + 5), trainer="toy", task="t", model="m",
        dataset_version="v", labels={f"{n:04}": "z" for n in range(MOST + 1)}, created_at_ms=0,
    )  # fmt: skip
    kept, cut = within_limits(view)
    assert len(kept.message) == LONGEST
    assert len(kept.labels) == MOST
    assert cut == ("message: 5 of 2,005 characters", "labels: 1 of 201 entries")


def test_what_is_short_is_not_touched():
    view = JobView(
        id="job_1", name="x", state="failed", trainer="toy", task="t", model="m", dataset_version="v", created_at_ms=0
    )
    assert within_limits(view) == (view, ())
