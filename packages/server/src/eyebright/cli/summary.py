"""What a finished training left behind: shown to people, or as the one document of `--json`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eyebright.cli.display import headline
from eyebright.cli.exits import Exit
from eyebright.cli.following import LeftRunning
from eyebright.cli.terminal import duration, emit, number, say, show, show_facts, show_table, size, state_text
from eyebright.client import Client
from eyebright.core.assignment import train_command
from eyebright.errors import EyebrightError, NotFound
from eyebright.ports.objects import attempt_prefix
from eyebright_wire.artifacts import ArtifactKind, ExportRef, ParityCertificate
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import ArtifactView, JobView, ModelView, Needs

#: Why a job failed if the same order would fail the same way, and what another one would change.
ORDER_AT_FAULT: Mapping[ErrorCode | None, str] = {
    ErrorCode.CONFIG_INVALID: "--set KEY=VALUE",
    ErrorCode.OUT_OF_MEMORY: "--set {size}=LESS",
    ErrorCode.NAN_LOSS: "--set {rate}=LESS",
    ErrorCode.NO_PROGRESS: "--set KEY=VALUE",
    ErrorCode.MAX_DURATION_EXCEEDED: "--max-duration LONGER",
}
#: What trainers call the settings in it.
_RATES, _SIZES = ("lr0", "learning_rate"), ("batch", "imgsz", "resolution")


@dataclass(frozen=True)
class Outcome:
    """A job that has ended, and everything that came of it. `folder` holds the files, if they are on this machine; `recipe` are
    the settings that the order left as they are, of one that must be changed."""

    job: JobView
    model: ModelView | None = None
    artifacts: tuple[ArtifactView, ...] = ()
    folder: Path | None = None
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def succeeded(self) -> bool:
        return self.job.state is JobState.SUCCEEDED

    @property
    def pictures(self) -> tuple[Path, ...]:
        folder = self.folder or Path()
        mine = (item for item in self.artifacts if item.attempt == self.job.attempt)
        return tuple(folder / item.path for item in mine if item.kind is ArtifactKind.PICTURE)

    def document(self) -> dict[str, Any]:
        return {
            "job": self.job,
            "metrics": self.job.metrics,
            "model": self.model,
            "exports": self.model.exports if self.model else (),
            "timings": {name: round(seconds, 3) for name, seconds in self.timings.items()},
        }


def outcome_of(client: Client, job: JobView) -> Outcome:
    """Fetch what belongs to an ended job."""
    return Outcome(
        job,
        _model(client, job),
        client.artifacts(job.id),
        attempt_folder(client, job.id, job.attempt),
        spans_of(job),
        _recipe(client, job),
    )


def _model(client: Client, job: JobView) -> ModelView | None:
    try:
        return client.model(job.model_id) if job.model_id else None
    except NotFound as deleted:  # somebody looks once more at how an old training went
        say(f"{deleted}.")
        return None


def _recipe(client: Client, job: JobView) -> Mapping[str, Any]:
    if job.kind is not JobKind.TRAINING or job.reason not in ORDER_AT_FAULT:
        return {}
    try:
        return client.recipe(job.trainer, job.task).config
    except EyebrightError:  # its trainer is not here any more; the failure is told all the same
        return {}


def attempt_folder(client: Client, job_id: str, attempt: int) -> Path | None:
    """Where the files of an attempt lie, if its server stores them on this machine."""
    folder = client.settings.data_dir / "objects" / attempt_prefix(job_id, attempt)
    return folder if client.local and folder.is_dir() else None


def conclude(run: Callable[[], Outcome], as_json: bool, then: Callable[[Outcome], None] = lambda outcome: None) -> int:
    """Run a training to its end and tell what came of it; `then` adds to what people see. The exit status."""
    try:
        outcome = run()
    except LeftRunning as left:
        say(str(left))
        if as_json:
            emit(Outcome(left.job).document())
        return Exit.INTERRUPTED
    if as_json:
        emit(outcome.document())
    else:
        show_outcome(outcome)
        then(outcome)
    return Exit.DONE if outcome.succeeded else Exit.NO


def show_outcome(outcome: Outcome) -> None:
    job = outcome.job
    show("")
    if not outcome.succeeded:
        _show_failure(outcome)
        return
    show_facts(_facts(outcome))
    if job.metrics:
        show("")
        show_table(("metric", "value"), [(name, number(value)) for name, value in job.metrics.items()], "")


def _show_failure(outcome: Outcome) -> None:
    job = outcome.job
    show_facts([("job", f"{job.id}  {job.name}"), ("state", state_text(job.state)), ("why", headline(job))])
    if job.state is JobState.FAILED:
        say(f"What it printed: `eyebright jobs logs {job.id}`. {_way_on(job, {**outcome.recipe, **job.config})}")


def _way_on(job: JobView, settings: Mapping[str, Any]) -> str:
    """The same order again, or another where the order itself is what failed."""
    if job.kind is JobKind.TRAINING and job.reason is ErrorCode.EXPORT_FAILED:
        again = f"eyebright jobs retry {job.id} --set"
        return f"The trained weights are kept: `{again} exports=[]` registers them, `{again} export_tolerance=MORE` tries again."
    if job.reason not in ORDER_AT_FAULT:
        return f"Once mended: `eyebright jobs retry {job.id}`."
    order = train_command(job.trainer, job.task, job.model, job.config, dataset=job.dataset_version)
    change = ORDER_AT_FAULT[job.reason].format(rate=_own(_RATES, settings), size=_own(_SIZES, settings))
    return f"The same order would fail again; change it as said above: `{order} {change}`."


def _own(names: Sequence[str], settings: Mapping[str, Any]) -> str:
    """The trainer's own name for it; of a single image there can be no less."""
    return next((name for name in names if name in settings and (name, settings[name]) != ("batch", 1)), names[0])


