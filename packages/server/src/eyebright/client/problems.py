"""From a refusal on the wire back to the exception that the server raised."""

from collections.abc import Iterator

import httpx
from pydantic import ValidationError

from eyebright.errors import (
    Conflict,
    EventGap,
    EyebrightError,
    Forbidden,
    InvalidRequest,
    Locked,
    NotFound,
    StorageFull,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from eyebright_wire.resources import HealthView, Preflight, ProblemDetails

#: What a bare status means when nobody said it better: a proxy in between, or a newer server with a code unknown here.
BY_STATUS: dict[int, type[EyebrightError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidRequest,
    423: Locked,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: StorageFull,
}

#: The server says where it keeps the token, but not how a client is told.
HOW_TO_TELL_IT = "Set EYEBRIGHT_TOKEN to what that server keeps there."
#: What to do where the server said only a status.
NEXT_STEP = {401: "it wants its token; set EYEBRIGHT_TOKEN to what it keeps in the file `token` of its data folder"}


def error_from(response: httpx.Response) -> EyebrightError:
    """The error that a response of 400 or more stands for. Its body must have been read."""
    problem = _problem(response)
    if problem is None:
        return _not_ready(response) or _bare(response)
    known = BY_CODE.get(problem.code) or BY_STATUS.get(problem.status, EyebrightError)
    if known is EventGap:
        return EventGap(problem.expected or 1)
    hint = f". {HOW_TO_TELL_IT}" if known is Unauthenticated else ""
    return known(problem.detail + hint, errors=problem.errors)


def refusal(report: Preflight) -> EyebrightError | None:
    """What an order would be refused with; the kind is that of the first thing that is wrong."""
    if not report.errors:
        return None
    problems = [{"field": finding.field, "message": finding.message} for finding in report.errors]
    kind = BY_CODE.get(report.errors[0].code, InvalidRequest)
    return kind("; ".join(finding.message for finding in report.errors), errors=problems)


def _problem(response: httpx.Response) -> ProblemDetails | None:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        return ProblemDetails.model_validate_json(response.content)
    except ValidationError:
        return None


def _not_ready(response: httpx.Response) -> Unavailable | None:
    """`/ready` says no with its own view, whose checks name what is missing."""
    try:
        view = HealthView.model_validate_json(response.content)
    except ValidationError:
        return None
    ailing = (f"{name}: {found}" for name, found in view.checks.items() if found != "ok")
    return Unavailable(f"the server is {view.status}: {'; '.join(ailing)}")


def _bare(response: httpx.Response) -> EyebrightError:
    kind = BY_STATUS.get(response.status_code, EyebrightError)
    said = " ".join(response.text.split())[:200] or NEXT_STEP.get(response.status_code, "nothing")
    return kind(f"{response.request.url.host} answered {response.status_code} {response.reason_phrase}: {said}")


def _family(kind: type[EyebrightError]) -> Iterator[type[EyebrightError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


BY_CODE = {kind.code: kind for kind in _family(EyebrightError)}
