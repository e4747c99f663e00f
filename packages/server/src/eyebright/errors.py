"""Everything that Eyebright refuses or fails to do.

EyebrightError
├── InvalidRequest
│   ├── ConfigInvalid
│   ├── DatasetInvalid
│   ├── LicenceDenied
│   └── KeyReused
├── Unauthenticated
├── Forbidden
├── NotFound
├── NoScope
├── Conflict
│   ├── FolderTaken
│   ├── EventGap
│   ├── Fenced
│   ├── EventConflict
│   ├── Locked
│   └── GuardViolated
├── TooLarge
├── TooManyRequests
├── QuotaExceeded
├── StorageFull
├── TrainingFailed
│   └── NotHandedOver
└── Unavailable
    ├── LockRefused
    ├── StorageUnusable
    ├── ServiceUnavailable
    └── TrainerUnavailable
        └── TrainerMissing

Its `code` is the stable machine name; what is true of the whole kind – HTTP status, whether trying again can help, the default
message, what to do – stands in `eyebright_wire.taxonomy`. A message says what was found, what was expected and what to do; where
that is not the same at every door, it is a `Way`.
"""

import errno
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from eyebright_wire.taxonomy import TAXONOMY


class Way(StrEnum):
    """How to go on after a refusal: by a command or a request. A door whose callers have neither puts it in its own words, with
    the same names in braces."""

    DATASETS = "`eyebright datasets list` (GET /api/v1/datasets) shows which there are"
    JOBS = "`eyebright jobs list` (GET /api/v1/jobs) shows which there are"
    MODELS = "`eyebright models list` (GET /api/v1/models) shows which there are"
    PARKED = "`eyebright queue parked` (GET /api/v1/queue/parked) shows which there are"
    WEBHOOKS = "`eyebright webhooks list` (GET /api/v1/webhooks) shows which there are"
    ARTIFACTS = "`eyebright jobs artifacts {job}` (GET /api/v1/jobs/{job}/artifacts) shows which there are"
    NEW_KEY = "use a new Idempotency-Key for a new order"
    UPLOAD = "begin anew with POST /api/v1/uploads"
    DOWNLOAD = "`eyebright models download {model}` fetches its files"
    UNALIAS = "point to another model, or take the alias away first: {commands} (DELETE /api/v1/models/{model}/aliases/{alias})"


