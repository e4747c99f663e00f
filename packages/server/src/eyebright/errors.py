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
├── TooManyRequests           429  too_many_requests
├── StorageFull               507  disk_full
├── TrainingFailed            500  training_failed
│   └── NotHandedOver         500  not_handed_over
└── Unavailable               503  unavailable
    ├── StorageUnusable       503  storage_error
    └── TrainerUnavailable    503  trainer_unavailable
        └── TrainerMissing    503  trainer_missing

`code` is the stable machine name; the docstring is the default message. A message says what was found, what was expected and
what to do; where that is not the same at every door, it is a `Way`.
"""

import errno
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar


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
    """Something went wrong inside Eyebright; the server's log has the details."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str | None = None,
        *,
        errors: Sequence[dict[str, Any]] = (),
        way: Way | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        """`about` has what the way names in braces."""
        self._found = message or (self.__doc__ or "").strip()
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
    """This key was already used for another order. Use a new key for a new order."""

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


class TrainingFailed(EyebrightError):
    """The training has failed."""

    code = "training_failed"

    def __init__(self, message: str | None = None, *, errors: Sequence[dict[str, Any]] = (), reason: str = "") -> None:
        """`reason`: the code of what went wrong."""
        super().__init__(message, errors=errors)
        self.reason = reason


class NotHandedOver(TrainingFailed):
    """A training has ended well, and its callers do not get its model."""

    code = "not_handed_over"


class Unavailable(EyebrightError):
    """A part that this needs is not reachable at present; try again."""

    code, status = "unavailable", 503


class StorageUnusable(Unavailable):
    """The place where this is to be put is not there. Trying again helps once somebody has changed something."""

    code = "storage_error"


class TrainerUnavailable(Unavailable):
    """No installed trainer can do this."""

    code = "trainer_unavailable"


class TrainerMissing(TrainerUnavailable):
    """No trainer that could do this is installed."""

    code = "trainer_missing"


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


def no_delivery(delivery_id: str) -> NotFound:
    return NotFound(f"there is no delivery {delivery_id}; those that ended long ago are forgotten")


def model_deleted(model_id: str, title: str, deleted_at_ms: int) -> NotFound:
    day = datetime.fromtimestamp(deleted_at_ms / 1000, UTC)
    return NotFound(f"model {model_id} ({title}) was deleted on {day:%Y-%m-%d at %H:%M} UTC, and its files with it")


def model_in_use(title: str, aliases: Sequence[str]) -> Conflict:
    """While a name that people rely on points to it."""
    commands = ", ".join(f"`eyebright models unalias {shlex.quote(title)} {alias}`" for alias in aliases)
    return Conflict(
        f"{title} is what {' and '.join(aliases)} {'stand' if len(aliases) > 1 else 'stands'} for",
        way=Way.UNALIAS,
        about={"commands": commands, "model": title, "alias": aliases[0]},
    )


def is_full(error: OSError) -> bool:
    """Is it for want of space, on the disk or in what this user may take of it?"""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def is_quota(error: OSError) -> bool:
    """Is it for want of what this user may take, though the disk itself may have room for others?"""
    return error.errno == errno.EDQUOT
