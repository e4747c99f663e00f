"""Two real processes over Gloo, started by torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT_SECONDS = 170

RANK = """
import json, sys
from pathlib import Path
import torch
from torch import nn
from torch.nn import functional
from eyebright_kit.runtime import StopReason
from tiny import Small
from eyebright_torch import optim
from eyebright_torch.config import RunConfig
from eyebright_torch.distributed import joined, local_place
from eyebright_torch.hardware import Hardware
from eyebright_torch.launch import leave
from eyebright_torch.learner import Learner
from eyebright_torch.task import Learned

torch.set_num_threads(1)
rank, world = local_place()
cpu = Hardware(torch.device("cpu"), None, 1)
config = RunConfig(optimizer="SGD", lr0=0.1, weight_decay=0, momentum=0)
images, labels = torch.rand(7, 3, 32, 32, generator=torch.Generator().manual_seed(1)), torch.arange(7) % 3

def learn(model, ranks, rank, world):
    learner = Learner(model, [], lambda model: optim.optimizer(config, model), (), config, cpu, ranks, 3)
    learner.begin_epoch()
    mine = slice(rank, None, world)
    for number in range(3):
        learner.step(lambda network: loss(network, mine), number=number, rate=0.1, images=len(labels) / world)
    return learner

def loss(network, mine):
    return Learned(functional.cross_entropy(network(images[mine]), labels[mine]), (), len(labels[mine]))

def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

def summed(learner):
    return {key: value.double().sum().item() for key, value in learner.model.state_dict().items()}

with joined(rank, world, cpu.device) as ranks:
    together = learn(plain(), ranks, rank, world)
    torch.manual_seed(0)
    network = learn(Small(3), ranks, rank, world)
    ranks.share_buffers(network.model)
    told = {
        "plain": summed(together),
        "normalised": summed(network),
        "seen": ranks.total(together.sums.clone()).tolist()[-1],
        "agreed": [ranks.agree(StopReason.CANCEL if rank == 1 else None), ranks.agree(None)],
    }
if rank == 0:
    from eyebright_torch.distributed import Ranks
    told["alone"] = summed(learn(plain(), Ranks(), 0, 1))
Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(told))
leave(0)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "rank.py").write_text(RANK)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launcher, str(folder / "rank.py"), str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_both_ranks_have_the_same_weights(told: list[dict]):
    assert told[0]["normalised"] == told[1]["normalised"]
    assert told[0]["plain"] == told[1]["plain"]


def test_two_ranks_with_unequal_shares_learn_what_one_process_would(told: list[dict]):
    assert told[0]["plain"] == pytest.approx(told[0]["alone"], rel=1e-5)
    assert told[0]["seen"] == 21


def test_what_one_rank_hears_all_ranks_do(told: list[dict]):
    assert [rank["agreed"] for rank in told] == [["cancel", None]] * 2
