"""Another form of a registered model, scored again on the validation split of the data that it was trained on."""

from functools import partial
from pathlib import Path

import torch

from eyebright_kit.runtime import Context, Parent, Result
from eyebright_ultralytics import export as forms
from eyebright_ultralytics.deliver import hand_over
from eyebright_ultralytics.inference import labels_of, network
from eyebright_ultralytics.tasks import Task, task_named
from eyebright_ultralytics.tree import spoken, write_tree
from eyebright_ultralytics.watch import tick
from eyebright_wire.artifacts import ExportRef
from eyebright_wire.jobs import Stage


def export(ctx: Context) -> Result:
    """Raises ExportFailed when it cannot be made, or answers differently by more than `export_tolerance`."""
    assert ctx.parent is not None
    assert ctx.spec.export is not None
    task, form = task_named(ctx.task), ctx.spec.export.format
    config = ctx.config_as(task.config)
    forms.check(config)
    ctx.stage(Stage.EXPORTING)
    torch.set_num_threads(ctx.resources.threads)
    tree = write_tree(ctx.data, task, ctx.scratch / "tree", partial(tick, ctx))
    source = _written(ctx.parent, task, ctx.scratch / "export" / "model.pt")
    made, parity = forms.Workshop(source, tree, task, config, partial(tick, ctx)).export(form)
    return Result(metrics={}, exports=(ExportRef(format=form, path=hand_over(ctx, made), parity=parity),))


def _written(parent: Parent, task: Task, path: Path) -> Path:
    """In Ultralytics' own form, from the safetensors: nothing that another run has pickled is opened."""
    model = network(task, labels_of(parent.path), parent.path / "model.safetensors")
    model.names = dict(enumerate(spoken(parent.classes)))
    path.parent.mkdir()
    torch.save({"model": model, "train_args": {"task": task.yolo}}, path)
    return path
