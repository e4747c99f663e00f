"""`eyebright datasets …`."""

import asyncio
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from eyebright.cli.catalogue import catalog_of
from eyebright.cli.connection import connected
from eyebright.cli.converting import converted
from eyebright.cli.exits import Exit
from eyebright.cli.findings import tell_findings
from eyebright.cli.importing import imported
from eyebright.cli.inspecting import inspected
from eyebright.cli.options import MOST_LISTED, Json, LeaveOutBroken, Server
from eyebright.cli.ordering import bring, images_line
from eyebright.cli.planning import NO_PLAN, planned, with_plan
from eyebright.cli.reports import changes_line, show_readiness, show_report
from eyebright.cli.terminal import agreed, emit, moment, say, show, show_facts, show_table
from eyebright.cli.verbs import example, group
from eyebright.client import Client
from eyebright.core.resolve import nearest
from eyebright.errors import Conflict, InvalidRequest, no_version_of
from eyebright.settings import Settings
from eyebright_kit.data.readiness import TASKS
from eyebright_kit.data.writing import Renamed
from eyebright_wire.datasets import DatasetPlan, Fix
from eyebright_wire.resources import DatasetImport, DatasetVersionView, DatasetView

app = group(
    "Inspect, import, list, show and delete data sets.",
    """
eyebright datasets inspect photos/               is it ready, and if not, what is missing
eyebright datasets import photos.zip --name flowers
eyebright datasets convert street/ street-yolo/ --format yolo
eyebright datasets show flowers
""",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The data set's name; `eyebright datasets list` shows them.")]
Stored = Annotated[
    str, typer.Argument(metavar="NAME", help="A data set, for its newest version, or the id of one of its versions.")
]
Into = Annotated[str | None, typer.Option("--name", help="Make it a version of this data set instead.")]
Source = Annotated[Path, typer.Argument(metavar="PATH", help="A folder or a zip.")]


@app.command("list", epilog=example("eyebright datasets list --json"))
def list_datasets(
    limit: Annotated[int, typer.Option(min=1, max=MOST_LISTED, help="At most so many, by name.")] = 50,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """What has been imported, by name."""
    with connected(server=server) as client:
        found = list(islice(client.datasets(), limit))
    if as_json:
        emit(found)
    else:
        show_table(("name", "versions", "newest", "holds", "created"), map(_row, found), "No data sets yet.")


@app.command(
    "show", epilog=example("eyebright datasets show flowers\neyebright datasets show flowers --sheet flowers.png")
)
def show_dataset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set's name, or the id of one of its versions.")],
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw images of the newest version with their labels as a PNG.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, max=400, help="How many images the sheet shows.")] = 48,
    force: Annotated[bool, typer.Option("--force", help="Write over a FILE that is there already.")] = False,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """A data set, its versions and what the newest one holds."""
    target = _sheet_target(sheet.expanduser(), force) if sheet else None
    with connected(server=server) as client:
        version = client.dataset_version(name) if name.startswith("dsv_") else None
        found = client.dataset(name) if version is None else None
        newest = version or (found.versions[0] if found and found.versions else None)
        if target and newest:
            _write_sheet(target, client.sheet(newest.id, limit=pictures))
    if as_json:
        emit(found or version)
        return
    if found:
        rows = ((v.number, v.id, images_line(v.report), moment(v.created_at_ms)) for v in found.versions)
        show_table(("version", "id", "holds", "created"), rows, "No versions yet.")
        show("")
    if newest:
        show_report(newest.report)
        show_readiness(newest.report.readiness, newest.id)


