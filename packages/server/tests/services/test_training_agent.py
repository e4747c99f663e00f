"""Projects of a Training Agent's callers: started once, told of in their own database, whatever is away meanwhile."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from zipfile import ZipFile

import pytest
from databases import Postgres
from harness.agent import BUCKET, START, UPLOAD, Agent
from harness.agent import agent as make_agent
from harness.site import bmp
from structlog.testing import capture_logs

from eyebright.core.callers import Assignment, LogLine
from eyebright.core.job import Job
from eyebright.errors import (
    DatasetInvalid,
    NotFound,
    StorageFull,
    StorageUnusable,
    TooManyRequests,
    TrainerUnavailable,
    Unavailable,
)
from eyebright.ports.clock import SystemClock
from eyebright.services.relay import REST_SECONDS
from eyebright.services.training_agent import starting as starting_module
from eyebright.services.training_agent.allowance import Allowance
from eyebright.services.training_agent.ledger import Ledger
from eyebright.stores.projects.sql import SqlCallers
from eyebright.stores.shelves.folder import FolderShelf
from eyebright_wire.runs import Handle


async def outcome(agent: Agent, project_id: str) -> Any:
    """What a caller hears who waits; the project is started already."""
    waiting = asyncio.create_task(agent.start(project_id, wait=True))
    async with asyncio.timeout(60):
        while not waiting.done():
            await agent.turn(1)
            await asyncio.sleep(0.01)
    return await waiting


def ledger(agent: Agent) -> Ledger:
    served = agent.site.context.services.training_agent
    assert served is not None
    return served.ledger


async def test_a_project_is_trained_and_its_database_tells_the_whole_story(agent: Agent):
    project = await agent.add_project("Wild Flowers!")
    assert (await agent.start(project)).status_code == 202
    await agent.turn()
    assert (await agent.status(project)) == "training"
    handle = await agent.train(b"weights of flowers")
    url = str(agent.shelf / "Wild_Flowers_model.pth")
    assert (await agent.status(project)) == "completed"
    assert (agent.shelf / "Wild_Flowers_model.pth").read_bytes() == b"weights of flowers"
    (model,) = await agent.models()
    assert (model["project_id"], model["framework"], model["gcs_url"]) == (project, "pytorch", url)
    assert model["name"] == "Wild-Flowers-_model"
    assert model["metadata"]["epochs"] == 2
    assert model["metadata"]["final_loss"] == 0.456
    assert model["metadata"]["training_time_seconds"] >= 0
    assert model["metadata"]["job_id"] == handle.job_id
    lines = await agent.lines(project)
    assert lines[0] == "Training started: its data set is fetched and inspected first."
    assert "Dataset ready: 2 classes, 12 images" in lines[1]
    assert lines[2] == "Training resnet18 for 2 epochs."
    assert lines[3:5] == ["Epoch 1/2 completed. Loss: 0.750", "Epoch 2/2 completed. Loss: 0.456"]
    assert lines[5].startswith("Training completed in ")
    assert lines[6] == f"Model uploaded to {url}"
    assert (await outcome(agent, project)).json() == {"success": True, "model_url": url, "error": None}


async def test_what_the_metadata_say_is_what_is_trained(agent: Agent):
    said = {"preferred_model": "MobileNet-V2", "epochs": 7, "learning_rate": 0.5, "batch_size": 4, "imgsz": 64}
    project = await agent.add_project(metadata={**said, "collected_by": "another agent", "optimizer": None})
    await agent.start(project)
    handle = await agent.training()
    (spec,) = [spec for spec in agent.site.executor.launches if spec.job_id == handle.job_id]
    assert (spec.trainer, spec.model) == ("torchvision", "mobilenet_v2")
    expected = {"epochs": 7, "lr0": 0.5, "batch": 4, "imgsz": 64, "optimizer": "Adam", "pretrained": False}
    assert spec.config == expected


async def test_two_starts_at_once_make_one_training(agent: Agent):
    project = await agent.add_project()
    first, second = await asyncio.gather(agent.start(project), agent.start(project))
    assert first.status_code == second.status_code == 202
    await agent.train()
    assert await agent.jobs() == 2  # its import, and the training
    assert len(await agent.models()) == 1


async def test_who_hangs_up_and_asks_again_hears_of_the_same_training(agent: Agent):
    project = await agent.add_project()
    hung_up = asyncio.create_task(agent.start(project, wait=True))
    await agent.turn()
    hung_up.cancel()
    waiting = asyncio.create_task(agent.start(project, wait=True))
    handle = await agent.train()
    assert (await waiting).json()["model_url"] == str(agent.shelf / "Flowers_model.pth")
    assert await agent.jobs() == 2
    (model,) = await agent.models()
    assert model["metadata"]["job_id"] == handle.job_id


@pytest.mark.parametrize(("ended", "status"), [("completed", 202), ("pending_training", 202), ("failed", 400)])
async def test_a_start_at_the_very_end_of_a_training_hears_what_became_of_it(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, ended: str, status: int
):
    """The project is looked at beside its newest job, and may be so first."""
    project = await agent.add_project()
    await agent.start(project)
    handle = await agent.training()
    looked, assignment, newest = asyncio.Event(), SqlCallers.assignment, Ledger.newest

    async def read(database: SqlCallers, project_id: str) -> Assignment:
        found = await assignment(database, project_id)
        looked.set()
        return found

    async def found_late(ledger: Ledger, project_id: str) -> Job | None:
        monkeypatch.setattr(Ledger, "newest", newest)
        await looked.wait()
        await agent.finish(handle)
        await agent.turn()
        await agent.set_status(project, ended)
        return await newest(ledger, project_id)

    monkeypatch.setattr(SqlCallers, "assignment", read)
    monkeypatch.setattr(Ledger, "newest", found_late)
    answer = await agent.start(project)
    assert answer.status_code == status
    assert "'training'" not in "".join([answer.json()["error"] or "", *await agent.lines(project)])


async def test_two_tell_of_the_end_at_once_and_the_database_answers_one_of_them_late(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
):
    project = await agent.add_project()
    await agent.start(project)
    handle = await agent.training()
    await agent.finish(handle)
    late, add_logs = asyncio.Event(), SqlCallers.add_logs
    waits = iter([late.wait])

    async def answered_late(database: SqlCallers, lines: Sequence[LogLine]) -> None:
        for wait in waits:
            await wait()
        await add_logs(database, lines)

    monkeypatch.setattr(SqlCallers, "add_logs", answered_late)
    telling = [asyncio.create_task(ledger(agent).catch_up(handle.job_id)) for _ in range(2)]
    await asyncio.wait(telling, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    late.set()
    await asyncio.gather(*telling)
    assert len(await agent.models()) == 1
    assert (await agent.status(project)) == "completed"


async def test_a_project_that_is_pending_again_is_trained_again_and_no_model_is_lost(agent: Agent):
    project = await agent.add_project()
    await agent.start(project)
    await agent.train(b"first")
    await agent.set_status(project, "pending_training")
    await agent.start(project)
    handle = await agent.train(b"second")
    urls = [model["gcs_url"] for model in (await agent.models())]
    assert urls == [str(agent.shelf / "Flowers_model.pth"), str(agent.shelf / f"Flowers_model-{handle.job_id}.pth")]
    assert {path.read_bytes() for path in map(Path, urls)} == {b"first", b"second"}


async def test_another_project_of_the_same_name_overwrites_nothing(agent: Agent):
    for content in (b"mine", b"theirs"):
        project = await agent.add_project("Flowers")
        await agent.start(project)
        await agent.train(content)
    assert (agent.shelf / "Flowers_model.pth").read_bytes() == b"mine"
    assert len(list(agent.shelf.iterdir())) == 2


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "日本", "x" * 500, ""])
async def test_a_projects_name_is_never_a_path(agent: Agent, name: str):
    project = await agent.add_project(name)
    await agent.start(project)
    await agent.train()
    (file,) = [path for path in agent.folder.joinpath("models").rglob("*") if path.is_file()]
    assert file.parent == agent.shelf
    assert (await agent.status(project)) == "completed"


async def test_a_database_that_is_away_loses_nothing_and_fails_no_training(agent: Agent):
    project = await agent.add_project()
    await agent.start(project)
    handle = await agent.training()
    told = {"epoch": 1, "epochs": 1, "step": 1, "steps": 1, "epoch_finished": True, "metrics": {"loss": 0.5}}
    async with agent.away():
        await agent.site.say(handle, agent.site.event(2, "progress", **told))
        await agent.site.succeed(handle, 3, artifacts=[agent.site.leave(handle, "model.pth", b"weights")])
        await agent.turn()
        assert (await agent.site.get(f"/api/v1/jobs/{handle.job_id}")).json()["state"] == "succeeded"
        answer = await outcome(agent, project)
        assert answer.json()["success"] is True, answer.text
    assert not await agent.models()
    agent.site.clock.advance(REST_SECONDS + 1)
    await agent.turn()
    assert (await agent.status(project)) == "completed"
    assert len(await agent.models()) == 1
    assert "Epoch 1/1 completed. Loss: 0.500" in (await agent.lines(project))


async def test_a_start_while_the_end_is_still_to_be_told_starts_nothing(agent: Agent):
    """Its row says pending_training, because nobody could write anything since."""
    project = await agent.add_project()
    await agent.start(project)
    async with agent.away():
        handle = await agent.training()
        await agent.site.succeed(handle, 2, artifacts=[agent.site.leave(handle, "model.pth", b"weights")])
    assert (await agent.status(project)) == "pending_training"
    assert (await outcome(agent, project)).json()["success"] is True
    assert await agent.jobs() == 2
    assert (await agent.status(project)) == "completed"


async def test_what_is_told_twice_is_there_once(agent: Agent, monkeypatch: pytest.MonkeyPatch):
    """By a server that dies before it has kept that all is told."""
    project = await agent.add_project()
    await agent.start(project)
    handle = await agent.train()
    before = await agent.lines(project)
    await agent.set_status(project, "deployed")
    monkeypatch.setattr(ledger(agent), "has_told", AsyncMock(return_value=False))
    await ledger(agent).catch_up(handle.job_id)
    assert (await agent.lines(project)) == before
    assert len(await agent.models()) == 1
    assert (await agent.status(project)) == "deployed"  # another agent has gone on with it


async def test_a_store_that_is_away_is_tried_again_and_then_given_up_with_the_model_kept(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
):
    project = await agent.add_project()
    await agent.start(project)
    create = FolderShelf.create

    async def away(*_: Any) -> bool:
        raise Unavailable("the bucket is away")

    monkeypatch.setattr(FolderShelf, "create", away)
    handle = await agent.train()
    assert (await agent.status(project)) == "training"
    agent.site.clock.advance(900)
    await agent.turn()
    assert (await agent.status(project)) == "failed"
    assert "the bucket is away" in (await agent.lines(project))[-1]
    assert handle.job_id in (await agent.lines(project))[-1]
    kept = await agent.site.get(f"/api/v1/jobs/{handle.job_id}/artifacts/model.pth")
    assert kept.content == b"weights"
    monkeypatch.setattr(FolderShelf, "create", create)
    uploaded = await agent.site.post("/agents/training/upload", json={"project_id": project})
    assert uploaded.json() == {"success": True, "model_url": str(agent.shelf / "Flowers_model.pth"), "error": None}
    assert (await agent.status(project)) == "completed"
    assert len(await agent.models()) == 1


@pytest.mark.parametrize("imported", [False, True])
async def test_a_late_upload_hides_no_training_that_was_started_meanwhile(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, imported: bool
):
    project = await agent.add_project()
    await agent.start(project)
    create = FolderShelf.create
    monkeypatch.setattr(FolderShelf, "create", AsyncMock(side_effect=Unavailable("the bucket is away")))
    await agent.train()
    agent.site.clock.advance(900)
    await agent.turn()
    begun, back = asyncio.Event(), asyncio.Event()

    async def created_late(*arguments: Any) -> bool:
        begun.set()
        await back.wait()
        return await create(*arguments)

    monkeypatch.setattr(FolderShelf, "create", created_late)
    uploading = asyncio.create_task(agent.site.post(UPLOAD, json={"project_id": project}))
    await begun.wait()
    await agent.set_status(project, "pending_training")
    await agent.start(project)
    await agent.site.context.services.relay.tick()
    while imported and (await of_kind(agent, "import"))["state"] != "succeeded":
        await agent.site.import_all()  # the training that follows is not ordered before the relay's next round
    back.set()
    assert (await uploading).json()["success"] is True
    assert (await agent.status(project)) == "training"


async def test_what_is_told_of_a_place_that_is_away_is_told_once_when_it_happens(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
):
    project = await agent.add_project()
    await agent.start(project)
    create, why = FolderShelf.create, count(1)

    async def away(*_: Any) -> bool:
        raise Unavailable(f"the bucket is away ({next(why)})")

    monkeypatch.setattr(FolderShelf, "create", away)
    handle = await agent.train()
    await agent.turn()
    ended_ms = (await agent.site.get(f"/api/v1/jobs/{handle.job_id}")).json()["finished_at_ms"]
    until = datetime.fromtimestamp(ended_ms / 1000 + 900, UTC)
    *_, trained, waits = await agent.lines(project)
    assert trained.startswith("Training completed in ")
    assert "cannot be uploaded yet: the bucket is away (1). " in waits
    assert f"tried again until {until:%Y-%m-%d %H:%M:%S} UTC; then the project fails, and its model is kept" in waits
    agent.site.clock.advance(900)
    gave_up_ms = agent.site.clock.now_ms()
    await agent.turn()
    agent.site.clock.advance(3600)
    monkeypatch.setattr(FolderShelf, "create", create)
    uploaded_ms = agent.site.clock.now_ms()
    await agent.site.post(UPLOAD, json={"project_id": project})
    told = [(line.partition(":")[0].partition(" in ")[0].partition(" to ")[0], at) for line, at in await dated(agent)][
        -4:
    ]
    assert [line for line, _ in told] == [
        "Training completed",
        "The model cannot be uploaded yet",
        "Training completed, but its model could not be handed over",
        "Model uploaded",
    ]
    expected = [ended_ms, ended_ms, gave_up_ms, uploaded_ms]
    assert [abs(at - ms) < 30_000 for (_, at), ms in zip(told, expected, strict=True)] == [True] * 4


async def dated(agent: Agent) -> list[tuple[str, float]]:
    """Each line of the log with its time in milliseconds, in order."""
    rows = sorted(await agent.callers.rows("agent_logs"), key=lambda row: row["created_at"])
    return [(row["message"], datetime.fromisoformat(row["created_at"]).timestamp() * 1000) for row in rows]


async def test_one_of_a_thing_is_told_as_one(agent: Agent):
    project = await agent.add_project(metadata={"preferred_model": "resnet18", "epochs": 1})
    await agent.start(project)
    await agent.training()
    await agent.turn()
    assert "Training resnet18 for 1 epoch." in await agent.lines(project)


async def test_a_database_that_is_away_at_first_shows_the_training_while_it_runs(agent: Agent):
    project = await agent.add_project()
    await agent.start(project)
    async with agent.away():
        await agent.training()
        await agent.turn()
    await agent.turn()
    assert (await agent.status(project)) == "training"
    begun, ready, training = await agent.lines(project)
    assert begun.startswith("Training started")
    assert ready.startswith("Dataset ready")
    assert training.startswith("Training resnet18")


async def test_a_log_that_refuses_lines_hides_neither_the_model_nor_the_status(agent: Agent):
    await agent.callers.execute("ALTER TABLE agent_logs ADD CHECK (length(message) < 10)")
    project, spoilt = await agent.add_project(), await agent.add_project(metadata={})
    await agent.start(spoilt)
    await agent.start(project)
    await agent.train()
    assert len(await agent.models()) == 1
    assert (await agent.status(project)) == "completed"
    assert (await agent.status(spoilt)) == "failed"


async def test_a_training_that_is_told_of_before_its_import_hides_nothing(agent: Agent):
    project = await agent.add_project()
    await agent.start(project)
    async with agent.away():
        handle = await agent.training()
        await agent.finish(handle)
    await ledger(agent).catch_up(handle.job_id)
    assert any(line.startswith("Dataset ready") for line in await agent.lines(project))
    assert (await agent.start(project)).status_code == 202
    await agent.set_status(project, "pending_training")
    await agent.turn()
    assert (await agent.start(project)).status_code == 202
    assert await agent.jobs() == 3  # the second time the import is a new one


async def test_what_is_refused_twice_is_refused_alike_though_nobody_was_told_yet(agent: Agent):
    project = await agent.add_project(metadata={})
    first, second = await agent.start(project), await agent.start(project)
    assert first.status_code == second.status_code == 400
    assert first.json() == second.json()
    assert await agent.jobs() == 1
    await agent.turn()
    assert await agent.lines(project) == [
        "Training failed (config_invalid): projects.metadata names no preferred_model; expected one of resnet18, "
        "resnet34, resnet50, mobilenet_v2, efficientnet_b0"
    ]


async def test_nobody_else_gives_labels_that_lead_into_a_project(agent: Agent):
    project = await agent.add_project()
    for labels in ({"callers_project": project}, {"callers_model_file": "/etc/cron.d/job"}):
        order = {"dataset": "pets", "trainer": "torchvision", "labels": labels}
        refused = await agent.site.post("/api/v1/jobs", json=order)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        for wanted in ({"labels": labels}, {"train": {"trainer": "torchvision", "labels": labels}}):
            order = {"path": str(agent.folder / "bucket/pets.zip"), **wanted}
            refused = await agent.site.post("/api/v1/datasets:import", json=order)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), refused.text


async def fail(agent: Agent, handle: Handle) -> None:
    said = agent.site.event(2, "failed", code="out_of_memory", message="lower batch", retryable=False)
    await agent.site.say(handle, said)
    agent.site.executor.exit(handle, 137)
    await agent.turn()


async def of_kind(agent: Agent, kind: str) -> dict[str, Any]:
    """The newest job."""
    return (await agent.site.get(f"/api/v1/jobs?kind={kind}&limit=1")).json()["items"][0]


async def test_an_import_that_somebody_runs_again_is_of_its_project_still(agent: Agent):
    data, hidden = agent.folder / "bucket/pets.zip", agent.folder / "bucket/away.zip"
    data.rename(hidden)
    project = await agent.add_project()
    await agent.start(project)
    await agent.turn()
    assert (await agent.status(project)) == "failed"
    hidden.rename(data)
    missed = (await of_kind(agent, "import"))["id"]
    assert (await agent.site.post(f"/api/v1/jobs/{missed}:retry")).is_success
    await agent.train()
    assert (await agent.status(project)) == "completed"
    assert len(await agent.models()) == 1


async def test_a_training_that_somebody_runs_again_shows_while_it_runs(agent: Agent):
    project = await agent.add_project()
    await agent.start(project)
    handle = await agent.training()
    await fail(agent, handle)
    assert (await agent.status(project)) == "failed"
    assert (await agent.site.post(f"/api/v1/jobs/{handle.job_id}:retry")).is_success
    await agent.turn()
    assert (await agent.status(project)) == "training"


async def test_a_failure_that_is_told_late_hides_no_newer_training(agent: Agent):
    project = await agent.add_project()
    await agent.start(project)
    handle = await agent.training()
    async with agent.away():
        await fail(agent, handle)
        again = (await agent.site.post(f"/api/v1/jobs/{handle.job_id}:retry")).json()["id"]
    for job_id in (again, handle.job_id):
        await ledger(agent).catch_up(job_id)
    assert (await agent.status(project)) == "training"
    assert "Training failed (out_of_memory): lower batch" in await agent.lines(project)


async def test_what_was_mended_before_its_refusal_was_told_is_trained(agent: Agent):
    project = await agent.add_project(metadata={})
    assert (await agent.start(project)).status_code == 400
    for said, status in (('{"preferred_model": "vgg16"}', 400), ('{"preferred_model": "resnet18"}', 202)):
        await agent.callers.execute("UPDATE projects SET metadata = $2::jsonb WHERE id = $1::uuid", project, said)
        assert (await agent.start(project)).status_code == status
    await agent.train()
    assert (await agent.status(project)) == "completed"
    refused = [line for line in await agent.lines(project) if line.startswith("Training failed")]
    assert ["names no preferred_model" in line for line in refused] == [True, False]
    assert "vgg16" in refused[1]


async def two_under_way(agent: Agent) -> tuple[str, Handle, Handle]:
    """A project, the training that it was started for anew, and the first one's, which somebody runs again by hand meanwhile."""
    project = await agent.add_project()
    await agent.start(project)
    failed = await agent.training()
    await fail(agent, failed)
    await agent.set_status(project, "pending_training")
    await agent.start(project)
    older = await agent.training()
    await agent.site.post(f"/api/v1/jobs/{failed.job_id}:retry")
    return project, older, await agent.training()


