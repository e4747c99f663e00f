"""`eyebright jobs …`."""

import json
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from eyebright.cli.connection import connected
from eyebright.cli.display import HELD, counted, epoch_line, headline
from eyebright.cli.exits import Exit
from eyebright.cli.options import JobId, Json, NewestFirst
from eyebright.cli.preflighting import preflight
from eyebright.cli.scalars import parse_settings
from eyebright.cli.summary import attempt_folder, needs_lines, took_line
from eyebright.cli.terminal import (
    emit,
    emit_line,
    metrics_line,
    moment,
    number,
    say,
    show,
    show_facts,
    show_table,
    size,
    state_text,
)
from eyebright.cli.train import accompany
from eyebright.cli.verbs import example, group
from eyebright.client import Client
from eyebright.client.watching import patiently
from eyebright.errors import InvalidRequest, NotFound
from eyebright_wire.events import (
    BODIES,
    ArtifactSaved,
    CheckpointSaved,
    Failed,
    Progress,
    StageChange,
    Started,
    Succeeded,
)
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import EventView, JobView

app = group(
    "Check, list, show, watch, cancel and retry trainings; read their logs and results.",
    """
eyebright jobs preflight photos/ --rehearse
eyebright jobs list --state running
eyebright jobs show JOB --json | jq .metrics
eyebright jobs logs JOB --follow
eyebright jobs artifacts JOB --download results/
""",
)

LOOK_SECONDS = 1.0

app.command(
    epilog=example(
        "eyebright jobs preflight flowers --model resnet50 --set imgsz=512\neyebright jobs preflight photos/ --rehearse"
    )
)(preflight)


class Shown(StrEnum):
    """Which jobs a list shows."""

    TRAINING = "training"
    IMPORT = "import"
    EXPORT = "export"
    REHEARSAL = "rehearsal"
    ALL = "all"


@app.command(
    "list",
    epilog=example("eyebright jobs list --state failed --limit 5\neyebright jobs list --label team=vision --json"),
)
def list_jobs(
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    trainer: Annotated[str | None, typer.Option(help="Only jobs of this trainer.")] = None,
    dataset_version: Annotated[str | None, typer.Option(help="Only jobs on this data set version.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only jobs with this label. Repeatable.")
    ] = None,
    kind: Annotated[Shown, typer.Option(help="Trainings, imports, exports, rehearsals, or all.")] = Shown.TRAINING,
    limit: NewestFirst = 50,
    as_json: Json = False,
) -> None:
    """The newest trainings first; imports and rehearsals are jobs too, see --kind."""
    labels = dict(_pair(text) for text in label or ())
    only = None if kind is Shown.ALL else JobKind(kind)
    with connected() as client:
        found = client.jobs(kind=only, state=state, trainer=trainer, dataset_version=dataset_version, labels=labels)
        jobs = list(islice(found, limit))
    if as_json:
        emit(jobs)
    else:
        kinds = ("kind",) if only is None else ()
        rows = ((job.id, *(str(job.kind) for _ in kinds), *_row(job)) for job in jobs)
        narrowed = state or trainer or dataset_version or label
        none = (
            "No job is like that; `--kind all` looks at imports too."
            if narrowed
            else "No jobs yet. Try `eyebright demo`."
        )
        show_table(("job", *kinds, "name", "state", "model", "progress", "created"), rows, none)


@app.command("show", epilog=example("eyebright jobs show JOB\neyebright jobs show JOB --json | jq .state"))
def show_job(job_id: JobId, as_json: Json = False) -> None:
    """Everything about one job."""
    with connected() as client:
        job = client.job(job_id)
        folder = attempt_folder(client, job.id, job.attempt)
    if as_json:
        emit(job)
        return
    show_facts(_facts(job, folder))
    show("")
    rows = [(moment(t.at_ms), state_text(t.state), t.reason or "", t.message) for t in job.status_transitions]
    show_table(("when", "state", "reason", "message"), rows, "")


@app.command(epilog=example("eyebright jobs cancel JOB"))
def cancel(job_id: JobId, as_json: Json = False) -> None:
    """Stop a job. A running one writes a last checkpoint first."""
    with connected() as client:
        job = client.cancel(job_id)
    if as_json:
        emit(job)
    else:
        show(f"{job.id} {headline(job)}")


