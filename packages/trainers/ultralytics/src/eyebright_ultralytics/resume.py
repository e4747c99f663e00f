"""A checkpoint: everything that decides how training goes on, in full precision.

state.pt     tensors and numbers only: it is read with `weights_only`, which runs no code
best.pt      the best weights so far in Ultralytics' own form: a pickle, opened only once its bytes were verified
results.csv  the figures of every epoch
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from ultralytics.engine.trainer import BaseTrainer
from ultralytics.utils.torch_utils import unwrap_model

from eyebright_kit.errors import ConfigInvalid

_STATE = "state.pt"


def save(folder: Path, trainer: BaseTrainer) -> None:
    """Of an epoch that is over and evaluated."""
    torch.save(_state(trainer), folder / _STATE)
    for path in (trainer.best, trainer.csv):
        if path.exists():
            shutil.copyfile(path, folder / path.name)


def load(folder: Path, trainer: BaseTrainer) -> dict[str, Any]:
    """Puts everything back, into a trainer that was set up for the same order and has not begun. Answers the state, of which
    `finished` says that no epoch is left.

    Raises ConfigInvalid when the checkpoint is of another model or data set.
    """
    state = torch.load(folder / _STATE, map_location="cpu", weights_only=True)
    try:
        _put_back(state, trainer)
    except (RuntimeError, ValueError, KeyError) as error:  # torch's words for weights that do not fit
        raise ConfigInvalid(f"the checkpoint does not fit the model of this order: {error}") from error
    for path in (trainer.best, trainer.csv):
        if (folder / path.name).exists():
            shutil.copyfile(folder / path.name, path)
    return state


def _state(trainer: BaseTrainer) -> dict[str, Any]:
    model = unwrap_model(trainer.model)
    return {
        "epoch": trainer.epoch,
        "finished": bool(trainer.stop),
        "model": model.state_dict(),
        "ema": trainer.ema.ema.state_dict(),
        "ema_updates": trainer.ema.updates,
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "best_fitness": _plain(trainer.best_fitness),
        "best_epoch": trainer.best_epoch,
        "stopper": {
            "best_fitness": _plain(trainer.stopper.best_fitness),
            "best_epoch": trainer.stopper.best_epoch,
            "possible_stop": trainer.stopper.possible_stop,
        },
        "loss_updates": getattr(getattr(model, "criterion", None), "updates", None),
        "gathered": trainer.gathered,
        "gradients": {name: p.grad for name, p in model.named_parameters() if p.grad is not None},
        "nearby": list(getattr(trainer.train_loader.dataset, "buffer", ())),
    }


def _plain(number: Any) -> float | None:
    """numpy's floats are no plain numbers, and would need a pickle."""
    return None if number is None else float(number)


def _put_back(state: dict[str, Any], trainer: BaseTrainer) -> None:
    model = unwrap_model(trainer.model)
    model.load_state_dict(state["model"])
    trainer.ema.ema.load_state_dict(state["ema"])
    trainer.ema.updates = state["ema_updates"]
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.scaler.load_state_dict(state["scaler"])
    trainer.best_fitness = state["best_fitness"]
    trainer.best_epoch = state["best_epoch"]
    vars(trainer.stopper).update(state["stopper"])
    trainer.epoch = state["epoch"]
    trainer.start_epoch = state["epoch"] + 1
    trainer.scheduler.last_epoch = state["epoch"]  # its first step goes on from here
    _put_back_loss(state["loss_updates"], model)
    _put_back_images(state["nearby"], trainer)


def _put_back_loss(updates: int | None, model: Any) -> None:
    """YOLO26's loss shifts its weight from epoch to epoch; one update computes the place from the count."""
    if updates is not None:
        model.criterion = model.init_criterion()
        model.criterion.updates = updates - 1
        model.criterion.update()


def _put_back_images(numbers: list[int], trainer: BaseTrainer) -> None:
    """A mosaic is made of images that were read lately. Data workers have a list each, which is not known here."""
    if trainer.train_loader.num_workers == 0:
        for number in numbers:
            trainer.train_loader.dataset.load_image(number)
