"""The command itself: `eyebright [--version] [--debug] VERB …`."""

from typing import Annotated

import typer

from eyebright.cli.verbs import VerbGroup, example

EXAMPLES = """
eyebright demo                                   see it work, in about two minutes
eyebright train photos/ --set epochs=20          a folder with one sub-folder per class
eyebright jobs list                              what has run, runs and waits
eyebright serve                                  the HTTP API, for other programs and machines
"""

app = typer.Typer(
    name="eyebright",
    cls=VerbGroup,
    help="Give it images and a recipe; get back a trained, evaluated, exported, registered vision model.",
    epilog=example(EXAMPLES),
    no_args_is_help=True,
    rich_markup_mode=None,
)


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"eyebright {version('eyebright')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from (a traceback), not only what it means.")
    ] = False,
) -> None:
    """Both options act before any verb: see `entry.run`."""
