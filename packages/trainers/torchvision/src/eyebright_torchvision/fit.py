"""One run from its order to its result. Imported only when something is trained, because the framework takes seconds."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from eyebright_kit.runtime import Context, Result
from eyebright_torchvision import hardware as machine
from eyebright_torchvision import memory, models, readiness, weights
from eyebright_torchvision.augment import cached_side
from eyebright_torchvision.config import ClassificationConfig
from eyebright_torchvision.data import Images, decode_threads, opened
from eyebright_torchvision.deliver import Delivery
from eyebright_torchvision.distributed import Ranks, joined, local_place
from eyebright_torchvision.hardware import Hardware
from eyebright_torchvision.learner import Learner
from eyebright_torchvision.loop import Loop
from eyebright_torchvision.order import Order
from eyebright_torchvision.weights import Pretrained
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage


def fit(ctx: Context) -> Result:
    """Rank 0 answers the result; the other ranks an empty one."""
    config = ctx.config_as(ClassificationConfig)
    hardware = machine.choose(config, ctx.resources, *local_place())
    machine.settle(hardware, config.deterministic)
    with joined(ctx.rank, ctx.world_size, hardware.device) as ranks, memory.explained(config):
        pretrained = _base_weights(ctx.model, config, ranks)
        ctx.stage(Stage.VALIDATING)
        readiness.check(ctx.data)
        config = _fitted(ctx, config)
        with _images(ctx, config, hardware, Split.TRAIN) as train, _images(ctx, config, hardware, Split.VAL) as val:
            learner = _learner(ctx, config, hardware, ranks, pretrained, train.bytes_in_memory + val.bytes_in_memory)
            loop = Loop(ctx, config, hardware, ranks, learner, train, val)
            ctx.stage(Stage.TRAINING)
            loop.run()
            if not ranks.first:
                return Result({})
            learner.model.load_state_dict(loop.best or {})
            return Delivery(ctx, config, hardware, learner.model, val, loop, pretrained).everything()


def _fitted(ctx: Context, config: ClassificationConfig) -> ClassificationConfig:
    """A set smaller than one batch is a batch: what runs by default must run on few images too."""
    images = len(ctx.data.samples(Split.TRAIN))
    if config.batch <= images:
        return config
    ctx.log.warning("batch=%d, but there are %d training images: each step takes all of them", config.batch, images)
    return config.model_copy(update={"batch": images})


def _base_weights(model: str, config: ClassificationConfig, ranks: Ranks) -> Pretrained | None:
    if not config.pretrained:
        return None
    return ranks.in_turn(lambda: weights.fetch(model))


@contextmanager
def _images(ctx: Context, config: ClassificationConfig, hardware: Hardware, split: Split) -> Iterator[Images]:
    side = cached_side(config) if split is Split.TRAIN else config.imgsz
    keep_at = None if config.cache == "off" else ctx.scratch / f"{split}-{side}.bytes"
    threads = decode_threads(config.workers, ctx.resources.threads)
    with opened(ctx.data.samples(split), side, config.fit, threads, keep_at, ctx.world_size > 1) as images:
        yield images


def _learner(
    ctx: Context,
    config: ClassificationConfig,
    hardware: Hardware,
    ranks: Ranks,
    pretrained: Pretrained | None,
    cached: int,
) -> Learner:
    """The same on every rank: the head's first weights come from the seed."""
    torch.manual_seed(config.seed)
    model = models.build(ctx.model, len(ctx.data.classes), pretrained.tensors if pretrained else None)
    frozen = models.freeze(model, ctx.model, config.freeze)
    memory.check(model, config, hardware, ranks.world_size, cached)
    images = len(ctx.data.samples(Split.TRAIN))
    return Learner(model, frozen, config, hardware, ranks, Order.of(images, config, ranks).steps)
