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
    typer.Option("--server", metavar="URL", help="Default: EYEBRIGHT_URL, else the server of this machine."),
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id; `eyebright jobs list` shows them.")]
ModelId = Annotated[str, typer.Argument(metavar="MODEL", help="The model's id; `eyebright models list` shows them.")]
