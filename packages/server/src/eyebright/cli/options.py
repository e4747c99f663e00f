"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

#: That one call may ask for: beyond it, a number is more likely a slip of the hand.
MOST_LISTED = 1_000_000
NewestFirst = Annotated[int, typer.Option(min=1, max=MOST_LISTED, help="At most so many, newest first.")]
Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")]
LeaveOutBroken = Annotated[
    bool,
    typer.Option("--leave-out-broken", help="Go on without the files that mean to be images and cannot be used."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe. Repeatable.")
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings in YAML, as `eyebright recipes resolve` prints them. What --set says goes before.",
    ),
]
# What an order says
DataSource = Annotated[
    str,
    typer.Argument(
        metavar="PATH_OR_DATASET", help="A folder, a zip, a list of addresses (.txt, .jsonl), or a data set's name."
    ),
]
Task = Annotated[
    str | None,
    typer.Option(help="What to learn; `eyebright recipes list` shows what there is. Default: classification."),
]
Architecture = Annotated[str | None, typer.Option(help="Architecture. Default: the recipe's own.")]
Trainer = Annotated[str | None, typer.Option(help="Framework. Default: the first installed that fits.")]
Parent = Annotated[
    str | None,
    typer.Option("--from", metavar="MODEL", help="Begin from a trained model: NAME@ALIAS, NAME@3, NAME or an id."),
]
Executor = Annotated[
    str | None, typer.Option(metavar="PLACE", help="Where to run. Default: the first place that has the trainer.")
]
JobName = Annotated[str | None, typer.Option(help="A name to remember the job by.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="KEY=VALUE", help="A mark to find the job by, or to tell others of it. Repeatable."
    ),
]
Priority = Annotated[int, typer.Option(min=-100, max=100, help="Higher runs first.")]
MaxDuration = Annotated[str | None, typer.Option(metavar="TIME", help="Stop it after 90s, 30m, 2h, 1d.")]

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