@app.command(
    epilog=example(
        "eyebright jobs retry JOB\n"
        "eyebright jobs retry JOB --watch\n"
        "eyebright jobs retry JOB --set exports=[]        the trained model, without the export that failed"
    )
)
def retry(
    job_id: JobId,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change exports or export_tolerance. Repeatable."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, even where it could go on.")] = False,
    watching: Annotated[bool, typer.Option("--watch", help="Stay and show its progress.")] = False,
    as_json: Json = False,
) -> int:
    """Run a finished job's order once more, as a new job. One that was cancelled or failed goes on from its last checkpoint."""
    with connected() as client:
        job = client.retry(job_id, fresh=fresh, config=parse_settings(settings or []))
        say(_beginning(job))
        if watching:
            return accompany(client, job, as_json)
    if as_json:
        emit(job)
    else:
        show(job.id)
        say(f"Watch it with `eyebright jobs watch {job.id}`.")
    return Exit.DONE


@app.command(
    epilog=example(
        "eyebright jobs logs JOB | less\neyebright jobs logs JOB --follow\neyebright jobs logs JOB --attempt 1"
    )
)
def logs(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    attempt: Annotated[int | None, typer.Option(min=1, help="Default: the newest.")] = None,
    as_json: Json = False,
) -> None:
    """What the training printed."""
    if as_json and follow:
        raise InvalidRequest("--json prints one document and --follow never ends: choose one")
    with connected() as client:
        if as_json:
            emit({"job_id": job_id, "text": "".join(printed(client, job_id, attempt, follow=False))})
            return
        for text in printed(client, job_id, attempt, follow=follow):
            typer.echo(text, nl=False)


