"""The files of an export that was made afterwards, from the attempt that made them to the model that they belong to."""

from eyebright.core.job import Run
from eyebright.core.records import Exported, Model
from eyebright.errors import Conflict, NotFound, model_deleted
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright.ports.registry import ModelStore
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef
from eyebright_wire.events import Succeeded


class ExportFiles:
    def __init__(self, models: ModelStore, objects: ObjectStore) -> None:
        self._models = models
        self._objects = objects

    async def placed(self, run: Run, claim: Succeeded) -> Exported:
        """Beside the model's own files, so that they share its fate. What a crash has left there by these names is replaced.

        As often as one likes, and by several at once: what lies there with the right bytes stays, and other bytes go only while
        no model names them and what takes their place is at hand. Raises NotFound when the model was deleted meanwhile, Conflict
        when it has such files, StorageFull.
        """
        refs = tuple(ref for ref in claim.artifacts if ref.kind is ArtifactKind.EXPORT)
        model = await self._open_to(run, refs)
        source, target = _prefix(run), attempt_prefix(model.job_id, model.attempt)
        lying = {ref.path: await self._sha256(target + ref.path) for ref in refs}
        missing = [ref.path for ref in refs if lying[ref.path] != ref.sha256]
        found = [(target + path, await self._objects.local(source + path)) for path in missing]
        if others := [target + path for path in missing if lying[path] is not None]:
            await self._open_to(run, refs)
            await self._objects.remove(others)
        await self._objects.put(found, owned=True)
        return Exported(model.id, claim.exports, refs)

    async def _open_to(self, run: Run, refs: tuple[ArtifactRef, ...]) -> Model:
        """The model, which has none of these yet."""
        model = await self._models.get(run.job.parent or "")
        if model.deleted_at_ms is not None:
            raise model_deleted(model.id, model.title, model.deleted_at_ms)
        _require_new(model, refs)
        return model

    async def _sha256(self, key: str) -> str | None:
        try:
            return (await self._objects.stat(key)).sha256
        except NotFound:
            return None

    async def tidy(self, run: Run) -> None:
        """Remove what the attempt left: the model has its files now, or nobody has."""
        await self._objects.remove([_prefix(run)])


def _require_new(model: Model, refs: tuple[ArtifactRef, ...]) -> None:
    taken = {known.path for known in model.artifacts} & {ref.path for ref in refs}
    if taken or not refs:
        what = f"{', '.join(sorted(taken))} already" if taken else "nothing to gain: the trainer has made no file of it"
        raise Conflict(f"{model.title} has {what}")


def _prefix(run: Run) -> str:
    assert run.attempt is not None
    return attempt_prefix(run.job.id, run.attempt.number)
