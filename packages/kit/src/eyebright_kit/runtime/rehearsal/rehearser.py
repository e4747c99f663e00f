"""The rehearser: has the trainer of an order carry out its first batches, and reads off what it says how far each step comes.

Two acts, each a process of the trainer with a small excerpt of the data and the order's own settings: the first batch up to a
checkpoint; and the largest batch, going on from that checkpoint, to the exports. A trainer needs no code of its own for it.
"""

import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from pydantic import TypeAdapter

from eyebright_kit.data.manifest import Sample
from eyebright_kit.egress import EgressDenied, EgressRules, reach
from eyebright_kit.errors import ConfigInvalid, TrainerFailure
from eyebright_kit.runtime.context import Context, Result, Stopped
from eyebright_kit.runtime.failure import explained
from eyebright_kit.runtime.rehearsal.act import Act
from eyebright_kit.runtime.rehearsal.excerpt import Excerpts
from eyebright_kit.runtime.rehearsal.ledger import (
    CHECKPOINT,
    DATA,
    FIRST_BATCH,
    LARGEST_BATCH,
    RELOAD,
    SETTINGS,
    VALIDATION,
    WEBHOOK,
    Ledger,
    export_step,
)
from eyebright_wire.artifacts import ArtifactKind, Grant
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Failed, Succeeded, Unit
from eyebright_wire.jobs import DatasetGrant, JobSpec, ModelGrant, ResumePoint, Stage
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.predictions import ClassScore
from eyebright_wire.rehearsals import REPORT, RehearsalOrder

#: Of a trainer without a setting `batch`.
_BATCH = 8
#: More than an act that is ended after the first will ever come to.
_ENDLESS = 1000
_OF_A_BATCH = frozenset({ErrorCode.OUT_OF_MEMORY, ErrorCode.NAN_LOSS})
_OF_DATA = frozenset({ErrorCode.DATASET_INVALID, ErrorCode.STORAGE_ERROR})
#: How often an act says how far it is: steps are read off its signs of life.
_HEARTBEAT_SECONDS = 0.2
_BEFORE = "a step before it failed"

#: Which steps an act has passed by now.
Passed = Callable[[Act], Iterable[str]]


class Rehearser:
    """A Trainer to its runtime. What it finds is its only artifact; everything else is gone with its scratch space."""

    def __init__(self, manifest: TrainerManifest) -> None:
        self.manifest = manifest

    def fit(self, ctx: Context) -> Result:
        """Succeeds whatever it finds. Raises Stopped."""
        assert ctx.spec.rehearsal is not None
        ctx.stage(Stage.VALIDATING)
        rehearsal = _Rehearsal(ctx, self.manifest, ctx.spec.rehearsal)
        rehearsal.carry_out()
        (ctx.output / REPORT).write_text(rehearsal.report())
        ctx.artifact(REPORT, ArtifactKind.METRICS, "application/json")
        return rehearsal.result()

    def predict(self, model: Path, image: Path) -> tuple[ClassScore, ...]:
        raise ConfigInvalid("a rehearsal makes no model, so there is nothing to predict with")

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        return None


