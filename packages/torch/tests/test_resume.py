"""Killed or stopped anywhere and resumed: the very same bits as without."""

import random

import pytest
import torch
from safetensors.torch import load_file
from tiny import fit_varied as fit

from eyebright_kit.runtime import Stopped, StopReason
from eyebright_torch import loop
from eyebright_torch.testing import Killed
from eyebright_wire.jobs import Stage

# Everything at once that has a memory or draws random numbers: dropout comes with the model.
CONFIG = {
    "epochs": 4,
    "batch": 5,
    "save_every_steps": 2,
    "crop_scale": 0.5,
    "rotate": 10,
    "hue": 0.1,
    "erasing": 0.3,
    "patience": 3,
    "seed": 11,
    "lr0": 0.0003,
}
STEPS = 20
POINTS = sorted(random.Random(2026).sample(range(1, STEPS + 1), 5))


def end(context) -> tuple[dict[str, torch.Tensor], list[dict[str, float]], object]:
    """Every tensor at the end (model, average, optimiser, best weights), every epoch's numbers, and the result."""
    result = fit(context)
    files = context.desk.saved[-1].path.glob("*.safetensors")
    tensors = {f"{file.stem}/{key}": tensor for file in files for key, tensor in load_file(file).items()}
    tensors |= load_file(context.output / "model.safetensors")
    return tensors, context.desk.epochs, result


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, images, job_at):
    return end(job_at(tmp_path_factory.mktemp("whole"), images).context(**CONFIG))


def assert_equal(found, expected, epochs_done: int) -> None:
    tensors, epochs, result = found
    assert tensors.keys() == expected[0].keys()
    assert [key for key in tensors if not torch.equal(tensors[key], expected[0][key])] == []
    assert epochs == expected[1][epochs_done:]
    assert result == expected[2]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_random_step_and_resumed_equals_uninterrupted(job, uninterrupted, point: int):
    first = job.context(kill_at=point, **CONFIG)
    with pytest.raises(Killed):
        fit(first)
    saved = first.desk.saved[-1] if first.desk.saved else None
    assert saved is None or point - 2 <= saved.step <= point
    assert_equal(end(job.context(restored=saved, **CONFIG)), uninterrupted, saved.epoch if saved else 0)


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_each_optimisers_memory_is_restored(job, optimizer: str):
    config = {"optimizer": optimizer, "epochs": 2, "save_every_steps": 3, "ema": False}
    expected = end(job.context(**config))
    first = job.context(kill_at=7, **config)
    with pytest.raises(Killed):
        fit(first)
    saved = first.desk.saved[-1]
    assert saved.step == 6
    assert_equal(end(job.context(restored=saved, **config)), expected, 1)


@pytest.mark.parametrize("reason", [StopReason.PREEMPT, StopReason.CANCEL])
def test_told_to_stop_it_saves_that_very_step(job, uninterrupted, reason: StopReason):
    first = job.context(stop_at=7, reason=reason, **CONFIG)
    with pytest.raises(Stopped):
        fit(first)
    saved = first.desk.saved[-1]
    assert saved.step == 7
    assert_equal(end(job.context(restored=saved, **CONFIG)), uninterrupted, 1)


def test_stopped_between_the_last_step_of_an_epoch_and_its_evaluation(job, uninterrupted):
    first = job.context(stop_at=10, **CONFIG)
    with pytest.raises(Stopped):
        fit(first)
    assert len(first.desk.epochs) == 1
    saved = first.desk.saved[-1]
    assert (saved.step, saved.epoch) == (10, 1)
    assert_equal(end(job.context(restored=saved, **CONFIG)), uninterrupted, 1)


def test_stopped_while_it_delivers_it_comes_back_to_deliver(job, uninterrupted):
    first = job.context(**CONFIG)
    first.stop_reason = lambda: StopReason.PREEMPT if Stage.EVALUATING in first.desk.stages else None
    with pytest.raises(Stopped):
        fit(first)
    saved = first.desk.saved[-1]
    assert (saved.step, saved.epoch) == (STEPS, 4)
    second = job.context(restored=saved, **CONFIG)
    assert fit(second) == uninterrupted[2]
    assert second.desk.epochs == []


def test_patience_counts_on_after_a_resume(job):
    config = {
        "epochs": 30,
        "patience": 2,
        "optimizer": "SGD",
        "lr0": 1e-9,
        "momentum": 0.0,
        "freeze": "backbone",
        "ema": False,
    }
    whole = job.context(**config)
    expected = end(whole)
    ends = len(whole.desk.epochs)
    assert ends < 30
    first = job.context(kill_at=(ends - 1) * 4 + 1, **config)
    with pytest.raises(Killed):
        fit(first)
    assert_equal(end(job.context(restored=first.desk.saved[-1], **config)), expected, ends - 1)


def test_the_best_weights_survive_even_if_nothing_better_follows(job, monkeypatch: pytest.MonkeyPatch):
    verdicts = {1: {"val_loss": 0.5, "top1": 0.9}, 2: {"val_loss": 0.9, "top1": 0.5}}
    monkeypatch.setattr(loop.Loop, "_judge", lambda self: verdicts[self.state.epoch])
    expected = end(job.context())
    first = job.context(kill_at=5)
    with pytest.raises(Killed):
        fit(first)
    assert first.desk.saved[-1].step == 4
    assert_equal(end(job.context(restored=first.desk.saved[-1])), expected, 1)
    assert expected[2].metrics["best_epoch"] == 1


def test_a_checkpoint_holds_no_pickle(job):
    context = job.context(epochs=1)
    fit(context)
    names = {file.name for file in context.desk.saved[-1].path.iterdir()}
    assert {name.rpartition(".")[2] for name in names} == {"json", "safetensors"}
