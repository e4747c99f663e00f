"""Why an import that somebody waits for came to nothing, as the error that its caller gets: by the server as by the client."""

from collections.abc import Mapping, Sequence
from typing import Any

from eyebright.errors import (
    Conflict,
    DatasetInvalid,
    EyebrightError,
    InvalidRequest,
    StorageFull,
    TooLarge,
    Unavailable,
)
from eyebright_wire.errors import ErrorCode

_ERRORS: Mapping[ErrorCode | None, type[EyebrightError]] = {
    ErrorCode.DATASET_INVALID: DatasetInvalid,
    ErrorCode.CONFIG_INVALID: InvalidRequest,
    ErrorCode.OUT_OF_MEMORY: TooLarge,
    ErrorCode.MAX_DURATION_EXCEEDED: TooLarge,
    ErrorCode.DISK_FULL: StorageFull,
    ErrorCode.USER_CANCELLED: Conflict,
    ErrorCode.STORAGE_ERROR: Unavailable,
    ErrorCode.NO_CAPACITY: Unavailable,
    ErrorCode.WORKER_LOST: Unavailable,
}


def error_of(reason: ErrorCode | None, message: str, errors: Sequence[dict[str, Any]] = ()) -> EyebrightError:
    if reason is ErrorCode.USER_CANCELLED:
        message = "the import was cancelled; nothing of it was kept"
    return _ERRORS.get(reason, EyebrightError)(message, errors=errors)


def errors_of(failed: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """What the body of a `failed` event names one by one."""
    return tuple(failed.get("errors") or ())
