"""What the events of a run come to in the words of a callback."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from eyebright_wire.artifacts import ArtifactKind, ArtifactRef
from eyebright_wire.callbacks import TrainingStatus
from eyebright_wire.events import BODIES, LAST_WORDS, Event, EventKind, Failed, Progress, StageChange, Succeeded
from eyebright_wire.jobs import Stage

#: The result of a training, best first.
_RESULTS = (ArtifactKind.MODEL, ArtifactKind.CHECKPOINT, ArtifactKind.EXPORT)


def words(events: Iterable[Event], output: str, *, stopped: bool = False) -> dict[str, Any]:
    """The fields of a TrainingUpdate after these events, the last of them counting. `output` is where the run's files lie;
    `stopped`: it was asked to leave."""
    said: dict[str, Any] = {"status": TrainingStatus.RUNNING}
    for event in events:
        said.update(_words(event, output, stopped))
    return said


def ended_unsaid(exit_code: int | None, out_of_memory: bool, *, stopped: bool) -> dict[str, Any]:
    """Of a run that is gone without a last word."""
    if stopped:
        return {"status": TrainingStatus.CANCELLED, "message": "Training was stopped"}
    how = "was killed for want of memory" if out_of_memory else _exit(exit_code)
    return {
        "status": TrainingStatus.FAILED,
        "error": f"the training process {how}; the service's log of the run has more",
    }


def is_last(event: Event) -> bool:
    return event.kind in LAST_WORDS


def ends_epoch(event: Event) -> bool:
    """With it an epoch has its metrics."""
    body = _body(event)
    return isinstance(body, Progress) and body.epoch_finished


def _exit(code: int | None) -> str:
    return "is gone, and nobody saw it end" if code is None else f"ended with exit code {code} and no last word"


def _words(event: Event, output: str, stopped: bool) -> dict[str, Any]:
    body = _body(event)
    match body:
        case Progress():
            return _progress(body)
        case StageChange():
            return {"message": _STAGES[body.stage]}
        case Succeeded():
            return _success(body, output)
        case Failed():
            return {"status": TrainingStatus.FAILED, "message": "Training failed", "error": body.message}
        case _:
            return _plain(event.kind, stopped)


def _plain(kind: str, stopped: bool) -> dict[str, Any]:
    if kind == EventKind.STARTED:
        return {"progress": 0.0, "message": "Starting training..."}
    if kind == EventKind.CANCELLED or (kind == EventKind.PREEMPTED and stopped):
        return {"status": TrainingStatus.CANCELLED, "message": "Training was stopped"}
    if kind == EventKind.PREEMPTED:
        error = "the machine was wanted elsewhere; start the training again to go on from its checkpoint"
        return {"status": TrainingStatus.FAILED, "message": "Training was interrupted", "error": error}
    return {}


def _progress(progress: Progress) -> dict[str, Any]:
    finished = progress.epoch if progress.epoch_finished else progress.epoch - 1
    said: dict[str, Any] = {
        "progress": _share(progress, finished),
        "message": progress.note or f"Training, epoch {progress.epoch} of {progress.epochs}",
    }
    if progress.metrics:  # counted from 0, as the platforms that this is said to count
        said["metrics"] = {"epoch": float(max(0, progress.epoch - 1)), **progress.metrics}
    return said


def _share(progress: Progress, finished: int) -> float:
    """The last word says 1.0; what comes before stays below."""
    share = progress.fraction
    if share is None:
        share = progress.step / progress.steps if progress.steps else finished / progress.epochs
    return round(min(0.99, max(0.0, share)), 4)


def _success(succeeded: Succeeded, output: str) -> dict[str, Any]:
    said: dict[str, Any] = {"status": TrainingStatus.COMPLETED, "progress": 1.0, "message": "Training completed"}
    if result := _result(succeeded.artifacts):
        said["checkpoint_s3_uri"] = f"{output.rstrip('/')}/{result.path}"
    if succeeded.metrics:
        said["metrics"] = dict(succeeded.metrics)
    return said


def _result(artifacts: Iterable[ArtifactRef]) -> ArtifactRef | None:
    ranked = [artifact for kind in _RESULTS for artifact in artifacts if artifact.kind is kind]
    return ranked[0] if ranked else None


def _body(event: Event) -> object:
    """None for a kind that this version does not know, and for a body that it cannot read."""
    kind = BODIES.get(event.kind)
    try:
        return kind.model_validate(event.data) if kind else None
    except ValidationError:
        return None


_STAGES = {
    Stage.FETCHING: "Fetching data",
    Stage.VALIDATING: "Validating",
    Stage.TRAINING: "Training",
    Stage.EVALUATING: "Evaluating",
    Stage.EXPORTING: "Exporting",
    Stage.UPLOADING: "Uploading",
}
