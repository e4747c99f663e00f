"""One real server for all tests of the command line that need one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.live import LiveServer, Ran, pets

from eyebright.cli.entry import run
from eyebright.client import Client
from eyebright_wire.jobs import JobRequest
from eyebright_wire.resources import JobView


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pets(tmp_path_factory.mktemp("photos") / "pets")


@pytest.fixture(scope="session")
def client(live: LiveServer) -> Iterator[Client]:
    with Client(settings=live.settings) as client:
        yield client


@pytest.fixture(scope="session")
def done(client: Client, photos: Path) -> JobView:
    """A job that has succeeded."""
    version = client.import_dataset(photos)
    order = JobRequest(dataset=version.id, name="first", trainer="toy", config={"epochs": 2}, labels={"team": "vision"})
    job = client.wait(client.submit(order).id, timeout_seconds=180)
    assert job.state == "succeeded", job
    return job


@pytest.fixture
def cli(live: LiveServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """A command against the live server, in this process: what `Ran` says is what a script would see."""
    monkeypatch.setenv("EYEBRIGHT_DATA_DIR", str(live.data_dir))

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return call
