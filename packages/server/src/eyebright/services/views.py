"""Core values → what the outside sees."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from eyebright.core.job import Job
from eyebright.core.records import Checkpoint, Dataset, Model, StoredEvent, Transition, Version
from eyebright_kit.data.annotations import Instance
from eyebright_kit.data.manifest import Sample
from eyebright_wire import resources as wire
from eyebright_wire.datasets import DatasetReport, ObjectView, PictureView

_JOB_FIELDS = frozenset(field.name for field in fields(Job)) & frozenset(wire.JobView.model_fields)
_MODEL_FIELDS = frozenset(field.name for field in fields(Model)) & frozenset(wire.ModelView.model_fields)


def job_view(job: Job, queue_position: int | None = None, transitions: list[Transition] | None = None) -> wire.JobView:
    values: dict[str, Any] = {name: getattr(job, name) for name in _JOB_FIELDS}
    history = tuple(transition_view(transition) for transition in transitions or ())
    return wire.JobView(**values, queue_position=queue_position, status_transitions=history)


def transition_view(transition: Transition) -> wire.Transition:
    return wire.Transition(
        version=transition.version,
        state=transition.state,
        at_ms=transition.at_ms,
        reason=transition.reason,
        message=transition.message,
    )


def event_view(event: StoredEvent) -> wire.EventView:
    return wire.EventView(
        seq=event.seq,
        kind=event.kind,
        at_ms=event.at_ms,
        data=dict(event.data),
        position=event.position,
        attempt=event.attempt,
    )


def checkpoint_view(checkpoint: Checkpoint) -> wire.CheckpointView:
    return wire.CheckpointView(
        attempt=checkpoint.attempt,
        epoch=checkpoint.epoch,
        step=checkpoint.step,
        best=checkpoint.best,
        metrics=dict(checkpoint.metrics),
        path=checkpoint.manifest.path,
        at_ms=checkpoint.at_ms,
    )


def model_view(model: Model, lineage: tuple[wire.Ancestor, ...] = ()) -> wire.ModelView:
    return wire.ModelView(**{name: getattr(model, name) for name in _MODEL_FIELDS}, lineage=lineage)


def version_view(version: Version) -> wire.DatasetVersionView:
    return wire.DatasetVersionView(
        id=version.id,
        dataset=version.dataset,
        number=version.number,
        created_at_ms=version.created_at_ms,
        manifest_sha256=version.manifest_sha256,
        report=DatasetReport.model_validate(version.report),
    )


def dataset_view(dataset: Dataset) -> wire.DatasetView:
    return wire.DatasetView(
        name=dataset.name,
        created_at_ms=dataset.created_at_ms,
        versions=tuple(version_view(version) for version in dataset.versions),
    )


def picture_view(number: int, sample: Sample, classes: Sequence[str]) -> PictureView:
    return PictureView(
        number=number,
        source=sample.source,
        sha256=sample.sha256,
        split=sample.split,
        width=sample.width,
        height=sample.height,
        class_name=None if sample.label is None else classes[sample.label],
        objects=tuple(_object_view(instance, classes) for instance in sample.instances),
        has_mask=sample.mask is not None,
        caption=sample.caption,
    )


def _object_view(instance: Instance, classes: Sequence[str]) -> ObjectView:
    known = {
        "outline": instance.polygons or instance.rle,
        "keypoints": instance.keypoints,
        "corners": instance.corners,
        "crowd": instance.crowd,
    }
    return ObjectView(
        class_name=classes[instance.label],
        box=instance.box,
        kinds=tuple(kind for kind, value in known.items() if value),
        attributes=instance.attributes,
    )