async def test_a_training_that_is_told_of_after_a_newer_one_is_not_forgotten(agent: Agent):
    project, older, newest = await two_under_way(agent)
    await fail(agent, newest)
    await agent.finish(older)
    await agent.turn()
    (model,) = await agent.models()
    assert model["metadata"]["job_id"] == older.job_id
    assert (await agent.status(project)) == "completed"


async def test_an_older_training_leaves_the_status_to_the_one_under_way(agent: Agent):
    project, older, newest = await two_under_way(agent)
    await agent.finish(older)
    await agent.turn()
    assert (await agent.status(project)) == "training"
    await agent.finish(newest)
    await agent.turn()
    assert (await agent.status(project)) == "completed"
    assert len(await agent.models()) == 2


async def test_who_waits_follows_no_job_of_somebody_else(agent: Agent):
    first, project = await agent.add_project("First"), await agent.add_project()
    await agent.start(first)
    await agent.train()
    await agent.start(project)
    labels = {"import": (await of_kind(agent, "import"))["id"]}
    order = {"dataset": "pets", "trainer": "torchvision", "labels": labels}
    foreign = (await agent.site.post("/api/v1/jobs", json=order)).json()["id"]
    await agent.site.post(f"/api/v1/jobs/{foreign}:cancel")
    waiting = asyncio.create_task(agent.start(project, wait=True))
    for _ in range(5):  # what follows is not placed yet
        await agent.site.import_all()
        await asyncio.sleep(0.02)
    await agent.train()
    assert (await waiting).json()["success"] is True


