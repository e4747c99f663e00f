"""Asking a trainer something."""

import json
import sys
from pathlib import Path

import pytest

from eyebright.catalog.verb import ask
from eyebright_kit.keeping.child_environment import child_environment

SERVED = {
    "PATH": "/usr/bin",
    "CUDA_HOME": "/opt/cuda",
    "LC_NUMERIC": "C",
    "SSL_CERT_FILE": "/etc/ssl/corporate.pem",
    "XDG_CACHE_HOME": "/big/cache",
    "EYEBRIGHT_TOKEN": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "HTTPS_PROXY": "http://me:secret@proxy",
}


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Says what it can see."""
    path = tmp_path / "python"
    path.write_text(f"#!{sys.executable} -IS\nimport json, os\nprint(json.dumps(dict(os.environ)))\n")
    path.chmod(0o700)
    return path


async def test_a_trainer_tries_itself_out_in_the_world_of_its_jobs(python: Path) -> None:
    seen = json.loads((await ask(python, "toy", "check", SERVED, 30)).stdout)
    job = child_environment(SERVED, python, threads=1)
    assert "secret" not in str(seen)
    seen.pop("LC_CTYPE", None)  # Python's own coercion
    assert seen == {name: job[name] for name in ("PATH", "CUDA_HOME", "LC_NUMERIC", "SSL_CERT_FILE", "XDG_CACHE_HOME")}
