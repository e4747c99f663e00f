import os
import sys
from pathlib import Path

import pytest
from harness.trainers import SYNC, Trainers


@pytest.fixture
def trainers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainers:
    tools = tmp_path / ".uv" / "bin"
    tools.mkdir(parents=True)
    (tools / "uv").write_text("#!/bin/sh" + SYNC)
    (tools / "uv").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere" / "python"))  # or the workspace's own uv is found
    return Trainers(tmp_path / "trainers", {"PATH": os.defpath, "HOME": str(tmp_path)})