class _Rehearsal:
    def __init__(self, ctx: Context, manifest: TrainerManifest, order: RehearsalOrder) -> None:
        self._ctx = ctx
        self._manifest = manifest
        self._order = order
        self._config = {**ctx.config, **_known(manifest.rehearsal, ctx.config)}
        self._forms = tuple(dict.fromkeys(_names(ctx.config.get("exports"))))
        self._deadline = time.monotonic() + order.seconds
        self._otherwise = _BEFORE
        self._said: Succeeded | None = None  # by the trainer, of the largest batch
        self._opening = (SETTINGS, DATA, FIRST_BATCH, VALIDATION, CHECKPOINT)
        self._finale = (RELOAD, LARGEST_BATCH, *map(export_step, self._forms))
        self._ledger = Ledger((*self._opening, *self._finale, WEBHOOK), self._tell)

    def carry_out(self) -> None:
        self._train()
        self._call_webhook()  # last: an address that does not answer takes its time, of which the trainer needs all

    def _train(self) -> None:
        try:
            excerpts = Excerpts(_granted(self._ctx.spec), _batch(self._config), self._ctx.opening)
            opening, largest = excerpts.opening(), excerpts.largest()
        except (TrainerFailure, msgspec.DecodeError) as error:
            self._ledger.failed(DATA, explained(error))
            return
        point = self._first_batch(excerpts, opening)
        if point is not None:
            self._largest_batch(excerpts, largest, point)

    def report(self) -> str:
        return self._ledger.report(self._otherwise).model_dump_json(indent=2)

    def result(self) -> Result:
        """What it held and wrote tells about a training only if the largest batch was among it."""
        if not self._ledger.has_passed(LARGEST_BATCH):
            return Result(metrics={})
        return Result(
            metrics={},
            peak_memory_bytes=self._ledger.peak_memory_bytes or None,
            peak_device_bytes=self._said and self._said.peak_device_bytes,
            checkpoint_bytes=self._said and self._said.checkpoint_bytes,
        )

    # The acts

    def _first_batch(self, excerpts: Excerpts, samples: tuple[Sample, ...]) -> ResumePoint | None:
        """The checkpoint that it leaves."""
        with self._act("first", DATA, excerpts, samples) as act:
            if act is None or not self._play(act, self._opening, _passed_first):
                return None
        saved = act.checkpoint  # the newest, now that no other can take its place
        if saved is None:
            return None
        source = Grant(uri=(self._folder("first") / "output").as_uri() + "/")
        return ResumePoint(source=source, manifest=saved.manifest, epoch=saved.epoch, step=saved.step)

    def _largest_batch(self, excerpts: Excerpts, samples: tuple[Sample, ...], point: ResumePoint) -> None:
        with self._act("largest", LARGEST_BATCH, excerpts, samples, (point,)) as act:
            if act is not None:
                self._play(act, self._finale, _passed_largest)
                self._said = act.succeeded

    @contextmanager
    def _act(
        self,
        name: str,
        step: str,
        excerpts: Excerpts,
        samples: tuple[Sample, ...],
        resume: tuple[ResumePoint, ...] = (),
    ) -> Generator[Act | None]:
        """None: its data cannot be laid ready, and `step` has failed of it."""
        folder = self._folder(name)
        try:
            folder.mkdir()
            dataset = excerpts.write(samples, folder)
        except (TrainerFailure, OSError) as error:
            self._ledger.failed(step, explained(error, folder))
            yield None
            return
        epochs = resume[0].epoch + 1 if resume else _ENDLESS
        with Act(self._manifest.module, self._spec(folder, dataset, resume, epochs), folder) as act:
            yield act
        self._ledger.peak_memory_bytes = max(self._ledger.peak_memory_bytes, act.peak_memory_bytes)

    def _play(self, act: Act, steps: tuple[str, ...], passed: Passed) -> bool:
        """True: every one of its steps has passed."""

        def enough() -> bool:
            if self._ctx.stopping is not None:
                raise Stopped
            for step in passed(act):
                self._ledger.passed(step) if step in steps else None
            return time.monotonic() > self._deadline or not any(map(self._ledger.is_open, steps))

        ended = act.play(enough)
        left = [step for step in steps if self._ledger.is_open(step)]
        if left and ended:
            self._fail(left, act)
        elif left:
            self._otherwise = f"{self._order.seconds:g} s were over"
        return not left

    def _fail(self, left: list[str], act: Act) -> None:
        """The act has ended before its time. What its words are about has failed, and what comes before that has not."""
        if act.succeeded is not None:
            what = "began afresh instead of going on" if left[0] == RELOAD else f"ended without its {left[0]}"
            self._ledger.failed(left[0], Failed(code=ErrorCode.TRAINER_ERROR, message=f"the trainer {what}"))
            return
        why = act.failure()
        step = _about(why, left, act.stages)
        for before in left[: left.index(step)]:
            self._ledger.passed(before)
        self._ledger.failed(step, why)

    def _call_webhook(self) -> None:
        if self._order.webhook is None:
            self._ledger.not_asked(WEBHOOK, "none asked for")
            return
        try:
            reach(self._order.webhook, TypeAdapter(EgressRules).validate_python(self._order.egress))
        except (EgressDenied, OSError, UnicodeError) as error:
            self._ledger.failed(WEBHOOK, Failed(code=ErrorCode.CONFIG_INVALID, message=str(error)))
        else:
            self._ledger.passed(WEBHOOK)

    def _spec(self, folder: Path, dataset: DatasetGrant, resume: tuple[ResumePoint, ...], epochs: int) -> JobSpec:
        return self._ctx.spec.model_copy(
            update={
                "config": {**self._config, **_known({"epochs": epochs}, self._config)},
                "dataset": dataset,
                "parent": _laid_out(self._ctx),
                "output": Grant(uri=(folder / "output").as_uri() + "/"),
                "resume": resume,
                "events_url": None,
                "token": "",
                "heartbeat_seconds": _HEARTBEAT_SECONDS,
                "rehearsal": None,
            }
        )

    def _folder(self, name: str) -> Path:
        return self._ctx.scratch.absolute() / name

    def _tell(self, done: int, total: int) -> None:
        self._ctx.progress(epoch=1, epochs=1, step=done, steps=total, unit=Unit.CHECKS)


