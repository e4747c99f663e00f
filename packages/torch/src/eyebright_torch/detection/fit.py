"""A detector's run from its order to its result."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from eyebright_kit.data.local import LocalDataset
from eyebright_kit.runtime import Context, Result
from eyebright_torch import fit as story
from eyebright_torch.detection import readiness
from eyebright_torch.detection.delivery import Delivery
from eyebright_torch.detection.framework import Detector, Framework
from eyebright_torch.detection.task import Detection
from eyebright_torch.fit import Run
from eyebright_torch.images import Images
from eyebright_torch.state import RunState
from eyebright_wire.artifacts import ExportRef


def fit(ctx: Context, framework: Framework) -> Result:
    """Rank 0 answers the result; the other ranks an empty one."""
    return story.fit(ctx, framework, _Course(framework))


def export(ctx: Context, framework: Framework) -> Result:
    """The form that is ordered, of a registered detector."""
    return story.export(ctx, framework, _Course(framework))


@dataclass(frozen=True)
class _Course:
    framework: Framework
    images = Images  # without annotation: this is no field

    def check(self, data: LocalDataset) -> None:
        readiness.check(data, self.framework.outlines)

    def side(self, config: Any) -> int:
        return config.imgsz

    def task(self, run: Run, model: nn.Module) -> Detection:
        assert isinstance(model, Detector)
        return Detection(
            run.config,
            run.hardware,
            run.ranks,
            run.train,
            run.val,
            run.rule,
            classes=run.ctx.data.classes,
            outlines=self.framework.outlines,
            suppression=self.framework.suppression,
            tallies=model.losses,
        )

    def exports(self, run: Run, task: Detection, model: nn.Module) -> tuple[ExportRef, ...]:
        return Delivery(run, task, model, RunState()).exports()

    def deliver(self, run: Run, task: Detection, model: nn.Module, state: RunState) -> Result:
        return Delivery(run, task, model, state).everything()
