"""What a message of the queue becomes: the four ends of the intake, over every database."""

import asyncio
import json
from typing import Any

import pytest
from harness.platform import Platform

from eyebright.core.parked import HEAD_BYTES, WHOLE_BYTES, kept_of
from eyebright.errors import Conflict, InvalidRequest, NotFound, StorageFull, TrainerUnavailable, Unavailable
from eyebright.ports.jobs import JobQuery
from eyebright.services import intake, messages
from eyebright.services.datasets import Datasets
from eyebright.services.intake import Intake
from eyebright.services.webhooks.training_server import ERROR_CODES
from eyebright.testing import FakeCatalog, toy_manifest
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.manifest import ModelInfo, TaskInfo
from eyebright_wire.queue import ParkedReason, QueueAnswer, QueueOutcome

#: As the callers of the Training Server send it.
SEED = {
    "task_id": "task-1",
    "type": "model_training",
    "data": {
        "style_id": 7,
        "images": ["gs://bucket/styles/7/1.png", {"uri": "https://images.example/2.png", "caption": "a fox"}],
        "parameters": {"num_epochs": 200, "learning_rate": 1e-4, "lora_rank": 8, "lora_alpha": 32},
    },
}
LORA = TaskInfo(
    name="text_to_image",
    aliases=("lora",),
    models=(ModelInfo(name="sd15"), ModelInfo(name="tiny")),
    default_model="sd15",
    config_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "epochs": {"type": "integer", "minimum": 1},
            "rank": {"type": "integer"},
            "alpha": {"type": "number"},
            "learning_rate": {"type": "number"},
            "batch": {"type": "integer"},
            "trigger": {"type": "string"},
        },
    },
    recipe={"epochs": 100, "rank": 8, "alpha": 32, "learning_rate": 1e-4, "batch": 1, "trigger": ""},
)


class Desk:
    """The intake with everything behind it."""

    def __init__(self, database: Any) -> None:
        self.platform = platform = Platform(database)
        toy = toy_manifest()
        platform.catalog = FakeCatalog(toy.model_copy(update={"tasks": (*toy.tasks, LORA)}))
        platform.restart()
        self.denied: set[str] = set()
        self.datasets = Datasets(
            database.datasets, database.jobs, database.history, platform.objects, platform.clock, platform.announcer,
            uploads=None, remote_image=self.image, check=platform.orders.check,
        )  # fmt: skip
        self.intake = Intake(database.jobs, platform.jobs, self.datasets, database.parked, platform.clock)

    def image(self, url: str) -> str:
        if url in self.denied:
            raise InvalidRequest(f"{url} is not allowed")
        return url

    async def take(self, message: Any, **changes: Any) -> QueueAnswer:
        return await self.intake.take(json.dumps({**message, **changes}).encode())

    async def jobs(self) -> list[Any]:
        return list((await self.platform.jobs.list(JobQuery(limit=100))).items)

    async def parked(self) -> list[Any]:
        return list((await self.intake.list()).items)


@pytest.fixture
def desk(database) -> Desk:
    return Desk(database)


def trained(data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**SEED, "data": {**data, **changes}}


ON_PETS = {
    "task_id": "task-2",
    "type": "model_training",
    "data": {"style_id": "fox", "dataset": "pets", "task": "classification", "parameters": {"epochs": 2}},
}


async def test_an_order_on_a_data_set_is_a_training_with_the_callers_names(desk: Desk):
    await desk.platform.add_dataset()
    answer = await desk.take(ON_PETS)
    (job,) = await desk.jobs()
    assert answer == QueueAnswer(outcome=QueueOutcome.TAKEN, task_id="task-2", job_id=job.id)
    assert (job.kind, job.state, job.labels) == (
        JobKind.TRAINING,
        JobState.QUEUED,
        {"task_id": "task-2", "style_id": "fox"},
    )
    assert job.config == {"epochs": 2}


async def test_the_callers_own_message_is_an_import_that_a_training_follows(desk: Desk):
    answer = await desk.take(SEED)
    (job,) = await desk.jobs()
    assert (answer.outcome, answer.job_id, job.kind) == (QueueOutcome.TAKEN, job.id, JobKind.IMPORT)
    assert (job.name, job.labels) == ("style-7", {"task_id": "task-1", "style_id": "7"})
    assert job.config["train"]["config"] == {
        "epochs": 200,
        "learning_rate": 1e-4,
        "rank": 8,
        "alpha": 32,
        "trigger": "style-7",
    }
    assert (await desk.take(SEED)).outcome is QueueOutcome.KNOWN
    assert (await desk.take(trained(SEED["data"], images=["gs://bucket/other.png"]))).reason == ParkedReason.KEY_REUSED
    assert len(await desk.jobs()) == 1


