"""The job that makes another form of a model: what it is ordered with, and what the model's own trainer is told to do."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eyebright.core.job import Job
from eyebright.core.records import Model
from eyebright_wire.jobs import EXPORTER, ExportOrder, JobKind


def export_job(job_id: str, model: Model, form: str, config: Mapping[str, Any], now_ms: int) -> Job:
    """`config` has every setting that the model was trained with."""
    told = {**config, **({"exports": [form]} if "exports" in config else {})}
    return Job(
        id=job_id,
        project=model.project,
        name=model.name,
        trainer=EXPORTER,
        task=model.task,
        model=model.architecture,
        dataset_version=model.dataset_version,
        parent=model.id,
        config={"format": form},
        resolved={"format": form, "trainer": model.trainer, "config": told},
        licence=model.licence,
        created_at_ms=now_ms,
    )


def carried_out(job: Job) -> Job:
    """As the model's own trainer is to see it; any other job is as it is."""
    if job.kind is not JobKind.EXPORT:
        return job
    return replace(job, trainer=job.resolved["trainer"], resolved=job.resolved["config"])


def export_order(job: Job) -> ExportOrder | None:
    return ExportOrder(format=job.resolved["format"]) if job.kind is JobKind.EXPORT else None
