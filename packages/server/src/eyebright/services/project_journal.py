"""What becomes of the trainings of projects, in their operators' log, by the categories that they filter by."""

import structlog

from eyebright.core.job import Job
from eyebright.core.records import PROGRESS_TOPIC, Message
from eyebright.core.scope import DEFAULT_PROJECT
from eyebright.ports.jobs import JobStore
from eyebright.services.project_tree import PROJECT, TRAINING
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobState


def category(name: str) -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger(name, category=name)


operations = category("operations.training")
invalid, broken = category("errors.validation"), category("errors.system")
#: Reasons that lie in what was ordered, not in how it was carried out.
_ORDERED_SO = frozenset({ErrorCode.CONFIG_INVALID, ErrorCode.DATASET_INVALID, ErrorCode.LICENCE_DENIED})


class ProjectJournal:
    """A subscriber: each import and training of a project is told of as its state changes."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    async def notify(self, message: Message) -> None:
        if message.topic == PROGRESS_TOPIC or message.project != DEFAULT_PROJECT:
            return
        job = (await self._store.get(message.job_id)).job
        if PROJECT in job.labels and TRAINING in job.labels:
            _tell(job, message)


def _tell(job: Job, message: Message) -> None:
    about = {"project": job.labels[PROJECT], "training": job.labels[TRAINING], "job": job.id}
    operations.info(f"{job.kind} {message.state}", **about)
    if message.state is JobState.FAILED:
        log = invalid.warning if message.reason in _ORDERED_SO else broken.error
        log(f"{job.kind} failed", **about, code=message.reason, message=job.message)
