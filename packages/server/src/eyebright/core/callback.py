"""What an unnumbered statement means: the numbered events that it stands for, given the run as it is.

Training services of others number nothing. What they say comes late, twice, or after what they said later, and is judged by what
is known already: progress does not go back within an attempt, the first last word counts, and whatever it has overtaken is old.
"""

from collections.abc import Iterator
from typing import Any

from eyebright.core import pace
from eyebright.core.job import Job, Run
from eyebright.core.lifecycle import current
from eyebright.core.records import StoredEvent
from eyebright.errors import Fenced
from eyebright_wire.callbacks import TrainingStatus, TrainingUpdate
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Event, EventKind, Failed, Progress, Started, Succeeded
from eyebright_wire.jobs import JobState
from eyebright_wire.model import WireModel, noted

#: As many as every reader can hold.
_MOST = 2**53
#: Kept of an error that is longer than a message.
_LONGEST_DETAIL = 1 << 16
#: Of whoever does not tell its process.
_SOMEWHERE = Started(pid=0, host="a training service")

Said = tuple[EventKind, WireModel | None]


def events_of(
    run: Run, update: TrainingUpdate, now_ms: int, *, last_word: StoredEvent | None = None
) -> tuple[Event, ...]:
    """What is new in it, numbered from the attempt's next one; nothing where it repeats what is known or was overtaken.

    `last_word` is the attempt's own, once it has said one. Raises Fenced where this would be another, or where the attempt is
    over without one.
    """
    if last_word is not None:
        _require_the_same(run, update, last_word)
        return ()
    attempt = current(run)
    said = [*_beginning(run.job), *_news(run.job, update)]
    return tuple(
        Event(seq=seq, kind=kind, at_ms=now_ms, data=body.model_dump(mode="json", exclude_none=True) if body else {})
        for seq, (kind, body) in enumerate(said, attempt.last_seq + 1)
    )


def _beginning(job: Job) -> Iterator[Said]:
    """Whoever speaks has begun, whatever the network brought first."""
    if job.state is JobState.STARTING:
        yield EventKind.STARTED, _SOMEWHERE


def _news(job: Job, update: TrainingUpdate) -> Iterator[Said]:
    if update.status in (TrainingStatus.RUNNING, TrainingStatus.COMPLETED):
        progress = _progress(job, update)
        if progress != job.progress and not _is_late(job.progress, progress):
            yield EventKind.PROGRESS, progress
    if update.status is not TrainingStatus.RUNNING:
        yield _last_word(job, update)


def _last_word(job: Job, update: TrainingUpdate) -> Said:
    """Somebody there who cancels what nobody here has asked to be cancelled has ended it for good: it is not begun again."""
    if update.status is TrainingStatus.COMPLETED:
        metrics = {**job.metrics, **_measured(update)}
        return EventKind.SUCCEEDED, Succeeded(artifacts=(), metrics=metrics, checkpoint=update.checkpoint_s3_uri)
    if update.status is TrainingStatus.CANCELLED and job.cancel_requested:
        return EventKind.CANCELLED, None
    error = update.error or update.message or f"the training service says `{update.status}` and not why"
    message = _message(error)
    detail = None if message == error else error.replace("\0", "\ufffd")[-_LONGEST_DETAIL:]
    return EventKind.FAILED, Failed(code=ErrorCode.TRAINER_ERROR, message=message, retryable=False, detail=detail)


def _message(error: str) -> str:
    """Of a traceback its last line."""
    lines = error.strip().splitlines()
    return noted(lines[-1] if lines and lines[0].startswith("Traceback") else error)


def _require_the_same(run: Run, update: TrainingUpdate, word: StoredEvent) -> None:
    """Anything but a last word was overtaken by this one; that is nobody's fault."""
    if update.status is TrainingStatus.RUNNING:
        return
    kind, body = _last_word(run.job, update)
    if kind != word.kind or not _agree(body, word.data):
        number = run.attempt.number if run.attempt else 0
        raise Fenced(f"attempt {number} of job {run.job.id} has already said its last word, `{word.kind}`")


def _agree(body: WireModel | None, known: Any) -> bool:
    if isinstance(body, Succeeded):
        return body.checkpoint in (None, known.get("checkpoint"))
    return not isinstance(body, Failed) or body.message == known.get("message")


# Progress


def _progress(job: Job, update: TrainingUpdate) -> Progress:
    """Theirs counts epochs from 0 and tells of one when it is over."""
    told = _epoch(update)
    epoch = told or (job.progress.epoch if job.progress else 0)
    finished = update.status is TrainingStatus.COMPLETED
    return Progress(
        epoch=epoch,
        epochs=max(1, epoch, _planned(job) or (job.progress.epochs if job.progress else 1)),
        epoch_finished=finished or told is not None,
        metrics=_measured(update),
        fraction=1.0 if finished else _fraction(job, update, told),
        note=update.message or None,
    )


def _fraction(job: Job, update: TrainingUpdate, told: int | None) -> float | None:
    """None: as the epochs tell."""
    known = pace.fraction(job.progress) if job.progress else 0.0
    if update.progress is not None:
        ahead = told is not None and job.progress is not None and told > job.progress.epoch
        return max(known, update.progress) if ahead else update.progress
    return None if told and _planned(job) else known


def _is_late(known: Progress | None, now: Progress) -> bool:
    return known is not None and (now.epoch < known.epoch or pace.fraction(now) < pace.fraction(known))


def _epoch(update: TrainingUpdate) -> int | None:
    """The one that is over, counted from 1."""
    epoch = (update.metrics or {}).get("epoch")
    return int(epoch) + 1 if epoch is not None and 0 <= epoch < _MOST and epoch == int(epoch) else None


def _measured(update: TrainingUpdate) -> dict[str, float]:
    """An epoch is counted, not measured."""
    return {name: value for name, value in (update.metrics or {}).items() if name != "epoch"}


def _planned(job: Job) -> int | None:
    epochs = job.resolved.get("epochs")
    return epochs if isinstance(epochs, int) and 1 <= epochs <= _MOST else None
