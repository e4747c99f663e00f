"""From which models a model comes. Those that were deleted still tell of themselves."""

from eyebright.core.records import Model
from eyebright.ports.registry import ModelStore
from eyebright_wire.resources import Ancestor

#: A chain is followed so far back.
GENERATIONS = 100


async def lineage(store: ModelStore, model: Model) -> tuple[Ancestor, ...]:
    """Its parent, that one's parent, and so on."""
    found: list[Ancestor] = []
    while model.parent is not None and len(found) < GENERATIONS:
        model = await store.get(model.parent)
        found.append(_ancestor(model))
    return tuple(found)


def _ancestor(model: Model) -> Ancestor:
    return Ancestor(
        id=model.id,
        name=model.name,
        number=model.number,
        architecture=model.architecture,
        dataset_version=model.dataset_version,
        job_id=model.job_id,
        deleted_at_ms=model.deleted_at_ms,
    )
