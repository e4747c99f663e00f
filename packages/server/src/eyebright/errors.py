"""Everything that Eyebright refuses or fails to do.

EyebrightError                500  internal
├── InvalidRequest            422  invalid_request
│   ├── ConfigInvalid         422  config_invalid
│   ├── DatasetInvalid        422  dataset_invalid
│   ├── LicenceDenied         422  licence_denied
│   └── KeyReused             422  idempotency_key_reused
├── Unauthenticated           401  unauthenticated
├── Forbidden                 403  forbidden
├── NotFound                  404  not_found
├── Conflict                  409  conflict
│   ├── FolderTaken           409  folder_taken
│   ├── EventGap              409  gap
│   ├── Fenced                409  fenced
│   ├── EventConflict         409  event_conflict
│   ├── Locked                423  locked
│   └── GuardViolated         500  guard_violated
├── TooLarge                  413  too_large
├── StorageFull               507  disk_full
└── Unavailable               503  unavailable
    └── TrainerUnavailable    503  trainer_unavailable
        └── TrainerMissing    503  trainer_missing

`code` is the stable machine name; the docstring is the default message. A message says what was found, what was expected and
what to do.
"""

import errno
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar


class EyebrightError(Exception):
    """Something went wrong inside Eyebright; the server's log has the details."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, *, errors: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.message = str(self)
        self.errors = tuple(errors)


class InvalidRequest(EyebrightError):
    """The request is not understood."""

    code, status = "invalid_request", 422


class ConfigInvalid(InvalidRequest):
    """The training configuration does not fit the trainer."""

    code = "config_invalid"


class DatasetInvalid(InvalidRequest):
    """The data set cannot serve this task."""

    code = "dataset_invalid"


class LicenceDenied(InvalidRequest):
    """The trainer's licence is refused by this server's policy."""

    code = "licence_denied"


class KeyReused(InvalidRequest):
    """This Idempotency-Key was already used with another body. Use a new key for a new order."""

    code = "idempotency_key_reused"


class Unauthenticated(EyebrightError):
    """A token is needed: send `Authorization: Bearer <token>`."""

    code, status = "unauthenticated", 401


class Forbidden(EyebrightError):
    """This token does not allow that."""

    code, status = "forbidden", 403


class NotFound(EyebrightError):
    """Nothing with that name exists."""

    code, status = "not_found", 404


class Conflict(EyebrightError):
    """The present state does not allow that."""

    code, status = "conflict", 409


class FolderTaken(Conflict):
    """Another server works on the data folder."""

    code = "folder_taken"


class EventGap(Conflict):
    """Events must arrive without holes."""

    code = "gap"

    def __init__(self, expected: int) -> None:
        super().__init__(f"the next event must be number {expected}; send again from there")
        self.expected = expected


class Fenced(Conflict):
    """This attempt is over: another has taken its place, or the job has ended."""

    code = "fenced"


class EventConflict(Conflict):
    """An event with this number but other content is already stored."""

    code = "event_conflict"


class Locked(Conflict):
    """Another request is at work on this; try again when it has ended."""

    code, status = "locked", 423


class GuardViolated(Conflict):
    """The store refused a change that the rules forbid. That is a mistake in Eyebright; nothing was changed."""

    code, status = "guard_violated", 500


class TooLarge(EyebrightError):
    """That is larger than this server accepts."""

    code, status = "too_large", 413


class TooManyRequests(EyebrightError):
    """This is asked too often."""

    code, status = "too_many_requests", 429

    def __init__(
        self,
        message: str | None = None,
        *,
        errors: Sequence[dict[str, Any]] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message, errors=errors)
        self.retry_after_seconds = retry_after_seconds


class StorageFull(EyebrightError):
    """The disk is full. Free some space; nothing that was stored before is lost."""

    code, status = "disk_full", 507


class Unavailable(EyebrightError):
    """A part that this needs is not reachable at present; try again."""

    code, status = "unavailable", 503


class TrainerUnavailable(Unavailable):
    """No installed trainer can do this."""

    code = "trainer_unavailable"


class TrainerMissing(TrainerUnavailable):
    """No trainer that could do this is installed."""

    code = "trainer_missing"


def no_job(job_id: str) -> NotFound:
    return NotFound(f"there is no job {job_id}; `eyebright jobs list` (GET /api/v1/jobs) shows which there are")


def no_model(model_id: str) -> NotFound:
    return NotFound(f"there is no model {model_id}; `eyebright models list` (GET /api/v1/models) shows which there are")


def no_parked(parked_id: str) -> NotFound:
    return NotFound(
        f"there is no parked message {parked_id}; `eyebright queue parked` (GET /api/v1/queue/parked) shows which there are"
    )


def no_webhook(endpoint_id: str) -> NotFound:
    return NotFound(
        f"there is no webhook {endpoint_id}; `eyebright webhooks list` (GET /api/v1/webhooks) shows which there are"
    )


def no_delivery(delivery_id: str) -> NotFound:
    return NotFound(f"there is no delivery {delivery_id}; those that ended long ago are forgotten")


def model_deleted(model_id: str, title: str, deleted_at_ms: int) -> NotFound:
    day = datetime.fromtimestamp(deleted_at_ms / 1000, UTC)
    return NotFound(f"model {model_id} ({title}) was deleted on {day:%Y-%m-%d at %H:%M} UTC, and its files with it")


def model_in_use(title: str, aliases: Sequence[str]) -> Conflict:
    """While a name that people rely on points to it."""
    ways = ", ".join(f"`eyebright models unalias {shlex.quote(title)} {alias}`" for alias in aliases)
    return Conflict(
        f"{title} is what {' and '.join(aliases)} {'stand' if len(aliases) > 1 else 'stands'} for; point to another model, "
        f"or take the alias away first: {ways} (DELETE /api/v1/models/{title}/aliases/{aliases[0]})"
    )


def is_full(error: OSError) -> bool:
    """Is it for want of space, on the disk or in what this user may take of it?"""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def is_quota(error: OSError) -> bool:
    """Is it for want of what this user may take, though the disk itself may have room for others?"""
    return error.errno == errno.EDQUOT