async def test_a_model_whose_row_is_refused_is_not_completed_until_it_is_uploaded(agent: Agent):
    await agent.callers.execute("ALTER TABLE models ADD owner uuid NOT NULL")
    project = await agent.add_project()
    await agent.start(project)
    waiting = asyncio.create_task(agent.start(project, wait=True))
    handle = await agent.train()
    answer = await waiting
    assert (answer.status_code, answer.json()["success"]) == (500, False)
    assert (await agent.status(project)) == "failed"
    assert handle.job_id in (await agent.lines(project))[-1]
    assert "owner" in (await agent.lines(project))[-1]
    asked = {"project_id": project}
    assert (await agent.site.post(UPLOAD, json=asked)).status_code == 500
    await agent.callers.execute("ALTER TABLE models DROP owner")
    assert (await agent.site.post(UPLOAD, json=asked)).json()["success"] is True
    assert (await agent.status(project)) == "completed"
    assert len(await agent.models()) == 1


async def test_who_waits_hears_that_the_row_is_refused_though_the_rest_is_late(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
):
    await agent.callers.execute("ALTER TABLE models ADD owner uuid NOT NULL")
    project = await agent.add_project()
    await agent.start(project)
    monkeypatch.setattr(ledger(agent), "catch_up_soon", AsyncMock(side_effect=Unavailable("it takes its time")))
    waiting = asyncio.create_task(agent.start(project, wait=True))
    await agent.train()
    assert ((await waiting).status_code, (await waiting).json()["success"]) == (500, False)


