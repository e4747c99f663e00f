"""`eyebright mcp`: an agent over stdin and stdout, who it is taken for, and what it hears when there is no server."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from harness.live import LiveServer, environment
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError

from eyebright.cli.agents import agent_token
from eyebright.cli.exits import Exit
from eyebright.core.agent_token import Persona
from eyebright_wire.jobs import JobRequest

COMMAND = [sys.executable, "-m", "eyebright", "mcp"]
READING = {"list_jobs", "describe_job", "watch_job", "list_models"}


@asynccontextmanager
async def agent(live: LiveServer, *arguments: str, mode: str = "auto", **variables: str):
    command = StdioServerParameters(
        command=sys.executable, args=[*COMMAND[1:], *arguments], env=environment(live.data_dir, **variables)
    )
    async with Client(command, mode=mode) as client:
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_of_any_generation_sees_what_the_server_has(live, done, mode):
    async with agent(live, mode=mode) as client:
        assert "confirm=true" in client.instructions
        assert {tool.name for tool in (await client.list_tools()).tools} >= READING
        assert {prompt.name for prompt in (await client.list_prompts()).prompts} >= {"diagnose_job"}
        prompt = await client.get_prompt("diagnose_job", {"job_id": done.id})
        assert done.id in prompt.messages[0].content.text
        assert (await client.list_resource_templates()).resource_templates
        (card,) = (await client.read_resource(f"eyebright://jobs/{done.id}")).contents
        assert done.id in card.text
        told = await client.call_tool("describe_job", {"job_id": done.id})
        assert told.structured_content["data"]["state"] == "succeeded"


async def test_what_the_server_refuses_is_told_as_it_says_it(live, done):
    async with agent(live) as client:
        refused = await client.call_tool("describe_job", {"job_id": "job_1"})
        assert refused.is_error
        assert "not_found: there is no job job_1" in refused.content[0].text
        with pytest.raises(MCPError, match="not_found: there is no job job_1"):
            await client.read_resource("eyebright://jobs/job_1")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_progress_comes_through_and_a_call_can_be_given_up(live, client, done, mode):
    order = JobRequest(dataset=done.dataset_version, trainer="toy", config={"epochs": 400, "step_seconds": 0.1})
    job = client.submit(order)
    heard = asyncio.Event()

    async def hear(*_: Any) -> None:
        heard.set()

    async with agent(live, mode=mode) as session:
        asked = {"job_id": job.id, "seconds": 60}
        watching = asyncio.create_task(session.call_tool("watch_job", asked, progress_callback=hear))
        await asyncio.wait_for(heard.wait(), 180)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        told = await session.call_tool("describe_job", {"job_id": job.id})
        assert told.structured_content["data"]["state"] == "running"
    client.cancel(job.id)


@pytest.mark.parametrize(("setting", "arguments", "changes"), [
    ("reader", (), False),
    ("operator", (), False),
    ("reader", ("--persona", "operator"), True),
    ("operator", ("--persona", "reader"), False),
])  # fmt: skip
async def test_the_persona_is_the_one_that_was_asked_for_whatever_the_server_says(
    tmp_path, setting, arguments, changes
):
    with LiveServer(tmp_path, EYEBRIGHT_MCP__PERSONA=setting) as server:
        async with agent(server, *arguments) as client:
            assert ("start_training" in {tool.name for tool in (await client.list_tools()).tools}) is changes


async def test_with_an_agents_token_it_is_what_the_token_says(live):
    token = agent_token(Persona.OPERATOR, 60).signed(live.token)
    url = str(json.loads((live.data_dir / "server.json").read_text())["url"])
    async with agent(live, EYEBRIGHT_TOKEN=token, EYEBRIGHT_URL=url) as client:
        assert "start_training" in {tool.name for tool in (await client.list_tools()).tools}


def test_an_agents_token_is_no_token_for_another_persona(live):
    token = agent_token(Persona.READER, 60).signed(live.token)
    done = ran(live, "--persona", "operator", EYEBRIGHT_TOKEN=token)
    assert (done.returncode, done.stdout) == (Exit.DENIED, "")
    assert "for an agent that is a reader, not operator" in done.stderr


def test_a_token_that_is_over_is_told_at_once(live):
    token = agent_token(Persona.READER, -60).signed(live.token)
    done = ran(live, EYEBRIGHT_TOKEN=token)
    assert (done.returncode, done.stdout) == (Exit.DENIED, "")
    assert "expired on" in done.stderr


def test_without_a_server_at_the_address_it_ends_and_says_so(live):
    done = ran(live, EYEBRIGHT_URL="http://127.0.0.1:9", EYEBRIGHT_TOKEN="t")
    assert (done.returncode, done.stdout) == (Exit.UNAVAILABLE, "")
    assert "no answer from http://127.0.0.1:9" in done.stderr


def test_nothing_but_the_protocol_is_on_stdout_and_it_ends_with_its_input(live, done):
    with speaking(live) as (ask, process):
        assert "result" in ask("tools/call", {"name": "list_jobs", "arguments": {}})
        out, said = process.communicate(timeout=180)
        assert (process.returncode, out, said) == (Exit.DONE, "", "")


def test_a_server_that_stops_in_the_middle_is_told_to_the_agent_and_by_the_exit_status(tmp_path):
    with LiveServer(tmp_path) as server, speaking(server) as (ask, process):
        assert "result" in ask("tools/call", {"name": "list_jobs", "arguments": {}})
        server.kill()
        refused = ask("tools/call", {"name": "list_jobs", "arguments": {}})
        assert refused["error"]["message"].startswith("unavailable: ")
        out, said = process.communicate(timeout=180)
        assert (process.returncode, out) == (Exit.UNAVAILABLE, "")
        assert "error: " in said


def ran(live: LiveServer, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments], env=environment(live.data_dir, **variables), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


@contextmanager
def speaking(live: LiveServer) -> Iterator[Any]:
    """With the bare protocol, line by line."""
    process = subprocess.Popen(
        COMMAND, env=environment(live.data_dir), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    number = 0

    def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
        nonlocal number
        number += 1
        tell({"id": number, "method": method, "params": params})
        while (answer := json.loads(process.stdout.readline())).get("id") != number:
            pass
        return answer

    def tell(message: dict[str, Any]) -> None:
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()

    try:
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        assert ask("initialize", about)["result"]["serverInfo"]["name"] == "eyebright"
        tell({"method": "notifications/initialized"})
        yield ask, process
    finally:
        process.kill()
        process.communicate()
