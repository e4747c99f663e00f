"""Everything that can go wrong, in one place: what it means, whether the same again can help, and what to do.

A code is the stable name of a kind of failure: of a request that is refused, of a job that ends, or of both. Messages say what
was found this time; what is here is true of the kind. Pages and answers take it from here.
"""

from collections.abc import Mapping
from typing import NamedTuple

_REFUSED, _UNKNOWN, _CONFLICT, _LARGE, _BUG, _AWAY = 422, 404, 409, 413, 500, 503


class Kind(NamedTuple):
    """One kind of failure.

    `status`: the HTTP status of a request that is refused for it; None where only jobs end so, which are read with 200.
    `retryable`: the very same request, or another attempt of the job, can succeed without anybody changing something.
    """

    status: int | None
    retryable: bool
    meaning: str
    remedy: str


TAXONOMY: Mapping[str, Kind] = {
    "internal": Kind(
        _BUG,
        False,
        "Something went wrong inside Eyebright; the server's log has the details.",
        "Look for the request in the server's log, and report what stands there.",
    ),
    "invalid_request": Kind(
        _REFUSED, False, "The request is not understood.", "Mend what `detail` and `errors` name, and send it again."
    ),
    "method_not_allowed": Kind(
        405, False, "There is something at this path, which takes other methods.", "Use a method that `Allow` names."
    ),
    "config_invalid": Kind(
        _REFUSED,
        False,
        "The training configuration does not fit the trainer.",
        "Mend the settings that are named; `eyebright recipes` lists those of the trainer.",
    ),
    "dataset_invalid": Kind(
        _REFUSED,
        False,
        "The data set cannot serve this task.",
        "Mend the files that are named, or choose another data set or task; `eyebright datasets inspect` shows all findings.",
    ),
    "licence_denied": Kind(
        _REFUSED,
        False,
        "The trainer's licence is refused by this server's policy.",
        "Choose a trainer of another licence, or ask who runs the server about EYEBRIGHT_LICENCE_DENY.",
    ),
    "idempotency_key_reused": Kind(
        _REFUSED,
        False,
        "This key was already used for another order. Use a new key for a new order.",
        "Make a new key for each new order, and use the same one only to send the same order again.",
    ),
    "unauthenticated": Kind(
        401,
        False,
        "A token is needed: send `Authorization: Bearer <token>`.",
        "Send a token that this server has issued and that is not over.",
    ),
    "forbidden": Kind(
        403, False, "This token does not allow that.", "Use a token that does, or ask who runs the server for one."
    ),
    "not_found": Kind(
        _UNKNOWN, False, "Nothing with that name exists.", "Look at the list that `detail` names for what there is."
    ),
    "conflict": Kind(
        _CONFLICT,
        False,
        "The present state does not allow that.",
        "Look at the present state first; `detail` says what stands in the way.",
    ),
    "folder_taken": Kind(
        _CONFLICT,
        False,
        "Another server works on the data folder.",
        "Use that server, end it, or choose another EYEBRIGHT_DATA_DIR.",
    ),
    "gap": Kind(
        _CONFLICT, False, "Events must arrive without holes.", "Send again from the number that `expected` names."
    ),
    "fenced": Kind(
        _CONFLICT,
        False,
        "This attempt is over: another has taken its place, or the job has ended.",
        "Stop the process that speaks for this attempt; nothing that it says counts any more.",
    ),
    "event_conflict": Kind(
        _CONFLICT,
        False,
        "An event with this number but other content is already stored.",
        "Find out which two processes speak for this attempt, and stop the older one.",
    ),
    "locked": Kind(
        423,
        True,
        "Another request is at work on this; try again when it has ended.",
        "Try again when the other request has ended.",
    ),
    "guard_violated": Kind(
        _BUG,
        False,
        "The store refused a change that the rules forbid. That is a mistake in Eyebright; nothing was changed.",
        "Report what the server's log says about it; nothing was changed.",
    ),
    "no_scope": Kind(
        _BUG,
        False,
        "It was not said whose things are meant. That is a mistake in Eyebright; nothing was read or changed.",
        "Report what the server's log says about it; nothing was read or changed.",
    ),
    "too_large": Kind(
        _LARGE,
        False,
        "That is larger than this server accepts.",
        "Send less, or ask who runs the server to raise the limit that is named.",
    ),
    "too_many_requests": Kind(
        429, True, "This is asked too often.", "Wait for the seconds of `Retry-After`, then ask again."
    ),
    "quota_exceeded": Kind(
        403,
        False,
        "The project has used up what it is allowed.",
        "Delete data sets and models that it no longer needs, or ask the operator for more (`eyebright projects quota`).",
    ),
    "disk_full": Kind(
        507,
        False,
        "The disk is full. Free some space; nothing that was stored before is lost.",
        "Free some space where the message says; then send it again, or `eyebright jobs retry` the job.",
    ),
    "training_failed": Kind(
        _BUG, False, "The training has failed.", "`reason` is the code of what went wrong: do what is said there."
    ),
    "not_handed_over": Kind(
        _BUG,
        False,
        "A training has ended well, and its callers do not get its model.",
        "Mend what the message names, then have the model uploaded again; it is kept.",
    ),
    "unavailable": Kind(
        _AWAY,
        True,
        "A part that this needs is not reachable at present; try again.",
        "Try again; `/ready` names the part.",
    ),
    "database_busy": Kind(
        503,
        True,
        "The database gave no lock in time; nothing was changed.",
        "Try again; if that goes on, see what holds its tables, or raise EYEBRIGHT_POSTGRES__LOCK_SECONDS.",
    ),
    "storage_error": Kind(
        _AWAY,
        True,
        "The place where this is to be put is not there. Trying again helps once somebody has changed something.",
        "Look whether the store that is named is up and takes writes (`eyebright doctor` tries it), then try again.",
    ),
    "service_unavailable": Kind(
        _AWAY,
        True,
        "The training service is not there, or has no free place.",
        "Jobs wait for it; look whether it runs, and whether EYEBRIGHT_SERVICES__URLS has its address.",
    ),
    "trainer_unavailable": Kind(
        _AWAY,
        False,
        "No installed trainer can do this.",
        "`eyebright trainers list` shows what there is; install one, or mend what the message names.",
    ),
    "trainer_missing": Kind(
        _AWAY,
        False,
        "No trainer that could do this is installed.",
        "Install the trainer that is named: `eyebright trainers install <name>`.",
    ),
    "no_capacity": Kind(
        None,
        True,
        "No process could be started for it.",
        "Nothing, while it is tried again; else free memory or a device, or order it with less.",
    ),
    "preempted": Kind(
        None, True, "The machine was taken away for something else.", "Nothing: it goes on from its newest checkpoint."
    ),
    "worker_lost": Kind(
        None,
        True,
        "The training process is gone without a last word.",
        "Look at the end of the log (`eyebright jobs logs`) and at the machine: out of memory kills so, too.",
    ),
    "hung": Kind(
        None,
        True,
        "The training process lives, but nothing has moved for long.",
        "Look at the end of the log; where steps truly take that long, raise EYEBRIGHT_JOBS__HANG_SECONDS.",
    ),
    "out_of_memory": Kind(
        None,
        False,
        "It needed more memory than there is.",
        "Order it with a smaller `batch` or `imgsz`, or with `amp`.",
    ),
    "user_cancelled": Kind(None, False, "Somebody has cancelled it.", "Order it anew when it is wanted after all."),
    "max_duration_exceeded": Kind(
        None, False, "It took longer than its order allows.", "Raise `max_duration_seconds`, or order fewer epochs."
    ),
    "trainer_error": Kind(
        None,
        False,
        "The training code has failed.",
        "Read the message and the log; `eyebright jobs preflight --rehearse` shows sooner what fails.",
    ),
    "nan_loss": Kind(
        None,
        False,
        "The loss is no number any more.",
        "Lower the learning rate, switch `amp` off, or look at the labels.",
    ),
    "export_failed": Kind(
        None, False, "The model could not be exported.", "Read the message; the model itself is unharmed."
    ),
    "no_progress": Kind(
        None,
        False,
        "Attempt after attempt ended without a new checkpoint.",
        "Find in the log what ends it each time; then `eyebright jobs retry`.",
    ),
    "internal_error": Kind(
        None,
        True,
        "Something went wrong inside Eyebright or the trainer.",
        "Look into the server's and the job's log, and report what stands there.",
    ),
}
