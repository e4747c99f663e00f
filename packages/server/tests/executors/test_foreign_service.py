"""What a training service that is not ours means to the server that gives it work."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from harness.answering import Answering, served
from harness.laboratory import spec

from eyebright.core.breaker import THRESHOLD
from eyebright.errors import ConfigInvalid, InvalidRequest, ServiceUnavailable, TrainerUnavailable, Unavailable
from eyebright.executors.service import ServiceExecutor, ServiceExecutorSettings
from eyebright.executors.service.line import LARGEST_FOREIGN
from eyebright.executors.service.offers import manifest_of, models_of, trainer_of
from eyebright.ports.executor import Environment
from eyebright.testing import ManualClock
from eyebright_wire.jobs import JobSpec
from eyebright_wire.runs import Handle, Liveness, Vital

JOB = Handle("job_019a2b3c4d5e6f708192a3b", 2)
HEALTH = {"status": "ok", "framework": "YOLO"}


class Service:
    """It answers what the test says, by path, and keeps what came."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {"/health": (200, HEALTH), "/training/start": (202, "taken")}
        self.came: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.trickles = False


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Handler(Answering):
        def do_GET(self) -> None:
            made.came.append((self.path, self.received()))
            made.headers.append(dict(self.headers))
            if made.trickles:
                self.trickle()
                return
            status, body = made.answers.get(self.path, (404, {"detail": "Not Found"}))
            self.answer(status, body if isinstance(body, bytes) else json.dumps(body).encode())

        do_POST = do_GET

        def trickle(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "10000")
            self.end_headers()
            with contextlib.suppress(OSError):
                while made.trickles:
                    self.wfile.write(b" ")
                    time.sleep(0.05)

    with served(Handler) as made.url:
        yield made


@pytest.fixture
async def executor(service: Service):
    made = ServiceExecutor(ServiceExecutorSettings(name="gpus", url=service.url, places=3), ManualClock(), lambda: 0.0)
    yield made
    await made.close()


async def environment(executor: ServiceExecutor) -> Environment:
    manifest = await executor.describe()
    return Environment(manifest.name, manifest.module, None, "", manifest)


def order(**config: Any) -> JobSpec:
    named = {"job_id": JOB.job_id, "attempt": 2, "token": "se/cret+", "task": "training", "model": "yolo11n"}
    address = {"callback_url": f"http://here/training/jobs/{JOB.job_id}/callback?attempt=2"}
    return spec(dataset_s3_uri="s3://data/set/", **config).model_copy(update={**named, **address})


async def launched(executor: ServiceExecutor, **config: Any) -> Handle:
    return await executor.launch(order(**config), await environment(executor))


async def test_it_is_told_four_things_and_no_secret_but_the_key_of_this_attempt(service, executor):
    assert await launched(executor, epochs=3, do="train", nothing=None) == JOB
    path, body = service.came[-1]
    told = json.loads(body)
    assert path == "/training/start"
    assert set(told) == {"job_id", "config", "dataset_s3_uri", "callback_url"}
    assert told["job_id"] == "0019a2b3-c4d5-7e6f-8708-192a3b000000"
    assert told["config"] == {"model": "yolo11n", "epochs": 3, "do": "train", "nothing": None}
    assert told["dataset_s3_uri"] == "s3://data/set/"
    asked = parse_qs(urlsplit(told["callback_url"]).query)
    assert asked == {"attempt": ["2"], "key": ["se/cret+"]}


async def test_while_its_service_lives_a_run_is_not_taken_for_lost(service, executor):
    await launched(executor)
    found = await executor.status(JOB)
    assert (found.vital, found.heartbeat and found.heartbeat.moved_at_ms) == (Vital.UNKNOWN, 0)
    assert [chunk async for chunk in executor.logs(JOB, 0)] == []
    assert await executor.spooled(JOB, 0) == []
    await executor.stop(JOB, timedelta(seconds=9))
    assert await executor.status(JOB) == Liveness(Vital.GONE)
    assert (await executor.status(Handle(JOB.job_id, 3))).heartbeat is not None


async def test_a_service_that_does_not_answer_tells_nothing_of_its_runs(service, executor):
    await launched(executor)
    service.answers["/health"] = (502, b"<html>")
    executor._foreign._seen = float("-inf")
    assert await executor.status(JOB) == Liveness(Vital.UNKNOWN)
    assert executor.condition() == "closed: did not answer 1 times"
    service.answers["/health"] = (401, {"detail": "who are you?"})
    assert await executor.status(JOB) == Liveness(Vital.UNKNOWN)


async def test_one_answer_serves_all_runs_of_a_moment(service, executor):
    await launched(executor)
    before = len(service.came)
    for number in range(1, 6):
        await executor.status(Handle(JOB.job_id, number))
    assert [path for path, _ in service.came[before:]] == ["/health"]


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (503, {"detail": "busy"}, ServiceUnavailable, "says: busy"),
        (429, {"message": "slow down"}, ServiceUnavailable, "says: slow down"),
        (422, {"detail": [{"msg": "epochs?"}]}, ConfigInvalid, "epochs"),
        (400, {"error": "x" * 9999}, ConfigInvalid, "says: x"),
        (401, {"detail": "who are you?"}, InvalidRequest, "says: who are you"),
        (500, {"detail": "boom"}, Unavailable, "fails: it answers HTTP 500: boom"),
        (500, b"Internal Server Error", Unavailable, "fails: it answers HTTP 500. Its own log"),
        (404, b"nobody here", Unavailable, "fails: it answers HTTP 404"),
    ],
)
async def test_what_it_refuses_with_is_told_and_not_at_length(service, executor, status, body, error, words):
    service.answers["/training/start"] = (status, body)
    with pytest.raises(error, match=words) as refused:
        await launched(executor)
    assert type(refused.value) is error
    assert len(refused.value.message) < 700
    assert bool(executor.condition()) is ("fails" in words)


