"""An agent goes from a folder of images to a trained model by tools alone, with the real toy trainer and a real server."""

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from harness.live import LiveServer, environment, pets
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from eyebright.client import running_server
from eyebright.settings import Settings

ROOT = Path(__file__).parents[2]


async def test_an_agent_goes_from_a_folder_to_a_model_that_predicts(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets")
    with LiveServer(tmp_path / "server", EYEBRIGHT_MCP__PERSONA="operator") as live:
        local = running_server(live.settings)
        assert local
        headers = {"Authorization": f"Bearer {live.token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=120) as http,
            Client(streamable_http_client(f"{local.url}/mcp", http_client=http)) as client,
        ):
            await journey(client, folder)


async def test_an_agent_that_starts_its_own_process_needs_no_server_beforehand(tmp_path: Path) -> None:
    folder, data_dir = pets(tmp_path / "pets"), tmp_path / "data"
    settings = Settings(data_dir=data_dir)
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "eyebright", "mcp", "--persona", "operator"], env=environment(data_dir)
    )
    try:
        async with Client(command) as client:
            await journey(client, folder)
            gone = _stopped(settings)
            assert (await call(client, "list_models"))["data"]["items"]  # as after a long silence
            again = running_server(settings)
            assert again
            assert again.pid != gone
    finally:
        _stopped(settings)


def _stopped(settings: Settings) -> int | None:
    """Which process that was."""
    local = running_server(settings)
    if local is None:
        return None
    assert local.embedded
    psutil.Process(local.pid).terminate()
    deadline = time.monotonic() + 30
    while running_server(settings) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return local.pid


@pytest.mark.parametrize("way", ["StdioServerParameters", "streamable_http_client"])
def test_the_python_lines_of_the_guide_work(tmp_path: Path, way: str) -> None:
    """As a file of their own, as they are pasted."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/guide/mcp.md").read_text(), re.DOTALL)
    (lines,) = [block for block in blocks if way in block]
    with LiveServer(tmp_path) as live:
        local = running_server(live.settings)
        assert local
        here = lines.replace("http://127.0.0.1:8765", local.url)
        here = here.replace(".venv/bin/eyebright", str(Path(sys.executable).with_name("eyebright")))
        (tmp_path / "pasted.py").write_text(here)
        done = subprocess.run(
            [sys.executable, "pasted.py"],
            cwd=tmp_path,
            env={**environment(tmp_path), "MY_AGENTS_TOKEN": live.token},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert "toy/classification" in done.stdout, done.stderr


async def journey(client: Client, folder: Path) -> None:
    recipes = (await call(client, "list_recipes"))["data"]["items"]
    assert "toy/classification" in {recipe["name"] for recipe in recipes}

    order = {"order": {"path": str(folder)}}
    assert (await call(client, "import_dataset", **order))["preview"] == {"source": str(folder), "name": "pets"}
    looked = await ended(client, (await call(client, "inspect_dataset", **order, confirm=True))["result"])
    found = (await call(client, "describe_inspection", job_id=looked["id"]))["data"]
    assert (found["classes"], (await call(client, "list_datasets"))["data"]["items"]) == (["cat", "dog"], [])
    imported = await ended(client, (await call(client, "import_dataset", **order, confirm=True))["result"])
    version = (await call(client, "describe_dataset_version", version_id=imported["imported_version"]))["data"]
    assert version["report"]["classes"] == ["cat", "dog"]

    order = {"order": {"dataset": version["id"], "trainer": "toy", "config": {"epochs": 3}}}
    assert (await call(client, "estimate_training", **order))["data"]["ok"]
    preview = (await call(client, "start_training", **order))["preview"]
    assert (preview["ok"], preview["config"]["epochs"]) == (True, 3)
    heard: list[float] = []
    job = await ended(client, (await call(client, "start_training", **order, confirm=True, key="1"))["result"], heard)
    assert heard[-1:] in ([], [3])  # a training of three epochs may end between two looks
    curves = (await call(client, "read_metrics", job_id=job["id"]))["data"]["metrics"]
    assert curves["loss"][-1][2] < curves["loss"][0][2]
    assert (await call(client, "read_log", job_id=job["id"]))["data"]["next_offset"]

    model = (await call(client, "describe_model", model=job["model_id"]))["data"]
    assert model["dataset_version"] == version["id"]
    asked = {"model": model["id"], "path": str(folder / "cat" / "0.png")}
    prediction = (await call(client, "predict", **asked, confirm=True))["result"]
    assert {score["label"] for score in prediction["scores"]} == {"cat", "dog"}


async def ended(client: Client, job: dict[str, Any], heard: list[float] | None = None) -> dict[str, Any]:
    async def hear(progress: float, total: float | None, message: str | None) -> None:
        if heard is not None:
            heard.append(progress)

    answer = await client.call_tool("watch_job", {"job_id": job["id"], "seconds": 90}, progress_callback=hear)
    assert answer.structured_content
    found = answer.structured_content["data"]
    assert found["state"] == "succeeded", found["message"]
    return found


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    assert answer.structured_content
    return answer.structured_content
