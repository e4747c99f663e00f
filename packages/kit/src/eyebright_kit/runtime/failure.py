"""Turns whatever ended a run into its last words and exit code."""

import errno
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eyebright_kit.disk import free_bytes, is_full
from eyebright_kit.errors import TrainerFailure
from eyebright_wire.advice import memory_ran_out
from eyebright_wire.errors import RETRYABLE, ErrorCode, ExitCode
from eyebright_wire.events import Failed

#: Enough for the frames that matter, and an event that stays a small line.
_DETAIL_CHARACTERS = 16_000
_MESSAGE_CHARACTERS = 2_000

_EXIT_CODES = {
    ErrorCode.CONFIG_INVALID: ExitCode.BAD_CONFIG,
    ErrorCode.DATASET_INVALID: ExitCode.BAD_DATA,
    ErrorCode.DISK_FULL: ExitCode.DISK_FULL,
    ErrorCode.TRAINER_ERROR: ExitCode.TRAINER_ERROR,
    ErrorCode.INTERNAL_ERROR: ExitCode.TRAINER_ERROR,
}


#: A trainer's own verdicts behind which a full disk can hide: what it wrote last is what failed.
_MAY_BE_FULL = frozenset({ErrorCode.TRAINER_ERROR, ErrorCode.EXPORT_FAILED, ErrorCode.STORAGE_ERROR})

#: How libraries say that an allocation was refused: torch on an accelerator and on the CPU, C++, onnxruntime, OpenCV.
_NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
    "alloc_failed",
)
_NO_CONFIG: Mapping[str, Any] = MappingProxyType({})


def explained(error: BaseException, *folders: Path, config: Mapping[str, Any] = _NO_CONFIG) -> Failed:
    """The failure as the person who ordered the job should read it; the traceback goes along for whoever debugs.

    `folders` are those that the run writes to: when no room is left there, that is what went wrong, whatever the error says.
    `config` is the job's: what to lower in it is named with its number.
    """
    code, message = _cause(error, folders, config)
    retryable = error.retryable if isinstance(error, TrainerFailure) and error.code is code else None
    message = _utterable(message[:_MESSAGE_CHARACTERS])
    errors = error.errors if isinstance(error, TrainerFailure) and error.code is code else None
    return Failed(code=code, message=message, retryable=retryable, detail=_utterable(_detail(error)), errors=errors)


def exit_code(code: ErrorCode) -> int:
    return _EXIT_CODES.get(code, ExitCode.TEMPORARY if code in RETRYABLE else ExitCode.TRAINER_ERROR)


def is_out_of_memory(error: BaseException) -> bool:
    """By name and by text, because the kit imports no framework, and none has an exception that all agree on."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, Exception) and any(hint in _first_line(error).lower() for hint in _NO_MEMORY)


def _cause(error: BaseException, folders: tuple[Path, ...], config: Mapping[str, Any]) -> tuple[ErrorCode, str]:
    own = error.code if isinstance(error, TrainerFailure) else ErrorCode.TRAINER_ERROR
    if own in _MAY_BE_FULL and is_full(error, *folders):
        return ErrorCode.DISK_FULL, _no_room(error, folders)
    if isinstance(error, TrainerFailure):
        return error.code, error.message
    if is_out_of_memory(error):
        return ErrorCode.OUT_OF_MEMORY, f"{memory_ran_out(config)} ({_named(error)})"
    return ErrorCode.TRAINER_ERROR, f"{_named(error)}{_place(error)}"


def _no_room(error: BaseException, folders: tuple[Path, ...]) -> str:
    """Names the folder with the least room; a library may have filled the one for temporary files."""
    room, fullest = min(_rooms(folders), default=(0, "any folder"))
    return f"not enough room in {fullest} ({room >> 20} MiB free): {_named(error)}; free space there and retry the job"


def _rooms(folders: tuple[Path, ...]) -> Iterator[tuple[int, Path]]:
    """Of the folders that can be asked: where all disks are full there is not even one for temporary files."""
    for folder in (*folders, None):
        with suppress(OSError):
            place = folder or Path(tempfile.gettempdir())
            yield free_bytes(place), place


def _named(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the trainer left with exit code {error.code}"
    text = _first_line(error) if is_out_of_memory(error) else str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _first_line(error: BaseException) -> str:
    """Some add where in their own code it was, line by line."""
    return str(error).strip().partition("\n")[0]


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _detail(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-_DETAIL_CHARACTERS:]


def _utterable(text: str) -> str:
    """As an event can carry it: of a file's name that is no UTF-8, Python keeps halves of letters that JSON has no words for."""
    return text.encode(errors="backslashreplace").decode()