async def test_that_it_is_healthy_does_not_make_up_for_starts_that_fail(service, executor):
    service.answers["/training/start"] = (500, b"KeyError")
    for _ in range(THRESHOLD):
        with pytest.raises(Unavailable):
            await launched(executor)
    assert executor.state() == "open"
    assert executor.slots() == ()


async def test_one_that_is_not_there_costs_the_job_nothing(service, executor):
    """Unlike one that may have heard the start."""
    there = await environment(executor)
    await executor._line.close()
    gone = ServiceExecutor(ServiceExecutorSettings(name="gpus", url="http://127.0.0.1:9"), ManualClock(), lambda: 0.0)
    gone._service = gone._foreign
    with pytest.raises(ServiceUnavailable, match="cannot be reached: ConnectError"):
        await gone.launch(order(), there)
    await gone.close()


async def test_an_answer_that_trickles_holds_nobody_up(executor, service):
    service.trickles = True
    patient = ServiceExecutor(
        ServiceExecutorSettings(name="gpus", url=service.url, look_seconds=0.3, connect_seconds=0.2), ManualClock()
    )
    async with asyncio.timeout(60):  # the whole answer takes minutes
        assert await patient.status(JOB) == Liveness(Vital.UNKNOWN)
    service.trickles = False
    await patient.close()


async def test_the_token_is_for_services_of_ours(service):
    settings = ServiceExecutorSettings(name="gpus", url=service.url, token="swordfish")
    executor = ServiceExecutor(settings, ManualClock(), lambda: 0.0)
    await launched(executor)
    await executor.status(JOB)
    assert not any("authorization" in map(str.lower, headers) for headers in service.headers)
    await executor.close()


async def test_an_order_that_was_taken_for_a_service_of_ours_is_not_told_to_another(service, executor):
    sealed = order().model_copy(update={"config": {"epochs": 3}})
    with pytest.raises(TrainerUnavailable, match="order it anew"):
        await executor.launch(sealed, await environment(executor))
    assert "/training/start" not in [path for path, _ in service.came]


@pytest.mark.parametrize("health", [b"", b"OK", b'"ok"', {"framework": None}, {"places": "2 of 4"}, [1]])
async def test_any_answer_to_health_but_a_page_will_do(service, executor, health):
    service.answers["/health"] = (200, health)
    assert (await executor.describe()).name == "gpus"


async def test_a_page_is_no_training_service(service, executor):
    service.answers["/health"] = (200, b"  <html>nginx</html>")
    with pytest.raises(ServiceUnavailable, match="does not answer as a training service does"):
        await executor.describe()


async def test_it_has_as_many_places_as_the_operator_says(executor):
    assert len(executor.slots()) == 1, "nobody has asked it yet"
    await executor.describe()
    assert len(executor.slots()) == 3


async def test_another_framework_than_was_ordered_gets_no_work(service, executor):
    there = await environment(executor)
    service.answers["/health"] = (200, {"framework": "SAM"})
    with pytest.raises(TrainerUnavailable, match="offers sam, and the job is for yolo"):
        await executor.launch(order(), there)


async def test_an_answer_without_end_is_none(service, executor):
    service.answers["/health"] = (200, b" " * (LARGEST_FOREIGN + 1))
    with pytest.raises(ServiceUnavailable, match="longer than 1 MiB"):
        await executor.describe()


@pytest.mark.parametrize(
    "told",
    [
        ["n", "s"],
        {"models": ["n", "s"]},
        [{"name": "n"}, {"id": "s", "size": 3}],
        {"models": [{"model_name": "n"}, "s"], "count": 2},
        ["n", {"size": 3}, "", "a\nb", 7, "s"],
    ],
)
async def test_a_list_of_models_is_understood_as_services_write_it(service, executor, told):
    service.answers["/models"] = (200, told)
    (task,) = (await executor.describe()).tasks
    assert ([model.name for model in task.models], task.default_model) == (["n", "s"], "n")
    assert not task.offers("m")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (404, {"detail": "Not Found"}),
        (404, b"<h1>Not Found</h1>"),
        (405, b""),
        (200, {"error": "none"}),
        (200, b"<html>"),
    ],
)
async def test_without_a_list_any_model_may_be_ordered(service, executor, status, told):
    service.answers["/models"] = (status, told)
    (task,) = (await executor.describe()).tasks
    assert task.models == ()
    assert task.offers("whatever-v2.pt")
    assert not task.offers("two\nlines")


@pytest.mark.parametrize(("status", "error"), [(401, InvalidRequest), (500, ServiceUnavailable)])
async def test_who_does_not_tell_its_models_is_not_taken_to_have_any(service, executor, status, error):
    service.answers["/models"] = (status, {"detail": "no"})
    with pytest.raises(error):
        await executor.describe()


def test_models_are_offered_by_task():
    models = models_of(b'[{"name": "a", "task": "seg"}, {"name": "b", "task": "det"}, {"name": "c", "task": "seg"}]')
    offered = {task.name: [model.name for model in task.models] for task in manifest_of("x", models).tasks}
    assert offered == {"det": ["b"], "seg": ["a", "c"]}


@pytest.mark.parametrize(
    ("framework", "name"), [("Ultralytics", "ultralytics"), ("", "gpus"), ("../x", "gpus"), (" SAM ", "sam")]
)
def test_its_trainer_is_called_after_its_framework(framework, name):
    assert trainer_of(framework, "gpus") == name
