"""A checkpoint's files, without pickle: tensors as safetensors, the rest as JSON. Python writes a float so that it reads back
the same, so nothing is lost on the way.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from eyebright_torch.learner import Learner
from eyebright_torch.optim import load_state, state_numbers, state_tensors
from eyebright_torch.state import RunState
from eyebright_torch.weights import Weights, distinct, stored
from eyebright_torch.weights import load as load_weights

_STATE = "state.json"
_MODEL = "model.safetensors"
_EMA = "ema.safetensors"
_BEST = "best.safetensors"
_OPTIMIZER = "optimizer.safetensors"
_SUMS = "sums.safetensors"


def save(
    folder: Path, state: RunState, learner: Learner, sums: torch.Tensor, best: Weights | None, best_is_now: bool = False
) -> None:
    """Fills an empty folder with everything that `load` needs. `sums` are those of all ranks; `best_is_now` says that the best
    weights are those which are judged now: they need not be written twice."""
    tensors = {_MODEL: _packed(distinct(learner.model)), _OPTIMIZER: _packed(state_tensors(learner.optimizer))}
    tensors[_SUMS] = {"sums": sums}
    if learner.ema:
        tensors[_EMA] = _packed(distinct(learner.ema.model))
    if best is not None and not best_is_now:
        tensors[_BEST] = best
    _write(tensors, folder)
    rest: dict[str, Any] = {
        "run": state.as_json(),
        "scaler": learner.scaler.state_dict(),
        "optimizer": state_numbers(learner.optimizer),
        "best_is_now": best_is_now,
    }
    (folder / _STATE).write_text(json.dumps(rest, indent=1))


def load(folder: Path, learner: Learner) -> tuple[RunState, Weights | None]:
    """Puts `learner` back to where it was, bit by bit; answers the state and the best weights so far."""
    rest = json.loads((folder / _STATE).read_text())
    load_weights(learner.model, _unpacked(load_file(folder / _MODEL)))
    load_state(learner.optimizer, _unpacked(load_file(folder / _OPTIMIZER)), rest["optimizer"])
    learner.sums.copy_(load_file(folder / _SUMS)["sums"])
    if learner.ema:
        load_weights(learner.ema.model, _unpacked(load_file(folder / _EMA)))
    if rest["scaler"]:
        learner.scaler.load_state_dict(rest["scaler"])
    return RunState.from_json(rest["run"]), _best(folder, learner, rest["best_is_now"])


def _best(folder: Path, learner: Learner, is_now: bool) -> Weights | None:
    if is_now:
        return stored(learner.judged)
    return load_file(folder / _BEST) if (folder / _BEST).exists() else None


def _write(tensors: Mapping[str, Weights], folder: Path) -> None:
    """All files at once: training waits for them, and fresh pages for 180 MB cost one thread twice the time of two."""
    with ThreadPoolExecutor(len(tensors), thread_name_prefix="write") as pool:
        written = [pool.submit(save_file, content, folder / name) for name, content in tensors.items()]
    for each in written:
        each.result()


def _packed(tensors: Weights) -> Weights:
    """As they lie in memory, which is channels last where there are four dimensions: so nothing is copied to be written.
    Turning them round took longer than writing them."""
    packed = {name: tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor for name, tensor in tensors.items()}
    return {name: tensor.detach().contiguous().cpu() for name, tensor in packed.items()}


def _unpacked(tensors: Weights) -> Weights:
    return {name: tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor for name, tensor in tensors.items()}