async def test_who_waits_hears_of_a_failure_once_the_project_says_so(agent: Agent):
    project = await agent.add_project()
    waiting = asyncio.create_task(agent.start(project, wait=True))
    handle = await agent.training()
    said = agent.site.event(2, "failed", code="out_of_memory", message="lower batch", retryable=False)
    await agent.site.say(handle, said)  # and the relay has not told of it yet
    assert (await waiting).status_code == 500
    assert (await agent.status(project)) == "failed"


async def test_who_waits_outlasts_a_place_that_is_away(agent: Agent, monkeypatch: pytest.MonkeyPatch):
    project = await agent.add_project()
    waiting = asyncio.create_task(agent.start(project, wait=True))
    handle = await agent.training()
    create, away = FolderShelf.create, iter([Unavailable("the bucket is away"), StorageFull()])

    async def created_late(*arguments: Any) -> bool:
        for problem in away:
            raise problem
        return await create(*arguments)

    monkeypatch.setattr(FolderShelf, "create", created_late)
    monkeypatch.setattr(starting_module, "REST_SECONDS", 0.01)
    await agent.finish(handle)
    assert (await waiting).json()["model_url"] == str(agent.shelf / "Flowers_model.pth")


async def test_a_refusal_that_the_log_does_not_take_is_the_same_refusal(agent: Agent):
    await agent.callers.execute("ALTER TABLE agent_logs ADD CHECK (length(message) < 10)")
    project = await agent.add_project(status="draft")
    answer = await agent.start(project)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"project {project} is 'draft', expected")


