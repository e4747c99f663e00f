"""`eyebright webhooks …`."""

import time
from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import typer

from eyebright.cli.connection import connected
from eyebright.cli.exits import Exit
from eyebright.cli.options import Json, NewestFirst
from eyebright.cli.ordering import labels_of, seconds_of
from eyebright.cli.terminal import agreed, emit, moment, say, show, show_facts, show_table
from eyebright.cli.verbs import example, group
from eyebright.errors import InvalidRequest
from eyebright_wire.webhooks import (
    DeliveryStatus,
    DeliveryView,
    WebhookCreate,
    WebhookEvent,
    WebhookSecret,
    WebhookUpdate,
    WebhookView,
)

WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its id; `eyebright webhooks list` shows them.")]

app = group(
    "Have other programs told of jobs, data sets and models.",
    """
eyebright webhooks create https://example.org/hook --event 'job.*'
eyebright webhooks test WEBHOOK
eyebright webhooks deliveries WEBHOOK --status dead
eyebright webhooks replay WEBHOOK --since 1d
""",
)


@app.command(
    epilog=example(
        "eyebright webhooks create https://example.org/hook\n"
        "eyebright webhooks create https://example.org/hook --event job.succeeded --event job.failed --label team=blue"
    )
)
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Who is to be told: https://…")],
    event: Annotated[
        list[str] | None, typer.Option(metavar="EVENT", help="Such as job.* or model.registered; default: all.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only jobs that have it. Repeatable.")
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    dialect: Annotated[str, typer.Option(help="In which words.")] = "standard",
    progress: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Least time between two job.progress of one job.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Have somebody told, and get the secret to verify it with: it is shown this once."""
    order = WebhookCreate(
        url=url,
        events=tuple(event or ("*",)),
        description=description,
        labels=labels_of(label),
        dialect=dialect,
        progress_seconds=progress,
    )
    with connected() as client:
        made = client.create_webhook(order)
    _show_secret(made, as_json=as_json)


@app.command("list", epilog=example("eyebright webhooks list\neyebright webhooks list --json | jq -r .[0].id"))
def list_webhooks(as_json: Json = False) -> None:
    """Who is told, the oldest first."""
    with connected() as client:
        found = client.webhooks()
    if as_json:
        emit(found)
        return
    rows = ((w.id, w.url, ", ".join(w.events), _condition(w), w.description) for w in found)
    show_table(("webhook", "url", "events", "state", "for"), rows, "Nobody is told. Try `eyebright webhooks create`.")


@app.command("show", epilog=example("eyebright webhooks show WEBHOOK"))
def show_webhook(webhook: WebhookId, as_json: Json = False) -> None:
    """One of them, without its secret."""
    with connected() as client:
        found = client.webhook(webhook)
    if as_json:
        emit(found)
    else:
        show_facts(_facts(found))


@app.command("test", epilog=example("eyebright webhooks test WEBHOOK"))
def try_out(webhook: WebhookId, as_json: Json = False) -> int:
    """Send webhook.test now, once, and say what came of it."""
    with connected() as client:
        tried = client.test_webhook(webhook)
    if as_json:
        emit(tried)
    elif tried.status is DeliveryStatus.DELIVERED:
        show(f"{tried.id} was taken: {tried.answer}")
    else:
        show(f"{tried.id} was not taken: {tried.reason}")
    return Exit.DONE if tried.status is DeliveryStatus.DELIVERED else Exit.NO


@app.command(epilog=example("eyebright webhooks rotate WEBHOOK --json | jq -r .secret"))
def rotate(webhook: WebhookId, as_json: Json = False) -> None:
    """A new secret, shown this once. For 24 hours deliveries are signed with both."""
    with connected() as client:
        rotated = client.rotate_webhook(webhook)
    _show_secret(rotated, as_json=as_json)


@app.command(epilog=example("eyebright webhooks disable WEBHOOK"))
def disable(webhook: WebhookId, as_json: Json = False) -> None:
    """Tell it nothing more. What is undelivered is given up, and can be replayed."""
    _switch(webhook, enabled=False, as_json=as_json)


@app.command(epilog=example("eyebright webhooks enable WEBHOOK"))
def enable(webhook: WebhookId, as_json: Json = False) -> None:
    """Tell it again what happens from now on."""
    _switch(webhook, enabled=True, as_json=as_json)


@app.command(epilog=example("eyebright webhooks delete WEBHOOK --yes"))
def delete(
    webhook: WebhookId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> int:
    """Delete it with its deliveries, for good."""
    with connected() as client:
        found = client.webhook(webhook)
        asked = not (yes or found.managed)  # of a managed one the server says why not
        if asked and not agreed(found.id, f"{found.id} ({found.url}) and its deliveries"):
            say("Nothing was deleted.")
            return Exit.NO
        client.delete_webhook(webhook)
    if as_json:
        emit({"deleted": webhook})
    else:
        show(f"{webhook} is deleted")
    return Exit.DONE


@app.command(epilog=example("eyebright webhooks deliveries WEBHOOK --status dead"))
def deliveries(
    webhook: WebhookId,
    status: Annotated[DeliveryStatus | None, typer.Option(help="Only those.")] = None,
    event: Annotated[WebhookEvent | None, typer.Option(help="Only those.")] = None,
    job: Annotated[str | None, typer.Option(metavar="JOB", help="Only those about this job.")] = None,
    limit: NewestFirst = 50,
    as_json: Json = False,
) -> None:
    """What was sent, what waits and what was given up, the newest first."""
    with connected() as client:
        found = list(islice(client.deliveries(webhook, status=status, event=event, job_id=job), limit))
    if as_json:
        emit(found)
        return
    columns = ("delivery", "event", "job", "status", "tries", "created", "next", "reason")
    narrowed = status or event or job
    show_table(columns, _rows(found), "None there is like that." if narrowed else "Nothing was sent there yet.")


@app.command(epilog=example("eyebright webhooks replay WEBHOOK DELIVERY\neyebright webhooks replay WEBHOOK --since 2h"))
def replay(
    webhook: WebhookId,
    delivery: Annotated[str | None, typer.Argument(metavar="DELIVERY", help="Default: all that were given up.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only of the last 90s, 30m, 2h, 1d. Default: all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send a delivery again, or all that were given up: the same bytes under the same webhook-id."""
    if delivery and since:
        raise InvalidRequest("--since is for all that were given up; leave it out, or leave out the delivery")
    with connected() as client:
        if delivery:
            again = client.replay_delivery(webhook, delivery)
            words = f"{again.id} is sent again"
        else:
            again = client.replay_deliveries(webhook, _since_ms(since))
            words = _sent_again(again.replayed)
    if as_json:
        emit(again)
    else:
        show(words)


def _switch(webhook: str, *, enabled: bool, as_json: bool) -> None:
    with connected() as client:
        found = client.update_webhook(webhook, WebhookUpdate(enabled=enabled))
    if as_json:
        emit(found)
    else:
        show(f"{found.id} is {_condition(found)}")


def _since_ms(since: str | None) -> int:
    """By the clock of whoever asks: a few seconds more or less do not matter."""
    seconds = seconds_of(since)
    return 0 if seconds is None else max(0, time.time_ns() // 1_000_000 - 1000 * seconds)


def _show_secret(made: WebhookSecret, *, as_json: bool) -> None:
    if as_json:
        emit(made)
        return
    show_facts([*_facts(made), ("secret", made.secret)])
    say("The secret is not shown again.")


def _condition(webhook: WebhookView) -> str:
    if not webhook.enabled:
        return f"disabled: {webhook.disabled_reason}"
    if webhook.failing_since_ms is not None:
        return f"failing since {moment(webhook.failing_since_ms)}"
    return "enabled"


def _facts(webhook: WebhookView) -> list[tuple[str, object]]:
    return [
        ("webhook", webhook.id),
        ("url", webhook.url),
        ("events", ", ".join(webhook.events)),
        ("labels", ", ".join(f"{key}={value}" for key, value in webhook.labels.items())),
        ("dialect", webhook.dialect),
        ("progress", f"every {webhook.progress_seconds:g} s"),
        ("state", _condition(webhook)),
        ("declared by", "the server's settings" if webhook.managed else ""),
        ("for", webhook.description),
        ("created", moment(webhook.created_at_ms)),
    ]


def _sent_again(count: int) -> str:
    if count == 0:
        return "None was given up. One that still waits is tried at once by its id: `eyebright webhooks replay WEBHOOK DELIVERY`"
    return "1 delivery is sent again" if count == 1 else f"{count} deliveries are sent again"


def _rows(newest_first: Sequence[DeliveryView]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    first: dict[str | None, DeliveryView] = {}  # by job: the oldest that waits, of those listed
    for each in reversed(newest_first):
        told = (each.id, each.event, each.job_id or "", each.status, each.attempts, moment(each.created_at_ms))
        before = each if each.next_at_ms is None else first.setdefault(each.job_id, each)
        waits = _next(each.next_at_ms) if before is each else f"after {before.event}"
        rows.append((*told, waits, each.reason))
    return rows[::-1]


def _next(at_ms: int | None) -> str:
    """By the clock of whoever asks. One whose time has come may have to wait for its turn."""
    return "in its turn" if at_ms is not None and at_ms <= time.time_ns() // 1_000_000 else moment(at_ms)
