"""Two real processes, started by torchrun as the trainer itself asks for it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from eyebright_kit.data.blobs import blob_path
from eyebright_kit.data.manifest import Manifest
from eyebright_kit.data.materialise import materialise
from eyebright_kit.disk import sha256_of
from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import Trace, TracedRun, traced
from eyebright_torch.testing import JobAt
from eyebright_torchvision.manifest import MANIFEST
from eyebright_torchvision.trainer import TorchvisionTrainer
from eyebright_wire.artifacts import Grant
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import ResumePoint

CONFIG = {"processes": 2, "epochs": 4, "save_every_steps": 1, "exports": [], "lr0": 0.003, "ema": True}
#: The trainer with the smallest of its models: these runs save it after each step.
SMALL = MANIFEST.model_copy(update={"tasks": (MANIFEST.tasks[0].model_copy(update={"tried_model": "mobilenet_v2"}),)})
#: Nothing that depends on which images a process sees together: no layer normalises by them, no chance is drawn for each.
#: Steps of 5 images give two processes unequal shares.
ALIKE = {
    "epochs": 4,
    "batch": 5,
    "freeze": "backbone",
    "optimizer": "SGD",
    "lr0": 0.03,
    "flip": 0,
    "brightness": 0,
    "contrast": 0,
    "saturation": 0,
    "exports": [],
}
TIMEOUT_SECONDS = 170

#: The trainer itself, but its second process runs out of memory in its first step.
FAILING = """
import sys
from eyebright_kit.errors import OutOfMemory
from eyebright_kit.runtime import main
from eyebright_torchvision.manifest import MANIFEST
from eyebright_torchvision.trainer import TorchvisionTrainer

class Failing(TorchvisionTrainer):
    def fit(self, ctx):
        from eyebright_torch.learner import Learner

        def step(*_, **__):
            raise OutOfMemory("memory ran out; set batch=8")

        if ctx.rank == 1:
            Learner.step = step
        return super().fit(ctx)

sys.exit(main(MANIFEST.model_copy(update={"module": "failing"}), Failing))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    job = TinyJob(tmp_path_factory.mktemp("whole"), SMALL, config=CONFIG)
    return traced(MANIFEST.module, job.write_spec(), TIMEOUT_SECONDS)


def test_two_processes_train_one_model_and_speak_with_one_voice(finished: Trace):
    assert finished.exit_code == 0, finished.summary()
    kinds = [event.kind for event in finished.events]
    assert (kinds.count(EventKind.STARTED), kinds.count(EventKind.SUCCEEDED)) == (1, 1)
    assert [data["epoch"] for data in finished.of(EventKind.PROGRESS) if data["epoch_finished"]] == [1, 2, 3, 4]


def test_two_processes_learn_what_one_would(tmp_path: Path, job_at: JobAt):
    job = TinyJob(tmp_path, MANIFEST, config={**ALIKE, "processes": 2})
    together = traced(MANIFEST.module, job.write_spec(), TIMEOUT_SECONDS)
    assert together.exit_code == 0, together.summary()
    manifest = Manifest(blob_path(job.blobs, together.spec.dataset.manifest_sha256))
    data = materialise(manifest, job.blobs, tmp_path / "data")
    config = {**together.spec.config, "processes": 1}
    alone = job_at(tmp_path / "alone", data).context(model=together.spec.model, **config)
    TorchvisionTrainer().fit(alone)
    assert losses(together) == pytest.approx([epoch["loss"] for epoch in alone.desk.epochs], rel=1e-4)
    assert losses(together)[-1] < losses(together)[0] / 2
    expected, found = (load_file(output / "model.safetensors") for output in (alone.output, together.output))
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-5)


def losses(trace: Trace) -> list[float]:
    """Of each epoch."""
    return [data["metrics"]["loss"] for data in trace.of(EventKind.PROGRESS) if data["epoch_finished"]]


def test_preempted_all_ranks_leave_at_one_step_and_resume_exactly(finished: Trace, tmp_path: Path):
    job = TinyJob(tmp_path, SMALL, config=CONFIG)
    child = TracedRun(MANIFEST.module, job.write_spec())
    child.wait_for(EventKind.CHECKPOINT, TIMEOUT_SECONDS)
    child.process.terminate()
    first = child.wait(TIMEOUT_SECONDS)
    assert first.events[-1].kind == EventKind.PREEMPTED, first.summary()
    points = tuple(
        ResumePoint(
            source=Grant(uri=first.spec.output.uri), manifest=saved.manifest, epoch=saved.epoch, step=saved.step
        )
        for saved in reversed(first.checkpoints)
    )
    second = traced(MANIFEST.module, job.write_spec(attempt=2, resume=points), TIMEOUT_SECONDS)
    assert second.exit_code == 0, second.summary()
    whole = sha256_of(finished.output / "model.safetensors")
    assert sha256_of(second.output / "model.safetensors") == whole


def test_what_another_process_died_of_is_what_the_run_died_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    trace = traced("failing", TinyJob(tmp_path, SMALL, config=CONFIG).write_spec(), TIMEOUT_SECONDS)
    assert trace.failed.code == ErrorCode.OUT_OF_MEMORY, trace.summary()
    assert trace.failed.message == "another process of this run failed: rank 1: memory ran out; set batch=8"
