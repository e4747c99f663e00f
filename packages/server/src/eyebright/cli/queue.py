"""`eyebright queue …`."""

from itertools import islice
from typing import Annotated

import typer

from eyebright.cli.connection import connected
from eyebright.cli.exits import Exit
from eyebright.cli.options import Json, NewestFirst
from eyebright.cli.terminal import emit, moment, say, show, show_facts, show_table, size
from eyebright.cli.verbs import example, group
from eyebright_kit.data.tree import printable
from eyebright_wire.queue import ParkedView, QueueAnswer, QueueOutcome

ParkedId = Annotated[str, typer.Argument(metavar="MESSAGE", help="As `eyebright queue parked` names it.")]

app = group(
    "Show, replay and discard messages that were put aside.",
    """
eyebright queue parked
eyebright queue show MESSAGE
eyebright queue replay MESSAGE
""",
)


@app.command("parked", epilog=example("eyebright queue parked\neyebright queue parked --json | jq -r .[0].id"))
def list_parked(
    limit: NewestFirst = 50,
    as_json: Json = False,
) -> None:
    """Messages that nobody could be told about, with the reason."""
    with connected() as client:
        found = list(islice(client.parked(), limit))
    if as_json:
        emit(found)
        return
    rows = (
        (p.id, _order(p), p.reason, size(p.size_bytes), moment(p.parked_at_ms), printable(p.message)) for p in found
    )
    show_table(("message", "order", "reason", "size", "parked", "why"), rows, "No message is parked.")


@app.command("show", epilog=example("eyebright queue show MESSAGE\neyebright queue show MESSAGE --json | jq -r .body"))
def show_parked(message: ParkedId, as_json: Json = False) -> None:
    """A parked message, as it came; what a terminal would obey is escaped."""
    with connected() as client:
        parked = client.parked_message(message)
    if as_json:
        emit(parked)
        return
    kept = size(parked.size_bytes) + ("" if parked.complete else ", of which the beginning is kept")
    facts = [("message", parked.id), ("order", _order(parked)), ("reason", parked.reason)]
    show_facts([*facts, ("why", printable(parked.message)), ("size", kept), ("parked", moment(parked.parked_at_ms))])
    show("")
    for line in parked.body.splitlines():
        show(printable(line))


@app.command("replay", epilog=example("eyebright queue replay MESSAGE"))
def replay(message: ParkedId, as_json: Json = False) -> None:
    """Take it as if it came now. It stays parked if it is parked again."""
    with connected() as client:
        answer = client.replay(message)
    if as_json:
        emit(answer)
    else:
        say(_words(answer))
    if answer.outcome in {QueueOutcome.PARKED, QueueOutcome.REFUSED}:
        raise typer.Exit(Exit.NO)


@app.command("discard", epilog=example("eyebright queue discard MESSAGE"))
def discard(message: ParkedId, as_json: Json = False) -> None:
    """Forget it, for good."""
    with connected() as client:
        client.discard(message)
    if as_json:
        emit({"discarded": message})
    else:
        say(f"Discarded {message}.")


def _order(parked: ParkedView) -> str:
    """As its sender calls it, by `task_id`."""
    return printable(parked.task_id) if parked.task_id else "-"


def _words(answer: QueueAnswer) -> str:
    if answer.outcome is QueueOutcome.PARKED:
        return f"It is parked again ({answer.reason}): {answer.message}"
    if answer.outcome is QueueOutcome.REFUSED:
        return f"It was refused ({answer.reason}), and job {answer.job_id} tells its caller: {answer.message}"
    if answer.outcome is QueueOutcome.KNOWN and answer.reason:
        return f"It came before and was refused ({answer.reason}), as job {answer.job_id} says: {answer.message}"
    before = "It came before: see" if answer.outcome is QueueOutcome.KNOWN else "It was taken as"
    return f"{before} job {answer.job_id}."