async def test_a_model_that_was_deleted_before_it_was_put_is_told(agent: Agent):
    project = await agent.add_project()
    await agent.start(project)
    handle = await agent.training()
    async with agent.away():
        await agent.finish(handle)
        await agent.turn()
        job = (await agent.site.get(f"/api/v1/jobs/{handle.job_id}")).json()
        assert (await agent.site.http.delete(f"/api/v1/models/{job['model_id']}")).is_success
    await agent.turn()
    assert (await agent.status(project)) == "failed"
    assert handle.job_id in (await agent.lines(project))[-1]


async def test_a_model_that_was_deleted_before_its_row_was_written_is_told(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
):
    project = await agent.add_project()
    await agent.start(project)
    handle = await agent.training()
    await agent.turn()
    deleted = AsyncMock(side_effect=NotFound("there is no such model any more"))
    monkeypatch.setattr(agent.site.parts.database.datasets, "version", deleted)
    await agent.finish(handle)
    await agent.turn()
    assert (await agent.status(project)) == "failed"
    assert handle.job_id in (await agent.lines(project))[-1]


async def test_a_line_that_is_refused_takes_no_other_with_it(agent: Agent):
    await agent.callers.execute("ALTER TABLE agent_logs ADD CHECK (message NOT LIKE 'Epoch 2%')")
    project = await agent.add_project()
    await agent.start(project)
    async with agent.away():
        await agent.finish(await agent.training())
    await agent.turn()
    epochs = [line for line in await agent.lines(project) if line.startswith("Epoch")]
    assert epochs == ["Epoch 1/2 completed. Loss: 0.750"]
    assert (await agent.status(project)) == "completed"


