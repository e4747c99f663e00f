"""`eyebright datasets …`."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from eyebright.cli.connection import connected
from eyebright.cli.exits import Exit
from eyebright.cli.findings import tell_findings
from eyebright.cli.inspecting import inspected
from eyebright.cli.options import Json, LeaveOutBroken
from eyebright.cli.ordering import bring, images_line
from eyebright.cli.terminal import emit, moment, show, show_facts, show_table, size
from eyebright.cli.verbs import example, group
from eyebright.core.resolve import nearest
from eyebright.errors import InvalidRequest, NotFound
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.resources import DatasetVersionView, DatasetView

app = group(
    "Inspect, import, list and show data sets.",
    """
eyebright datasets inspect photos/               is it ready, and if not, what is missing
eyebright datasets import photos.zip --name flowers
eyebright datasets show flowers
""",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The data set's name; `eyebright datasets list` shows them.")]
Source = Annotated[Path, typer.Argument(metavar="PATH", help="A folder or a zip.")]


@app.command("list", epilog=example("eyebright datasets list --json"))
def list_datasets(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, by name.")] = 50, as_json: Json = False
) -> None:
    """What has been imported, by name."""
    with connected() as client:
        found = list(islice(client.datasets(), limit))
    if as_json:
        emit(found)
    else:
        show_table(("name", "versions", "newest", "holds", "created"), map(_row, found), "No data sets yet.")


@app.command("show", epilog=example("eyebright datasets show flowers\neyebright datasets show flowers --json"))
def show_dataset(name: Name, as_json: Json = False) -> None:
    """A data set, its versions and what the newest one holds."""
    with connected() as client:
        found = client.dataset(name)
    if as_json:
        emit(found)
        return
    rows = ((v.number, v.id, images_line(v.report), moment(v.created_at_ms)) for v in found.versions)
    show_table(("version", "id", "holds", "created"), rows, "No versions yet.")
    if found.versions:
        show("")
        show_report(found.versions[0].report)


@app.command("import", epilog=example("eyebright datasets import photos/ --name flowers"))
def import_dataset(
    path: Source,
    name: Annotated[str | None, typer.Option(help="Default: the name of the folder or file.")] = None,
    leave_out_broken: LeaveOutBroken = False,
    as_json: Json = False,
) -> None:
    """Make an immutable version of a folder or zip. The same content twice is the same version.

    A file that means to be an image and cannot be used is refused, with its path; --leave-out-broken goes on without it.
    """
    path = path.expanduser()
    if not path.exists():
        raise NotFound(f"no file or folder {path}")
    with connected() as client:
        version = bring(client, path, name, leave_out_broken=leave_out_broken)
    if as_json:
        emit(version)
    else:
        _show_version(version)


@app.command(epilog=example("eyebright datasets inspect photos/\neyebright datasets inspect photos.zip --json"))
def inspect(
    path: Source,
    task: Annotated[str, typer.Option(help="What it must be ready for.")] = "classification",
    leave_out_broken: LeaveOutBroken = False,
    as_json: Json = False,
) -> int:
    """Look at a folder or zip without importing it, and without a server: ready, or exactly what is missing.

    Exit status 0: ready, 1: not ready.
    """
    report = inspected(path.expanduser(), leave_out_broken=leave_out_broken)
    known = [readiness.task for readiness in report.readiness]
    if task not in known:
        raise InvalidRequest(f"unknown task {task!r}.{nearest(task, known)}")
    readiness = report.ready_for(task)
    if as_json:
        emit({"ready": readiness.ready, "task": task, "missing": readiness.missing, "report": report})
    else:
        show_report(report)
        show("")
        show(
            f"{path} is ready for {task}" if readiness.ready else f"{path} is not ready for {task}:",
            "green" if readiness.ready else "red",
        )
        for reason in readiness.missing:
            show(f"  - {reason}")
    return Exit.DONE if readiness.ready else Exit.NO


def show_report(report: DatasetReport) -> None:
    """Counts per class and split, then what is worth knowing."""
    show_facts([("format", report.format), ("size", size(report.size_bytes)), ("classes", len(report.classes))])
    splits = tuple(report.images)
    rows = [
        (name, *(report.images_per_class.get(split, {}).get(name, 0) for split in splits)) for name in report.classes
    ]
    show_table(("class", *splits), rows, "No classes.")
    tell_findings(report.findings)


def _row(dataset: DatasetView) -> tuple[object, ...]:
    newest = dataset.versions[0] if dataset.versions else None
    holds = images_line(newest.report) if newest else ""
    return dataset.name, len(dataset.versions), newest.id if newest else "", holds, moment(dataset.created_at_ms)


def _show_version(version: DatasetVersionView) -> None:
    show_facts([("data set", version.dataset), ("version", f"{version.number}  {version.id}")])
    for readiness in version.report.readiness:
        show(
            f"ready for {readiness.task}"
            if readiness.ready
            else f"not ready for {readiness.task}: {'; '.join(readiness.missing)}"
        )
