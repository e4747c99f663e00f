"""The weights of a finished style, put where its callers look for them."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from harness.objects import artifact
from harness.platform import Platform

from eyebright.errors import Unavailable
from eyebright.ports.objects import attempt_prefix
from eyebright.services.publishing import Publishing
from eyebright.services.relay import REST_SECONDS
from eyebright.services.styles import StyleTask
from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.objects.files import FileObjectStore
from eyebright.stores.shelves import shelf_at
from eyebright_wire.runs import Handle

LORA = "pytorch_lora_weights.safetensors"


class Style:
    """A platform whose finished styles lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self.platform = Platform(MemoryDatabase())
        self.platform.objects = FileObjectStore(folder.parent / "objects")
        self.platform.restart()
        self.folder = folder
        self.shelf = shelf_at(str(folder), {}, "MODELS")
        self.publishing = Publishing(self.shelf, self.platform.database.jobs, self.platform.history)

    async def trained(self, style_id: str = "7", content: bytes = b"weights", **fields: Any) -> str:
        """A finished training of a style; its job."""
        self.platform.clock.advance(60)
        labels = fields.pop("labels", StyleTask(style_id, "t-1").labels)
        handle = await self.platform.running(labels=labels, **fields)
        await self.say(handle, {LORA: content, "kohya_lora.safetensors": b"kohya", "model.json": b"{}"})
        return handle.job_id

    async def say(self, handle: Handle, files: dict[str, bytes]) -> None:
        output = self.folder.parent / "objects" / attempt_prefix(handle.job_id, handle.attempt)
        output.mkdir(parents=True)
        for path, content in files.items():
            (output / path).write_bytes(content)
        named = [artifact(path, content).model_dump(mode="json") for path, content in sorted(files.items())]
        await self.platform.say(handle, "succeeded", artifacts=named, metrics={"loss": 0.25, "epochs": 3})
        self.platform.executor.exit(handle, 0)
        await self.platform.settle()

    def files(self) -> dict[str, bytes]:
        found = filter(Path.is_file, self.folder.rglob("*"))
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
async def style(tmp_path: Path) -> Style:
    style = Style(tmp_path / "models")
    await style.platform.add_dataset()
    return style


async def test_the_lora_lies_where_callers_look_for_it_and_whose_it_is_beside_it(style: Style):
    job = await style.trained(content=b"lora")
    assert await style.publishing.publish(job) == str(style.folder / "style-7/lora_weights.safetensors")
    files = style.files()
    assert files.keys() == {"style-7/lora_weights.safetensors", "style-7/training.json"}
    assert files["style-7/lora_weights.safetensors"] == b"lora"
    note = json.loads(files["style-7/training.json"])
    told = {name: note[name] for name in ("style_id", "task_id", "job_id", "sha256", "metrics", "model_path")}
    assert told == {
        "style_id": 7,
        "task_id": "t-1",
        "job_id": job,
        "sha256": hashlib.sha256(b"lora").hexdigest(),
        "metrics": {"loss": 0.25, "epochs": 3},
        "model_path": str(style.folder / "style-7/lora_weights.safetensors"),
    }


async def test_what_lies_there_is_not_put_again(style: Style, monkeypatch: pytest.MonkeyPatch):
    job = await style.trained()
    address = await style.publishing.publish(job)
    monkeypatch.setattr(style.shelf, "put", None)
    assert await style.publishing.publish(job) == address


async def test_a_style_that_was_trained_again_has_the_newer_weights_whoever_is_told_of_last(style: Style):
    older = await style.trained(content=b"older")
    newer = await style.trained(content=b"newer")
    for job in (older, newer, older):
        await style.publishing.publish(job)
    assert style.files()["style-7/lora_weights.safetensors"] == b"newer"


async def test_weights_without_their_note_are_put_again(style: Style, monkeypatch: pytest.MonkeyPatch):
    """As after a crash between the two."""
    job = await style.trained()
    put = style.shelf.put

    async def torn(name: str, content: Any) -> None:
        if name.endswith(".json"):
            raise Unavailable
        await put(name, content)

    monkeypatch.setattr(style.shelf, "put", torn)
    with pytest.raises(Unavailable):
        await style.publishing.publish(job)
    monkeypatch.setattr(style.shelf, "put", put)
    (style.folder / "style-7/lora_weights.safetensors").write_bytes(b"torn")
    await style.publishing.publish(job)
    assert style.files()["style-7/lora_weights.safetensors"] == b"weights"