def _passed_first(act: Act) -> Iterator[str]:
    stages, step = act.stages, act.step
    if stages - {Stage.FETCHING} or step:
        yield SETTINGS
    if Stage.TRAINING in stages or step:
        yield DATA
    if step:
        yield FIRST_BATCH
    if act.finished_epochs:
        yield from (FIRST_BATCH, VALIDATION)
    if act.checkpoint is not None:
        yield CHECKPOINT


def _passed_largest(act: Act) -> Iterator[str]:
    """A trainer that begins afresh tells its first epoch a second time."""
    resumed = act.resumed_from_step
    if resumed is None or 1 in act.finished_epochs or act.step <= resumed:
        return
    yield from (RELOAD, LARGEST_BATCH)
    if act.succeeded is not None:
        yield from (export_step(export.format) for export in act.succeeded.exports)


def _about(why: Failed, left: list[str], stages: Collection[Stage]) -> str:
    """Which of the steps that are left its words are about."""
    named = (step for step in left if step.startswith("export ") and step.split()[1] in why.message.lower())
    if why.code is ErrorCode.EXPORT_FAILED:
        return next(named, next((step for step in left if step.startswith("export ")), left[0]))
    if why.code in _OF_A_BATCH:
        return next((step for step in (FIRST_BATCH, LARGEST_BATCH) if step in left), left[0])
    if why.code in _OF_DATA:
        return next((step for step in (DATA, FIRST_BATCH, LARGEST_BATCH) if step in left), left[0])
    unprepared = left[0] == SETTINGS and stages and why.code is not ErrorCode.CONFIG_INVALID
    return DATA if unprepared else left[0]


def _laid_out(ctx: Context) -> ModelGrant | None:
    """The model to begin from, where it lies by now: an act has no token to open another place with."""
    if ctx.spec.parent is None or ctx.parent is None:
        return None
    return ctx.spec.parent.model_copy(update={"source": Grant(uri=ctx.parent.path.absolute().as_uri() + "/")})


def _known(overrides: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are settings of this task."""
    return {name: value for name, value in overrides.items() if name in config}


def _batch(config: Mapping[str, Any]) -> int:
    batch = config.get("batch")
    return batch if isinstance(batch, int) and batch > 0 else _BATCH


def _names(exports: object) -> Iterator[str]:
    if isinstance(exports, list | tuple):
        yield from map(str, exports)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _granted(spec: JobSpec) -> DatasetGrant:
    if spec.dataset is None:
        raise ConfigInvalid("the order names no data set to rehearse with")
    return spec.dataset
