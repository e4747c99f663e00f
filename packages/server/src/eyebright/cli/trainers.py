"""`eyebright trainers …`: works without a server."""

import asyncio
from collections.abc import Iterator
from typing import Annotated

import typer

from eyebright.cli.catalogue import catalog_of, install
from eyebright.cli.exits import Exit
from eyebright.cli.options import Json
from eyebright.cli.terminal import busy, emit, say, show, show_table
from eyebright.cli.verbs import example, group
from eyebright.services.recipes import Recipes
from eyebright.settings import Settings
from eyebright_wire.resources import TrainerView

app = group(
    "List, install and check the training frameworks.",
    """
eyebright trainers list
eyebright trainers install torchvision
eyebright trainers check torchvision
""",
)


@app.command("list", epilog=example("eyebright trainers list --json"))
def list_trainers(as_json: Json = False) -> None:
    """Every known trainer, installed or not."""
    settings = Settings()
    found = asyncio.run(Recipes(catalog_of(settings), settings.licence_deny).trainers())
    if as_json:
        emit(found)
    else:
        show_table(("trainer", "version", "licence", "can train", ""), map(_row, found), "No trainer is registered.")


@app.command("install", epilog=example("eyebright trainers install torchvision toy"))
def install_trainers(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="As `eyebright trainers list` shows them.")],
    as_json: Json = False,
) -> None:
    """Make each trainer's own environment, exactly as its lock says. Safe to repeat."""
    catalog = catalog_of(Settings())
    install(catalog, *names)
    if as_json:
        emit([view for view in asyncio.run(catalog.list()) if view.name in names])


@app.command(epilog=example("eyebright trainers check torchvision\neyebright trainers check toy --json"))
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An installed trainer.")], as_json: Json = False
) -> int:
    """Run the tiniest honest job through a trainer, with the network closed, and look at everything that it did."""
    catalog = catalog_of(Settings())
    with busy(f"Checking {name}…"):
        verdict = asyncio.run(catalog.check(name))
    if as_json:
        emit({"trainer": name, **verdict.model_dump()})
    else:
        for finding in verdict.checks:
            show(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}", "green" if finding.ok else "red")
            if finding.message:
                show(f"      {finding.message}")
        say(f"{verdict.seconds:.1f} s")
    return Exit.DONE if verdict.ok else Exit.NO


def _row(view: TrainerView) -> tuple[object, ...]:
    """Its models are for `eyebright recipes list`: some have dozens."""
    return view.name, view.version or "", view.licence or "", ", ".join(_tasks(view)), view.problem


def _tasks(view: TrainerView) -> Iterator[str]:
    """`text_to_image (lora)`"""
    for task in view.tasks:
        others = view.aliases.get(task, ())
        yield f"{task} ({', '.join(others)})" if others else task