async def test_a_training_that_was_refused_after_its_import_is_told_to_whoever_asks_again(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
):
    project = await agent.add_project()
    await agent.start(project)
    refused = AsyncMock(side_effect=DatasetInvalid("train/ has 1 class folder"))
    monkeypatch.setattr(agent.site.context.services.jobs, "_plan", refused)
    async with agent.away():
        await agent.turn()
    assert (await of_kind(agent, "training"))["state"] == "failed"
    answer = await outcome(agent, project)
    assert (answer.status_code, answer.json()["error"]) == (500, "dataset_invalid: train/ has 1 class folder")


async def test_a_trainer_that_is_busy_fails_no_project(agent: Agent, monkeypatch: pytest.MonkeyPatch):
    project = await agent.add_project()
    busy = AsyncMock(side_effect=TrainerUnavailable("torchvision did not answer within 60 s"))
    with monkeypatch.context() as patched:
        patched.setattr(agent.site.parts.catalog, "environment", busy)
        assert (await agent.start(project)).status_code == 500
    await agent.turn()
    assert (await agent.status(project)) == "pending_training"
    assert (await agent.start(project)).status_code == 202


class Refusals:
    """(what is wrong, status, what the caller reads)."""

    OF_ROWS = (
        ({"status": "training"}, 400, "expected 'pending_training'"),
        ({"status": "draft"}, 400, "is 'draft'"),
        ({"metadata": {}}, 400, "projects.metadata names no preferred_model"),
        ({"metadata": {"preferred_model": "vgg16"}}, 400, "resnet18"),
        ({"metadata": {"preferred_model": 18}}, 400, "resnet18"),
        (
            {"metadata": {"preferred_model": "resnet18", "epochs": "ten"}},
            400,
            "projects.metadata says epochs='ten': expected",
        ),
        (
            {"metadata": {"preferred_model": "resnet18", "epochs": -1}},
            400,
            "projects.metadata says epochs=-1: expected",
        ),
        ({"metadata": {"preferred_model": "resnet18", "batch_size": 0}}, 400, "says batch_size=0: expected at least 1"),
        ({"metadata": {"preferred_model": "resnet18", "batch": 0}}, 400, "projects.metadata says batch=0: expected"),
        ({"metadata": {"preferred_model": "resnet18", "learning_rate": "x"}}, 400, "says learning_rate='x': expected"),
        ({"metadata": {"preferred_model": "resnet18", "imgsz": 1}}, 400, "projects.metadata says imgsz=1: expected"),
        ({"task_type": "object_detection"}, 400, "image_classification"),
        ({"task_type": None}, 400, "image_classification"),
        ({"framework": "tensorflow"}, 400, "pytorch"),
        ({"gcs_url": None}, 404, "no data set"),
    )
    OF_ADDRESSES = (
        "gs://../raw/pets.zip",
        "gs://bucket/..%2fpets.zip",
        "gs://bucket/%2e%2e/pets.zip",
        "gs://bucket/raw/../../pets.zip",
        "gs://bucket",
        "gs://bucket/",
        "gs:///pets.zip",
        "gs://bu cket/pets.zip",
        "gs://user:secret@bucket/pets.zip",
        "gs://user:secret/a@bucket/pets.zip",
        "gs://user:secret?a@bucket/pets.zip",
        "gs://user:secret#a@bucket/pets.zip",
        "https:user:secret@bucket/pets.zip",
        "gs://bucket/pets.zip#token=secret",
        "gs://bucket/pets.zip?token=secret",
        "gs://bucket/pets\n.zip",
        "https://storage.googleapis.com/bucket/pets.zip",
        "file:///etc/passwd",
        "s3://bucket/pets.zip",
        "/etc/passwd",
        "",
    )


@pytest.mark.parametrize(("columns", "status", "said"), Refusals.OF_ROWS)
async def test_a_project_that_cannot_be_trained_is_refused_with_its_class(
    agent: Agent, columns: dict[str, Any], status: int, said: str
):
    project = await agent.add_project(**columns)
    before = await agent.status(project)
    answer = await agent.start(project, wait=True)
    assert (answer.status_code, answer.json()["success"], answer.json()["model_url"]) == (status, False, None)
    assert said in answer.json()["error"]
    await agent.turn()
    assert (await agent.status(project)) == ("failed" if before == "pending_training" else before)
    assert any(said in line for line in (await agent.lines(project)))
    assert not agent.site.executor.launches


