"""Where words go: results to stdout, everything else to stderr; one JSON document when a script reads."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eyebright.cli.program import typed
from eyebright.errors import InvalidRequest

#: A table that goes into a file or pipe is not folded to a terminal that is not there.
PIPE_WIDTH = 200


def results() -> Console:
    """Made anew for each use, because a test may have put another stdout in place."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False, markup=False)


def notes() -> Console:
    return Console(stderr=True, width=None if sys.stderr.isatty() else PIPE_WIDTH, highlight=False, markup=False)


def interactive() -> bool:
    """A person is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agreed(name: str, what: str) -> bool:
    """Ask before `what` is deleted; without a terminal somebody has to have said so before. Raises InvalidRequest."""
    if not interactive():
        raise InvalidRequest(f"{name} would be deleted for good; add --yes to mean it")
    return typer.confirm(f"Delete {what} for good?", err=True)


def emit(document: Any) -> None:
    """The one JSON document of `--json`. NaN, which JSON lacks, becomes null."""
    typer.echo(to_json(document, indent=2, inf_nan_mode="null").decode())


def emit_line(document: Any) -> None:
    typer.echo(to_json(document, inf_nan_mode="null").decode())


@contextmanager
def busy(message: str) -> Iterator[Callable[[str], None]]:
    """Say what is being done for as long as it lasts; what this gives says it anew. A name with brackets in it is not markup."""
    with notes().status(Text(message)) as status:
        yield lambda anew: status.update(Text(anew))


def say(message: str, style: str = "") -> None:
    """A word to the person, beside the result."""
    notes().print(typed(message), style=style, soft_wrap=True)


def show(message: str, style: str = "") -> None:
    """A line of the result."""
    results().print(typed(message), style=style, soft_wrap=True)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Cells are shown as they are: a name with brackets in it is not markup. `empty` is said when there are no rows."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    if table.row_count:
        _print(table)
    else:
        say(empty)


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Names on the left, values on the right; what is empty is left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts:
        if value not in (None, "", (), {}):
            table.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    _print(table)


def _print(table: Table) -> None:
    """In a pipe the last column needs no blanks after it."""
    console = results()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def moment(ms: int | None) -> str:
    """Local time, for people."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float | None) -> str:
    """`0:41`, `1:02:03`."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: int) -> str:
    """Bytes, for people."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def number(value: float) -> str:
    """Four significant digits; whole numbers as they are."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def metrics_line(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {number(value)}" for name, value in metrics.items())


STATE_STYLES = {"succeeded": "green", "failed": "red", "cancelled": "yellow", "running": "cyan", "starting": "cyan"}


def state_text(state: str) -> Text:
    return Text(state, style=STATE_STYLES.get(state, ""))
