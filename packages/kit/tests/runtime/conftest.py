"""What the runtime's tests share: a diary in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eyebright_kit.runtime.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.jsonl")
    yield spool
    spool.close()
