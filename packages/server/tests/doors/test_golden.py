"""Every endpoint answers as recorded. `GOLDEN=write` records anew; read the difference before you commit it."""

import asyncio
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import Postgres
from harness.agent import agent as make_agent
from harness.importing import InlineImports
from harness.site import pets
from harness.site import site as make_site
from PIL import Image

from doors import agent_story, platform_story
from doors.story import tell
from eyebright.website import openapi

GOLDEN = Path(__file__).parent / "golden"
#: Headers that are part of the contract.
KEPT = (
    "content-type",
    "location",
    "link",
    "allow",
    "preference-applied",
    "www-authenticate",
    "content-disposition",
    "content-range",
    "cache-control",
    "tus-extension",
    "tus-max-size",
    "tus-resumable",
    "tus-version",
    "upload-expires",
    "upload-length",
    "upload-metadata",
    "upload-offset",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory, postgres: Postgres) -> dict[str, dict[str, Any]]:
    return asyncio.run(record(tmp_path_factory.mktemp("story"), postgres.create()))


async def record(folder: Path, callers_url: str) -> dict[str, dict[str, Any]]:
    async with make_site(folder) as site:
        answers = {name: recorded(answer, folder) async for name, answer in tell(site)}
    async with make_agent(folder / "agent", callers_url, starts_per_minute=8) as agent:
        answers |= {name: recorded(answer, folder) async for name, answer in agent_story.tell(agent)}
    brought = folder / "brought.zip"
    brought.write_bytes(pets())
    catalog, imports = platform_story.catalog(), InlineImports(brought)
    limits, sources = {"archive_bytes": platform_story.LARGEST}, {"only": ("s3://datasets/",)}
    platform = make_site(folder / "platform", catalog=catalog, importer=imports, uploads=limits, sources=sources)
    async with platform as site:
        return answers | {name: recorded(answer, folder) async for name, answer in platform_story.tell(site)}


def names() -> list[str]:
    return sorted(path.stem for path in GOLDEN.glob("*.json"))


def test_the_story_and_the_golden_files_are_of_the_same_exchanges(told):
    if os.environ.get("GOLDEN") == "write":
        write(told)
    assert sorted(told) == names()


@pytest.mark.parametrize("name", names())
def test_the_answer_is_as_recorded(told, name):
    assert told[name] == json.loads((GOLDEN / f"{name}.json").read_text())


def test_every_operation_has_a_golden_file():
    operations = {found["operationId"] for path in openapi()["paths"].values() for found in path.values()}
    assert operations <= {name.partition("--")[0] for name in names()}


def test_every_golden_answer_is_documented():
    """Its status is in the OpenAPI document of its operation."""
    documented = {
        found["operationId"]: set(found["responses"]) for path in openapi()["paths"].values() for found in path.values()
    }
    for name in names():
        operation, status = name.partition("--")[0], json.loads((GOLDEN / f"{name}.json").read_text())["status"]
        if operation in documented and status != 405:
            assert str(status) in documented[operation], name


def recorded(answer: httpx.Response, folder: Path) -> dict[str, Any]:
    request = answer.request
    return {
        "request": f"{request.method} {plain(request.url.raw_path.decode(), folder)}",
        "status": answer.status_code,
        "headers": {name: plain(answer.headers[name], folder) for name in KEPT if name in answer.headers},
        "body": body(answer, folder),
    }


def body(answer: httpx.Response, folder: Path) -> Any:
    kind = answer.headers.get("content-type", "")
    if answer.request.url.path == "/metrics":
        return sorted(set(re.findall(r"^# TYPE (\S+ \S+)", answer.text, re.MULTILINE)))
    if answer.request.url.path.endswith(("/thumbnail", "/sheet")) and kind.startswith(
        "image/"
    ):  # else the compressor is recorded
        picture = Image.open(io.BytesIO(answer.content))
        return [f"{picture.format} of {picture.width}×{picture.height}"]
    return (
        json.loads(plain(answer.text, folder))
        if "json" in kind and answer.content
        else plain(answer.text, folder).splitlines()
    )


def plain(text: str, folder: Path) -> str:
    """Without what differs from run to run: the test's own folder and how long things took."""
    text = text.replace(str(folder), "/data")
    text = re.sub(r'("seconds":)[0-9.e-]+', r"\g<1>0.0", text)
    text = re.sub(r"boundary=\w+", "boundary=…", text)
    text = re.sub(r"\bkey=[\w-]{20,}", "key=…", text)
    text = re.sub(r"\baud_[0-9a-f]+", "aud_…", text)
    text = re.sub(r'("request_id":)"[0-9a-f]+"', r'\g<1>"…"', text)
    return re.sub(r'("version":)"[0-9][^"]*"', r'\g<1>"…"', text)


def write(told: dict[str, dict[str, Any]]) -> None:
    GOLDEN.mkdir(exist_ok=True)
    for old in set(names()) - set(told):
        (GOLDEN / f"{old}.json").unlink()
    for name, exchange in told.items():
        text = json.dumps(exchange, indent=2, ensure_ascii=False)
        (GOLDEN / f"{name}.json").write_text(text + "\n")
