"""`eyebright doctor`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from eyebright.cli.checks import Check, Verdict, examine_here
from eyebright.cli.exits import Exit
from eyebright.cli.options import Json
from eyebright.cli.terminal import busy, emit, show, show_table
from eyebright.cli.verbs import example, single

app = single()

EXAMPLES = """
eyebright doctor
eyebright doctor --env-file .env
eyebright doctor --json | jq '.checks[] | select(.verdict != "ok")'
"""

STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


@app.command(epilog=example(EXAMPLES))
def doctor(
    env_file: Annotated[
        Path | None,
        typer.Option(
            "--env-file",
            exists=True,
            dir_okay=False,
            help="Take the settings of this file, too, as `eyebright serve` takes those of .env in its folder.",
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Say what stands in the way of training on this machine, and what to do about it. Changes nothing.

    Exit status 0: nothing does, though there may be warnings. 1: something does.
    """
    with busy("Looking…"):
        checks = list(examine_here(env_file))
    healthy = all(check.verdict is not Verdict.FAIL for check in checks)
    if as_json:
        emit({"ok": healthy, "checks": checks})
        return Exit.DONE if healthy else Exit.NO
    show_table(("", "", ""), map(_row, checks), "")
    for check in checks:
        if check.advice:
            show(f"{check.name}: {check.advice}", STYLES[check.verdict])
    return Exit.DONE if healthy else Exit.NO


def _row(check: Check) -> tuple[object, ...]:
    return Text(check.verdict, style=STYLES[check.verdict]), check.name, check.found
