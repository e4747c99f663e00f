"""`eyebright jobs preflight`: is it worth starting? Checked at once, and with --rehearse tried for a minute."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from eyebright.cli.connection import connected
from eyebright.cli.display import display, headline
from eyebright.cli.exits import Exit
from eyebright.cli.following import LeftRunning, follow
from eyebright.cli.foretelling import forecast_line, off_by
from eyebright.cli.options import DataSource, Json, LeaveOutBroken
from eyebright.cli.ordering import dataset_for, takes_order
from eyebright.cli.terminal import duration, emit, say, show, show_facts, show_table, size
from eyebright.client import Client
from eyebright_wire.jobs import JobState, PreflightRequest, RehearsalRequest
from eyebright_wire.rehearsals import RehearsalReport, RehearsalStep, StepState
from eyebright_wire.resources import DiskForecast, JobView, MemoryForecast, Preflight

_STATES = {StepState.PASSED: "ok", StepState.NOT_ASKED: "–", StepState.UNREACHED: "not reached"}


@dataclass(frozen=True)
class Answer:
    """What was found. `rehearsal` only if it was asked for, and the order was not refused before."""

    preflight: Preflight
    rehearsal: RehearsalReport | None = None
    job: JobView | None = None  # of the rehearsal

    @property
    def ok(self) -> bool:
        return self.preflight.ok and (self.job is None or (self.rehearsal is not None and self.rehearsal.ok))

    def document(self) -> dict[str, Any]:
        return {"ok": self.ok, "preflight": self.preflight, "rehearsal": self.rehearsal, "job": self.job}


@takes_order
def preflight(
    source: DataSource,
    order: PreflightRequest,
    leave_out_broken: LeaveOutBroken = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Also try its first batches, a checkpoint and the exports.")
    ] = False,
    webhook: Annotated[
        str | None,
        typer.Option(metavar="URL", help="With --rehearse: an address to connect to, without telling it anything."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Check an order as `eyebright train` takes it, without placing it: everything that is wrong with it, at once, and what it
    would take of disk, memory and time.

    With --rehearse its trainer carries out the first batch, the largest one, a validation, a checkpoint that is gone on from, and
    each export, within a minute; no model comes of it. A path is imported, and stays imported for the training that follows.
    """
    with connected() as client:
        try:
            answer = _answer(client, order, source, leave_out_broken, rehearse or webhook is not None, webhook)
        except LeftRunning as left:
            say(str(left))
            return Exit.INTERRUPTED
    if as_json:
        emit(answer.document())
    else:
        _show(answer)
    return Exit.DONE if answer.ok else Exit.NO


def _answer(
    client: Client, order: PreflightRequest, source: str, leave_out_broken: bool, rehearse: bool, webhook: str | None
) -> Answer:
    bare = client.preflight(order)  # before an import that a refused order would leave behind
    if not bare.ok:
        return Answer(bare)
    dataset = dataset_for(client, source, bare.task, leave_out_broken=leave_out_broken)
    whole = {**order.model_dump(exclude_unset=True), "dataset": dataset}
    found = client.preflight(PreflightRequest(**whole))
    if not (found.ok and rehearse):
        return Answer(found)
    asked = client.rehearse(RehearsalRequest(**whole, webhook=webhook), key=str(uuid.uuid4()))
    job = follow(client, asked, display())
    return Answer(found, client.rehearsal(job.id) if job.state is JobState.SUCCEEDED else None, job)


def _show(answer: Answer) -> None:
    found = answer.preflight
    show_facts(_facts(found))
    for finding in found.findings:
        show(f"{finding.severity}: {finding.message}", "red" if finding.severity == "error" else "yellow")
    if answer.rehearsal is not None:
        show("")
        show_table(("step", "", "took", ""), map(_row, answer.rehearsal.steps), "")
    elif answer.job is not None:
        show(f"the rehearsal {answer.job.id} {headline(answer.job)}", "red")
    show("")
    show("Ready." if answer.ok else "Not ready.", "green" if answer.ok else "red")


def _facts(found: Preflight) -> Iterator[tuple[str, object]]:
    yield "trainer", f"{found.trainer}  {found.task}  {found.model}"
    yield "data set", _data_line(found) if found.images else ""
    for disk in found.disk:
        yield "disk", _disk_line(disk)
    yield "memory", _memory_line(found.memory) if found.memory else ""
    yield "time", forecast_line(found.time) if found.time else ""


def _data_line(found: Preflight) -> str:
    splits = ", ".join(f"{count} {split}" for split, count in found.images.items())
    classes = f"{len(found.classes)} classes, " if found.classes else ""
    return f"{found.dataset_version}  {classes}images: {splits}"


def _disk_line(disk: DiskForecast) -> str:
    found = f" ({disk.basis}: {disk.how}){off_by(disk)}" if disk.basis else ""
    return f"about {size(disk.needed_bytes)} of {size(disk.free_bytes)} free below {disk.path}{found}"


def _memory_line(memory: MemoryForecast) -> str:
    free = "" if memory.free_bytes is None else f" of {size(memory.free_bytes)} free"
    return f"about {size(memory.needed_bytes)}{free} ({memory.basis}: {memory.how}){off_by(memory)}"


def _row(step: RehearsalStep) -> tuple[object, ...]:
    took = "" if step.seconds is None else duration(step.seconds)
    return step.name.replace("_", " "), _STATES.get(step.state, str(step.state)), took, step.message
