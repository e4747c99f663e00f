"""How long a training will take, by what earlier ones took.

Each has a fixed part (start, data, exports) and a part for every image of every epoch: what its trainer spent in the stage
`training`. Of all earlier ones the middle counts, so that one odd run does not move the forecast.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from eyebright.core.forecast import Shape
from eyebright.core.job import Job
from eyebright.core.pace import fraction
from eyebright.core.records import StoredEvent
from eyebright_wire.datasets import Split
from eyebright_wire.events import EventKind, Progress, Started
from eyebright_wire.jobs import Resources, Stage
from eyebright_wire.resources import TimeForecast

#: What `took` reads.
TOLD = frozenset({str(EventKind.STARTED), str(EventKind.STAGE), str(EventKind.SUCCEEDED)})
#: A run whose images, or whose batch, are larger or smaller by more than this factor tells nothing.
_FAR = 4
#: An image to validate on goes through the network once; one to train on also back, which takes about twice as long.
_VALIDATED = 1 / 3
#: Other settings that decide how long an image takes: runs in which one of them differs are not compared.
_DECISIVE = (
    "device",
    "amp",
    "processes",
    "workers",
    "cache",
    "freeze",
    "base_model",
    "gradient_checkpointing",
    "train_text_encoder",
    "validation_every_epochs",
    "validation_steps",
)
#: What makes no epoch longer, nor start and end. Runs in which nothing else differs go before all others, if they are not few.
_INDIFFERENT = frozenset({"epochs", "seed", "patience", "keep_checkpoints"})
#: From so few runs nobody knows how much they differ: the range is from half to twice as long at least.
_FEW, _UNSURE = 3, 2
#: Of so many the fastest and the slowest one are left out of the range.
_MANY = 5


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides how long an image takes, on one machine and with one model."""

    shape: Shape
    on_gpu: bool
    decisive: tuple[str, ...]
    others: frozenset[str] = field(default=frozenset(), compare=False)  # every setting that may tell
    share: int | None = field(default=None, compare=False)  # GPUs, or where there are none, threads; None: not known

    @classmethod
    def of(cls, config: Mapping[str, Any], *, on_gpu: bool, resources: Resources | None = None) -> "Circumstances":
        share = resources and (len(resources.devices) if on_gpu else resources.threads)
        decisive = tuple(str(config.get(name)) for name in _DECISIVE)
        others = frozenset(f"{name}={value}" for name, value in config.items() if name not in _INDIFFERENT)
        return cls(Shape.of(config), on_gpu, decisive, others, share)

    def shares_with(self, other: "Circumstances") -> bool:
        """As far as that is known."""
        return self.share is None or other.share is None or self.share == other.share


@dataclass(frozen=True, slots=True)
class Took:
    """What an earlier training took. `foretold_seconds` only if it was foretold, and ran all the epochs that were ordered."""

    circumstances: Circumstances
    images: float  # `seen` in all epochs together
    fixed_seconds: float
    training_seconds: float
    foretold_seconds: float | None = None

    @property
    def seconds(self) -> float:
        return self.fixed_seconds + self.training_seconds


@dataclass(frozen=True, slots=True)
class _Rule:
    """A line through one earlier run. `growth` is how much larger the images are now."""

    fixed: float
    each: float
    growth: float = 1.0

    def seconds(self, images: float) -> float:
        return self.fixed + self.each * self.growth * images


def epochs_of(config: Mapping[str, Any]) -> int | None:
    epochs = config.get("epochs")
    return epochs if isinstance(epochs, int) and epochs > 0 else None


def seen(images: Mapping[str, int]) -> float:
    """What an epoch sees of a data set, counted in images to train on; 0: nothing to train on."""
    trained = images.get(Split.TRAIN, 0)
    return trained and trained + _VALIDATED * images.get(Split.VAL, 0)


def took(job: Job, images: float, events: Iterable[StoredEvent]) -> Took | None:
    """Of a training that has succeeded, with so many images `seen` in an epoch. None for one that was interrupted or went on
    from another, and for one of which it is not known how far it came."""
    if job.attempt != 1 or job.resume_from or job.started_at_ms is None or job.finished_at_ms is None:
        return None
    told = list(events)
    training_ms, epochs = _training_ms(told), job.progress and _epochs_done(job.progress)
    if training_ms is None or not epochs or job.progress is None or images <= 0:
        return None
    whole_ms = job.finished_at_ms - job.started_at_ms
    training_ms = min(training_ms, whole_ms)
    foretold = job.forecast.seconds if job.forecast and epochs >= job.progress.epochs else None
    return Took(
        circumstances=_circumstances(job.resolved, told),
        images=images * epochs,
        fixed_seconds=(whole_ms - training_ms) / 1000,
        training_seconds=training_ms / 1000,
        foretold_seconds=foretold,
    )


