"""One run from its order to its result. Imported only when something is trained, because the framework takes seconds."""

import threading
from functools import partial

from ultralytics.engine.trainer import BaseTrainer

from eyebright_kit.runtime import Context, Result
from eyebright_ultralytics import export, memory, parent, readiness, weights
from eyebright_ultralytics import hardware as machine
from eyebright_ultralytics.arguments import arguments
from eyebright_ultralytics.config import RunConfig
from eyebright_ultralytics.deliver import Delivery
from eyebright_ultralytics.session import session
from eyebright_ultralytics.tasks import Task, task_named
from eyebright_ultralytics.tree import write_tree
from eyebright_ultralytics.watch import Finished, Watch, tick
from eyebright_wire.jobs import Stage


def fit(ctx: Context) -> Result:
    """Raises a TrainerFailure with what to change, or Stopped with a checkpoint left behind."""
    task = task_named(ctx.task)
    config = ctx.config_as(task.config)
    hardware = machine.choose(config, ctx.resources)
    export.check(config)
    pretrained = _begin(ctx, task, config)
    ctx.stage(Stage.VALIDATING)
    readiness.check(ctx.data, task)
    tree = write_tree(ctx.data, task, ctx.scratch / "tree", partial(tick, ctx))
    with memory.explained(config):
        told = arguments(task, ctx.model, config, tree, ctx.scratch, hardware, pretrained)
        trainer = session(task, told)
        watch = Watch(ctx, task, config)
        watch.hang_into(trainer)
        _train(trainer, ctx)
        return Delivery(ctx, task, config, hardware, trainer, tree, pretrained).everything()


def _begin(ctx: Context, task: Task, config: RunConfig) -> weights.Pretrained | None:
    """The weights that the first epoch begins with; None: those of chance."""
    if ctx.parent is None:
        return weights.local(ctx.model) if config.pretrained else None
    if ctx.parent.classes != ctx.data.classes:
        ctx.log.warning("%s knows other classes: what tells them apart begins afresh", ctx.parent.title)
    return parent.weights_of(ctx.parent, task, ctx.data.classes, ctx.scratch)


def _train(trainer: BaseTrainer, ctx: Context) -> None:
    """To the end, with the best weights evaluated and every picture drawn."""
    others = set(threading.enumerate())
    try:
        trainer.train()
    except Finished:
        ctx.stage(Stage.TRAINING)
        trainer.final_eval()
        if trainer.args.plots:
            trainer.plot_metrics()
    for artist in set(threading.enumerate()) - others:
        artist.join(timeout=60)