async def test_what_the_servers_own_defaults_get_wrong_is_told_by_their_names(tmp_path: Path, postgres: Postgres):
    async with make_agent(tmp_path, postgres.create(), batch=5000) as agent:
        project = await agent.add_project(metadata={"preferred_model": "resnet18"})
        answer = await agent.start(project, wait=True)
        assert answer.status_code == 400
        told = "BATCH_SIZE=5000: expected at most 4096; projects.metadata names no batch_size"
        assert answer.json()["error"] == told


@pytest.mark.parametrize("url", Refusals.OF_ADDRESSES)
async def test_only_an_object_in_googles_store_is_fetched(agent: Agent, url: str):
    project = await agent.add_project(gcs_url=url)
    answer = await agent.start(project, wait=True)
    assert answer.status_code == 400, answer.text
    assert "secret" not in answer.text
    await agent.turn()
    assert "secret" not in str(await agent.lines(project))
    assert not agent.site.imports.launches


async def test_an_object_that_is_not_there_is_404(agent: Agent):
    project = await agent.add_project(gcs_url=f"{BUCKET}/none.zip")
    answer = await outcome(agent, project)
    assert (answer.status_code, answer.json()["success"]) == (404, False)
    assert "there is nothing at gs://bucket/raw/none.zip" in answer.json()["error"]
    assert (await agent.status(project)) == "failed"
    assert "none.zip" in (await agent.lines(project))[-1]


async def test_what_is_missing_has_one_code_be_it_a_row_or_an_object(agent: Agent):
    for url in (None, f"{BUCKET}/none.zip"):
        project = await agent.add_project(gcs_url=url)
        assert (await outcome(agent, project)).status_code == 404
        await agent.turn()
        assert (await agent.lines(project))[-1].startswith("Training failed (dataset_invalid): ")


async def test_data_that_are_no_data_set_are_500(agent: Agent):
    (agent.folder / "bucket/pets.zip").write_bytes(b"no zip")
    project = await agent.add_project()
    with capture_logs() as logged:
        answer = await outcome(agent, project)
    assert answer.status_code == 500, answer.text
    assert (await agent.status(project)) == "failed"
    (refused,) = [line for line in logged if "not carried out" in line["event"]]
    assert (refused["code"], refused["reason"]) == ("training_failed", "dataset_invalid")
    (ended,) = [line for line in logged if line["event"] == "ended"]
    assert (ended["kind"], ended["state"], ended["reason"]) == ("import", "failed", "dataset_invalid")
    assert ended["message"] in answer.json()["error"]


async def test_a_project_whose_data_are_not_to_be_had_has_trained_no_epoch(agent: Agent):
    project = await agent.add_project(gcs_url=f"{BUCKET}/none.zip")
    await outcome(agent, project)
    progress = (await agent.site.get(f"/agents/training/status/{project}")).json()["progress"]
    assert (progress["kind"], progress["state"]) == ("import", "failed")
    assert (progress["epoch"], progress["epochs"], progress["percent"]) == (0, None, 0.0)


async def test_a_model_without_its_place_is_logged_with_what_is_wrong_there(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
):
    gone = AsyncMock(side_effect=StorageUnusable("the bucket is not there"))
    monkeypatch.setattr(FolderShelf, "create", gone)
    project = await agent.add_project()
    await agent.start(project)
    await agent.train()
    agent.site.clock.advance(900)
    with capture_logs() as logged:
        assert (await outcome(agent, project)).status_code == 500
    (refused,) = [line for line in logged if "not carried out" in line["event"]]
    assert (refused["code"], refused["reason"]) == ("not_handed_over", "storage_error")


async def test_data_of_one_class_are_told_how_classes_lie(agent: Agent):
    with ZipFile(agent.folder / "bucket/cats.zip", "w") as archive:
        for number in range(12):
            archive.writestr(f"cats/{number}.bmp", bmp(number))
    project = await agent.add_project(gcs_url=f"{BUCKET}/cats.zip")
    told = (await outcome(agent, project)).json()["error"]
    assert "has 1 class folder (cats); classification needs 2 or more: one folder per class" in told
    assert "caption" not in told


async def test_a_training_that_fails_is_500_with_its_reason(agent: Agent):
    project = await agent.add_project()
    waiting = asyncio.create_task(agent.start(project, wait=True))
    handle = await agent.training()
    failed = agent.site.event(2, "failed", code="out_of_memory", message="lower batch", retryable=False)
    await agent.site.say(handle, failed)
    agent.site.executor.exit(handle, 137)
    await agent.turn()
    answer = await waiting
    assert answer.status_code == 500
    assert "out_of_memory" in answer.json()["error"]
    assert (await agent.status(project)) == "failed"
    again = await agent.start(project)
    assert again.status_code == 400
    assert "lower batch" in again.json()["error"]


async def test_a_project_that_is_nowhere_is_404_and_no_id_is_400(agent: Agent):
    assert (await agent.start("00000000-0000-0000-0000-00000000000a")).status_code == 404
    for wrong in ("7", "", "../etc", "x" * 101):
        answer = await agent.start(wrong)
        assert (answer.status_code, answer.json()["success"]) == (400, False), wrong
    for body in (b"{", b"[]", b"{}"):
        answer = await agent.site.post("/agents/training/start", content=body)
        assert answer.status_code == 400, body


