"""The page of the command line, from the commands themselves: `python -m eyebright.cli.reference > docs/reference/cli.md`."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from eyebright.cli.exits import MEANINGS
from eyebright.cli.root import app
from eyebright.cli.verbs import VERBS, load

INTRODUCTION = """\
<!-- Written by `make reference` from the commands themselves; a test fails when it differs. -->
# The command line

Results go to stdout, everything else to stderr. With `--json` stdout holds exactly one JSON document, also when the command
fails: then it is `{"error": {"code": …, "message": …, "errors": […], "exit": …}}`.

A command that needs a server uses the one of this machine (found in the data folder), or the one named by `EYEBRIGHT_URL` and
`EYEBRIGHT_TOKEN`. If there is none, it starts one, which ends by itself once no job is unfinished and nobody has called for half
a minute. Ctrl-C never stops a training without asking.
"""


def page() -> str:
    """The whole page, as Markdown."""
    root = get_command(app)
    lines = [INTRODUCTION, *_command(root, "eyebright", 2)]
    for name in VERBS:
        lines += _command(load(name), f"eyebright {name}", 2)
    return "\n".join([*lines, *_exits()]).rstrip() + "\n"


def _command(command: Any, path: str, level: int) -> Iterator[str]:
    context = typer.Context(command, info_name=path)
    yield f"{'#' * level} `{path}`\n"
    yield f"    {' '.join([path, *command.collect_usage_pieces(context)])}\n"
    yield f"{_prose(command.help)}\n"
    yield from _parameters(command, context)
    yield from _examples(command.epilog)
    if path != "eyebright":
        for name, child in getattr(command, "commands", {}).items():
            yield from _command(child, f"{path} {name}", level + 1)


def _prose(text: str | None) -> str:
    paragraphs = (text or "").replace("\b\n", "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _parameters(command: Any, context: typer.Context) -> Iterator[str]:
    records = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    records = [(name, told) for name, told in records if not name.startswith(("--help", "--install", "--show-comp"))]
    if records:
        yield "| | |\n|---|---|"
        yield (
            "\n".join(f"| `{name.replace('|', chr(92) + '|')}` | {' '.join(told.split())} |" for name, told in records)
            + "\n"
        )


def _examples(epilog: str | None) -> Iterator[str]:
    if epilog:
        lines = epilog.replace("\b\n", "").splitlines()[1:]
        yield "\n".join(["```console", *(line.removeprefix("  ") for line in lines), "```\n"])


def _exits() -> Iterator[str]:
    yield "## Exit status\n"
    yield "| | |\n|---|---|"
    yield "\n".join(f"| `{status.value}` | {meaning} |" for status, meaning in MEANINGS.items())


if __name__ == "__main__":
    typer.echo(page(), nl=False)
