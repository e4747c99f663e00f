"""A classifier's run from its order to its result."""

from typing import Any

from torch import nn

from eyebright_kit.data.local import LocalDataset
from eyebright_kit.runtime import Context, Result
from eyebright_torch import fit as story
from eyebright_torch.classification import readiness
from eyebright_torch.classification.data import labels_of
from eyebright_torch.classification.delivery import Delivery
from eyebright_torch.classification.framework import Framework
from eyebright_torch.classification.task import Classification
from eyebright_torch.fit import Run
from eyebright_torch.images import Images
from eyebright_torch.placing import cached_side
from eyebright_torch.state import RunState
from eyebright_wire.artifacts import ExportRef


def fit(ctx: Context, framework: Framework) -> Result:
    """Rank 0 answers the result; the other ranks an empty one."""
    return story.fit(ctx, framework, _Course())


def export(ctx: Context, framework: Framework) -> Result:
    """The form that is ordered, of a registered classifier."""
    return story.export(ctx, framework, _Course())


class _Course:
    images = Images

    def check(self, data: LocalDataset) -> None:
        readiness.check(data)

    def side(self, config: Any) -> int:
        return cached_side(config)

    def task(self, run: Run, model: nn.Module) -> Classification:
        variation = run.library.variation(run.config, run.rule, len(run.ctx.data.classes))
        labels = labels_of(run.train), labels_of(run.val)
        return Classification(
            run.config, run.hardware, run.ranks, run.train, run.val, *labels, rule=run.rule, variation=variation
        )

    def exports(self, run: Run, task: Classification, model: nn.Module) -> tuple[ExportRef, ...]:
        return Delivery(run, task, model, RunState()).exports()

    def deliver(self, run: Run, task: Classification, model: nn.Module, state: RunState) -> Result:
        return Delivery(run, task, model, state).everything()
