"""What callers of a Training Server are told: golden bodies, and of which jobs."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from harness.platform import Platform
from harness.webhooks import Webhooks

from eyebright.core.records import PROGRESS_TOPIC, Message
from eyebright.core.webhook import Endpoint, Happening, Outgoing
from eyebright.errors import Conflict, Unavailable
from eyebright.ports.webhooks import Answer
from eyebright.services.relay import REST_SECONDS
from eyebright.services.styles import StyleTask
from eyebright.services.webhooks.endpoints import Declared
from eyebright.services.webhooks.training_server import ERROR_CODES, EVENTS, NAME, PATH, TrainingServer
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Progress
from eyebright_wire.jobs import EXPORTER, IMPORTER, REHEARSER, JobState
from eyebright_wire.resources import JobView
from eyebright_wire.runs import Handle
from eyebright_wire.webhooks import WebhookEvent

GOLDEN = Path(__file__).parent / "golden/training_server"
WEIGHTS = "gs://bucket/models/style-1/lora_weights.safetensors"
BEGAN_MS = 1_700_000_000_000
ENDPOINT = Endpoint(id="whe_1", url="https://backend.example", secret="whsec_", created_at_ms=BEGAN_MS)
MIDWAY = Progress(epoch=26, epochs=100, step=250, steps=1000, metrics={"loss": 0.31})


def job(state: JobState = JobState.RUNNING, **fields: Any) -> JobView:
    values: dict[str, Any] = {
        "id": "job_1",
        "name": "style-1",
        "trainer": "diffusion",
        "task": "text_to_image",
        "model": "sd15",
        "dataset_version": "dsv_1",
        "labels": StyleTask(style_id="1", task_id="0b8e2c1a").labels,
        "created_at_ms": BEGAN_MS,
        "started_at_ms": BEGAN_MS,
    }
    return JobView(state=state, **{**values, **fields})


def happening(job: JobView, event: WebhookEvent | None = None, after_seconds: float = 0) -> Happening:
    event = event or WebhookEvent(f"job.{job.state}")
    topic = PROGRESS_TOPIC if event is WebhookEvent.JOB_PROGRESS else f"job.{job.state}"
    message = Message(
        job_id=job.id,
        version=5,
        topic=topic,
        at_ms=BEGAN_MS + int(1000 * after_seconds),
        attempt=1,
        trainer=job.trainer,
        state=job.state,
        reason=job.reason,
    )
    return Happening(event=event, message=message, job=job)


async def said(job: JobView, event: WebhookEvent | None = None, after_seconds: float = 0) -> Outgoing | None:
    async def published(job_id: str) -> str:
        return WEIGHTS

    return await TrainingServer(published).request(happening(job, event, after_seconds), ENDPOINT)


def same(outgoing: Outgoing | None, name: str) -> bool:
    """Field by field and in the same order."""
    assert outgoing is not None
    assert outgoing.headers["Content-Type"] == "application/json"
    found = {"method": outgoing.method, "path": outgoing.path, "body": json.loads(outgoing.body)}
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert json.dumps(found) == json.dumps(golden)
    return True


async def test_a_finished_style_is_complete():
    done = job(JobState.SUCCEEDED, metrics={"loss": 0.0231, "epochs": 100.0})
    assert same(await said(done), "complete")


async def test_a_training_that_failed_is_failed_and_why():
    broken = job(
        JobState.FAILED, reason=ErrorCode.OUT_OF_MEMORY, message="the GPU has 4 GB; use gradient_checkpointing"
    )
    assert same(await said(broken), "failed")


async def test_images_that_cannot_be_had_are_the_end_of_the_same_story():
    broken = job(
        JobState.FAILED,
        trainer=IMPORTER,
        reason=ErrorCode.DATASET_INVALID,
        message="there is nothing at gs://bucket/styles/1/3.png; check the address",
    )
    assert same(await said(broken), "failed_images")


async def test_a_cancelled_training_is_failed_too():
    stopped = job(JobState.CANCELLED, reason=ErrorCode.USER_CANCELLED, message="cancelled by a user")
    assert same(await said(stopped), "cancelled")


async def test_progress_says_how_far_it_is_and_how_long_the_rest_takes():
    assert same(await said(job(progress=MIDWAY), WebhookEvent.JOB_PROGRESS, after_seconds=300), "progress")


async def test_the_trainers_own_estimate_is_told_where_it_has_one():
    found = await said(job(progress=MIDWAY.model_copy(update={"eta_seconds": 61.4})), WebhookEvent.JOB_PROGRESS, 300)
    assert found
    assert json.loads(found.body)["estimated_seconds"] == 61


async def test_before_there_is_any_progress_none_is_told():
    for nothing in (None, Progress(epoch=1, epochs=100)):
        assert await said(job(progress=nothing), WebhookEvent.JOB_PROGRESS, 300) is None


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.STARTING, JobState.RUNNING, JobState.SUCCEEDED])
async def test_an_import_that_does_not_fail_says_nothing(state: JobState):
    assert await said(job(state, trainer=IMPORTER, progress=MIDWAY)) is None
    assert await said(job(state, trainer=IMPORTER, progress=MIDWAY), WebhookEvent.JOB_PROGRESS, 300) is None


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.STARTING, JobState.RUNNING])
async def test_a_training_that_is_tried_again_is_no_news(state: JobState):
    assert await said(job(state, reason=ErrorCode.WORKER_LOST)) is None


@pytest.mark.parametrize("event", [WebhookEvent.MODEL_REGISTERED, WebhookEvent.JOB_CREATED, WebhookEvent.JOB_QUEUED])
async def test_what_they_have_no_word_for_is_not_told(event: WebhookEvent):
    assert await said(job(JobState.SUCCEEDED), event) is None


@pytest.mark.parametrize("trainer", [EXPORTER, REHEARSER])
@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
async def test_an_export_of_a_style_is_not_its_story(trainer: str, state: JobState):
    assert await said(job(state, trainer=trainer)) is None


@pytest.mark.parametrize("labels", [{}, {"style_id": "1"}, {"task_id": "0b8e2c1a"}])
@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
async def test_other_jobs_are_not_theirs(labels: dict[str, str], state: JobState):
    assert await said(job(state, labels=labels)) is None


async def test_complete_waits_for_the_weights_to_lie_in_their_place():
    async def published(job_id: str) -> str:
        raise Unavailable

    with pytest.raises(Unavailable):
        await TrainingServer(published).request(happening(job(JobState.SUCCEEDED)), ENDPOINT)


async def test_weights_that_were_deleted_are_no_completed_style():
    async def published(job_id: str) -> None:
        return None

    found = await TrainingServer(published).request(happening(job(JobState.SUCCEEDED)), ENDPOINT)
    assert found
    assert (found.path, json.loads(found.body)["error_code"]) == ("/api/webhooks/training/failed", "SERVER_ERROR")


async def test_a_training_that_measured_no_loss_says_so():
    found = await said(job(JobState.SUCCEEDED, progress=MIDWAY))
    assert found
    assert json.loads(found.body)["training_metric"] == {"loss": None, "epochs": 100}


def test_every_reason_has_a_code():
    assert ERROR_CODES.keys() == set(ErrorCode)


class Told:
    """The dialect over the real relay, with a store that can be away."""

    def __init__(self, platform: Platform) -> None:
        self.webhooks = Webhooks(platform)
        self.away = False
        self.webhooks.dialects[NAME] = TrainingServer(self._published)

    async def _published(self, job_id: str) -> str:
        if self.away:
            raise Unavailable
        return WEIGHTS

    async def declared(self) -> "Told":
        backend = Declared(name=NAME, url=ENDPOINT.url, events=EVENTS, dialect=NAME, progress_seconds=30)
        await self.webhooks.endpoints.declare([backend])
        return self

    async def running(self, task_id: str = "t-1", **fields: Any) -> Handle:
        return await self.webhooks.platform.running(labels=StyleTask("1", task_id).labels, **fields)

    def said(self) -> list[str]:
        return [sent.url.removeprefix(f"{ENDPOINT.url}{PATH}/") for sent in self.webhooks.sender.sent]


@pytest.fixture
async def told(platform: Platform) -> Told:
    return await Told(platform).declared()


async def test_progress_every_30_seconds_then_one_end(told: Told):
    handle = await told.running()
    for epoch in range(1, 91):
        told.webhooks.clock.advance(1)
        await told.webhooks.platform.say(handle, "progress", epoch=epoch, epochs=90, epoch_finished=True)
        await told.webhooks.turn(1)
    await told.webhooks.platform.succeed(handle)
    await told.webhooks.turn()
    assert told.said() == [*["progress"] * 3, "complete"]
    epochs = [sent.told["current_epoch"] for sent in told.webhooks.sender.sent[:3]]
    assert epochs == [1, 31, 61]


async def test_an_end_is_tried_again_after_1_2_and_4_seconds(told: Told):
    url = f"{ENDPOINT.url}{PATH}/complete"
    told.webhooks.sender.answers[url] = [Answer(503), Answer(503), Answer(503), Answer(200)]
    await told.webhooks.platform.succeed(await told.running())
    for _ in range(100):
        await told.webhooks.turn(1)
        told.webhooks.clock.advance(0.1)
    sent = told.webhooks.sender.sent
    waits = [(later.at_ms - before.at_ms) / 1000 for before, later in pairwise(sent)]
    assert waits == [pytest.approx(wait, rel=0.2) for wait in (1, 2, 4)]
    assert {(each.id, each.body) for each in sent} == {(sent[0].id, sent[0].body)}


async def test_while_the_weights_are_not_in_their_place_complete_is_not_said(told: Told):
    told.away = True
    await told.webhooks.platform.succeed(await told.running())
    await told.webhooks.turn()
    assert told.said() == []
    told.away = False
    told.webhooks.clock.advance(REST_SECONDS)
    await told.webhooks.turn()
    assert told.said() == ["complete"]


async def test_a_store_that_is_away_keeps_other_jobs_news_from_nobody(told: Told):
    told.away = True
    await told.webhooks.platform.succeed(await told.running("t-1"))
    other = await told.running("t-2")
    await told.webhooks.platform.say(other, "failed", code="trainer_error", message="no")
    await told.webhooks.turn()
    assert told.said() == ["failed"]
    assert told.webhooks.sender.sent[0].told["task_id"] == "t-2"


async def test_their_words_have_none_for_a_test(told: Told):
    with pytest.raises(Conflict, match=f"webhooks deliveries whe_{NAME}"):
        await told.webhooks.deliveries.test(f"whe_{NAME}")
    assert told.said() == []
