"""One run from its order to its result, whatever the task. Imported only when something is trained, because the framework
takes seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from eyebright_kit.data.local import LocalDataset
from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.runtime import Context, Parent, Result
from eyebright_torch import hardware as machine
from eyebright_torch import memory, parent
from eyebright_torch.config import VisionConfig
from eyebright_torch.distributed import Ranks, joined, local_place
from eyebright_torch.framework import Library
from eyebright_torch.freezing import Part, freeze
from eyebright_torch.hardware import Hardware
from eyebright_torch.images import Images, decode_threads, opened
from eyebright_torch.learner import Learner
from eyebright_torch.loop import Loop
from eyebright_torch.order import Order
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.state import RunState
from eyebright_torch.task import Task
from eyebright_torch.weights import Pretrained, load
from eyebright_wire.artifacts import ExportRef
from eyebright_wire.datasets import Split
from eyebright_wire.jobs import Stage


@dataclass(frozen=True)
class Run:
    """What stands before anything is learned. `config` is of the class that the library named."""

    ctx: Context
    library: Any
    config: Any
    hardware: Hardware
    ranks: Ranks
    rule: Preprocessing
    train: Images
    val: Images
    pretrained: Pretrained | None


class Course(Protocol):
    """What `fit` does not know of a task."""

    images: type[Images]  # what it keeps of each image

    def check(self, data: LocalDataset) -> None:
        """Can this be trained on? Raises DatasetInvalid naming the missing condition."""
        ...

    def side(self, config: Any) -> int:
        """The side of the squares that training images are kept as."""
        ...

    def task(self, run: Run, model: nn.Module) -> Task[Any]: ...

    def deliver(self, run: Run, task: Any, model: nn.Module, state: RunState) -> Result:
        """Leaves the artifacts of the best weights, which `model` holds."""
        ...


def fit(ctx: Context, library: Library, course: Course) -> Result:
    """Rank 0 answers the result; the other ranks an empty one."""
    config = ctx.config_as(library.config)
    hardware = machine.choose(config, ctx.resources, *local_place())
    machine.settle(hardware, config.deterministic)
    with joined(ctx.rank, ctx.world_size, hardware.device) as ranks, memory.explained(config):
        begun = ranks.in_turn(lambda: _weights(ctx, library, config))
        ctx.stage(Stage.VALIDATING)
        course.check(ctx.data)
        config, rule = _fitted(ctx, config), library.rule(ctx.model, config)
        kept = replace(rule, imgsz=course.side(config))
        with (
            _images(ctx, course, config, kept, Split.TRAIN) as train,
            _images(ctx, course, config, rule, Split.VAL) as val,
        ):
            run = Run(ctx, library, config, hardware, ranks, rule, train, val, begun)
            return _trained(run, course)


class ExportCourse(Course, Protocol):
    """Of a task whose registered models can be exported, too."""

    def exports(self, run: Run, task: Any, model: nn.Module) -> tuple[ExportRef, ...]:
        """Leaves the forms that the config names, with their certificates."""
        ...


def export(ctx: Context, library: Library, course: ExportCourse) -> Result:
    """The form that is ordered of the registered model at `ctx.parent`, scored again on the validation split. Raises
    ConfigInvalid when the data set has other classes than the model."""
    assert ctx.parent is not None
    _check_classes(ctx.parent, ctx.data)
    config = ctx.config_as(library.config)
    hardware = machine.choose(config, ctx.resources, *local_place())
    machine.settle(hardware, config.deterministic)
    weights, rule = parent.weights_of(ctx.parent, ctx.parent.classes), library.rule(ctx.model, config)
    ctx.stage(Stage.EXPORTING)
    with joined(0, 1, hardware.device) as ranks, _images(ctx, course, config, rule, Split.VAL) as val:
        run = Run(ctx, library, config, hardware, ranks, rule, val, val, weights)  # nothing is trained
        model = _built(run, 0, None)
        parent.adopt(model, ctx.parent, weights, frozenset())
        model = model.to(hardware.device).eval()
        return Result(metrics={}, exports=course.exports(run, course.task(run, model), model))


def _check_classes(origin: Parent, data: LocalDataset) -> None:
    """Every answer of a model is told by the place of its class."""
    if origin.classes != data.classes:
        raise ConfigInvalid(
            f"{origin.title} knows {', '.join(origin.classes)}, and the data set has {', '.join(data.classes)}; "
            "export it with the version of the data set that it was trained on"
        )


def _weights(ctx: Context, library: Library, config: VisionConfig) -> Pretrained | None:
    """What the first epoch begins from."""
    if ctx.parent:
        return parent.weights_of(ctx.parent, ctx.data.classes)
    return library.pretrained(ctx.model) if config.pretrained else None


def _trained(run: Run, course: Course) -> Result:
    model, frozen = _model(run)
    task = course.task(run, model)
    order = Order.of(len(run.train), run.config, run.ranks)
    optimizer = partial(run.library.optimizer, _as_begun(run))
    learner = Learner(model, frozen, optimizer, task.tallies, run.config, run.hardware, run.ranks, order.steps)
    rate = run.library.learning_rate(run.config, order.steps)
    loop = Loop(run.ctx, run.config, run.hardware, run.ranks, learner, task, order, rate)
    run.ctx.stage(Stage.TRAINING)
    loop.run()
    if not run.ranks.first:
        return Result({})
    load(learner.model, loop.best or {})
    return course.deliver(run, task, learner.model, loop.state)


def _as_begun(run: Run) -> Any:
    """The settings as the optimiser sees them: the weights of a registered model are to begin from, too."""
    return run.config.model_copy(update={"pretrained": run.pretrained is not None})


def _fitted(ctx: Context, config: VisionConfig) -> VisionConfig:
    """A set smaller than one batch is a batch: what runs by default must run on few images too."""
    images = len(ctx.data.samples(Split.TRAIN))
    if config.batch <= images:
        return config
    ctx.log.warning("batch=%d, but there are %d training images: each step takes all of them", config.batch, images)
    return config.model_copy(update={"batch": images})


@contextmanager
def _images(ctx: Context, course: Course, config: VisionConfig, rule: Preprocessing, split: Split) -> Iterator[Images]:
    keep_at = None if config.cache == "off" else ctx.scratch / f"{split}-{rule.imgsz}.bytes"
    threads = decode_threads(config.workers, ctx.resources.threads)
    with opened(course.images, ctx.data.samples(split), rule, threads, keep_at, ctx.world_size > 1) as images:
        yield images


def _model(run: Run) -> tuple[nn.Module, list[Part]]:
    """The same on every rank: the head's first weights come from the seed."""
    torch.manual_seed(run.config.seed)
    name = run.ctx.model
    origin, weights = run.ctx.parent, run.pretrained
    model = _begun(run, origin, weights) if origin and weights else _built(run, 0, weights)
    frozen = freeze(run.library.stages(name, model), name, run.config.freeze)
    cached = run.train.bytes_in_memory + run.val.bytes_in_memory
    memory.check(model, run.config, run.hardware, run.ranks.world_size, cached)
    return model, frozen


def _built(run: Run, more: int, pretrained: Pretrained | None) -> nn.Module:
    """For so many more classes than the data have."""
    return run.library.build(run.ctx.model, len(run.ctx.data.classes) + more, run.config, pretrained)


def _begun(run: Run, origin: Parent, weights: Pretrained) -> nn.Module:
    """From a registered model. Its head goes on only if the classes are the very same, in the same order."""
    model = _built(run, 0, None)
    same = origin.classes == run.ctx.data.classes
    new = frozenset[str]() if same else parent.dependent(model, lambda: _built(run, 1, None))
    parent.adopt(model, origin, weights, new)
    if not same:
        run.ctx.log.warning("%s knows other classes: %d tensors of its head begin afresh", origin.title, len(new))
    return model