def _circumstances(config: Mapping[str, Any], told: Iterable[StoredEvent]) -> Circumstances:
    said = {event.kind: event.data for event in told}
    on_gpu = any(data.get("peak_device_bytes") for data in said.values())
    started = said.get(EventKind.STARTED)
    return Circumstances.of(
        config, on_gpu=on_gpu, resources=Started.model_validate(started).resources if started else None
    )


def forecast(images: float, asked: Circumstances, past: Iterable[Took]) -> TimeForecast:
    """Of a training with so many `images` `seen` in all its epochs together; `past` are those of the same model."""
    runs = list(past)
    errors = [error for run in runs if (error := _error(run)) is not None]
    tested: dict[str, Any] = {"error": median(errors) if errors else None, "tested": len(errors)}
    near = [run for run in runs if run.circumstances.shares_with(asked)]
    same = [_rule(run, 1.0) for run in _same(asked, near)]
    rules = same or [_rule(run, growth) for run in near if (growth := _growth(asked, run.circumstances)) is not None]
    if not rules:
        return TimeForecast(basis="unknown", how=_why_unknown(len(runs)), **tested)
    fixed, each = median(rule.fixed for rule in rules), median(rule.each * rule.growth for rule in rules)
    seconds = fixed + each * images
    low, high = _range(rules, images, seconds)
    return TimeForecast(
        seconds=seconds,
        low_seconds=low,
        high_seconds=high,
        fixed_seconds=fixed,
        runs=len(rules),
        basis="measured" if same else "scaled",
        how=_how(len(rules), scaled=not same),
        **tested,
    )


def _same(asked: Circumstances, runs: Iterable[Took]) -> list[Took]:
    same = [run for run in runs if run.circumstances == asked]
    equal = [run for run in same if run.circumstances.others == asked.others]
    return equal if len(equal) >= _FEW else same


def _error(run: Took) -> float | None:
    """As a share of what it took."""
    if run.foretold_seconds is None or not run.seconds:
        return None
    return abs(run.foretold_seconds - run.seconds) / run.seconds


def _rule(run: Took, growth: float) -> _Rule:
    return _Rule(run.fixed_seconds, run.training_seconds / run.images, growth)


def _growth(asked: Circumstances, known: Circumstances) -> float | None:
    """How many more pixels an image has; None where one tells nothing of the other."""
    if (asked.on_gpu, asked.decisive) != (known.on_gpu, known.decisive):
        return None
    area, batch = _ratio(asked.shape.imgsz, known.shape.imgsz), _ratio(asked.shape.batch, known.shape.batch)
    if area is None or batch is None:
        return None
    near = all(1 / _FAR <= ratio <= _FAR for ratio in (area**2, batch))
    return area**2 if near else None


def _ratio(asked: int | None, known: int | None) -> float | None:
    if asked is None and known is None:
        return 1.0
    return None if asked is None or known is None else asked / known


def _range(rules: list[_Rule], images: float, seconds: float) -> tuple[float, float]:
    """With other images in it, also what came out if their size made no difference."""
    all_told = sorted(rule.seconds(images) for rule in rules)
    told = all_told[1:-1] if len(all_told) >= _MANY else all_told
    told += [seconds, median(_Rule(rule.fixed, rule.each).seconds(images) for rule in rules)]
    if len(rules) < _FEW:
        told += [seconds / _UNSURE, seconds * _UNSURE]
    return min(told), max(told)


def _training_ms(events: Iterable[StoredEvent]) -> int | None:
    """From the beginning of the stage `training` to that of whatever came after its last time."""
    began = ended = None
    for event in events:
        if event.data.get("stage") == Stage.TRAINING:
            began, ended = event.at_ms if began is None else began, None
        elif began is not None and ended is None:
            ended = event.at_ms
    return None if began is None or ended is None else max(0, ended - began)


def _epochs_done(progress: Progress) -> float:
    return progress.epoch if progress.epoch_finished else fraction(progress) * progress.epochs


def _why_unknown(others: int) -> str:
    if not others:
        return "nothing known yet: no training of this model has succeeded here"
    ended = "the one earlier training" if others == 1 else f"the {others} earlier trainings"
    return f"nothing known yet: {ended} of this model had another device, share of the machine, precision, images or batches"


def _how(runs: int, *, scaled: bool) -> str:
    trainings = "one earlier training" if runs == 1 else f"the middle of {runs} earlier trainings"
    return (
        f"{trainings} with {'other images or batches, scaled' if scaled else 'the same image size, batch and device'}"
    )
