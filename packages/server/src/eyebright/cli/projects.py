"""`eyebright projects …`."""

from typing import Annotated

import typer

from eyebright.cli.connection import connected
from eyebright.cli.options import Json
from eyebright.cli.terminal import emit, moment, show, show_table
from eyebright.cli.verbs import example, group

app = group(
    "Keep the work of several groups of people apart.",
    """
eyebright projects create birds
EYEBRIGHT_PROJECT=birds eyebright jobs list
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
