"""Write docs/reference anew from the code: `python -m tools.reference`. A test compares, so the pages never lag behind."""

import inspect
import json
from collections.abc import Callable, Iterator
from functools import reduce
from operator import or_
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from eyebright.cli.reference import page as cli_page
from eyebright.doors.amqp import asyncapi
from eyebright.services.messages import SETTINGS
from eyebright.settings import Settings, alias_of, variables
from eyebright.website import openapi
from eyebright_kit.archive import Refusal
from eyebright_kit.data.findings import CATALOGUE
from eyebright_kit.remote.failure import PASSING, FetchCode
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import BODIES
from eyebright_wire.queue import ParkedReason, QueueAnswer, QueuedImage, QueueMessage, QueueOutcome, StyleData
from eyebright_wire.taxonomy import TAXONOMY

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
WRITTEN = "<!-- Written by `make reference` from the code; a test fails when it differs. -->\n"
EVENTS = """\
# Events

What a trainer says about its attempt, numbered 1, 2, 3 … `kind` decides what `data` holds; a reader ignores kinds and fields it
does not know.
"""
ERRORS = """\
# Errors

A request that is refused is answered with `application/problem+json`: `code`, `status`, `detail`, `retryable`, `remedy` and,
where several things are wrong, `errors`. A job that failed, was cancelled, or waits to be tried again has `reason`, `message`
and `remedy`; of these, "again" says whether it is tried again by itself, within its budget, unless the trainer knows better.
"""
QUEUE = """\
# The message queue

What a message says, and what becomes of it. The same for machines: [asyncapi.json](asyncapi.json) (AsyncAPI 3.0); how to run it:
[the guide](../guide/queue.md). Fields that are not listed are ignored.
"""
API = """\
# HTTP API

The whole document: `eyebright openapi`, or `/openapi.json` of a running server; `/docs` shows it. Every call but `/health` and
`/ready` needs `Authorization: Bearer TOKEN`; the token is in the data folder.
"""


def pages() -> dict[str, str]:
    """File name → text."""
    makers: dict[str, Callable[[], Iterator[str]]] = {
        "settings.md": settings,
        "events.md": events,
        "errors.md": error_codes,
        "api.md": api,
        "datasets.md": data_sets,
        "queue.md": queue,
    }
    messages = json.dumps(asyncapi.document(), indent=2, ensure_ascii=False) + "\n"
    return {
        "cli.md": cli_page(),
        "asyncapi.json": messages,
        **{name: "\n".join(make()) + "\n" for name, make in makers.items()},
    }


def settings() -> Iterator[str]:
    yield WRITTEN + "# Settings\n\nAll are environment variables, and none is needed. Lists are separated by commas.\n"
    yield "| variable | default | what it decides |\n|---|---|---|"
    defaults = _defaults(Settings.model_fields)
    for name, help_text in variables().items():
        named = f"`{name}` or `{alias_of(name)}`" if alias_of(name) else f"`{name}`"
        yield f"| {named} | {defaults.get(name, '')} | {help_text} |"


def _defaults(fields: dict[str, Any], prefix: str = "EYEBRIGHT_") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in fields.items():
        variable = prefix + name.upper()
        inner = getattr(type(field.default), "model_fields", None)
        if inner:
            found |= _defaults(inner, f"{variable}__")
        elif field.default_factory is None and field.default not in (None, ()):
            found[variable] = (
                f"`{field.default}`"
                if not isinstance(field.default, tuple)
                else f"`{','.join(map(str, field.default))}`"
            )
    return found


def events() -> Iterator[str]:
    yield WRITTEN + EVENTS
    for kind, body in BODIES.items():
        yield f"## `{kind}`\n"
        yield f"{inspect.getdoc(body) or ''}\n" if body.__dict__.get("__doc__") else ""
        yield from _fields(body)


def _fields(body: type[BaseModel]) -> Iterator[str]:
    yield "| field | type | |\n|---|---|---|"
    for name, field in body.model_fields.items():
        needed = "" if field.is_required() else "optional. "
        yield f"| `{name}` | `{_type(field.annotation)}` | {needed}{field.description or ''} |"
    yield ""


def queue() -> Iterator[str]:
    yield WRITTEN + QUEUE
    for title, body in {
        "A message": QueueMessage,
        "Its `data`": StyleData,
        "An image as an object": QueuedImage,
        "The answer": QueueAnswer,
    }.items():
        yield f"## {title}\n"
        yield from _fields(body)
    yield "## Names of parameters\n\nThese are understood beside the settings of the recipe.\n"
    yield "| parameter | setting |\n|---|---|"
    yield from (f"| `{name}` | `{ours}` |" for name, ours in SETTINGS.items())
    yield "\n## Outcomes and reasons\n"
    yield f"A message is {', '.join(f'`{outcome}`' for outcome in QueueOutcome)}; one is parked because of\n"
    yield from (f"- `{reason}`" for reason in ParkedReason)


def _type(annotation: Any) -> str:
    annotation = _bare(annotation)
    text = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    for noise in (
        "eyebright_wire.artifacts.",
        "eyebright_wire.errors.",
        "eyebright_wire.jobs.",
        "eyebright_wire.queue.",
        "typing.",
    ):
        text = text.replace(noise, "")
    return text.replace("|", "\\|")


def _bare(annotation: Any) -> Any:
    """Without limits, which are the schema's business: `int | None`, not `Optional[Annotated[int, …]]`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return reduce(or_, map(_bare, get_args(annotation)))
    return annotation


def data_sets() -> Iterator[str]:
    yield WRITTEN + "# Data sets\n\n## Findings\n\nWhat an import can find.\n"
    yield "An error blocks, unless `--leave-out-broken` goes on without these files: then it is a warning.\n"
    yield "| code | severity | meaning | what training does |\n|---|---|---|---|"
    for code, kind in CATALOGUE.items():
        yield f"| `{code}` | {kind.severity} | {kind.one} | {kind.consequence} |"
    yield "\n## Refused archives\n\nWhy a zip was not unpacked; the message names the entry and the way out.\n"
    yield from (f"- `{code}`" for code in Refusal)
    yield "\n## Addresses that give nothing\n\nWhy a data set could not be fetched from elsewhere; the message says what to do.\n"
    yield from (f"- `{code}`{', which a later try can mend' if code in PASSING else ''}" for code in FetchCode)


def error_codes() -> Iterator[str]:
    yield WRITTEN + ERRORS
    yield "| code | of requests | of jobs | again | meaning | what to do |\n|---|---|---|---|---|---|"
    reasons = set(ErrorCode)
    for code, kind in TAXONOMY.items():
        job, again = "yes" if code in reasons else "", "can help" if kind.retryable else "no"
        yield f"| `{code}` | {kind.status or ''} | {job} | {again} | {kind.meaning} | {kind.remedy} |"


def api() -> Iterator[str]:
    document = openapi()
    yield WRITTEN + API
    yield "| call | what it does | answers |\n|---|---|---|"
    for path, verbs in sorted(document["paths"].items()):
        for verb, operation in verbs.items():
            answers = " ".join(sorted(operation["responses"]))
            yield f"| `{verb.upper()} {path}` | {operation.get('summary', '')} | {answers} |"


def main() -> None:
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)


if __name__ == "__main__":
    main()
