from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from databases import Postgres
from harness.agent import Agent
from harness.agent import agent as make_agent
from harness.platform import Platform

from eyebright.stores.memory import MemoryDatabase


@pytest.fixture
async def platform():
    platform = Platform(MemoryDatabase())
    await platform.add_dataset()
    yield platform
    await platform.sweep.close()


@pytest.fixture
async def agent(tmp_path: Path, postgres: Postgres) -> AsyncIterator[Agent]:
    async with make_agent(tmp_path, postgres.create()) as agent:
        yield agent
