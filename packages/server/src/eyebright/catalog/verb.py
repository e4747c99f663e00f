"""Asks a trainer something in a short-lived process of its own: `python -m <module> describe | check`."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import anyio

from eyebright.errors import TrainerUnavailable
from eyebright_kit.keeping.inheritance import inherited


async def ask(
    python: Path, module: str, verb: str, environment: Mapping[str, str], timeout_seconds: float
) -> "subprocess.CompletedProcess[bytes]":
    """Runs the verb to its end. Raises TrainerUnavailable when it cannot be started or takes too long."""
    try:
        with anyio.fail_after(timeout_seconds):
            return await anyio.run_process(
                [str(python), "-m", module, verb], check=False, env=inherited(environment, python)
            )
    except TimeoutError:
        raise TrainerUnavailable(
            f"`{python} -m {module} {verb}` did not answer within {timeout_seconds:g} s; try when less is running"
        ) from None
    except OSError as error:
        raise TrainerUnavailable(f"cannot run {python}: {error.strerror}") from error


def last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
