"""Ultralytics' trainer of a task, able to go on in the middle of gathered gradients."""

from typing import Any

from ultralytics.engine.trainer import BaseTrainer
from ultralytics.models import yolo

from eyebright_ultralytics.tasks import Task

_TRAINERS: dict[str, type[BaseTrainer]] = {
    "detect": yolo.detect.DetectionTrainer,
    "segment": yolo.segment.SegmentationTrainer,
    "classify": yolo.classify.ClassificationTrainer,
    "pose": yolo.pose.PoseTrainer,
    "obb": yolo.obb.OBBTrainer,
}


class Gathering:
    """Counts the batches since the optimiser's last step, which Ultralytics' loop forgets between attempts.

    Its loop steps once `accumulate` batches lie behind the last step, and takes the beginning of an attempt for one. Until the
    first step of a resumed attempt, `accumulate` is therefore longer by as many batches as that is wrong.
    """

    gathered: int = 0  # batches since the last step
    best_epoch: int = 0  # whose weights are the best ones: of equals the last, while the stopper tells the first
    _accumulate: int = 1
    _longer: int = 0

    @property
    def accumulate(self) -> int:
        return self._accumulate + self._longer

    @accumulate.setter
    def accumulate(self, batches: int) -> None:
        self._accumulate = batches

    def go_on(self, batches: int) -> None:
        """`batches` were seen before this attempt, of which the optimiser has not yet stepped with those `gathered`."""
        self._longer = batches - self.gathered

    def optimizer_step(self) -> None:
        super().optimizer_step()  # pyright: ignore[reportAttributeAccessIssue]
        self._longer = 0
        self.gathered = 0


def session(task: Task, arguments: dict[str, Any]) -> BaseTrainer:
    """A trainer that is ready to train. Its class's name has no "Trainer" in it, which keeps integrations away."""
    kind = type(f"{task.yolo.title()}Session", (Gathering, _TRAINERS[task.yolo]), {})
    return kind(overrides=arguments)