@pytest.mark.parametrize("note", [b"", b"[]", b"{", b'{"job_id": 1}', b"\xff"])
async def test_a_note_that_is_none_of_ours_is_written_over(style: Style, note: bytes):
    await style.shelf.put("style-7/training.json", note)
    job = await style.trained()
    await style.publishing.publish(job)
    assert json.loads(style.files()["style-7/training.json"])["job_id"] == job


async def test_an_id_that_is_a_path_stays_in_the_folder(style: Style):
    address = await style.publishing.publish(await style.trained("../../outside"))
    folder = StyleTask("../../outside", "t-1").folder
    assert address == str(style.folder / folder / "lora_weights.safetensors")
    assert style.files().keys() == {f"{folder}/lora_weights.safetensors", f"{folder}/training.json"}


async def test_other_weights_keep_their_own_ending(style: Style):
    handle = await style.platform.running(labels=StyleTask("7", "t").labels)
    await style.say(handle, {"model.json": b"{}"})
    await style.publishing.publish(handle.job_id)
    assert "style-7/lora_weights.json" in style.files()


@pytest.mark.parametrize("labels", [{}, {"style_id": "7"}, {"task_id": "t"}])
async def test_a_job_of_no_style_is_put_nowhere(style: Style, labels: dict[str, str]):
    assert await style.publishing.publish(await style.trained(labels=labels)) is None
    assert style.files() == {}


async def test_an_unfinished_style_is_put_nowhere(style: Style):
    handle = await style.platform.running(labels=StyleTask("7", "t").labels)
    assert await style.publishing.publish(handle.job_id) is None


async def test_a_store_that_is_away_is_tried_again_until_the_weights_lie_there(
    style: Style, monkeypatch: pytest.MonkeyPatch
):
    style.platform.subscribers["publishing"] = style.publishing
    await style.trained()
    with monkeypatch.context() as patched:
        patched.setattr(style.shelf, "put", AsyncMock(side_effect=Unavailable))
        await style.platform.relay.tick()
        assert style.files() == {}
    style.platform.clock.advance(REST_SECONDS)
    await style.platform.relay.tick()
    assert "style-7/lora_weights.safetensors" in style.files()


async def test_a_slow_store_keeps_nobody_waiting(style: Style, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eyebright.services.errands.PATIENCE_SECONDS", 0.01)
    arrives, arrived, put = asyncio.Event(), asyncio.Event(), style.shelf.put

    async def slow(name: str, content: Any) -> None:
        await arrives.wait()
        await put(name, content)
        if name.endswith(".json"):
            arrived.set()

    monkeypatch.setattr(style.shelf, "put", slow)
    job = await style.trained()
    for _ in range(2):
        with pytest.raises(Unavailable, match="still on their way"):
            await style.publishing.soon(job)
    arrives.set()
    await arrived.wait()
    await asyncio.sleep(0.01)
    assert await style.publishing.soon(job) == style.shelf.address("style-7/lora_weights.safetensors")


async def test_a_store_that_is_slow_for_one_is_not_waited_for_by_the_next(
    style: Style, monkeypatch: pytest.MonkeyPatch
):
    async def never(name: str, content: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(style.shelf, "put", never)
    first, *others = [await style.trained(str(number)) for number in range(5)]
    monkeypatch.setattr("eyebright.services.errands.PATIENCE_SECONDS", 0.01)
    with pytest.raises(Unavailable):
        await style.publishing.soon(first)
    monkeypatch.setattr("eyebright.services.errands.PATIENCE_SECONDS", 3600)
    async with asyncio.timeout(60):
        for job in others:
            with pytest.raises(Unavailable):
                await style.publishing.soon(job)
    await style.publishing.close()


async def test_what_is_under_way_at_the_end_is_left(style: Style, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eyebright.services.errands.PATIENCE_SECONDS", 0)
    job = await style.trained()
    with pytest.raises(Unavailable):
        await style.publishing.soon(job)
    await style.publishing.close()
    assert style.files() == {}
