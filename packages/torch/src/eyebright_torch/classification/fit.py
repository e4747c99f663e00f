"""One run from its order to its result. Imported only when something is trained, because the framework takes seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch

from eyebright_kit.runtime import Context, Result
from eyebright_torch import hardware as machine
from eyebright_torch import memory
from eyebright_torch.classification import readiness
from eyebright_torch.classification.augment import cached_side
from eyebright_torch.classification.config import ClassificationConfig
from eyebright_torch.classification.data import Images, decode_threads, opened
from eyebright_torch.classification.delivery import Delivery
from eyebright_torch.classification.framework import Framework
from eyebright_torch.classification.preprocess import Preprocessing
from eyebright_torch.classification.task import Classification
from eyebright_torch.distributed import joined, local_place
from eyebright_torch.freezing import freeze
from eyebright_torch.learner import Learner
from eyebright_torch.loop import Loop
from eyebright_torch.order import Order
from eyebright_torch.weights import Pretrained
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage


def fit(ctx: Context, framework: Framework) -> Result:
    """Rank 0 answers the result; the other ranks an empty one."""
    config = ctx.config_as(framework.config)
    hardware = machine.choose(config, ctx.resources, *local_place())
    machine.settle(hardware, config.deterministic)
    with joined(ctx.rank, ctx.world_size, hardware.device) as ranks, memory.explained(config):
        pretrained = ranks.in_turn(lambda: framework.pretrained(ctx.model)) if config.pretrained else None
        ctx.stage(Stage.VALIDATING)
        readiness.check(ctx.data)
        config, rule = _fitted(ctx, config), framework.rule(ctx.model, config)
        with _images(ctx, config, rule, Split.TRAIN) as train, _images(ctx, config, rule, Split.VAL) as val:
            variation = framework.variation(config, rule, len(ctx.data.classes))
            task = Classification(config, hardware, ranks, train, val, rule, variation)
            order = Order.of(len(train), config, ranks)
            learner = _learner(ctx, framework, task, pretrained, order.steps)
            rate = framework.learning_rate(config, order.steps)
            loop = Loop(ctx, config, hardware, ranks, learner, task, order, rate)
            ctx.stage(Stage.TRAINING)
            loop.run()
            if not ranks.first:
                return Result({})
            learner.model.load_state_dict(loop.best or {})
            return Delivery(ctx, task, learner.model, loop.state, framework.credits, pretrained).everything()


def _fitted(ctx: Context, config: ClassificationConfig) -> ClassificationConfig:
    """A set smaller than one batch is a batch: what runs by default must run on few images too."""
    images = len(ctx.data.samples(Split.TRAIN))
    if config.batch <= images:
        return config
    ctx.log.warning("batch=%d, but there are %d training images: each step takes all of them", config.batch, images)
    return config.model_copy(update={"batch": images})


@contextmanager
def _images(ctx: Context, config: ClassificationConfig, rule: Preprocessing, split: Split) -> Iterator[Images]:
    side = cached_side(config) if split is Split.TRAIN else config.imgsz
    keep_at = None if config.cache == "off" else ctx.scratch / f"{split}-{side}.bytes"
    threads = decode_threads(config.workers, ctx.resources.threads)
    shared = ctx.world_size > 1
    with opened(ctx.data.samples(split), replace(rule, imgsz=side), threads, keep_at, shared) as images:
        yield images


def _learner(
    ctx: Context, framework: Framework, task: Classification, pretrained: Pretrained | None, steps_per_epoch: int
) -> Learner:
    """The same on every rank: the head's first weights come from the seed."""
    config, hardware, ranks = task.config, task.hardware, task.ranks
    torch.manual_seed(config.seed)
    model = framework.build(ctx.model, len(ctx.data.classes), config, pretrained)
    frozen = freeze(framework.stages(ctx.model, model), ctx.model, config.freeze)
    cached = task.train.bytes_in_memory + task.val.bytes_in_memory
    memory.check(model, config, hardware, ranks.world_size, cached)
    optimizer = partial(framework.optimizer, config)
    return Learner(model, frozen, optimizer, task.tallies, config, hardware, ranks, steps_per_epoch)
