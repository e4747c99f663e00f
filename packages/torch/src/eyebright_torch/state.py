"""Where a run stands, apart from its tensors: everything that decides what happens next."""

from dataclasses import asdict, dataclass, field
from typing import Any

from eyebright_torch.task import Goal, Metrics


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch, for curves and card: the metrics of training and validation, and the learning rate as `lr`."""

    epoch: int
    metrics: Metrics


@dataclass
class RunState:
    """`epoch` (from 1) is under way with `done` of its steps made; `done == steps` means that it is to be evaluated."""

    epoch: int = 1
    done: int = 0
    best: Metrics | None = None
    best_epoch: int = 0
    stale: int = 0  # epochs from the best one to the last that was judged
    history: list[EpochRecord] = field(default_factory=list)

    def close_epoch(self, record: EpochRecord, verdict: Metrics | None, goal: Goal) -> bool:
        """Writes an epoch down and goes to the next; answers whether it was the best so far. None: it was not judged."""
        best = verdict is not None and goal.reached_better(verdict, self.best)
        if best:
            self.best, self.best_epoch = verdict, record.epoch
        if verdict is not None:  # an epoch that nobody looked at ends no run: its model may be better
            self.stale = record.epoch - self.best_epoch
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
        history = [EpochRecord(**record) for record in values["history"]]
        return cls(**{**values, "history": history})
