"""Put the weights of a finished style where its callers look for them: `{models}/style-7/lora_weights.safetensors`.

Beside them lies `training.json`: whose they are, their sha256, and what they were trained with. It is written last.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from weakref import WeakValueDictionary

from eyebright.core.job import Job
from eyebright.core.records import Message
from eyebright.core.scope import DEFAULT_PROJECT
from eyebright.ports.jobs import JobStore
from eyebright.ports.shelf import Shelf
from eyebright.services.errands import Errands
from eyebright.services.history import History
from eyebright.services.styles import StyleTask
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.jobs import JobKind, JobState
from eyebright_wire.resources import ArtifactView

WEIGHTS = "lora_weights"
NOTE = "training.json"
#: What diffusers calls a LoRA; before any other weights of a job.
_LORA = "pytorch_lora_weights.safetensors"


@dataclass(frozen=True, slots=True)
class _Noted:
    """What the note of an earlier publication says."""

    job_id: str
    sha256: str
    finished_at_ms: int

    @classmethod
    def of(cls, content: bytes | None) -> "_Noted | None":
        """None too for what is no note of ours: then it is written over."""
        try:
            said = json.loads(content or b"")
            return cls(str(said["job_id"]), str(said["sha256"]), int(said["finished_at_ms"]))
        except (ValueError, KeyError, TypeError):
            return None


class Publishing:
    """A subscriber: the outbox tells it of every training that succeeds, until the weights lie in their place."""

    def __init__(self, shelf: Shelf, store: JobStore, history: History) -> None:
        self._shelf = shelf
        self._store = store
        self._history = history
        self._styles: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._errands = Errands[str | None]("its weights are still on their way to their place")

    async def notify(self, message: Message) -> None:
        if message.state is JobState.SUCCEEDED:
            await self.soon(message.job_id)

    async def soon(self, job_id: str) -> str | None:
        """As `publish`, for those who cannot wait: raises Unavailable when it takes longer, while it goes on by itself."""
        return await self._errands.soon(job_id, lambda: self.publish(job_id))

    async def close(self) -> None:
        """What is under way is given up; the outbox tells of it again."""
        await self._errands.close()

    async def publish(self, job_id: str) -> str | None:
        """The address of a succeeded training's weights, which lie there on return, however often this is asked.

        A style that was trained again has the newest training's weights. None for a job of no style, of another project than
        those who name styles, or when its model was deleted. Raises Unavailable or StorageFull while they cannot be put there.
        """
        job = (await self._store.get(job_id)).job
        task = StyleTask.of(job.labels)
        if task is None or job.kind is not JobKind.TRAINING or job.project != DEFAULT_PROJECT:
            return None
        weights = weights_of(await self._history.artifacts(job_id))
        if weights is None:
            return None
        name = f"{task.folder}/{WEIGHTS}{PurePosixPath(weights.path).suffix}"
        async with self._styles.setdefault(task.folder, asyncio.Lock()):
            await self._put(job, task, weights, name)
        return self._shelf.address(name)

    async def _put(self, job: Job, task: StyleTask, weights: ArtifactView, name: str) -> None:
        note = f"{task.folder}/{NOTE}"
        noted = _Noted.of(await self._shelf.read(note))
        if noted and (_is(noted, job, weights) or noted.finished_at_ms > (job.finished_at_ms or 0)):
            return
        await self._shelf.put(name, await self._history.artifact(job.id, weights.path))
        said = _note(job, task, weights, self._shelf.address(name))
        await self._shelf.put(note, json.dumps(said, indent=2).encode())


def weights_of(artifacts: Iterable[ArtifactView]) -> ArtifactView | None:
    """The LoRA in the form that diffusers loads; else the best other weights of a job."""
    models = [artifact for artifact in artifacts if artifact.kind is ArtifactKind.MODEL]
    return min(models, key=lambda model: (model.path != _LORA, not model.path.endswith(".safetensors")), default=None)


def _is(noted: _Noted, job: Job, weights: ArtifactView) -> bool:
    return (noted.job_id, noted.sha256) == (job.id, weights.sha256)


def _note(job: Job, task: StyleTask, weights: ArtifactView, address: str) -> dict[str, Any]:
    return {
        "style_id": task.style,
        "task_id": task.task_id,
        "model_path": address,
        "sha256": weights.sha256,
        "size_bytes": weights.size_bytes,
        "job_id": job.id,
        "model_id": job.model_id,
        "trainer": job.trainer,
        "model": job.model,
        "dataset_version": job.dataset_version,
        "config": dict(job.resolved),
        "metrics": dict(job.metrics),
        "finished_at_ms": job.finished_at_ms,
    }
