"""What a run will take of the machine, before there is any: bytes on disks, and the most memory that it will hold.

Numbers that a trainer keeps for each weight, four bytes each: the weight itself, its gradient, one or two moments of the
optimiser, and its moving average. Weights that stay are held once, in the precision that is computed in. A layer's outputs are
kept for the way back: their number grows with the pixels of a batch.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TypeVar

from eyebright_wire.manifest import TaskInfo, TrainerManifest
from eyebright_wire.resources import MemoryForecast, Needs

_NUMBER_BYTES = 4
#: Optimisers that keep one moment for each weight, or fewer; others keep two.
_ONE_MOMENT = ("sgd", "lion", "adafactor", "musgd")
#: Numbers that all layers put out for one pixel: yolo11n 133, resnet18 134, mobilenet_v2 346, resnet50 581, yolo11m 857. The
#: upper middle, because a warning too many costs less than a run that dies after an hour.
_OUTPUTS_PER_PIXEL = 400
#: Interpreter, framework and its libraries.
_PROGRAM_BYTES = 500 * 2**20
#: What is kept besides the newest few checkpoints: the best one, and the one that is being written.
_OTHER_CHECKPOINTS = 2
_KEPT = 2
#: A run with more or fewer pixels in a batch, by this factor, tells less than the rule: what it held besides is not known well.
_FAR = 4
_MIB = 2**20
_SIDES = ("imgsz", "resolution")  # what trainers call the side of an image
#: Settings that decide how much is written: trainings in which one of them differs are not compared.
_DECIDE_SIZE = ("optimizer", "ema", "freeze", "exports", "base_model", "rank", "train_text_encoder")
#: Settings that decide how much memory a run holds, besides its shape, by so much that others tell nothing of it.
_DECIDE_MEMORY = ("processes", "amp", "cache", "freeze", "base_model", "gradient_checkpointing", "train_text_encoder")
#: On how many of the newest runs a way to foretell is tested.
_TESTED = 20


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how much memory a run takes."""

    batch: int | None
    imgsz: int | None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Shape":
        side = next((whole for name in _SIDES if (whole := _whole(config.get(name)))), None)
        return cls(_whole(config.get("batch")), side)

    def within(self, images: int | None) -> "Shape":
        """No batch is larger than the images that there are."""
        return self if self.batch is None or not images else Shape(min(self.batch, images), self.imgsz)

    @property
    def pixels(self) -> int | None:
        """Of a batch."""
        return None if self.batch is None or self.imgsz is None else self.batch * self.imgsz**2


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory that an earlier run has held."""

    job_id: str
    config: Mapping[str, Any]
    size_bytes: int
    foretold_bytes: int | None = None  # when it was ordered

    @property
    def shape(self) -> Shape:
        return Shape.of(self.config)


@dataclass(frozen=True, slots=True)
class Written:
    """What an earlier training has written; a rehearsal has no results."""

    config: Mapping[str, Any]
    checkpoint_bytes: int  # each
    result_bytes: int | None
    foretold_bytes: int | None = None  # when it was ordered

    @property
    def size_bytes(self) -> int:
        """At the most: with all checkpoints that may be there at once. 0: not known as a whole."""
        return 0 if self.result_bytes is None else self.checkpoint_bytes * _kept(self.config) + self.result_bytes


_Ran = TypeVar("_Ran", Peak, Written)


@dataclass(frozen=True, slots=True)
class Writing:
    """What a training is going to write."""

    checkpoint_bytes: int  # all that are there at once
    result_bytes: int
    basis: Literal["measured", "rule"]
    how: str
    error: float | None
    tested: int


def parameters_of(task: TaskInfo, model: str) -> int | None:
    """Those that learn."""
    return next((known.parameters for known in task.models if known.name == model), None)


def frozen_of(task: TaskInfo, model: str) -> int:
    return next((known.frozen for known in task.models if known.name == model), 0)


def dataset_bytes(manifest: TrainerManifest, size_bytes: int, *, same_disk: bool) -> int:
    """A reader is given links, where there can be any."""
    return 0 if manifest.reads_only and same_disk else size_bytes


def writing(parameters: int | None, config: Mapping[str, Any], past: Sequence[Written]) -> Writing:
    """By the most that earlier trainings of the same model have written with settings alike, or by rule, which says 0 where the
    weights are not known. `past` has the newest first."""

    def written(config: Mapping[str, Any], past: Iterable[Written]) -> Written:
        return _write(parameters, config, _alike(config, past, _DECIDE_SIZE))

    alike, most = _alike(config, past, _DECIDE_SIZE), written(config, past)
    error, tested = _tested(past, lambda run, before: written(run.config, before).size_bytes)
    return Writing(
        checkpoint_bytes=most.checkpoint_bytes * _kept(config),
        result_bytes=most.result_bytes or 0,
        basis="measured" if alike else "rule",
        how=_how_written(len(alike), parameters),
        error=error,
        tested=tested,
    )


def memory(
    parameters: int | None,
    config: Mapping[str, Any],
    past: Sequence[Peak],
    place: Literal["main", "gpu"],
    free_bytes: int | None,
    *,
    images: int | None = None,
    frozen: int = 0,
) -> MemoryForecast | None:
    """By the most like of the earlier runs, or by rule; None where there is nothing to go by. `past` has the newest first;
    `images` are there to train on; `frozen` weights are kept as they are."""

    def needed(config: Mapping[str, Any], past: Iterable[Peak], images: int | None) -> _Found | None:
        return _held(parameters, config, past, place, images, frozen)

    found = needed(config, past, images)
    if found is None:
        return None
    basis, size, how = found
    error, tested = _tested(past, lambda peak, before: _size(needed(peak.config, before, None)))
    return MemoryForecast(
        place=place, needed_bytes=size, free_bytes=free_bytes, basis=basis, how=how, error=error, tested=tested
    )


def needs(
    parameters: int | None,
    config: Mapping[str, Any],
    peaks: Sequence[Peak],
    past: Sequence[Written],
    place: Literal["main", "gpu"],
    *,
    images: int | None = None,
    frozen: int = 0,
) -> Needs | None:
    """What `memory` and `writing` say, without the tests of how right they are; None where nothing is known."""
    held = _size(_held(parameters, config, peaks, place, images, frozen))
    written = _write(parameters, config, _alike(config, past, _DECIDE_SIZE)).size_bytes or None
    return Needs(place=place, memory_bytes=held, disk_bytes=written) if held or written else None


_Found = tuple[Literal["measured", "scaled", "rule"], int, str]


def _held(
    parameters: int | None,
    config: Mapping[str, Any],
    past: Iterable[Peak],
    place: Literal["main", "gpu"],
    images: int | None,
    frozen: int,
) -> _Found | None:
    fixed = _PROGRAM_BYTES + frozen * _frozen_number_bytes(config, place) + _weights_bytes(parameters, config)
    return _needed(Shape.of(config), images, fixed, parameters, _alike(config, past, _DECIDE_MEMORY))


def _needed(asked: Shape, images: int | None, fixed: int, parameters: int | None, past: list[Peak]) -> _Found | None:
    shape = asked.within(images)
    return (
        _measured(asked, past)
        or _scaled(shape, _near(shape, past), fixed)
        or _by_rule(shape, parameters, fixed)
        or _scaled(shape, past, fixed)
    )


def _size(found: _Found | None) -> int | None:
    return found and found[1]


def _alike(config: Mapping[str, Any], past: Iterable[_Ran], decisive: Sequence[str]) -> list[_Ran]:
    return [run for run in past if all(run.config.get(name) == config.get(name) for name in decisive)]


def _tested(past: Sequence[_Ran], foretell: Callable[[_Ran, Sequence[_Ran]], int | None]) -> tuple[float | None, int]:
    """How wrong it was of earlier runs: in the middle, as a share; and of how many. What was foretold of each when it was ordered
    counts; where that was not kept, what would have been, from those before it."""
    foretold = [
        (run, run.foretold_bytes or foretell(run, past[index + 1 :])) for index, run in enumerate(past[:_TESTED])
    ]
    errors = [abs(size - run.size_bytes) / run.size_bytes for run, size in foretold if size and run.size_bytes]
    return median(errors) if errors else None, len(errors)


def _write(parameters: int | None, config: Mapping[str, Any], alike: Sequence[Written]) -> Written:
    checkpoints = [run.checkpoint_bytes for run in alike] or [_checkpoint_bytes(parameters, config)]
    results = [run.result_bytes for run in alike if run.result_bytes is not None]
    return Written(config, max(checkpoints), max(results or [_result_bytes(parameters, config)]))


def _checkpoint_bytes(parameters: int | None, config: Mapping[str, Any]) -> int:
    """Weights, moments, average and the best weights so far."""
    return (parameters or 0) * _NUMBER_BYTES * (2 + _moments(config) + _averaged(config))


def _result_bytes(parameters: int | None, config: Mapping[str, Any]) -> int:
    """The weights, and as much again for each export."""
    exports = config.get("exports")
    return (parameters or 0) * _NUMBER_BYTES * (1 + (len(exports) if isinstance(exports, list | tuple) else 0))  # pyright: ignore[reportUnknownArgumentType]


def _kept(config: Mapping[str, Any]) -> int:
    """Checkpoints that are there at once."""
    return (_whole(config.get("keep_checkpoints")) or _KEPT) + _OTHER_CHECKPOINTS


def _measured(shape: Shape, peaks: list[Peak]) -> _Found | None:
    alike = [peak for peak in peaks if peak.shape == shape]
    if not alike:
        return None
    most = max(alike, key=lambda peak: peak.size_bytes)
    return "measured", most.size_bytes, f"the most that {_jobs(len(alike))} held, in {most.job_id}"


def _near(shape: Shape, peaks: list[Peak]) -> list[Peak]:
    pixels = shape.pixels or 0
    return [peak for peak in peaks if pixels <= _FAR * (peak.shape.pixels or 0) <= _FAR**2 * pixels]


def _scaled(shape: Shape, peaks: list[Peak], fixed: int) -> _Found | None:
    """What grows with the pixels of a batch is what lies above the fixed part."""
    pixels = shape.pixels
    if pixels is None:
        return None
    sized = [(peak, known) for peak in peaks if (known := peak.shape.pixels)]
    if not sized:
        return None
    peak, known = min(sized, key=lambda item: abs(item[1] - pixels))
    grown = max(0, peak.size_bytes - fixed) * pixels // known
    shown = f"{peak.shape.batch} images of {peak.shape.imgsz}² in a batch"
    return "scaled", min(fixed, peak.size_bytes) + grown, f"scaled from {peak.job_id}, which ran with {shown}"


def _by_rule(shape: Shape, parameters: int | None, fixed: int) -> _Found | None:
    if parameters is None or shape.pixels is None:
        return None
    outputs = shape.pixels * _OUTPUTS_PER_PIXEL * _NUMBER_BYTES
    return (
        "rule",
        fixed + outputs,
        f"{fixed // _MIB:,} MiB for the program and {parameters:,} weights with gradient, moments and average, "
        f"{outputs // _MIB:,} MiB for {_OUTPUTS_PER_PIXEL} outputs at each pixel of {shape.batch} images of {shape.imgsz}²; "
        "a rule of thumb, good to a factor of three",
    )


def _weights_bytes(parameters: int | None, config: Mapping[str, Any]) -> int:
    return (parameters or 0) * _NUMBER_BYTES * (2 + _moments(config) + _averaged(config))


def _frozen_number_bytes(config: Mapping[str, Any], place: str) -> int:
    """Half as many where precision is mixed, which only GPUs take to by themselves."""
    amp = config.get("amp")
    return _NUMBER_BYTES // 2 if amp in ("bf16", "fp16") or (amp == "auto" and place == "gpu") else _NUMBER_BYTES


def _moments(config: Mapping[str, Any]) -> int:
    return 1 if str(config.get("optimizer", "")).lower() in _ONE_MOMENT else 2


def _averaged(config: Mapping[str, Any]) -> int:
    return int(config.get("ema", True) is not False)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _how_written(runs: int, parameters: int | None) -> str:
    if runs:
        known = "one earlier run" if runs == 1 else f"{runs} earlier runs"
        return f"the most that {known} with the same optimizer, exports and frozen part wrote"
    if parameters is None:
        return "nobody knows how many weights it has, so they are not counted"
    return f"{parameters:,} weights, with moments and average in each checkpoint; a rule of thumb"


def _jobs(count: int) -> str:
    return (
        "an earlier job with the same model, image size and batch"
        if count == 1
        else f"{count} earlier jobs of this kind"
    )
