"""Look at registered models, give them aliases, compare, delete, fetch their files, and ask them about an image."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog

from eyebright.core.records import Model
from eyebright.errors import EyebrightError, InvalidRequest, NotFound, Way
from eyebright.ports.catalog import Catalog
from eyebright.ports.clock import Clock
from eyebright.ports.executor import Predictor
from eyebright.ports.jobs import JobStore
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright.ports.registry import ModelStore
from eyebright.services.comparison import compared
from eyebright.services.lineage import lineage
from eyebright.services.reference import find
from eyebright.services.views import model_view
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.manifest import TaskInfo
from eyebright_wire.resources import ModelComparison, ModelView, Page, Prediction

log = structlog.stdlib.get_logger(__name__)


class Models:
    """Where a model is asked for, it may be named by its id, `NAME@ALIAS`, `NAME@3` or `NAME`; NotFound says what is near."""

    def __init__(
        self,
        store: ModelStore,
        jobs: JobStore,
        objects: ObjectStore,
        catalog: Catalog,
        predictor: Predictor,
        clock: Clock,
        *,
        may_predict: Callable[[], None] = lambda: None,
    ) -> None:
        """`may_predict` raises Forbidden where nothing of the present project may run on this machine."""
        self._store = store
        self._jobs = jobs
        self._objects = objects
        self._catalog = catalog
        self._predictor = predictor
        self._clock = clock
        self._may_predict = may_predict
        self._clearing = asyncio.Lock()

    async def list(self, after: str | None = None, limit: int = 50, name: str | None = None) -> Page[ModelView]:
        found = await self._store.list(after, limit + 1, name)
        page = found[:limit]
        more = page[-1].id if len(found) > limit else None
        return Page[ModelView](items=tuple(model_view(model) for model in page), next=more)

    async def get(self, reference: str) -> ModelView:
        return await self._view(await find(self._store, reference))

    async def compare(self, left: str, right: str) -> ModelComparison:
        """What differs, from the left one to the right one."""
        ours, theirs = await find(self._store, left), await find(self._store, right)
        views = await self._view(ours), await self._view(theirs)
        return compared(*views, (await self._settings(ours), await self._settings(theirs)))

    async def point(self, reference: str, alias: str) -> ModelView:
        """Let the alias of its name point to it from now on; wherever it pointed before, it does no longer."""
        model = await find(self._store, reference)
        await self._store.point(model.id, alias)
        log.info("an alias points to a model", alias=alias, model=model.id, title=model.title)
        return await self.get(model.id)

    async def unpoint(self, reference: str, alias: str) -> ModelView:
        """Take an alias from the model that has it. Raises NotFound, with whose it is, when it is not this one's."""
        model = await find(self._store, reference)
        if not await self._store.unpoint(model.id, alias):
            raise await self._not_its(model, alias)
        log.info("an alias was taken away", alias=alias, model=model.id, title=model.title)
        return await self.get(model.id)

    async def delete(self, reference: str) -> None:
        """Forget a model and remove its files; what stays is that it was there. Raises Conflict while an alias points to it.

        It is deleted once that is committed. What of its files a crash or a broken disk leaves is removed later by `clear`.
        """
        model = await find(self._store, reference)
        await self._store.delete(model.id, self._clock.now_ms())
        log.info("a model was deleted", model=model.id, title=model.title)
        try:
            await self.clear()
        except EyebrightError as error:
            log.warning("files of a deleted model are still there; trying again", model=model.id, problem=error.message)

    async def clear(self) -> int:
        """Remove the files that deleted models have left; of how many models.

        All that lies below an attempt's prefix is its one model's, so nothing else refers to it; data sets lie elsewhere.
        One whose files cannot be removed keeps none of the others; the first such error is raised at the end.
        """
        problems: list[EyebrightError] = []
        async with self._clearing:
            condemned = await self._store.condemned()
            for model in condemned:
                try:
                    await self._clear(model)
                except EyebrightError as error:
                    problems.append(error)
        if problems:
            raise problems[0]
        return len(condemned)

    async def file(self, reference: str, path: str) -> Path:
        """A local file with the bytes of one of the model's artifacts. Raises NotFound for whatever is not registered."""
        model = await find(self._store, reference)
        if path not in {artifact.path for artifact in model.artifacts}:
            known = ", ".join(sorted(artifact.path for artifact in model.artifacts))
            raise NotFound(f"model {model.id} has no file {path!r}. It has: {known}")
        return await self._objects.local(attempt_prefix(model.job_id, model.attempt) + path)

    async def predict(self, reference: str, image: bytes) -> Prediction:
        """Scores, objects (best first) or the mask of one encoded image (JPEG, PNG, …), by the model's own trainer in a child.
        Raises InvalidRequest for a model that answers nothing about images, Forbidden where that may not run here."""
        model = await find(self._store, reference)
        self._may_predict()
        environment = await self._catalog.here(model.trainer)
        _require_answers(model, environment.manifest.task(model.task))
        folder = await self._folder(model)
        began = perf_counter()
        answer = await self._predictor.predict(environment, folder, image)
        return Prediction(
            model_id=model.id,
            scores=answer.scores,
            objects=answer.objects,
            mask=answer.mask,
            seconds=round(perf_counter() - began, 3),
        )

    async def _folder(self, model: Model) -> Path:
        """With what is registered, and not what lies beside it: an attempt's checkpoints are many times as large."""
        prefix = attempt_prefix(model.job_id, model.attempt)
        paths = [ref.path for ref in model.artifacts if ref.kind is not ArtifactKind.CHECKPOINT]
        if not paths:
            raise NotFound(f"model {model.id} has no files to predict with; train it again")
        files = await asyncio.gather(*(self._objects.local(prefix + path) for path in paths))
        return files[0].parents[paths[0].count("/")]

    async def _clear(self, model: Model) -> None:
        await self._objects.remove([attempt_prefix(model.job_id, model.attempt)])
        await self._store.cleared(model.id, self._clock.now_ms())

    async def _view(self, model: Model) -> ModelView:
        return model_view(model, await lineage(self._store, model))

    async def _settings(self, model: Model) -> Mapping[str, Any]:
        """All that it was trained with."""
        return (await self._jobs.get(model.job_id)).job.resolved

    async def _not_its(self, model: Model, alias: str) -> NotFound:
        holder = await self._store.find(model.name, alias)
        whose = f"it points to {holder.title}" if holder else f"nothing named {model.name} has it"
        return NotFound(f"{model.title} has no alias {alias}; {whose}")


def _require_answers(model: Model, task: TaskInfo | None) -> None:
    if task is not None and not task.predicts:
        raise InvalidRequest(
            f"{model.title} is of {model.task} and answers nothing about an image",
            way=Way.DOWNLOAD,
            about={"model": model.title},
        )