def _facts(outcome: Outcome) -> list[tuple[str, object]]:
    job, model = outcome.job, outcome.model
    facts: list[tuple[str, object]] = [
        ("job", f"{job.id}  {job.name}"),
        ("state", state_text(job.state)),
        ("took", took_line(job)),
        *needs_lines(job),
        ("accuracy", f"{job.metrics['top1']:.2%} on the validation images" if "top1" in job.metrics else ""),
    ]
    if model:
        facts += [
            ("model", f"{model.id}  {_kind(model)}"),
            ("files", outcome.folder or ""),
        ]
        facts += [(export.format, parity_line(export, outcome.folder)) for export in model.exports]
        facts += [] if model.exports else list(_weights(model, outcome.folder))
    return facts + [("picture" if index == 0 else " ", str(path)) for index, path in enumerate(outcome.pictures)]


def _kind(model: ModelView) -> str:
    return f"{model.architecture}, {len(model.classes)} classes" if model.classes else model.architecture


def _weights(model: ModelView, folder: Path | None) -> Iterator[tuple[str, object]]:
    """What is used as it is where nothing was made of it; from afar, how it is fetched."""
    paths = [artifact.path for artifact in model.artifacts if artifact.kind is ArtifactKind.MODEL]
    for place, path in enumerate(paths):
        yield "" if place else "weights", folder / path if folder else path
    if paths and not folder:
        yield "fetch", f"eyebright models download {model.name}@{model.number} --file {paths[0]}"


def parity_line(export: ExportRef, folder: Path | None) -> str:
    """`…/model.onnx  max difference 1.2e-06 (allowed 0.001), 100 % of 360 answers agree in onnxruntime 1.31.1`."""
    proof = export.parity
    where = (folder or Path()) / export.path
    return (
        f"{where}  max difference {proof.max_abs_difference:.2g} (allowed {number(proof.tolerance)}), "
        f"{100 * proof.agreement:.4g} % of {proof.samples} answers agree in {proof.runtime}{_emptiness(proof)}"
    )


def _emptiness(proof: ParityCertificate) -> str:
    """That a model without one right answer agrees with its export about nothing."""
    if proof.native or proof.exported:
        return ""
    return f"; but {proof.metric} is 0: the model finds nothing right, so this proves little"


def took_line(job: JobView) -> str:
    """`0:41, foretold 0:38`."""
    took = duration(spans_of(job).get("training_seconds"))
    return f"{took}, foretold {duration(job.forecast.seconds)}" if took and job.forecast else took


def needs_lines(job: JobView) -> Iterator[tuple[str, str]]:
    """`1.9 GB, foretold 2.1 GB` of memory and of disk, once it is known."""
    needs = job.needs or Needs()
    pairs = {"memory": (needs.held_bytes, needs.memory_bytes), "disk": (needs.written_bytes, needs.disk_bytes)}
    for name, (taken, foretold) in pairs.items():
        if taken:
            yield name, f"{size(taken)}, foretold {size(foretold)}" if foretold else size(taken)


def spans_of(job: JobView) -> dict[str, float]:
    """How long it waited and how long it ran, as far as it has come."""
    spans: dict[str, float] = {}
    if job.started_at_ms is not None:
        spans["queued_seconds"] = (job.started_at_ms - job.created_at_ms) / 1000
        if job.finished_at_ms is not None:
            spans["training_seconds"] = (job.finished_at_ms - job.started_at_ms) / 1000
    return spans
