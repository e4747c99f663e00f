"""Two real processes over Gloo, started by torchrun as the trainer itself asks for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eyebright_kit.disk import sha256_of
from eyebright_kit.runtime.rehearsal import Rehearsal
from eyebright_kit.runtime.trace import Rehearsed, Trace, rehearse
from eyebright_torchvision.manifest import MANIFEST
from eyebright_wire.artifacts import Grant
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import ResumePoint

CONFIG = {"processes": 2, "epochs": 4, "save_every_steps": 1, "exports": [], "lr0": 0.003, "ema": True}
TIMEOUT_SECONDS = 170

RANK = """
import json, sys
from pathlib import Path
import torch
from torch import nn
from torch.nn import functional
from eyebright_kit.runtime import StopReason
from eyebright_torchvision import models
from eyebright_torchvision.config import ClassificationConfig
from eyebright_torchvision.distributed import joined, local_place
from eyebright_torchvision.hardware import Hardware
from eyebright_torchvision.launch import leave
from eyebright_torchvision.learner import Learner

torch.set_num_threads(1)
rank, world = local_place()
cpu = Hardware(torch.device("cpu"), None, 1)
config = ClassificationConfig(label_smoothing=0, optimizer="SGD", lr0=0.1, weight_decay=0, momentum=0)
images, labels = torch.rand(7, 3, 32, 32, generator=torch.Generator().manual_seed(1)), torch.arange(7) % 3

def learn(model, ranks, rank, world):
    learner = Learner(model, [], config, cpu, ranks, 3)
    learner.begin_epoch()
    for number in range(3):
        mine = slice(rank, None, world)
        weight = len(labels[mine]) * world / len(labels)
        learner.step(images[mine], labels[mine], number=number, rate=0.1, weight=weight)
    return learner

def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

def summed(learner):
    return {key: value.double().sum().item() for key, value in learner.model.state_dict().items()}

with joined(rank, world, cpu.device) as ranks:
    together = learn(plain(), ranks, rank, world)
    torch.manual_seed(0)
    network = learn(models.build("resnet18", 3), ranks, rank, world)
    ranks.share_buffers(network.model)
    told = {
        "plain": summed(together),
        "resnet18": summed(network),
        "seen": ranks.total(together.sums.clone()).tolist()[2],
        "agreed": [ranks.agree(StopReason.CANCEL if rank == 1 else None), ranks.agree(None)],
    }
if rank == 0:
    from eyebright_torchvision.distributed import Ranks
    told["alone"] = summed(learn(plain(), Ranks(), 0, 1))
Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(told))
leave(0)
"""


#: The trainer itself, but its second process runs out of memory in its first step.
FAILING = """
import sys
from eyebright_kit.errors import OutOfMemory
from eyebright_kit.runtime import main
from eyebright_torchvision.manifest import MANIFEST
from eyebright_torchvision.trainer import TorchvisionTrainer

class Failing(TorchvisionTrainer):
    def fit(self, ctx):
        from eyebright_torchvision.learner import Learner

        def step(*_, **__):
            raise OutOfMemory("memory ran out; set batch=8")

        if ctx.rank == 1:
            Learner.step = step
        return super().fit(ctx)

sys.exit(main(MANIFEST.model_copy(update={"module": "failing"}), Failing))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "rank.py").write_text(RANK)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launcher, str(folder / "rank.py"), str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_both_ranks_have_the_same_weights(told: list[dict]):
    assert told[0]["resnet18"] == told[1]["resnet18"]
    assert told[0]["plain"] == told[1]["plain"]


def test_two_ranks_with_unequal_shares_learn_what_one_process_would(told: list[dict]):
    assert told[0]["plain"] == pytest.approx(told[0]["alone"], rel=1e-5)
    assert told[0]["seen"] == 21


def test_what_one_rank_hears_all_ranks_do(told: list[dict]):
    assert [rank["agreed"] for rank in told] == [["cancel", None]] * 2


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    job = Rehearsal(tmp_path_factory.mktemp("whole"), MANIFEST, config=CONFIG)
    return rehearse(MANIFEST.module, job.write_spec(), TIMEOUT_SECONDS)


def test_two_processes_train_one_model_and_speak_with_one_voice(finished: Trace):
    assert finished.exit_code == 0, finished.summary()
    kinds = [event.kind for event in finished.events]
    assert (kinds.count(EventKind.STARTED), kinds.count(EventKind.SUCCEEDED)) == (1, 1)
    losses = [data["metrics"]["loss"] for data in finished.of(EventKind.PROGRESS) if data["epoch_finished"]]
    assert len(losses) == 4
    assert losses[-1] < losses[0] * 0.8


def test_preempted_all_ranks_leave_at_one_step_and_resume_exactly(finished: Trace, tmp_path: Path):
    job = Rehearsal(tmp_path, MANIFEST, config=CONFIG)
    child = Rehearsed(MANIFEST.module, job.write_spec())
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
    second = rehearse(MANIFEST.module, job.write_spec(attempt=2, resume=points), TIMEOUT_SECONDS)
    assert second.exit_code == 0, second.summary()
    whole = sha256_of(finished.output / "model.safetensors")
    assert sha256_of(second.output / "model.safetensors") == whole


def test_what_another_process_died_of_is_what_the_run_died_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    trace = rehearse("failing", Rehearsal(tmp_path, MANIFEST, config=CONFIG).write_spec(), TIMEOUT_SECONDS)
    assert trace.failed.code == ErrorCode.OUT_OF_MEMORY, trace.summary()
    assert trace.failed.message == "another process of this run failed: rank 1: memory ran out; set batch=8"