async def test_an_address_that_may_not_be_fetched_refuses_the_order(desk: Desk):
    desk.denied.add("https://images.example/2.png")
    answer = await desk.take(SEED)
    assert (answer.outcome, answer.reason) == (QueueOutcome.REFUSED, "config_invalid")
    assert "https://images.example/2.png is not allowed" in answer.message


@pytest.mark.parametrize("kind", ["memory"])
async def test_our_own_mistake_parks_the_message_for_a_later_version(desk: Desk, monkeypatch):
    async def stumble(*_: Any, **__: Any) -> None:
        raise KeyError("a bug")

    await desk.platform.add_dataset()
    monkeypatch.setattr(desk.platform.jobs, "place", stumble)
    answer = await desk.take(ON_PETS)
    assert (answer.outcome, answer.reason) == (QueueOutcome.PARKED, ParkedReason.INTERNAL_ERROR)
    monkeypatch.undo()
    assert (await desk.intake.replay(answer.parked_id)).outcome is QueueOutcome.TAKEN


@pytest.mark.parametrize(
    ("image", "said", "config"),
    [
        ("gs://bucket/1.png", {}, {"trigger": "style-7"}),
        ("gs://bucket/1.png", {"trigger_word": "sks"}, {"trigger": "sks"}),
        ({"url": "gs://bucket/1.png", "caption": "a fox"}, {}, {}),
    ],
)
def test_pictures_without_captions_are_learned_by_the_name_of_their_style(image: Any, said: Any, config: Any):
    message = json.dumps(trained(SEED["data"], images=[image], parameters=said)).encode()
    order = messages.order_of(messages.opened(message, len(message)))
    assert order.train.config == config


async def test_the_same_message_again_is_the_same_job(desk: Desk):
    await desk.platform.add_dataset()
    first = await desk.take(ON_PETS)
    extra = {**ON_PETS, "sent_at": "2025-11-05T10:00:00Z"}
    again = await desk.take(extra)
    assert again == QueueAnswer(outcome=QueueOutcome.KNOWN, task_id="task-2", job_id=first.job_id)
    assert len(await desk.jobs()) == 1


@pytest.mark.parametrize("message", [ON_PETS, SEED], ids=["training", "import"])
async def test_the_same_message_is_the_same_job_though_it_means_more_since_an_upgrade(
    desk: Desk, message: Any, monkeypatch: pytest.MonkeyPatch
):
    await desk.platform.add_dataset()
    first = await desk.take(message)

    def with_another_default(letter: messages.Letter) -> Any:
        order = messages.order_of(letter)
        return order.model_copy(update={"name": "another-default"})

    monkeypatch.setattr(intake, "order_of", with_another_default)
    again = await desk.take({**message, "data": {**message["data"], "sent_by": "somebody else"}})
    assert again == first.model_copy(update={"outcome": QueueOutcome.KNOWN})


async def test_the_same_id_with_another_order_is_parked(desk: Desk):
    await desk.platform.add_dataset()
    await desk.take(ON_PETS)
    other = await desk.take(ON_PETS, data={**ON_PETS["data"], "parameters": {"epochs": 3}})
    assert (other.outcome, other.reason, other.task_id) == (QueueOutcome.PARKED, ParkedReason.KEY_REUSED, "task-2")
    assert len(await desk.jobs()) == 1


async def test_an_order_that_cannot_be_carried_out_is_kept_as_a_job_that_failed(desk: Desk):
    answer = await desk.take(ON_PETS)
    (job,) = await desk.jobs()
    assert (answer.outcome, answer.job_id, answer.reason) == (QueueOutcome.REFUSED, job.id, "config_invalid")
    assert "no data set named pets" in answer.message
    assert (job.state, job.reason, job.message) == (JobState.FAILED, ErrorCode.CONFIG_INVALID, answer.message)
    assert job.labels == {"task_id": "task-2", "style_id": "fox"}


