"""`eyebright projects …`."""

from collections.abc import Callable
from typing import Annotated

import typer
from pydantic import ByteSize, TypeAdapter

from eyebright.cli.connection import connected
from eyebright.cli.options import Json
from eyebright.cli.terminal import emit, moment, show, show_table, size
from eyebright.cli.verbs import example, group

app = group(
    "Keep the work of several groups of people apart.",
    """
eyebright projects create birds
EYEBRIGHT_PROJECT=birds eyebright jobs list
eyebright projects quota birds --running-jobs 4 --storage 200GB
""",
)


@app.command(epilog=example("eyebright projects create birds"))
def create(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="What it is to be called, such as birds-2.")],
    as_json: Json = False,
) -> None:
    """Make one. Which one the other verbs mean EYEBRIGHT_PROJECT says; default: `default`."""
    with connected() as client:
        made = client.create_project(project)
    if as_json:
        emit(made)
    else:
        show(f"Project {made.id} is there. Work in it with EYEBRIGHT_PROJECT={made.id}")


@app.command("list", epilog=example("eyebright projects list\neyebright projects list --json | jq -r .[].id"))
def list_projects(as_json: Json = False) -> None:
    """Those that there are, by name."""
    with connected() as client:
        found = client.projects()
    if as_json:
        emit(found)
        return
    show_table(("project", "since"), ((p.id, moment(p.created_at_ms) if p.created_at_ms else "") for p in found), "")


@app.command(
    epilog=example(
        "eyebright projects quota birds\neyebright projects quota birds --running-jobs 4 --storage 200GB --requests none"
    )
)
def quota(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="One that `eyebright projects list` shows.")],
    running_jobs: Annotated[str | None, typer.Option(metavar="N|none", help="Jobs at once; more of them wait.")] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="SIZE|none", help="Of data sets, models and uploads, such as 200GB.")
    ] = None,
    requests: Annotated[
        str | None, typer.Option(metavar="N|none", help="Requests a minute that each server takes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What it may use, and uses; with options, what it may use from now on. `none` takes a limit away."""
    said = {
        "running_jobs": _limit("--running-jobs", running_jobs, int),
        "storage_bytes": _limit("--storage", storage, _bytes, "a size such as 200GB"),
        "requests_per_minute": _limit("--requests", requests, int),
    }
    given = (running_jobs, storage, requests)
    limits = {name: limit for (name, limit), each in zip(said.items(), given, strict=True) if each is not None}
    with connected() as client:
        found = client.set_quota(project, **limits) if limits else client.quota(project)
    if as_json:
        emit(found)
        return
    rows = (
        ("jobs at once", str(found.used_running_jobs), _shown(found.running_jobs)),
        (
            "storage",
            size(found.used_storage_bytes),
            size(found.storage_bytes) if found.storage_bytes is not None else "–",
        ),
        ("requests a minute", "", _shown(found.requests_per_minute)),
    )
    show_table(("of project " + found.project, "uses", "may use"), rows, "")


def _limit(option: str, word: str | None, read: Callable[[str], int], expected: str = "a number") -> int | None:
    if word is None or word == "none":
        return None
    try:
        return read(word)
    except ValueError:
        raise typer.BadParameter(f"{word!r} is no limit; expected {expected}, or none", param_hint=option) from None


def _bytes(word: str) -> int:
    return int(TypeAdapter(ByteSize).validate_python(word))


def _shown(limit: int | None) -> str:
    return "–" if limit is None else str(limit)
