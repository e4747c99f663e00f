"""Which figures there are, in the order in which they are printed: the quick ones first."""

from benchmarks import (
    agents,
    answers,
    callbacks,
    crowd,
    faults,
    gpu,
    importing,
    ingest,
    lists,
    lora,
    mlflow_ingest,
    objects,
    overhead,
    queue,
    startup,
    training,
    training_agent,
    webhooks,
    yolo,
)
from benchmarks.figure import Family, Figure

FAMILIES: tuple[Family, ...] = (
    *startup.FAMILIES,
    *answers.FAMILIES,
    *agents.FAMILIES,
    *training_agent.FAMILIES,
    *overhead.FAMILIES,
    *ingest.FAMILIES,
    *callbacks.FAMILIES,
    *crowd.FAMILIES,
    *mlflow_ingest.FAMILIES,
    *faults.FAMILIES,
    *lists.FAMILIES,
    *webhooks.FAMILIES,
    *queue.FAMILIES,
    *objects.FAMILIES,
    *importing.FAMILIES,
    *training.FAMILIES,
    *yolo.FAMILIES,
    *lora.FAMILIES,
    *gpu.FAMILIES,
    *lora.GPU_FAMILIES,
)


def figures() -> tuple[Figure, ...]:
    return tuple(figure for family in FAMILIES for figure in family.figures)


def chosen(name: str | None) -> tuple[Family, ...]:
    """The families to measure for one figure, or for all. Raises KeyError for a name that no figure has."""
    if name is None:
        return FAMILIES
    found = tuple(family for family in FAMILIES if name in {figure.name for figure in family.figures})
    if not found:
        raise KeyError(name)
    return found
