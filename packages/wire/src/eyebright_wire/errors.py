"""The stable names of everything that can go wrong: equal in Python, JSON, SQL, metrics and webhooks."""

from enum import StrEnum

from eyebright_wire.taxonomy import TAXONOMY


class ErrorCode(StrEnum):
    """Why a job ended, or could not begin."""

    DATASET_INVALID = "dataset_invalid"
    CONFIG_INVALID = "config_invalid"
    LICENCE_DENIED = "licence_denied"
    NO_CAPACITY = "no_capacity"
    PREEMPTED = "preempted"
    WORKER_LOST = "worker_lost"
    HUNG = "hung"
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    USER_CANCELLED = "user_cancelled"
    MAX_DURATION_EXCEEDED = "max_duration_exceeded"
    STORAGE_ERROR = "storage_error"
    TRAINER_ERROR = "trainer_error"
    NAN_LOSS = "nan_loss"
    EXPORT_FAILED = "export_failed"
    NO_PROGRESS = "no_progress"
    INTERNAL_ERROR = "internal_error"


#: Trying the same job again can help. Anything else would only fail the same way; `trainer_error` is an exception in the
#: training code, which is retried only when the trainer itself says that it can help.
RETRYABLE = frozenset(code for code in ErrorCode if TAXONOMY[code].retryable)


class ExitCode:
    """What the exit status of a trainer process means."""

    DONE = 0
    TRAINER_ERROR = 1
    BAD_CONFIG = 64
    BAD_DATA = 65
    DISK_FULL = 74  # its last words may have found no room either
    TEMPORARY = 75
    PREEMPTED = 83
    KILLED = 137


class Problem:
    """Codes of the `code` field in a problem+json answer of the ingest door, which a reporter acts on."""

    GAP = "gap"
    FENCED = "fenced"
    EVENT_CONFLICT = "event_conflict"
