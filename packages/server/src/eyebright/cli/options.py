"""Options that several verbs share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")]
LeaveOutBroken = Annotated[
    bool,
    typer.Option("--leave-out-broken", help="Go on without the files that mean to be images and cannot be used."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe. Repeatable.")
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Default: EYEBRIGHT_URL, else the server of this machine. Any other wants EYEBRIGHT_TOKEN.",
    ),
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id; `eyebright jobs list` shows them.")]
_MODEL = "Its id, NAME@ALIAS, NAME@3, or NAME for its newest; `eyebright models list` shows them."
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help=_MODEL)]
