from pathlib import Path

import pytest
from harness.site import site as make_site


@pytest.fixture
async def site(tmp_path: Path):
    async with make_site(tmp_path) as site:
        yield site