@app.command(epilog=example("eyebright datasets delete flowers --version 1\neyebright datasets delete flowers --yes"))
def delete(
    name: Name,
    number: Annotated[int | None, typer.Option("--version", min=1, metavar="N", help="Only this one.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: Server = None,
    as_json: Json = False,
) -> int:
    """Delete a data set with all its versions, or one of them, for good. Jobs and models that came of it stay.

    Refused while a job that has not ended needs it. Its files go with the server's next collection, or `eyebright admin gc`.
    """
    with connected(server=server) as client:
        found = _versions_of(client.dataset(name), number)
        title = name if number is None else f"{name} version {number}"
        what = title if number else f"{name} with {len(found)} version{'s' if len(found) > 1 else ''}"
        if not yes and not agreed(title, what):
            say("Nothing was deleted.")
            return Exit.NO
        client.delete_dataset(name, number)
    if as_json:
        emit({"deleted": [version.id for version in found]})
    else:
        show(f"{what} is deleted")
    return Exit.DONE


def _versions_of(dataset: DatasetView, number: int | None) -> list[DatasetVersionView]:
    """Raises NotFound."""
    found = [version for version in dataset.versions if number in (None, version.number)]
    if number is not None and not found:
        raise no_version_of(dataset.name, number)
    return found


def _sheet_target(target: Path, force: bool) -> Path:
    """Asked before anything is drawn. Raises Conflict for a file that may not be lost, InvalidRequest for a folder."""
    if target.is_dir():
        raise InvalidRequest(f"{target} is a folder; name a file in it, such as {target / 'sheet.png'}")
    if target.exists() and not force:
        raise Conflict(f"{target} is there already; name another file, or write over it with --force")
    return target


def _write_sheet(target: Path, content: bytes) -> None:
    try:
        target.write_bytes(content)
    except OSError as error:
        raise InvalidRequest(f"{target} cannot be written: {error.strerror}; name another file") from None
    say(f"drawn: {target}")


@app.command(
    "changes", epilog=example("eyebright datasets changes street\neyebright datasets changes dsv_0123… --json")
)
def show_changes(
    name: Stored,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """What a version leaves out or alters against its source, one by one."""
    with connected(server=server) as client:
        changes = client.changes(*_stored(client, name))
        if as_json:
            emit(list(changes))
        else:
            rows = ((change["code"], change["source"], change.get("detail", "")) for change in changes)
            show_table(("why", "what", "detail"), rows, "Nothing was left out or changed.")


@app.command(
    "import",
    epilog=example(
        "eyebright datasets import photos/ --name flowers\neyebright datasets import s3://bucket/photos.zip\n"
        "eyebright datasets import --list photos.jsonl"
    ),
)
@with_plan
def import_dataset(
    source: Annotated[
        str | None,
        typer.Argument(metavar="SOURCE", help="A folder, a zip, or an address: https://, s3://, gs:// or az://."),
    ] = None,
    listed: Annotated[
        Path | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help='Instead: images by their addresses, one in each line, or {"url": …, "caption": …}.',
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Default: the name of the folder or file.")] = None,
    leave_out_broken: LeaveOutBroken = False,
    wishes: DatasetPlan = NO_PLAN,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Make an immutable version of a folder or zip. The same content twice is the same version.

    A file that means to be an image and cannot be used is refused, with its path; --leave-out-broken goes on without it.
    A server of this machine reads in place for its operator; else the files are sent, and after an interruption the same
    command goes on.
    An address is fetched by the server, and so is each of a list.
    """
    if (source is None) == (listed is None):
        raise InvalidRequest("name one source: a folder, a zip or an address, or a list with --list FILE")
    with connected(server=server) as client:
        brought = {"leave_out_broken": leave_out_broken, "plan": wishes, "listed": listed is not None}
        version = bring(client, listed or source or "", name, **brought)
    if as_json:
        emit(version)
    else:
        _show_version(version)


@app.command("edit", epilog=example("eyebright datasets edit street --rename van=car --drop unknown --split 70/20/10"))
@with_plan
def edit_dataset(
    name: Stored,
    into: Into = None,
    wishes: DatasetPlan = NO_PLAN,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Make a new version of a stored one, which stays as it is. Images are stored once."""
    _derive(name, into, wishes, server, as_json)


@app.command(
    "fix", epilog=example("eyebright datasets fix street\neyebright datasets fix street box_out_of_range near_leaks")
)
def fix_dataset(
    name: Stored,
    codes: Annotated[
        list[str] | None, typer.Argument(metavar="CODE…", help=f"What to mend: {', '.join(Fix)}. Default: all.")
    ] = None,
    into: Into = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Make a new version that is mended of what was found, and list what was changed."""
    _derive(name, into, planned(fixes=codes or ["all"]), server, as_json)


def _stored(client: Client, name: str) -> tuple[str, str | None]:
    """The id of the version, and the data set if that was named: the same version may be of several."""
    return (name, None) if name.startswith("dsv_") else (client.dataset(name).versions[0].id, name)


def _derive(name: str, into: str | None, plan: DatasetPlan, server: str | None, as_json: bool) -> None:
    with connected(server=server) as client:
        version_id, dataset = _stored(client, name)
        broken = Fix.BROKEN in plan.fix
        order = DatasetImport(version=version_id, name=into or dataset, plan=plan, leave_out_broken=broken)
        version = imported(client, order, name)
    if as_json:
        emit(version)
        return
    _show_version(version)
    if version.id == version_id:
        show("Nothing was to be changed: it is the same version.")


@app.command(
    epilog=example("eyebright datasets inspect photos/\neyebright datasets inspect photos.zip --task detection --json")
)
@with_plan
def inspect(
    path: Source,
    task: Annotated[str | None, typer.Option(help="What it must be ready for. Default: anything.")] = None,
    leave_out_broken: LeaveOutBroken = False,
    wishes: DatasetPlan = NO_PLAN,
    as_json: Json = False,
) -> int:
    """Look at a folder or zip without importing it, and without a server: what it is ready for, or exactly what is missing.

    Exit status 0: ready for the task, or for at least one; 1: not ready, or refused.
    """
    task = task and _task_called(task)
    report = inspected(path.expanduser(), wishes, leave_out_broken=leave_out_broken)
    verdicts = (report.ready_for(task),) if task else report.readiness
    ready = any(verdict.ready for verdict in verdicts)
    if as_json:
        missing = {verdict.task: verdict.missing for verdict in verdicts if not verdict.ready}
        emit({"ready": ready, "tasks": report.ready_tasks, "missing": missing, "report": report})
    else:
        show_report(report)
        show("")
        show_readiness(verdicts, str(path))
    return Exit.DONE if ready else Exit.NO


def _task_called(name: str) -> str:
    """By its name, or as a trainer of this machine calls it too. Raises InvalidRequest."""
    if name in TASKS:
        return name
    trainers = asyncio.run(catalog_of(Settings()).list())
    others = {alias for view in trainers for aliases in view.aliases.values() for alias in aliases}
    found = next((task for view in trainers if (task := view.task_called(name)) in TASKS), None)
    if found is None:
        raise InvalidRequest(f"unknown task {name!r}.{nearest(name, [*TASKS, *sorted(others)])}")
    return found


@app.command("convert", epilog=example("eyebright datasets convert street/ street-yolo/ --format yolo"))
@with_plan
def convert_dataset(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A folder or a zip, in any layout that is known.")],
    into: Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder.")],
    format_name: Annotated[str, typer.Option("--format", help="The layout to write; see the guide on data sets.")],
    lossy: Annotated[
        bool, typer.Option("--lossy", help="Write the images even if the format can carry none of their labels.")
    ] = False,
    leave_out_broken: LeaveOutBroken = False,
    wishes: DatasetPlan = NO_PLAN,
    as_json: Json = False,
) -> None:
    """Write a data set in another format, without a server, and say what that format cannot carry."""
    version, done = converted(
        source.expanduser(), into.expanduser(), format_name, wishes, leave_out_broken=leave_out_broken, lossy=lossy
    )
    lost = {feature.name.lower(): count for feature, count in done.lost.items()}
    if as_json:
        changes = version.report.changes.by_code if version.report.changes else {}
        told = {"images": done.images, "lost": lost, "renamed": done.renamed.count, "changes": changes}
        emit({"from": version.report.format, "to": format_name, **told})
    else:
        show(f"{done.images:,} images written as {format_name} to {into} (read as {version.report.format})")
        for feature, count in done.lost.items():
            say(f"{format_name} cannot carry {feature} ({count:,}): left out", "yellow")
        if done.renamed.count:
            say(_renamed_line(done.renamed), "yellow")
        if version.report.changes:
            say(f"left out or altered on the way: {changes_line(version.report.changes)}", "yellow")


def _renamed_line(renamed: Renamed) -> str:
    images = "1 image is" if renamed.count == 1 else f"{renamed.count:,} images are"
    old, new = renamed.first
    return f"{images} called otherwise (first: {old} is {new} now): the name was taken, or is not safe on every system"


def _row(dataset: DatasetView) -> tuple[object, ...]:
    newest = dataset.versions[0] if dataset.versions else None
    holds = images_line(newest.report) if newest else ""
    return dataset.name, len(dataset.versions), newest.id if newest else "", holds, moment(dataset.created_at_ms)


def _show_version(version: DatasetVersionView) -> None:
    changes = changes_line(version.report.changes)
    show_facts([("data set", version.dataset), ("version", f"{version.number}  {version.id}"), ("changes", changes)])
    if changes:
        show(f"one by one: `eyebright datasets changes {version.dataset}`")
    tell_findings(found for found in version.report.findings if found.code == "split_made")
    show_readiness(version.report.readiness, version.dataset)
