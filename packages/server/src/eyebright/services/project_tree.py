"""What a project's trainings have made, where its people look for it: `projects/<Project>/model/training/<name>/`.

A view: the files are copies, and the registry stays the authority on them. Its settings lie there from the order on, what it has
made once it has ended.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import structlog

from eyebright.core.job import Job
from eyebright.core.records import PROGRESS_TOPIC, Message
from eyebright.core.scope import DEFAULT_PROJECT
from eyebright.errors import Conflict, InvalidRequest
from eyebright.ports.jobs import JobStore
from eyebright.services.history import History
from eyebright.services.settings_file import as_yaml
from eyebright_kit.disk import copy_durably, publish_durably
from eyebright_kit.names import NameRefused, safe_parts
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import ArtifactView

#: Labels of a job that belongs to a project's tree.
PROJECT, PROJECT_ID, TRAINING = "project", "project_id", "training_name"
#: And what such a job was told to train on, for its report.
DATASET_PATH = "dataset_path"

#: What people mean by the best weights, in the order in which they would look for them.
_WEIGHTS = (".pt", ".pth", ".safetensors", ".onnx")
_TORCH = (".pt", ".pth")
_REPORT = "artifacts/report.json"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Training:
    """A training's place in the tree; both names are checked."""

    project: str
    name: str

    @property
    def folder(self) -> str:
        return f"projects/{self.project}/model/training/{self.name}"

    @classmethod
    def named(cls, project: str, name: str) -> "Training":
        """Raises InvalidRequest for a name that cannot be one folder."""
        return cls(_folder_name(project, "project"), _folder_name(name, "training"))

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "Training | None":
        """None too where such labels, which anybody may give a job, name no place: then they were not meant so."""
        try:
            return cls.named(labels[PROJECT], labels[TRAINING])
        except (KeyError, InvalidRequest):
            return None


class ProjectTree:
    """A subscriber: each training of a project is shown as it is ordered, begins and ends."""

    def __init__(self, root: Path, store: JobStore, history: History) -> None:
        self._root = root
        self._store = store
        self._history = history

    async def notify(self, message: Message) -> None:
        if message.topic == PROGRESS_TOPIC or message.project != DEFAULT_PROJECT:
            return
        try:
            await self.show(message.job_id)
        except Conflict as taken:
            log.warning("a training is not shown in its project's tree", job=message.job_id, problem=taken.message)

    async def show(self, job_id: str) -> str | None:
        """Write what there is of a training of a project; where its best weights lie below the root, if it has any.

        Raises Conflict when its place holds what another job completed, as when that one was run again outside the project.
        """
        job = (await self._store.get(job_id)).job
        training = Training.of(job.labels)
        if training is None or job.kind is not JobKind.TRAINING:
            return None
        folder = self._root / training.folder
        if (owner := await self.owner(training)) not in (None, job_id):
            raise Conflict(
                f"{training.folder} holds what job {owner} made, which is kept; job {job_id} has its own files"
            )
        made = await self._history.artifacts(job_id)
        files = {artifact: await self._history.artifact(job_id, artifact.path) for artifact in made}
        saved = await self._history.checkpoint_files(job_id) if job.state.final else {}
        await asyncio.to_thread(_make, folder)
        with NamedTemporaryFile(dir=folder / "logs", prefix=".", suffix=".tmp") as printed:
            await self._print(job, printed)
            await asyncio.to_thread(_write, folder, training, job, files, saved, Path(printed.name))
        best = best_weights(files)
        return best and f"{training.folder}/weights/{best_name(best)}"

    async def owner(self, training: Training) -> str | None:
        """The job whose completed training has the place, if any has."""
        return await asyncio.to_thread(_completed_by, self._root / training.folder)

    async def _print(self, job: Job, file: IO[bytes]) -> None:
        """Of all attempts, a part at a time: a log may be larger than memory."""
        for attempt in range(1, job.attempt + 1):
            chunk = await self._history.logs(job.id, attempt=attempt)
            while chunk.next_offset > chunk.offset:
                await asyncio.to_thread(file.write, chunk.text.encode())
                chunk = await self._history.logs(job.id, chunk.next_offset, attempt)
        await asyncio.to_thread(file.flush)


def best_weights(artifacts: Iterable[ArtifactView]) -> ArtifactView | None:
    """The file that holds the best weights, in the form that most tools read."""
    models = [artifact for artifact in artifacts if artifact.kind is ArtifactKind.MODEL]
    return min(models, key=_rank, default=None)


def _rank(artifact: ArtifactView) -> int:
    suffix = Path(artifact.path).suffix
    return _WEIGHTS.index(suffix) if suffix in _WEIGHTS else len(_WEIGHTS)


def best_name(artifact: ArtifactView) -> str:
    """PyTorch's files have one name here, however their framework would call them."""
    suffix = Path(artifact.path).suffix
    return f"best{'.pt' if suffix in _TORCH else suffix}"


def _folder_name(name: str, noun: str) -> str:
    try:
        parts = safe_parts(name, noun)
    except NameRefused as refused:
        raise InvalidRequest(refused.message) from None
    if len(parts) != 1 or name.endswith("/") or name.startswith("."):
        raise InvalidRequest(
            f"{name!r} cannot name a {noun}; expected a plain name without slashes that begins with no dot"
        )
    return name


def _completed_by(folder: Path) -> str | None:
    """The job whose completed training lies there, unless somebody has changed its report."""
    try:
        report = json.loads((folder / _REPORT).read_bytes())
        return report["job_id"] if report["state"] == JobState.SUCCEEDED else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _make(folder: Path) -> None:
    for name in ("weights", "logs", "artifacts"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def _write(
    folder: Path,
    training: Training,
    job: Job,
    files: Mapping[ArtifactView, Path],
    checkpoints: Mapping[str, Path],
    printed: Path,
) -> None:
    copy_durably(printed, folder / "logs" / "train.log")
    publish_durably(folder / "artifacts" / "config.yaml", as_yaml({"model": job.model, **job.resolved}).encode())
    best = best_weights(files)
    for artifact, source in files.items():
        copy_durably(source, folder / _place(artifact, best))
    for path, source in checkpoints.items():
        copy_durably(source, folder / "weights" / path)
    report = json.dumps(_report(training, job, best), indent=2)
    publish_durably(folder / _REPORT, report.encode())  # last: from now on they are kept


def _place(artifact: ArtifactView, best: ArtifactView | None) -> str:
    """With the folder that it came in: some exports are several files, and two artifacts may have one name."""
    if artifact == best:
        return f"weights/{best_name(artifact)}"
    if artifact.kind in (ArtifactKind.MODEL, ArtifactKind.EXPORT):
        return f"weights/{artifact.path}"
    return f"artifacts/{artifact.path}"


def _report(training: Training, job: Job, best: ArtifactView | None) -> dict[str, object]:
    return {
        "job_id": job.id,
        "state": job.state,
        "reason": job.reason,
        "message": job.message,
        "trainer": job.trainer,
        "task": job.task,
        "model": job.model,
        "model_id": job.model_id,
        "config": dict(job.resolved),
        "dataset_version": job.dataset_version,
        "dataset_path": job.labels.get(DATASET_PATH),
        "output_path": training.folder,
        "best_weights": best and f"{training.folder}/weights/{best_name(best)}",
        "resumed_from": job.resume_from,
        "metrics": dict(job.metrics),
        "created_at_ms": job.created_at_ms,
        "started_at_ms": job.started_at_ms,
        "finished_at_ms": job.finished_at_ms,
    }