async def test_a_refused_order_stays_refused_however_often_it_comes(desk: Desk):
    first = await desk.take(ON_PETS)
    await desk.platform.add_dataset()  # by now it would fit, but its caller has heard the end
    again = await desk.take(ON_PETS)
    assert again == first.model_copy(update={"outcome": QueueOutcome.KNOWN})
    assert again.message
    other = await desk.take(ON_PETS, data={**ON_PETS["data"], "dataset": "others"})
    assert other.reason == ParkedReason.KEY_REUSED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parameters": {"num_epochs": 10, "colour": "red"}}, "unknown setting 'colour'"),
        ({"parameters": {"num_epochs": 10, "epochs": 20}}, "epochs is given twice, as 10 and, by epochs, as 20"),
        ({"parameters": {"num_epochs": "many"}}, "epochs"),
        ({"parameters": 5}, "data.parameters must be an object"),
        ({"images": []}, "data.images has no image"),
        ({"images": [5]}, "data.images.0"),
        ({"images": [{"caption": "a fox"}]}, "data.images.0"),
        ({"dataset": "pets"}, "both images and a data set"),
        ({"parameters": {"model": "sd17"}}, "sd17"),
        ({"task": "knitting"}, "no trainer has a task 'knitting'"),
        ({"trainer": "nobody"}, "nobody"),
    ],
)
@pytest.mark.parametrize("kind", ["memory"])
async def test_nothing_that_is_wrong_with_an_order_is_dropped_in_silence(desk: Desk, changes, said):
    answer = await desk.take(trained(SEED["data"], **changes))
    assert (answer.outcome, answer.reason) == (QueueOutcome.REFUSED, "config_invalid")
    assert said in answer.message
    assert (await desk.take(trained(SEED["data"], **changes))).outcome is QueueOutcome.KNOWN


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in SEED.items() if key != name}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (without("type"), "type is needed"),
        ({**SEED, "schema_version": "1.0"}, 'its schema_version is "1.0"; expected 1'),
        ({**SEED, "schema_version": 0}, "its schema_version is 0; expected 1"),
        (trained(SEED["data"], parameters={"lr": float("nan")}), "data.parameters.lr is no finite number"),
        (trained(SEED["data"], parameters={"lr": [1.0, float("-inf")]}), "data.parameters.lr.1 is no finite number"),
        (trained(SEED["data"], leave_out_broken="maybe"), "data.leave_out_broken must be true or false"),
    ],
)
@pytest.mark.parametrize("kind", ["memory", "postgresql"])
async def test_whoever_says_who_he_is_hears_what_is_wrong(desk: Desk, message: Any, said: str):
    answer = await desk.take(message)
    (job,) = await desk.jobs()
    assert (answer.outcome, answer.reason, answer.task_id) == (QueueOutcome.REFUSED, "config_invalid", "task-1")
    assert said in answer.message == job.message
    assert (job.state, job.labels) == (JobState.FAILED, {"task_id": "task-1", "style_id": "7"})
    assert await desk.parked() == []


@pytest.mark.parametrize(
    "changes", [{"data": {"images": []}}, {"data": None}, {"type": "image_generation"}, {"schema_version": 2}]
)
async def test_a_parked_message_is_found_by_its_task_id(desk: Desk, changes: Any):
    answer = await desk.take(SEED, **changes)
    (parked,) = await desk.parked()
    assert (answer.outcome, answer.task_id, parked.task_id) == (QueueOutcome.PARKED, "task-1", "task-1")
    assert (await desk.intake.get(parked.id)).task_id == "task-1"


async def test_a_trainer_that_is_missing_is_not_its_callers_mistake(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    async def nobody(*_: Any) -> None:
        raise TrainerUnavailable("trainer 'diffusion' is not installed")

    await desk.platform.add_dataset()
    monkeypatch.setattr(desk.platform.catalog, "installed", nobody)
    answer = await desk.take(ON_PETS)
    assert (answer.outcome, answer.reason) == (QueueOutcome.REFUSED, ErrorCode.NO_CAPACITY)
    assert ERROR_CODES[answer.reason] == "SERVER_ERROR"


async def test_copies_of_a_refused_order_that_come_at_once_are_answered_with_its_reason(desk: Desk):
    first, *others = sorted(
        await asyncio.gather(*(desk.take(ON_PETS) for _ in range(4))), key=lambda answer: answer.outcome, reverse=True
    )
    assert first.outcome is QueueOutcome.REFUSED
    assert others == [first.model_copy(update={"outcome": QueueOutcome.KNOWN})] * 3


@pytest.mark.parametrize("kind", ["memory"])
async def test_an_order_may_go_on_without_images_that_are_broken(desk: Desk):
    for task_id, left_out in (("a", False), ("b", True)):
        answer = await desk.take(trained(SEED["data"], leave_out_broken=left_out), task_id=task_id)
        job = (await desk.platform.database.jobs.get(answer.job_id)).job
        assert job.resolved["leave_out_broken"] is left_out


def hostile() -> dict[str, tuple[bytes, ParkedReason]]:
    def message(**changes: Any) -> bytes:
        return json.dumps({**SEED, **changes}).encode()

    return {
        "empty": (b"", ParkedReason.NOT_JSON),
        "no JSON": (b"train, please", ParkedReason.NOT_JSON),
        "half of it": (message()[:-9], ParkedReason.NOT_JSON),
        "nested deeply": (b"[" * 100_000, ParkedReason.NOT_JSON),
        "nested deeply and whole": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, ParkedReason.NOT_JSON),
        "Latin-1": ('{"task_id": "grün"}'.encode("latin-1"), ParkedReason.NOT_UTF8),
        "binary": (bytes(range(256)), ParkedReason.NOT_UTF8),
        "a list": (b"[1, 2]", ParkedReason.INVALID_MESSAGE),
        "null": (b"null", ParkedReason.INVALID_MESSAGE),
        "no id": (message(task_id=None), ParkedReason.INVALID_MESSAGE),
        "an empty id": (message(task_id=""), ParkedReason.INVALID_MESSAGE),
        "a yes for an id": (message(task_id=True), ParkedReason.INVALID_MESSAGE),
        "a NUL in its id": (message(task_id="a\0b"), ParkedReason.INVALID_MESSAGE),
        "half a surrogate": (b'{"task_id": "\\ud800"}', ParkedReason.NOT_JSON),
        "no style": (message(data={"images": ["https://x/1.png"]}), ParkedReason.INVALID_MESSAGE),
        "no data": (message(data=None), ParkedReason.INVALID_MESSAGE),
        "another type": (message(type="image_generation"), ParkedReason.UNKNOWN_TYPE),
        "a future schema": (message(schema_version=2, data={"new": 1}), ParkedReason.FUTURE_SCHEMA),
    }


