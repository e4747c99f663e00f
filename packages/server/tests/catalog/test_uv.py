"""The real uv, on a project that needs nothing from the network."""

import os
from pathlib import Path

import pytest

from eyebright.catalog.trainers import CHECKOUT
from eyebright.catalog.uv import Uv
from eyebright.errors import Unavailable

PROJECT = """
[project]
name = "bare"
version = "1"
requires-python = ">=3.11"

[tool.uv]
package = false
"""
LOCK = """
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "bare"
version = "1"
source = { virtual = "." }
"""


@pytest.fixture
def uv() -> Uv:
    try:
        return Uv.find(CHECKOUT, {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]})
    except Unavailable as absent:
        pytest.skip(str(absent))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "uv.lock").write_text(LOCK)
    return tmp_path


async def test_an_environment_is_made_where_it_is_expected(uv: Uv, project: Path) -> None:
    said: list[str] = []
    assert await uv.in_sync(project), "nothing to install"
    await uv.sync(project, said.append)
    assert (project / ".venv" / "bin" / "python").exists()
    assert any(".venv" in line for line in said)


async def test_a_project_without_a_lock_is_told_in_uvs_words(uv: Uv, project: Path) -> None:
    (project / "uv.lock").unlink()
    with pytest.raises(Unavailable, match="uv lock --project"):
        await uv.sync(project, lambda _: None)
