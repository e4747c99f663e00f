"""The job that rehearses an order: it carries the order's own trainer and settings in what it was resolved to."""

from dataclasses import replace

from eyebright.core.job import Job
from eyebright_wire.jobs import REHEARSER


def rehearsal_of(job: Job, webhook: str | None = None) -> Job:
    """In place of the job that the order would be: what people see of its settings stays."""
    resolved = {"trainer": job.trainer, "config": dict(job.resolved), "webhook": webhook}
    return replace(job, trainer=REHEARSER, resolved=resolved, max_duration_seconds=None, forecast=None, needs=None)


def rehearsed(job: Job) -> Job:
    """What the trainer gets to see of it: the order itself."""
    return replace(job, trainer=job.resolved["trainer"], resolved=job.resolved["config"])


def webhook_of(job: Job) -> str | None:
    return job.resolved["webhook"]
