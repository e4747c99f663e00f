"""What a project's trainings have made, where its people look for it: `projects/<Project>/model/training/<name>/`.

A view: the files are copies, made when a training ends, and the registry stays the authority on them.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
import yaml

from eyebright.core.job import Job
from eyebright.core.records import Message
from eyebright.errors import Conflict, InvalidRequest
from eyebright.ports.jobs import JobStore
from eyebright.services.history import History
from eyebright_kit.disk import copy_durably, replace_durably
from eyebright_kit.names import NameRefused, safe_parts
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import ArtifactView

#: Labels of a job that belongs to a project's tree.
PROJECT, PROJECT_ID, TRAINING = "project", "project_id", "training_name"

#: What people mean by the best weights, in the order in which they would look for them.
_WEIGHTS = (".pt", ".pth", ".safetensors", ".onnx")
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
    def of(cls, job: Job) -> "Training | None":
        """None too where such labels, which anybody may give a job, name no place: then they were not meant so."""
        labels = job.labels
        if job.kind is not JobKind.TRAINING or PROJECT not in labels or TRAINING not in labels:
            return None
        try:
            return cls.named(labels[PROJECT], labels[TRAINING])
        except InvalidRequest:
            return None


class ProjectTree:
    """A subscriber: each training of a project is shown when it has ended."""

    def __init__(self, root: Path, store: JobStore, history: History) -> None:
        self._root = root
        self._store = store
        self._history = history

    async def notify(self, message: Message) -> None:
        if not message.state.final:
            return
        try:
            await self.show(message.job_id)
        except Conflict as taken:
            log.warning("a training is not shown in its project's tree", job=message.job_id, problem=taken.message)

    async def show(self, job_id: str) -> str | None:
        """Write what there is of an ended training of a project; where its best weights lie below the root, if it has any.

        Raises Conflict when its place holds what another job completed, as when that one was run again outside the project.
        """
        job = (await self._store.get(job_id)).job
        if (training := Training.of(job)) is None:
            return None
        folder = self._root / training.folder
        if (owner := await asyncio.to_thread(_completed_by, folder)) not in (None, job_id):
            raise Conflict(
                f"{training.folder} holds what job {owner} made, which is kept; job {job_id} has its own files"
            )
        made = await self._history.artifacts(job_id)
        files = {artifact: await self._history.artifact(job_id, artifact.path) for artifact in made}
        printed = await self._log(job_id)
        await asyncio.to_thread(_write, folder, job, files, printed)
        best = best_weights(files)
        return best and f"{training.folder}/weights/{best_name(best)}"

    async def _log(self, job_id: str) -> str:
        text, chunk = "", await self._history.logs(job_id)
        while chunk.next_offset > chunk.offset:
            text += chunk.text
            chunk = await self._history.logs(job_id, chunk.next_offset)
        return text


def best_weights(artifacts: Iterable[ArtifactView]) -> ArtifactView | None:
    """The file that holds the best weights, in the form that most tools read."""
    models = [artifact for artifact in artifacts if artifact.kind is ArtifactKind.MODEL]
    return min(models, key=_rank, default=None)


def _rank(artifact: ArtifactView) -> int:
    suffix = Path(artifact.path).suffix
    return _WEIGHTS.index(suffix) if suffix in _WEIGHTS else len(_WEIGHTS)


def best_name(artifact: ArtifactView) -> str:
    return f"best{Path(artifact.path).suffix}"


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


def _write(folder: Path, job: Job, files: Mapping[ArtifactView, Path], printed: str) -> None:
    for name in ("weights", "logs", "artifacts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    replace_durably(folder / "logs" / "train.log", printed.encode())
    config = yaml.safe_dump(dict(job.resolved), sort_keys=False, allow_unicode=True)
    replace_durably(folder / "artifacts" / "config.yaml", config.encode())
    best = best_weights(files)
    for artifact, source in files.items():
        copy_durably(source, folder / _place(artifact, best))
    replace_durably(folder / _REPORT, json.dumps(_report(job), indent=2).encode())  # last: from now on they are kept


def _place(artifact: ArtifactView, best: ArtifactView | None) -> str:
    """With the folder that it came in: some exports are several files, and two artifacts may have one name."""
    if artifact == best:
        return f"weights/{best_name(artifact)}"
    if artifact.kind in (ArtifactKind.MODEL, ArtifactKind.EXPORT):
        return f"weights/{artifact.path}"
    return f"artifacts/{artifact.path}"


def _report(job: Job) -> dict[str, object]:
    return {
        "job_id": job.id,
        "state": job.state,
        "reason": job.reason,
        "message": job.message,
        "trainer": job.trainer,
        "task": job.task,
        "model": job.model,
        "model_id": job.model_id,
        "dataset_version": job.dataset_version,
        "metrics": dict(job.metrics),
        "started_at_ms": job.started_at_ms,
        "finished_at_ms": job.finished_at_ms,
    }
