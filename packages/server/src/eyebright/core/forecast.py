"""What a run will take of the machine, before there is any: bytes on disks, and the most memory that it will hold.

Numbers that a trainer keeps for each weight, four bytes each: the weight itself, its gradient, one or two moments of the
optimiser, and its moving average. Weights that stay are held once, in the precision that is computed in. A layer's outputs are
kept for the way back: their number grows with the pixels of a batch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eyebright_wire.manifest import TaskInfo, TrainerManifest
from eyebright_wire.resources import MemoryForecast

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
    shape: Shape
    size_bytes: int


def parameters_of(task: TaskInfo, model: str) -> int | None:
    """Those that learn."""
    return next((known.parameters for known in task.models if known.name == model), None)


def frozen_of(task: TaskInfo, model: str) -> int:
    return next((known.frozen for known in task.models if known.name == model), 0)


def dataset_bytes(manifest: TrainerManifest, size_bytes: int, *, same_disk: bool) -> int:
    """A reader is given links, where there can be any."""
    return 0 if manifest.reads_only and same_disk else size_bytes


def checkpoint_bytes(parameters: int | None, config: Mapping[str, Any]) -> int:
    """Weights, moments, average and the best weights so far, in each one that is kept; 0: not known."""
    kept = (_whole(config.get("keep_checkpoints")) or _KEPT) + _OTHER_CHECKPOINTS
    return (parameters or 0) * _NUMBER_BYTES * (2 + _moments(config) + _averaged(config)) * kept


def result_bytes(parameters: int | None, config: Mapping[str, Any]) -> int:
    """The weights, and as much again for each export; 0: not known."""
    exports = config.get("exports")
    return (parameters or 0) * _NUMBER_BYTES * (1 + (len(exports) if isinstance(exports, list | tuple) else 0))  # pyright: ignore[reportUnknownArgumentType]


def memory(
    parameters: int | None,
    config: Mapping[str, Any],
    past: Iterable[Peak],
    place: str,
    free_bytes: int | None,
    *,
    images: int | None = None,
    frozen: int = 0,
) -> MemoryForecast | None:
    """By the most like of the earlier runs, or by rule; None where there is nothing to go by. `images` are there to train on;
    `frozen` weights are kept as they are."""
    asked = Shape.of(config)
    shape = asked.within(images)
    fixed = _PROGRAM_BYTES + frozen * _frozen_number_bytes(config, place) + _weights_bytes(parameters, config)
    peaks = list(past)
    found = (
        _measured(asked, peaks)
        or _scaled(shape, _near(shape, peaks), fixed)
        or _by_rule(shape, parameters, fixed)
        or _scaled(shape, peaks, fixed)
    )
    if found is None:
        return None
    basis, needed, how = found
    return MemoryForecast.model_validate(
        {"place": place, "needed_bytes": needed, "free_bytes": free_bytes, "basis": basis, "how": how}
    )


_Found = tuple[str, int, str]


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


def _jobs(count: int) -> str:
    return (
        "an earlier job with the same model, image size and batch"
        if count == 1
        else f"{count} earlier jobs of this kind"
    )
