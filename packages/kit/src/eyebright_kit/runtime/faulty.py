"""An honest trainer that meets with a fault: `python -m eyebright_kit.runtime.faulty hang|memory|dawdle MODULE run SPEC`.

What the trainer says while it trains is noted beside its spec, so that one sees afterwards when it met with the fault.
"""

import json
import runpy
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from eyebright_kit.runtime.desk import FrontDesk
from eyebright_wire.events import Progress
from eyebright_wire.jobs import Stage

#: Where the moves are noted, in the folder of the spec; the last line says that the fault has come.
MOVES = "moves.jsonl"


@dataclass(frozen=True)
class Move:
    """The trainer said that it moves: within an epoch, or at the end of one."""

    step: int | None = None
    epoch_finished: bool = False
    fault: bool = False


def moves_of(folder: Path) -> tuple[Move, ...]:
    """Those of a run in this folder until now."""
    notes = folder / MOVES
    lines = notes.read_text().splitlines(keepends=True) if notes.exists() else []
    return tuple(Move(**json.loads(line)) for line in lines if line.endswith("\n"))


def hang(_desk: FrontDesk) -> None:
    """As a driver does that never answers: the thread neither goes on nor heeds anybody."""
    while True:
        time.sleep(0.01)


def refuse_memory(_desk: FrontDesk) -> None:
    """A petabyte is refused by the system itself, in the words of whatever asked for it."""
    if torch := sys.modules.get("torch"):
        torch.empty(1 << 50, dtype=torch.uint8)
    bytearray(1 << 50)


def dawdle(desk: FrontDesk) -> None:
    """The step lasts until somebody asks the run to stop: whoever is to meet with it while it trains cannot come too late."""
    while desk.stop.reason is None:
        time.sleep(0.01)


class _Fault:
    """Comes with the first move after training has begun, or after its first epochs have ended."""

    def __init__(self, act: Callable[[FrontDesk], None], notes: Path, epochs_before: int) -> None:
        self._act = act
        self._notes = notes
        self._epochs_left = epochs_before
        self._training = False
        self._came = False

    def stage(self, _desk: FrontDesk, stage: Stage) -> None:
        self._training = stage is Stage.TRAINING

    def moved(self, desk: FrontDesk, step: int | None) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # whoever speaks there does not train
        self._note(Move(step))
        if self._training and not self._epochs_left:
            self._come(desk)

    def progress(self, desk: FrontDesk, progress: Progress) -> None:
        self._note(Move(progress.step, progress.epoch_finished))
        if progress.epoch_finished:
            self._epochs_left = max(0, self._epochs_left - 1)
        elif self._training and not self._epochs_left:
            self._come(desk)

    def _come(self, desk: FrontDesk) -> None:
        if not self._came:
            self._came = True
            self._note(Move(fault=True))
            self._act(desk)

    def _note(self, move: Move) -> None:
        if self._training:
            with self._notes.open("a") as notes:
                notes.write(json.dumps(asdict(move)) + "\n")


_FAULTS: dict[str, tuple[Callable[[FrontDesk], None], int]] = {
    "hang": (hang, 1),
    "memory": (refuse_memory, 0),
    "dawdle": (dawdle, 2),
}


def main(fault: str, module: str, *arguments: str) -> None:
    """Runs the trainer in this process; the last argument is the path of its spec."""
    act, epochs_before = _FAULTS[fault]
    coming = _Fault(act, Path(arguments[-1]).parent / MOVES, epochs_before)
    for name in ("stage", "moved", "progress"):
        setattr(FrontDesk, name, _then(getattr(FrontDesk, name), getattr(coming, name)))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _then(said: Callable[..., None], also: Callable[..., None]) -> Callable[..., None]:
    @wraps(said)
    def both(desk: FrontDesk, what: Any) -> None:
        said(desk, what)
        also(desk, what)

    return both


if __name__ == "__main__":
    main(*sys.argv[1:])
