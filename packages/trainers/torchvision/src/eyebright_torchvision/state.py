"""Where a run stands, apart from its tensors: everything that decides what happens next."""

from dataclasses import asdict, dataclass, field
from typing import Any

from eyebright_torchvision.metrics import Scores


@dataclass
class EpochRecord:
    """One finished epoch, for curves and card."""

    epoch: int
    loss: float
    train_top1: float
    val_loss: float
    top1: float
    top5: float | None
    lr: float

    def as_metrics(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if name != "epoch" and value is not None}


@dataclass
class RunState:
    """`epoch` (from 1) is under way with `done` of its steps made; `done == steps` means that it is to be evaluated."""

    epoch: int = 1
    done: int = 0
    best: Scores | None = None
    best_epoch: int = 0
    stale: int = 0  # epochs since the best one
    history: list[EpochRecord] = field(default_factory=list)

    def close_epoch(self, record: EpochRecord, scores: Scores) -> bool:
        """Writes an epoch down and goes to the next; answers whether it was the best so far."""
        best = scores.better_than(self.best)
        if best:
            self.best, self.best_epoch, self.stale = scores, record.epoch, 0
        else:
            self.stale += 1
        self.history.append(record)
        self.epoch += 1
        self.done = 0
        return best

    def finished(self, epochs: int, patience: int) -> bool:
        return self.epoch > epochs or (0 < patience <= self.stale)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunState":
        best = Scores(**values["best"]) if values["best"] else None
        history = [EpochRecord(**record) for record in values["history"]]
        return cls(**{**values, "best": best, "history": history})
