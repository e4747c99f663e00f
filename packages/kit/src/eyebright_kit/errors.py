"""What a trainer raises when a run cannot go on: the message is what the person who ordered the job will read.

TrainerFailure          any code; the others are short for the common ones
├── ConfigInvalid       config_invalid    a setting has no meaning here
├── DatasetInvalid      dataset_invalid   the data cannot serve the task
├── OutOfMemory         out_of_memory     name the setting to lower
├── DiskFull            disk_full         name the folder
├── NanLoss             nan_loss          training diverged
├── ExportFailed        export_failed     the exported model does not answer like the original
└── StorageUnavailable  storage_error     data or output cannot be reached; trying again can help
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import ValidationError

from eyebright_wire.errors import RETRYABLE, ErrorCode


class TrainerFailure(Exception):
    """Ends the attempt with `code`. `retryable=None` leaves the choice to the code.

    `errors` name what is wrong with the data one by one, for programs.
    """

    errors: tuple[dict[str, Any], ...] | None = None

    def __init__(self, code: ErrorCode, message: str, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = code in RETRYABLE if retryable is None else retryable


class _Coded(TrainerFailure):
    """A failure whose class already says the code."""

    fixed: ClassVar[ErrorCode]

    def __init__(self, message: str, retryable: bool | None = None) -> None:
        super().__init__(self.fixed, message, retryable)


class ConfigInvalid(_Coded):
    """A setting has no meaning here. Say which, what was found and what is allowed."""

    fixed = ErrorCode.CONFIG_INVALID

    @classmethod
    def of(cls, error: ValidationError) -> "ConfigInvalid":
        """One sentence for everything that a pydantic config model refused."""
        return cls("; ".join(_sentences(error)))


class DatasetInvalid(_Coded):
    """The data cannot serve the task. Say which file or class, and what is missing."""

    fixed = ErrorCode.DATASET_INVALID


class OutOfMemory(_Coded):
    """The machine's or the accelerator's memory does not suffice. Name the setting to lower."""

    fixed = ErrorCode.OUT_OF_MEMORY


class DiskFull(_Coded):
    """A disk has no room left. Name the folder; what was saved before is still whole."""

    fixed = ErrorCode.DISK_FULL


class NanLoss(_Coded):
    """The loss is no number any more: training diverged."""

    fixed = ErrorCode.NAN_LOSS


class ExportFailed(_Coded):
    """The exported model could not be made, or does not answer like the original."""

    fixed = ErrorCode.EXPORT_FAILED


class StorageUnavailable(_Coded):
    """Data or output cannot be reached."""

    fixed = ErrorCode.STORAGE_ERROR


def _sentences(error: ValidationError) -> Iterable[str]:
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"]) or "config"
        yield f"{where}: {problem['msg']}{_found(problem.get('input'))}"


def _found(value: Any) -> str:
    return "" if isinstance(value, dict) else f" (found {value!r})"
