"""What to make of a trainer process that went without saying why."""

from collections.abc import Mapping
from dataclasses import dataclass
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM
from types import MappingProxyType
from typing import Any

from eyebright_wire.advice import memory_ran_out
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.jobs import JobKind

#: The signals that somebody sends, by exit status: as a parent sees them (negative) or as shells count. Any other, such as
#: SIGSEGV, a process brings upon itself.
_SENT = {number: signal.name for signal in (SIGHUP, SIGINT, SIGTERM, SIGKILL) for number in (-signal, 128 + signal)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt is to end; `retryable` None leaves it to the code."""

    code: ErrorCode
    message: str
    retryable: bool | None = None


_NO_CONFIG: Mapping[str, Any] = MappingProxyType({})


def of_exit(
    code: int | None,
    out_of_memory: bool,
    log_tail: str,
    *,
    kind: JobKind = JobKind.TRAINING,
    config: Mapping[str, Any] = _NO_CONFIG,
) -> Verdict:
    """Judge by the exit status; the last lines of the log are all that a person can go by."""
    if out_of_memory:
        advice = "import fewer images at a time" if kind is JobKind.IMPORT else memory_ran_out(config)
        return Verdict(ErrorCode.OUT_OF_MEMORY, f"the system killed it for the memory it took: {advice}", False)
    if code is None:
        return Verdict(ErrorCode.WORKER_LOST, "the trainer process was killed", True)
    if (ended_by := _SENT.get(code)) is not None:
        return Verdict(ErrorCode.WORKER_LOST, f"the trainer process was killed ({ended_by})", True)
    if code == ExitCode.PREEMPTED:
        return Verdict(ErrorCode.PREEMPTED, "the trainer was told to make room", True)
    if code == ExitCode.TEMPORARY:
        return Verdict(ErrorCode.INTERNAL_ERROR, _told("the trainer met a passing fault", log_tail), True)
    if code == ExitCode.BAD_CONFIG:
        return Verdict(ErrorCode.CONFIG_INVALID, _told("the trainer refused the configuration", log_tail), False)
    if code == ExitCode.BAD_DATA:
        return Verdict(ErrorCode.DATASET_INVALID, _told("the trainer refused the data set", log_tail), False)
    if code == ExitCode.DISK_FULL:
        advice = "no room was left on the disk of the trainer; free some space there and order it again"
        return Verdict(ErrorCode.DISK_FULL, _told(advice, log_tail), False)
    said = "exited without a result" if code == ExitCode.DONE else f"ended with exit status {code}"
    return Verdict(ErrorCode.TRAINER_ERROR, _told(f"the trainer {said}", log_tail), False)


def _told(what: str, log_tail: str) -> str:
    return f"{what}. Its last lines:\n{log_tail}" if log_tail else f"{what}, and printed nothing"
