"""Look at registered models, fetch their files, and ask them about an image."""

from pathlib import Path
from time import perf_counter

from eyebright.errors import NotFound
from eyebright.ports.catalog import Catalog
from eyebright.ports.executor import Predictor
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright.ports.registry import ModelStore
from eyebright.services.views import model_view
from eyebright_wire.resources import ModelView, Page, Prediction


class Models:
    def __init__(self, store: ModelStore, objects: ObjectStore, catalog: Catalog, predictor: Predictor) -> None:
        self._store = store
        self._objects = objects
        self._catalog = catalog
        self._predictor = predictor

    async def list(self, after: str | None = None, limit: int = 50) -> Page[ModelView]:
        found = await self._store.list(after, limit + 1)
        page = found[:limit]
        more = page[-1].id if len(found) > limit else None
        return Page[ModelView](items=tuple(model_view(model) for model in page), next=more)

    async def get(self, model_id: str) -> ModelView:
        return model_view(await self._store.get(model_id))

    async def file(self, model_id: str, path: str) -> Path:
        """A local file with the bytes of one of the model's artifacts. Raises NotFound for whatever is not registered."""
        model = await self._store.get(model_id)
        if path not in {artifact.path for artifact in model.artifacts}:
            known = ", ".join(sorted(artifact.path for artifact in model.artifacts))
            raise NotFound(f"model {model_id} has no file {path!r}. It has: {known}")
        return await self._objects.local(attempt_prefix(model.job_id, model.attempt) + path)

    async def predict(self, model_id: str, image: bytes) -> Prediction:
        """Scores or objects of one encoded image (JPEG, PNG, …), best first; by the model's own trainer, in a child."""
        model = await self._store.get(model_id)
        environment = await self._catalog.environment(model.trainer)
        folder = await self._objects.local(attempt_prefix(model.job_id, model.attempt))
        began = perf_counter()
        answer = await self._predictor.predict(environment, folder, image)
        return Prediction(
            model_id=model_id,
            scores=answer.scores,
            objects=answer.objects,
            seconds=round(perf_counter() - began, 3),
        )
