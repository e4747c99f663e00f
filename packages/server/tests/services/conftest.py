import pytest
from harness.platform import Platform

from eyebright.stores.memory import MemoryDatabase


@pytest.fixture
async def platform():
    platform = Platform(MemoryDatabase())
    await platform.add_dataset()
    yield platform
    await platform.sweep.close()
