from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness.scripted import Scripted

from eyebright.client import Client
from eyebright.settings import Settings


@pytest.fixture
def server() -> Scripted:
    return Scripted()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data", state_dir=tmp_path / "state", url="http://eyebright.test", token="secret"
    )


@pytest.fixture
def client(server: Scripted, settings: Settings) -> Iterator[Client]:
    with Client(settings=settings, through=httpx.MockTransport(server), sleep=server.slept.append) as client:
        yield client