@pytest.mark.parametrize("name", hostile())
@pytest.mark.parametrize("kind", ["memory", "postgresql"])
async def test_a_message_of_nobody_is_parked_with_the_reason(desk: Desk, name):
    body, reason = hostile()[name]
    answer = await desk.intake.take(body)
    assert (answer.outcome, answer.reason) == (QueueOutcome.PARKED, reason)
    (parked,) = await desk.parked()
    assert (parked.id, parked.reason, parked.size_bytes) == (answer.parked_id, reason, len(body))
    assert parked.message == answer.message != ""
    assert await desk.jobs() == []
    assert (await desk.intake.take(body)).parked_id == answer.parked_id
    assert len(await desk.parked()) == 1


async def test_of_a_message_that_is_too_large_the_beginning_is_kept_and_nothing_is_read(desk: Desk):
    huge = json.dumps(SEED).encode() + b" " * 50 * 2**20
    answer = await desk.intake.take(kept_of(huge), len(huge))
    assert answer.reason == ParkedReason.TOO_LARGE
    (parked,) = await desk.parked()
    assert (parked.complete, len(parked.body), parked.size_bytes) == (False, HEAD_BYTES, len(huge))
    with pytest.raises(Conflict, match="only the first 4,096 of"):
        await desk.intake.replay(parked.id)


async def test_a_message_of_the_largest_size_is_read(desk: Desk):
    await desk.platform.add_dataset()
    body = json.dumps(ON_PETS).encode()
    answer = await desk.intake.take(body + b" " * (WHOLE_BYTES - len(body)))
    assert answer.outcome is QueueOutcome.TAKEN


async def test_a_parked_message_is_taken_when_it_is_replayed_and_is_gone_then(desk: Desk, monkeypatch):
    monkeypatch.setattr("eyebright.services.messages.SCHEMA_VERSION", 0)
    await desk.platform.add_dataset()
    answer = await desk.take(ON_PETS, schema_version=1)
    assert answer.reason == ParkedReason.FUTURE_SCHEMA
    assert (await desk.intake.replay(answer.parked_id)).reason == ParkedReason.FUTURE_SCHEMA
    assert len(await desk.parked()) == 1
    monkeypatch.undo()
    assert (await desk.intake.replay(answer.parked_id)).outcome is QueueOutcome.TAKEN
    assert await desk.parked() == []


async def test_a_discarded_message_is_gone(desk: Desk):
    answer = await desk.intake.take(b"{")
    await desk.intake.discard(answer.parked_id)
    for verb in (desk.intake.get, desk.intake.discard, desk.intake.replay):
        with pytest.raises(NotFound):
            await verb(answer.parked_id)


@pytest.mark.parametrize("trouble", [Unavailable("the database is away"), StorageFull()])
@pytest.mark.parametrize("kind", ["memory"])
async def test_trouble_that_passes_settles_nothing(desk: Desk, monkeypatch, trouble):
    async def fail(*_: Any, **__: Any) -> None:
        raise trouble

    await desk.platform.add_dataset()
    monkeypatch.setattr(desk.platform.jobs, "place", fail)
    with pytest.raises(type(trouble)):
        await desk.take(ON_PETS)
    assert await desk.jobs() == await desk.parked() == []
    monkeypatch.undo()
    assert (await desk.take(ON_PETS)).outcome is QueueOutcome.TAKEN
