"""A segmenter's run from its order to its result."""

from typing import Any

from torch import nn

from eyebright_kit.data.local import LocalDataset
from eyebright_kit.runtime import Context, Result
from eyebright_torch import fit as story
from eyebright_torch.fit import Run
from eyebright_torch.placing import cached_side
from eyebright_torch.segmentation import readiness
from eyebright_torch.segmentation.data import MaskedImages
from eyebright_torch.segmentation.delivery import Delivery
from eyebright_torch.segmentation.framework import Framework
from eyebright_torch.segmentation.task import Segmentation
from eyebright_torch.state import RunState
from eyebright_wire.artifacts import ExportRef


def fit(ctx: Context, framework: Framework) -> Result:
    """Rank 0 answers the result; the other ranks an empty one."""
    return story.fit(ctx, framework, _Course())


def export(ctx: Context, framework: Framework) -> Result:
    """The form that is ordered, of a registered segmenter."""
    return story.export(ctx, framework, _Course())


class _Course:
    images = MaskedImages

    def check(self, data: LocalDataset) -> None:
        readiness.check(data)

    def side(self, config: Any) -> int:
        return cached_side(config)

    def task(self, run: Run, model: nn.Module) -> Segmentation:
        assert isinstance(run.train, MaskedImages)
        assert isinstance(run.val, MaskedImages)
        return Segmentation(
            run.config, run.hardware, run.ranks, run.train, run.val, run.ctx.data.classes, rule=run.rule
        )

    def exports(self, run: Run, task: Segmentation, model: nn.Module) -> tuple[ExportRef, ...]:
        return Delivery(run, task, model, RunState()).exports()

    def deliver(self, run: Run, task: Segmentation, model: nn.Module, state: RunState) -> Result:
        return Delivery(run, task, model, state).everything()
