"""One step of learning: from a batch at once, or in several passes."""

import torch
from torch import nn
from torch.nn import functional
from torch.optim import Optimizer

from eyebright_torch import optim
from eyebright_torch.config import LoopConfig, RunConfig
from eyebright_torch.distributed import Ranks
from eyebright_torch.hardware import Hardware
from eyebright_torch.learner import Learner
from eyebright_torch.state import EpochRecord, RunState
from eyebright_torch.task import Goal, Learned

CONFIG = RunConfig(optimizer="SGD", lr0=0.1, weight_decay=0, momentum=0, ema=False)
NUMBERS, LABELS = torch.rand(7, 5, generator=torch.Generator().manual_seed(1)), torch.arange(7) % 3


def learner() -> Learner:
    def sgd(model: nn.Module) -> Optimizer:
        return optim.optimizer(CONFIG, model)

    torch.manual_seed(0)
    return Learner(nn.Linear(5, 3), [], sgd, (), CONFIG, Hardware(torch.device("cpu"), None, 1), Ranks(), 1)


def learned(network: nn.Module, mine: slice) -> Learned:
    return Learned(functional.cross_entropy(network(NUMBERS[mine]), LABELS[mine]), (), len(LABELS[mine]))


def test_a_step_in_several_passes_of_unequal_size_is_the_step_of_the_whole_batch():
    whole, parts = learner(), learner()
    whole.step(lambda network: learned(network, slice(7)), number=0, rate=0.1, images=7)
    cuts = (slice(0, 4), slice(4, 6), slice(6, 7))
    parts.step(lambda network: (learned(network, cut) for cut in cuts), number=0, rate=0.1, images=7)
    torch.testing.assert_close(parts.model.weight, whole.model.weight, atol=1e-7, rtol=0)
    assert not torch.equal(whole.model.weight, learner().model.weight)
    torch.testing.assert_close(parts.sums, whole.sums)


def test_a_pass_is_made_only_when_the_one_before_has_been_learned_from():
    """Otherwise the memory of all of them would be needed at once."""
    subject, order = learner(), list[str]()

    def passes(network: nn.Module):
        for number in range(2):
            part = learned(network, slice(7))
            order.append(f"forward {number}")
            part.loss.register_hook(lambda _, number=number: order.append(f"backward {number}"))
            yield part

    subject.step(passes, number=0, rate=0.1, images=14)
    assert order == ["forward 0", "backward 0", "forward 1", "backward 1"]


def test_the_newest_is_the_best_where_nothing_is_set_aside_to_judge_by():
    goal = Goal("", newest=True)
    assert goal.reached_better({}, {"loss": 1.0})


def test_an_epoch_that_was_not_judged_is_not_the_best_and_ends_no_run():
    state, goal = RunState(), Goal("val_loss", higher_is_better=False)
    assert state.close_epoch(EpochRecord(1, {}), {"val_loss": 2.0}, goal)
    assert not state.close_epoch(EpochRecord(2, {}), None, goal)
    assert (state.best_epoch, state.best) == (1, {"val_loss": 2.0})
    assert not state.finished(epochs=9, patience=1)
    assert not state.close_epoch(EpochRecord(3, {}), {"val_loss": 3.0}, goal)
    assert state.stale == 2
    assert state.finished(epochs=9, patience=2)


def test_every_epoch_is_closed_unless_a_config_says_otherwise():
    assert all(LoopConfig().closes(epoch) for epoch in range(1, 40))
