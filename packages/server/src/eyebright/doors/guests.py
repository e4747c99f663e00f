"""What the holder of a team's token may not ask for, whatever the role: what only the server can read, and to go first."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request

from eyebright.doors.door import DoorContext, context_of
from eyebright.doors.gate import guest_of
from eyebright.doors.roles import ROLES, Guest
from eyebright.errors import EyebrightError, Forbidden
from eyebright.services.teams import Giver
from eyebright_wire.access import Role
from eyebright_wire.jobs import JobKind, JobRequest, kind_of
from eyebright_wire.resources import DatasetSource, JobView

#: Fetched without any credentials.
_OPEN = frozenset({"https", "http"})


async def guest(request: Request) -> Guest | None:
    return guest_of(request.scope)


async def still_welcome(request: Request) -> None:
    """Asked once the body has come, and before anything is done with it. Raises Unauthenticated."""
    if (visiting := guest_of(request.scope)) is not None:
        access = context_of(request).services.access
        await access.require(visiting.caller, visiting.project, ROLES[request.scope["route"].operation_id])


#: None: the operator, who may ask for everything.
Caller = Annotated[Guest | None, Depends(guest)]


def giver_of(caller: Guest | None) -> Giver | None:
    return caller and Giver(caller.caller, caller.project)


async def check_order(order: JobRequest, caller: Guest | None, given: DoorContext) -> None:
    """Raises Forbidden."""
    if caller is None:
        return
    _check_priority(order.priority, caller)
    if not given.settings.sources.only and await _fetches(order, given):
        raise Forbidden(
            "this trainer reads buckets with the server's credentials, which a team's token may use only below the places that "
            "EYEBRIGHT_SOURCES__ONLY names; there is none"
        )


def check_retry(job: JobView, caller: Guest | None) -> None:
    """Raises Forbidden."""
    if caller is None:
        return
    _check_priority(job.priority, caller)
    if kind_of(job.trainer) is JobKind.IMPORT:
        raise Forbidden("an import is repeated by the operator, who knows where it read from; order a new one")


def check_source(order: DatasetSource, caller: Guest | None, given: DoorContext) -> None:
    """Raises Forbidden."""
    if caller is None:
        return
    if order.path is not None:
        raise Forbidden(
            "`path` is a file of the server, which is the operator's alone to import; upload the data instead"
        )
    only = given.settings.sources.only
    for url in filter(None, (order.url, *(image.url for image in order.images))):
        if not _is_open(url, only):
            raise Forbidden(
                "what lies in a bucket is read with the server's credentials, which a team's token may use only below the places "
                f"that EYEBRIGHT_SOURCES__ONLY names; there {'are ' + ', '.join(only) if only else 'is none'}"
            )


async def _fetches(order: JobRequest, given: DoorContext) -> bool:
    with suppress(EyebrightError):  # for which the order itself is refused
        return (await given.services.jobs.manifest(order)).fetches
    return False


def _check_priority(priority: int, caller: Guest) -> None:
    if priority > 0 and not caller.role.covers(Role.ADMIN):
        raise Forbidden(
            f"priority {priority} goes before others, which takes the role {Role.ADMIN} in {caller.project}; this token is "
            f"{caller.role} there, and may order with a priority of 0 or less"
        )


def _is_open(url: str, only: Iterable[str]) -> bool:
    from eyebright_kit.remote.address import Address, scheme_of  # here, because few who import name an address
    from eyebright_kit.remote.failure import FetchFailed

    if scheme_of(url) in _OPEN:
        return True
    try:
        address = Address.of(url)
        return any(address.lies_below(root) for root in only)
    except FetchFailed:
        return False