@app.command(epilog=example("eyebright jobs watch JOB\neyebright jobs watch JOB --lines | jq -r .kind"))
def watch(
    job_id: JobId,
    lines: Annotated[
        bool, typer.Option("--lines", help="One JSON document per line for each change and event.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show a job's progress until it has ended. Ctrl-C asks whether to cancel it."""
    with connected() as client:
        return _watch_lines(client, job_id) if lines else accompany(client, client.job(job_id), as_json)


@app.command(epilog=example("eyebright jobs events JOB\neyebright jobs events JOB --after 120 --json"))
def events(
    job_id: JobId,
    after: Annotated[int, typer.Option(min=0, help="Only events after this position.")] = 0,
    as_json: Json = False,
) -> None:
    """Everything the training has reported so far."""
    with connected() as client:
        found = list(client.events(job_id, after))
    if as_json:
        emit(found)
    else:
        rows = ((e.position, e.attempt, moment(e.at_ms), e.kind, _told(e)) for e in found)
        show_table(("position", "attempt", "when", "event", ""), rows, "No events yet.")


@app.command(epilog=example("eyebright jobs metrics JOB\neyebright jobs metrics JOB --json"))
def metrics(job_id: JobId, as_json: Json = False) -> None:
    """How each metric moved from epoch to epoch."""
    with connected() as client:
        series = client.metrics(job_id)
    if as_json:
        emit(series)
        return
    epochs = sorted({point.epoch for one in series for point in one.points})
    values = [{point.epoch: number(point.value) for point in one.points} for one in series]
    rows = ((epoch, *(column.get(epoch, "") for column in values)) for epoch in epochs)
    show_table(("epoch", *(one.name for one in series)), rows, "No metrics yet.")


@app.command(epilog=example("eyebright jobs checkpoints JOB"))
def checkpoints(job_id: JobId, as_json: Json = False) -> None:
    """What a retry of it can go on from."""
    with connected() as client:
        found = client.checkpoints(job_id)
        nothing = "" if found else _deletion(client, job_id)
    if as_json:
        emit(found)
    else:
        rows = ((c.attempt, c.epoch, c.step, "best" if c.best else "", metrics_line(c.metrics), c.path) for c in found)
        show_table(("attempt", "epoch", "step", "", "metrics", "path"), rows, nothing or "No checkpoints yet.")


@app.command(epilog=example("eyebright jobs artifacts JOB\neyebright jobs artifacts JOB --download results/"))
def artifacts(
    job_id: JobId,
    download: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Fetch all of them into this folder.")] = None,
    as_json: Json = False,
) -> None:
    """The files that it made: weights, exports, pictures, the model card."""
    with connected() as client:
        found = client.artifacts(job_id)
        nothing = "" if found else _deletion(client, job_id) or _none_of(client, client.job(job_id))
        if download:
            for item in found:
                client.download_artifact(job_id, item.path, download / item.path, sha256=item.sha256)
    if as_json:
        emit(found)
    else:
        rows = ((a.path, a.kind, size(a.size_bytes), a.sha256[:12]) for a in found)
        show_table(("path", "kind", "size", "sha256"), rows, nothing)
    if download:
        say(f"{len(found)} files in {download}")


def printed(
    client: Client, job_id: str, attempt: int | None, *, follow: bool, sleep: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """What an attempt printed, piece by piece; with `follow` that of the attempts after it too, until the job has ended.

    Who follows waits for a server that is away, as who watches does.
    """
    ask = patiently(sleep=sleep) if follow else patiently(0.0)
    offset = 0
    while True:
        chunk = ask(client.logs, job_id, offset, attempt)
        attempt, offset = chunk.attempt or attempt, chunk.next_offset
        if chunk.text:
            yield chunk.text
        elif not follow:
            if chunk.elsewhere:
                say(chunk.elsewhere)
            return
        elif not chunk.complete:
            sleep(LOOK_SECONDS)
        else:
            job = ask(client.job, job_id)
            if job.attempt > chunk.attempt:
                attempt, offset = chunk.attempt + 1, 0
            elif job.state.final:
                return
            else:
                sleep(LOOK_SECONDS)


def _watch_lines(client: Client, job_id: str) -> int:
    job = client.job(job_id)
    for item in client.watch(job_id):
        emit_line({"kind": "job" if isinstance(item, JobView) else item.kind, "data": item})
        job = item if isinstance(item, JobView) else job
    return Exit.DONE if job.state is JobState.SUCCEEDED else Exit.NO


def _none_of(client: Client, job: JobView) -> str:
    """Artifacts come at a run's end, verified; a picture that was drawn on the way can be looked at before."""
    if job.state.final:
        return "No artifacts."
    folder = attempt_folder(client, job.id, job.attempt)
    return f"No artifacts yet; what it has saved so far lies in {folder}" if folder else "No artifacts yet."


def _deletion(client: Client, job_id: str) -> str:
    """That the job's model was deleted, if it was."""
    model_id = client.job(job_id).model_id
    try:
        if model_id:
            client.model(model_id)
    except NotFound as deleted:
        return f"{deleted}."
    return ""


def _beginning(job: JobView) -> str:
    if job.resume_from:
        return f"It goes on from the newest whole checkpoint of {job.resume_from}; `--fresh` would begin anew."
    return "It begins anew."


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidRequest(f"--label {text!r} is not of the form key=value, such as --label team=vision")
    return key, value


def _row(job: JobView) -> tuple[object, ...]:
    return job.name, state_text(job.state), job.model, _standing(job), moment(job.created_at_ms)


def _standing(job: JobView) -> str:
    if job.held:
        return HELD
    if job.state is JobState.QUEUED:
        return f"number {job.queue_position} in line" if job.queue_position else ""
    if job.state.live and job.progress:
        return _how_far(job.progress)
    return str(job.reason or "") or metrics_line(dict(islice(job.metrics.items(), 2)))


def _how_far(progress: Progress) -> str:
    return counted(progress) if progress.unit else f"epoch {progress.epoch}/{progress.epochs}"


def _facts(job: JobView, folder: Path | None) -> list[tuple[str, object]]:
    return [
        ("job", f"{job.id}  {job.name}"),
        ("state", headline(job)),
        ("what helps", job.remedy),
        ("progress", epoch_line(job.progress) if job.progress else ""),
        ("metrics", metrics_line(job.metrics)),
        ("trainer", f"{job.trainer}  {job.task}  {job.model}"),
        ("data set", job.imported_version or job.dataset_version),
        ("settings", "  ".join(f"{key}={value}" for key, value in job.config.items())),
        ("labels", "  ".join(f"{key}={value}" for key, value in job.labels.items())),
        ("attempt", job.attempt or ""),
        ("took", took_line(job)),
        *needs_lines(job),
        ("model", job.model_id or ""),
        ("rerun of", job.rerun_of or ""),
        ("resumes", job.resume_from or ""),
        ("files", folder or ""),
    ]


def _told(event: EventView) -> str:
    """What an event says, in a line."""
    try:
        body = BODIES[event.kind].model_validate(event.data)
    except (KeyError, ValidationError):  # from a newer trainer: shown as it is
        return json.dumps(event.data, ensure_ascii=False)[:160]
    match body:
        case Progress():
            return epoch_line(body)
        case StageChange():
            return str(body.stage)
        case ArtifactSaved():
            return f"{body.artifact.path}  {size(body.artifact.size_bytes)}"
        case CheckpointSaved():
            return f"epoch {body.epoch}  step {body.step}{'  best' if body.best else ''}"
        case Failed():
            return f"{body.code}: {body.message}"
        case Succeeded():
            return metrics_line(body.metrics)
        case Started():
            return f"process {body.pid} on {body.host}" if body.pid else body.host
        case _:
            return ""
