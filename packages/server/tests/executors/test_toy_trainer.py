"""The executor with a real trainer: the kit's side and ours of the run directory are the same."""

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from eyebright.catalog.builtin import toy
from eyebright.catalog.trainers import CHECKOUT, CatalogSettings, TrainerCatalog
from eyebright.executors.local import LocalExecutor, LocalExecutorSettings
from eyebright.executors.prediction import ChildProcessPredictor
from eyebright.ports.executor import Environment
from eyebright.settings import process_environment
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_wire.jobs import JobSpec
from eyebright_wire.runs import Handle, Liveness, Vital

INSTALLED = (CHECKOUT / toy.project / ".venv" / "bin" / "python").exists()
pytestmark = pytest.mark.skipif(not INSTALLED, reason="the toy trainer is not installed: make trainers")


@pytest.fixture
async def environment() -> Environment:
    return await TrainerCatalog([toy], CatalogSettings(environment=process_environment())).environment("toy")


@pytest.fixture
def executor(tmp_path: Path) -> LocalExecutor:
    settings = LocalExecutorSettings(runs_dir=tmp_path / "runs", environment=process_environment(), devices=())
    return LocalExecutor(settings)


def order(environment: Environment, tmp_path: Path, **config: Any) -> JobSpec:
    return TinyJob(tmp_path, environment.manifest).spec(**config)


async def until_gone(executor: LocalExecutor, handle: Handle) -> Liveness:
    deadline = time.monotonic() + 180
    while (liveness := await executor.status(handle)).vital is not Vital.GONE:
        assert time.monotonic() < deadline, "it never ended"
        await asyncio.sleep(0.02)
    return liveness


async def test_a_toy_run_succeeds_and_its_model_predicts(
    executor: LocalExecutor, environment: Environment, tmp_path: Path
) -> None:
    handle = await executor.launch(order(environment, tmp_path), environment)
    liveness = await until_gone(executor, handle)
    assert liveness.exit_code == 0, liveness.log_tail
    events = await executor.spooled(handle, 0)
    assert (events[0].kind, events[-1].kind) == ("started", "succeeded")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    output = tmp_path / "objects" / "jobs" / handle.job_id / "a1"
    picture = next(path for path in (tmp_path / "objects" / "blobs").rglob("*") if _is_png(path))
    answer = await ChildProcessPredictor().predict(environment, output, picture.read_bytes())
    assert {score.label for score in answer.scores} == {"bright", "dark", "striped"}


async def test_a_toy_run_that_is_stopped_leaves_pre_empted(
    executor: LocalExecutor, environment: Environment, tmp_path: Path
) -> None:
    handle = await executor.launch(order(environment, tmp_path, epochs=1000, step_seconds=0.01), environment)
    folder = tmp_path / "runs" / handle.job_id / "a1"
    while not any(event.kind == "progress" for event in await executor.spooled(handle, 0)):
        assert (await executor.status(handle)).vital is Vital.ALIVE
        await asyncio.sleep(0.02)
    ours = json.loads((folder / "process.json").read_text())
    await executor.stop(handle, timedelta(seconds=60))
    assert (await executor.status(handle)).exit_code == 83
    assert json.loads((folder / "process.json").read_text()) == ours
    assert json.loads((folder / "exit.json").read_text()) == {"code": 83}
    assert (await executor.spooled(handle, 0))[-1].kind == "preempted"


def _is_png(path: Path) -> bool:
    return path.is_file() and path.read_bytes().startswith(b"\x89PNG")
