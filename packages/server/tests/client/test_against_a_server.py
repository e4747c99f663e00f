"""The client and the real server agree: every verb, over a real socket."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.live import LiveServer, pets

import eyebright
from eyebright.client import Client
from eyebright.errors import ConfigInvalid, Conflict, NotFound, Unauthenticated
from eyebright_wire.jobs import JobKind, JobRequest, JobState, PreflightRequest, RehearsalRequest
from eyebright_wire.resources import DatasetVersionView, EventView, JobView, ResolutionRequest

QUICK = {"epochs": 2}
SLOW = {"epochs": 1000, "step_seconds": 0.5}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def near(live: LiveServer) -> Iterator[Client]:
    with eyebright.Client(settings=live.settings) as client:
        yield client


@pytest.fixture(scope="module")
def version(near: Client, tmp_path_factory: pytest.TempPathFactory) -> DatasetVersionView:
    return near.import_dataset(pets(tmp_path_factory.mktemp("photos") / "pets"))


@pytest.fixture(scope="module")
def done(near: Client, version: DatasetVersionView) -> JobView:
    job = near.submit(JobRequest(dataset=version.id, trainer="toy", config=QUICK, labels={"team": "vision"}))
    return near.wait(job.id, timeout_seconds=300)


def test_it_finds_the_server_of_this_machine(near: Client, live: LiveServer) -> None:
    assert near.local is not None
    assert (near.health().status, near.ready().status) == ("healthy", "ok")
    assert near.openapi()["info"]["title"] == "Eyebright"
    assert "eyebright_" in near.prometheus()


def test_a_wrong_token_is_refused(near: Client) -> None:
    with Client(near.url, "wrong") as stranger:
        assert stranger.health().status == "healthy"
        with pytest.raises(Unauthenticated):
            next(stranger.jobs())


def test_an_order_can_be_checked_before_there_are_data(near: Client) -> None:
    found = near.preflight(PreflightRequest(trainer="toy", config=QUICK))
    assert (found.trainer, found.task, found.config["epochs"]) == ("toy", "classification", 2)
    with pytest.raises(ConfigInvalid, match="'epochs'"):
        near.check(PreflightRequest(trainer="toy", config={"epocs": 2}))


def test_an_order_can_be_rehearsed(near: Client, version: DatasetVersionView) -> None:
    order = RehearsalRequest(dataset=version.id, trainer="toy", config={"lr0": 0.4}, webhook="https://127.0.0.1/hook")
    job = near.wait(near.rehearse(order).id, timeout_seconds=300)
    assert (job.state, job.kind, job.config, job.model_id) == (
        JobState.SUCCEEDED,
        JobKind.REHEARSAL,
        {"lr0": 0.4},
        None,
    )
    report = near.rehearsal(job.id)
    assert report.failed is not None
    assert (report.failed.name, report.failed.code) == ("webhook", "config_invalid")
    assert {step.state for step in report.steps if step.name != "webhook"} == {"passed"}
    assert job.id in [found.id for found in near.jobs(kind=JobKind.REHEARSAL)]
    assert job.id not in [found.id for found in near.jobs(kind=JobKind.TRAINING)]
    assert not list(near.checkpoints(job.id))
    assert [file.path for file in near.artifacts(job.id)] == ["rehearsal.json"]


def test_a_rehearsal_can_be_cancelled(near: Client, version: DatasetVersionView) -> None:
    order = RehearsalRequest(dataset=version.id, trainer="toy", config={"step_seconds": 50})
    job = near.rehearse(order)
    next(item for item in near.watch(job.id) if isinstance(item, EventView) and item.kind == "progress")
    near.cancel(job.id)
    (*_, last) = near.watch(job.id)
    assert isinstance(last, JobView)
    assert last.state is JobState.CANCELLED


def test_data_sets(near: Client, version: DatasetVersionView, tmp_path: Path) -> None:
    sent = near.upload_dataset(pets(tmp_path / "pets"), "sent")
    assert (sent.dataset, sent.manifest_sha256) == ("sent", version.manifest_sha256)
    assert {found.name for found in near.datasets()} >= {"pets", "sent"}
    assert near.dataset("pets").versions[0].id == version.id
    assert near.dataset_version(version.id) == version
    with pytest.raises(NotFound):
        near.dataset("unheard-of")


def test_recipes_and_trainers(near: Client) -> None:
    assert "toy/classification" in {recipe.name for recipe in near.recipes()}
    assert near.recipe("toy", "classification").config["epochs"] == 5
    resolution = near.resolve("toy", "classification", ResolutionRequest(config={"epochs": 3}))
    assert (resolution.config["epochs"], resolution.changes) == (3, {"epochs": 3})
    assert next(view for view in near.trainers() if view.name == "toy").installed


def test_the_same_key_is_the_same_order(near: Client, version: DatasetVersionView) -> None:
    order = JobRequest(dataset=version.id, trainer="toy", config=QUICK)
    assert near.submit(order, key="once").id == near.submit(order, key="once").id


def test_a_finished_job_and_what_it_left(near: Client, done: JobView, tmp_path: Path) -> None:
    assert done.state is JobState.SUCCEEDED
    assert near.job(done.id) == done
    assert [job.id for job in near.jobs(state=JobState.SUCCEEDED, labels={"team": "vision"})] == [done.id]
    assert "succeeded" in near.logs(done.id).text
    assert near.metrics(done.id)
    assert near.checkpoints(done.id)
    artifact = near.artifacts(done.id)[0]
    path = near.download_artifact(done.id, artifact.path, tmp_path / "file", sha256=artifact.sha256)
    assert path.stat().st_size == artifact.size_bytes
    with pytest.raises(Conflict):
        near.cancel(done.id)


def test_models(near: Client, done: JobView, tmp_path: Path) -> None:
    model = near.model(str(done.model_id))
    assert model in list(near.models())
    paths = near.download_model(model.id, tmp_path / "model")
    assert {str(path.relative_to(tmp_path / "model")) for path in paths} == {ref.path for ref in model.artifacts}
    photo = pets(tmp_path / "pets") / "dog" / "3.png"
    assert near.predict(model.id, photo).scores[0].label == "dog"


def test_a_watch_gives_every_event_once_and_then_the_end(near: Client, version: DatasetVersionView) -> None:
    job = near.submit(JobRequest(dataset=version.id, trainer="toy", config={"epochs": 20, "step_seconds": 0.01}))
    items = list(near.watch(job.id))
    positions = [item.position for item in items if isinstance(item, EventView)]
    assert positions == [event.position for event in near.events(job.id)] == list(range(1, len(positions) + 1))
    assert isinstance(items[-1], JobView)
    assert items[-1].state is JobState.SUCCEEDED
    halfway = positions[len(positions) // 2]
    assert [e.position for e in near.watch(job.id, halfway) if isinstance(e, EventView)] == positions[halfway:]


def test_a_job_is_cancelled_and_repeated(near: Client, version: DatasetVersionView) -> None:
    job = near.submit(JobRequest(dataset=version.id, trainer="toy", config=SLOW))
    waiting = threading.Thread(target=near.cancel, args=(job.id,))
    for item in near.watch(job.id):
        if isinstance(item, JobView) and item.state is JobState.RUNNING and not waiting.ident:
            waiting.start()
    assert near.job(job.id).state is JobState.CANCELLED
    again = near.retry(job.id)
    assert again.rerun_of == job.id
    near.cancel(again.id)
    assert near.wait(again.id, timeout_seconds=300).state is JobState.CANCELLED


def test_waiting_can_be_given_up(near: Client, version: DatasetVersionView) -> None:
    job = near.submit(JobRequest(dataset=version.id, trainer="toy", config=SLOW))
    with pytest.raises(TimeoutError):
        near.wait(job.id, timeout_seconds=0.5)
    near.cancel(job.id)
    near.wait(job.id, timeout_seconds=300)
