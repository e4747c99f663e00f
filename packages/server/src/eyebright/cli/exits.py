"""What the exit status means, the same for every verb."""

from enum import IntEnum

from eyebright.errors import (
    Conflict,
    DatasetInvalid,
    EyebrightError,
    Forbidden,
    GuardViolated,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    StorageFull,
    TooLarge,
    TooManyRequests,
    TrainingFailed,
    Unauthenticated,
    Unavailable,
)


class Exit(IntEnum):
    """The numbers; `MEANINGS` has the words."""

    DONE = 0
    NO = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    CONFLICT = 5
    UNAVAILABLE = 6
    INTERNAL = 70
    INTERRUPTED = 130


MEANINGS = {
    Exit.DONE: "Done.",
    Exit.NO: "It was done and the answer is no: the job failed or was cancelled, the data set is not ready, a check failed.",
    Exit.USAGE: "The command, an address in it or the training configuration cannot be right.",
    Exit.NOT_FOUND: "No file, data set, job, model or trainer has that name.",
    Exit.DENIED: "The token is missing, or does not allow that.",
    Exit.CONFLICT: "The present state does not allow that (cancelling a finished job, a port that is taken).",
    Exit.UNAVAILABLE: "Something that it needs is missing: server, trainer, disk space, a folder that can be written, a turn.",
    Exit.INTERNAL: "A mistake of Eyebright's own; `eyebright --debug …` shows where.",
    Exit.INTERRUPTED: "Interrupted with Ctrl-C; a job that was left running goes on.",
}

#: The first that fits counts.
BY_ERROR: tuple[tuple[type[EyebrightError], Exit], ...] = (
    (GuardViolated, Exit.INTERNAL),
    (DatasetInvalid, Exit.NO),
    (TrainingFailed, Exit.NO),
    (InvalidRequest, Exit.USAGE),
    (TooLarge, Exit.USAGE),
    (NotFound, Exit.NOT_FOUND),
    (Unauthenticated, Exit.DENIED),
    (Forbidden, Exit.DENIED),
    (Conflict, Exit.CONFLICT),
    (StorageFull, Exit.UNAVAILABLE),
    (QuotaExceeded, Exit.UNAVAILABLE),
    (TooManyRequests, Exit.UNAVAILABLE),
    (Unavailable, Exit.UNAVAILABLE),
)


def exit_of(error: EyebrightError) -> Exit:
    return next((status for kind, status in BY_ERROR if isinstance(error, kind)), Exit.INTERNAL)