async def test_a_body_need_not_say_that_it_is_json_but_not_that_it_is_a_form(agent: Agent):
    project = await agent.add_project()
    body = f'{{"project_id": "{project}"}}'.encode()
    form = {"content-type": "application/x-www-form-urlencoded"}  # as `curl -d` says
    answer = await agent.site.post(START, content=body, headers=form)
    assert answer.status_code == 400
    assert "'application/x-www-form-urlencoded'; expected application/json" in answer.json()["error"]
    assert (await agent.site.post(START, content=body, headers={"Prefer": "respond-async"})).status_code == 202


async def test_a_database_that_is_away_is_500_at_once(agent: Agent):
    project = await agent.add_project()
    async with agent.away():
        assert (await agent.start(project)).status_code == 500
        assert (await agent.site.get(f"/agents/training/status/{project}")).status_code == 500


async def test_the_status_is_of_the_log_and_of_the_job(agent: Agent):
    project = await agent.add_project()
    path = f"/agents/training/status/{project}"
    waits = (await agent.site.get(path)).json()
    assert waits == {"status": "pending_training", "progress": {}, "logs": []}
    started = await agent.start(project)
    assert started.headers["Location"] == path
    assert started.headers["Preference-Applied"] == "respond-async"
    await agent.train()
    agent.site.clock.advance(1)  # so long an answer is good
    said = (await agent.site.get(path)).json()
    assert said["status"] == "completed"
    assert (said["progress"]["epoch"], said["progress"]["epochs"], said["progress"]["percent"]) == (2, 2, 100.0)
    assert said["logs"][3]["message"] == "Epoch 1/2 completed. Loss: 0.750"
    assert (said["logs"][3]["agent_name"], said["logs"][3]["log_level"]) == ("training", "info")


async def test_many_who_poll_at_once_ask_the_database_once(agent: Agent, monkeypatch: pytest.MonkeyPatch):
    project, asked = await agent.add_project(), []
    recent_logs = SqlCallers.recent_logs

    async def counted(*arguments: Any) -> Any:
        asked.append(arguments)
        return await recent_logs(*arguments)

    monkeypatch.setattr(SqlCallers, "recent_logs", counted)
    answers = await asyncio.gather(*(agent.site.get(f"/agents/training/status/{project}") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(asked) == 1


async def test_who_polls_and_hangs_up_takes_the_answer_from_nobody(agent: Agent, monkeypatch: pytest.MonkeyPatch):
    project, asked, answer = await agent.add_project(), asyncio.Event(), asyncio.Event()
    recent_logs = SqlCallers.recent_logs

    async def answered_late(*arguments: Any) -> Any:
        asked.set()
        await answer.wait()
        return await recent_logs(*arguments)

    monkeypatch.setattr(SqlCallers, "recent_logs", answered_late)
    served = agent.site.context.services.training_agent
    assert served is not None
    hangs_up, stays = (asyncio.create_task(served.standings.of(project)) for _ in range(2))
    await asked.wait()
    hangs_up.cancel()
    await asyncio.wait([hangs_up])
    answer.set()
    assert (await stays).status == "pending_training"


async def test_an_answer_is_remembered_for_a_second(agent: Agent):
    project = await agent.add_project()
    path = f"/agents/training/status/{project}"
    for passed, expected in ((0, "pending_training"), (0.9, "pending_training"), (0.2, "draft")):
        agent.site.clock.advance(passed)
        assert (await agent.site.get(path)).json()["status"] == expected
        await agent.set_status(project, "draft")


async def test_a_clock_that_is_set_back_keeps_no_answer(agent: Agent):
    project = await agent.add_project()
    path = f"/agents/training/status/{project}"
    assert (await agent.site.get(path)).json()["status"] == "pending_training"
    await agent.start(project)
    await agent.train()
    agent.site.clock.step(-3600)
    agent.site.clock.advance(1)
    assert (await agent.site.get(path)).json()["status"] == "completed"


async def test_too_many_starts_are_told_when_to_come_again(tmp_path: Path, postgres: Postgres):
    async with make_agent(tmp_path, postgres.create(), starts_per_minute=2) as agent:
        project = await agent.add_project()
        codes = [(await agent.start(project)).status_code for _ in range(3)]
        assert codes == [202, 202, 429]
        answer = await agent.start(project)
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["success"] is False


async def test_how_long_to_wait_is_what_is_left_of_the_minute():
    allowance = Allowance(1, SystemClock())
    await allowance.take()
    with pytest.raises(TooManyRequests) as caught:
        await allowance.take()
    assert 50 < (caught.value.retry_after_seconds or 0) <= 60


async def test_a_cancelled_training_has_failed_for_its_callers(agent: Agent):
    project = await agent.add_project()
    waiting = asyncio.create_task(agent.start(project, wait=True))
    await agent.turn()
    handle = await agent.training()
    await agent.site.post(f"/api/v1/jobs/{handle.job_id}:cancel")
    await agent.site.say(handle, agent.site.event(2, "cancelled", step=1))
    agent.site.executor.exit(handle, 0)
    await agent.turn()
    assert (await waiting).status_code == 500
    assert (await agent.status(project)) == "failed"
    assert (await agent.lines(project))[-1] == "Training cancelled."


async def test_a_project_that_was_deleted_meanwhile_holds_nobody_up(agent: Agent):
    project = await agent.add_project()
    await agent.start(project)
    await agent.turn()
    await agent.callers.script("TRUNCATE projects, datasets, models, agent_logs")
    await agent.train()
    other = await agent.add_project("Other")
    await agent.start(other)
    await agent.train()
    assert (await agent.status(other)) == "completed"
