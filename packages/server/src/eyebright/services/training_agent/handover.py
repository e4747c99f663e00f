"""Put a finished training's weights where its callers expect them: `{models}/<project>_model.pth`, and never over another's."""

import asyncio
from pathlib import Path
from weakref import WeakValueDictionary

from eyebright.core.job import Job
from eyebright.errors import Conflict, EyebrightError, NotFound, NotHandedOver, StorageFull, Unavailable
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import JobStore
from eyebright.ports.shelf import Shelf
from eyebright.services.history import History
from eyebright.services.training_agent.orders import MODEL_FILE, file_name
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.resources import ArtifactView

WEIGHTS = "model.pth"


class Handover:
    def __init__(
        self, shelf: Shelf, store: JobStore, history: History, clock: Clock, *, give_up_seconds: float
    ) -> None:
        """`give_up_seconds` after its end a training whose model cannot be put in its place has failed for its callers."""
        self._shelf = shelf
        self._store = store
        self._history = history
        self._clock = clock
        self._give_up_ms = int(1000 * give_up_seconds)
        self._jobs: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def hand_over(self, job: Job) -> str:
        """As `put`, but raises NotHandedOver for what cannot be put there ever, or could not for long enough."""
        try:
            return await self.put(job.id)
        except (Unavailable, StorageFull) as away:
            if self._clock.now_ms() < self.gives_up_at_ms(job):
                raise
            raise not_handed_over(job, away) from away
        except (Conflict, NotFound) as refused:
            raise not_handed_over(job, refused) from refused

    def gives_up_at_ms(self, job: Job) -> int:
        """From when on a training's model is not waited with any more, by `hand_over`."""
        return (job.finished_at_ms or 0) + self._give_up_ms

    async def put(self, job_id: str) -> str:
        """The address of a succeeded training's weights, which lie there on return, however often this is asked.

        The first model of a name has the plain file name. A later one, be it of this project or of another that is called
        the same, has its job's id in it: what a row of `models` names stays what it was. Raises Unavailable or StorageFull while
        it cannot be put there, NotFound when the model was deleted.
        """
        job = (await self._store.get(job_id)).job
        weights = await self.weights(job_id)
        content = await self._history.artifact(job_id, weights.path)
        async with self._jobs.setdefault(job_id, asyncio.Lock()):
            for name in _names(job):
                if await self._shelf.create(name, content, weights.sha256):
                    return self._shelf.address(name)
        raise Conflict(f"{self._shelf.address(_names(job)[-1])} holds something else; move it away")

    async def weights(self, job_id: str) -> ArtifactView:
        """Raises NotFound when the model was deleted."""
        for artifact in await self._history.artifacts(job_id):
            if artifact.kind is ArtifactKind.MODEL and Path(artifact.path).name == WEIGHTS:
                return artifact
        raise NotFound(f"job {job_id} has no {WEIGHTS} any more: its model was deleted")


def not_handed_over(job: Job, problem: EyebrightError) -> NotHandedOver:
    return NotHandedOver(
        f"Training completed, but its model could not be handed over: {problem.message}. It is kept as job {job.id}; once that "
        "is put right, POST /agents/training/upload with this project_id does it",
        reason=problem.code,
    )


def _names(job: Job) -> tuple[str, str]:
    stem = file_name(job.labels[MODEL_FILE])
    return f"{stem}.pth", f"{stem}-{job.id}.pth"