class EyebrightError(Exception):
    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init_subclass__(cls, code: str) -> None:
        super().__init_subclass__()
        cls.code, cls.status = code, TAXONOMY[code].status or cls.status

    def __init__(
        self,
        message: str | None = None,
        *,
        errors: Sequence[dict[str, Any]] = (),
        way: Way | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        """`about` has what the way names in braces."""
        self._found = message or TAXONOMY[self.code].meaning
        self._way, self._about = way, about or {}
        super().__init__(self.said({}))
        self.message = str(self)
        self.errors = tuple(errors)

    def said(self, words: Mapping[Way, str]) -> str:
        """The message, with its way out in a door's own words where it has some."""
        if self._way is None:
            return self._found
        way = words.get(self._way, self._way).format_map(self._about)
        return f"{self._found}{' ' if self._found.endswith(('.', '?')) else '; '}{way}"


class InvalidRequest(EyebrightError, code="invalid_request"): ...


class ConfigInvalid(InvalidRequest, code="config_invalid"): ...


class DatasetInvalid(InvalidRequest, code="dataset_invalid"): ...


class LicenceDenied(InvalidRequest, code="licence_denied"): ...


class KeyReused(InvalidRequest, code="idempotency_key_reused"): ...


class Unauthenticated(EyebrightError, code="unauthenticated"): ...


class Forbidden(EyebrightError, code="forbidden"): ...


class NotFound(EyebrightError, code="not_found"): ...


class NoScope(EyebrightError, code="no_scope"): ...


class Conflict(EyebrightError, code="conflict"): ...


class FolderTaken(Conflict, code="folder_taken"): ...


class EventGap(Conflict, code="gap"):
    def __init__(self, expected: int) -> None:
        super().__init__(f"the next event must be number {expected}; send again from there")
        self.expected = expected


class Fenced(Conflict, code="fenced"): ...


class EventConflict(Conflict, code="event_conflict"): ...


class Locked(Conflict, code="locked"): ...


class GuardViolated(Conflict, code="guard_violated"): ...


class TooLarge(EyebrightError, code="too_large"): ...


class TooManyRequests(EyebrightError, code="too_many_requests"):
    def __init__(
        self,
        message: str | None = None,
        *,
        errors: Sequence[dict[str, Any]] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message, errors=errors)
        self.retry_after_seconds = retry_after_seconds


class QuotaExceeded(EyebrightError, code="quota_exceeded"): ...


class StorageFull(EyebrightError, code="disk_full"): ...


class TrainingFailed(EyebrightError, code="training_failed"):
    def __init__(self, message: str | None = None, *, errors: Sequence[dict[str, Any]] = (), reason: str = "") -> None:
        """`reason`: the code of what went wrong."""
        super().__init__(message, errors=errors)
        self.reason = reason


class NotHandedOver(TrainingFailed, code="not_handed_over"): ...


class Unavailable(EyebrightError, code="unavailable"): ...


class LockRefused(Unavailable, code="database_busy"):
    """Others held a lock for longer than it was waited for, or waited for ours meanwhile."""


class StorageUnusable(Unavailable, code="storage_error"): ...


class ServiceUnavailable(Unavailable, code="service_unavailable"):
    def __init__(
        self, message: str | None = None, *, errors: Sequence[dict[str, Any]] = (), wait_seconds: float = 5.0
    ) -> None:
        """`wait_seconds`: until asking again makes sense."""
        super().__init__(message, errors=errors)
        self.wait_seconds = wait_seconds


class TrainerUnavailable(Unavailable, code="trainer_unavailable"): ...


class TrainerMissing(TrainerUnavailable, code="trainer_missing"): ...


def key_reused() -> KeyReused:
    return KeyReused("this key was already used for another order", way=Way.NEW_KEY)


def no_dataset(name: str, near: str = "") -> NotFound:
    """`near` is a sentence about names that are like it."""
    return NotFound(f"there is no data set named {name}{near}", way=Way.DATASETS)


def no_version(version_id: str) -> NotFound:
    return NotFound(f"there is no data set version {version_id}", way=Way.DATASETS)


def no_job(job_id: str) -> NotFound:
    return NotFound(f"there is no job {job_id}", way=Way.JOBS)


def no_model(model_id: str, near: str = "") -> NotFound:
    """`near` is a sentence about names that are like it."""
    return NotFound(f"there is no model {model_id}{near}", way=Way.MODELS)


def no_parked(parked_id: str) -> NotFound:
    return NotFound(f"there is no parked message {parked_id}", way=Way.PARKED)


def no_webhook(endpoint_id: str) -> NotFound:
    return NotFound(f"there is no webhook {endpoint_id}", way=Way.WEBHOOKS)


def no_user(user_id: str) -> NotFound:
    return NotFound(f"there is no user {user_id}; `eyebright team users list` (GET /api/v1/users) shows who there is")


def no_member(project: str, user_id: str) -> NotFound:
    return NotFound(f"user {user_id} is no member of {project}; `eyebright team members set` makes them one")


def no_token(token_id: str) -> NotFound:
    return NotFound(
        f"there is no token {token_id}; `eyebright team tokens list` (GET /api/v1/tokens) shows which there are"
    )


def no_project(project: str) -> NotFound:
    return NotFound(f"there is no project {project!r:.100}, or this token has nothing to do with it")


def token_over(token_id: str) -> Conflict:
    return Conflict(f"token {token_id} was revoked, and makes no more tokens")


def no_delivery(delivery_id: str) -> NotFound:
    return NotFound(f"there is no delivery {delivery_id}; those that ended long ago are forgotten")


def version_deleted(version_id: str, title: str, deleted_at_ms: int) -> NotFound:
    return NotFound(
        f"data set version {version_id} ({title}) was deleted on {_day(deleted_at_ms)}; import its data again"
    )


def import_deleted(job_id: str, name: str) -> NotFound:
    return NotFound(f"what job {job_id} brought to data set {name} was deleted since; import its data again")


def no_version_of(name: str, number: int) -> NotFound:
    return NotFound(f"there is no version {number} of a data set named {name}", way=Way.DATASETS)


def dataset_in_use(name: str, job_ids: Sequence[str]) -> Conflict:
    """While jobs that have not ended read it."""
    more, them = (f" and {len(job_ids) - 1:,} more", "them") if len(job_ids) > 1 else ("", "it")
    return Conflict(f"{name} is needed by {job_ids[0]}{more}; let {them} end, or cancel {them}, first")


def model_deleted(model_id: str, title: str, deleted_at_ms: int) -> NotFound:
    return NotFound(f"model {model_id} ({title}) was deleted on {_day(deleted_at_ms)}, and its files with it")


def model_in_use(title: str, aliases: Sequence[str]) -> Conflict:
    """While a name that people rely on points to it."""
    commands = ", ".join(f"`eyebright models unalias {shlex.quote(title)} {alias}`" for alias in aliases)
    return Conflict(
        f"{title} is what {' and '.join(aliases)} {'stand' if len(aliases) > 1 else 'stands'} for",
        way=Way.UNALIAS,
        about={"commands": commands, "model": title, "alias": aliases[0]},
    )


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d at %H:%M} UTC"


def is_full(error: OSError) -> bool:
    """Is it for want of space, on the disk or in what this user may take of it?"""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def is_quota(error: OSError) -> bool:
    """Is it for want of what this user may take, though the disk itself may have room for others?"""
    return error.errno == errno.EDQUOT
