"""What follows an import: the training that its order asked for, placed once however often the import's success is told."""

from eyebright.core.job import Job
from eyebright.core.records import Message
from eyebright.errors import EyebrightError, KeyReused, StorageFull, TrainerMissing, Unavailable
from eyebright.ports.jobs import JobStore
from eyebright.services.jobs import IMPORT, Jobs
from eyebright_wire.jobs import JobKind, JobRequest, JobState


class Sequel:
    """A subscriber: the outbox tells it of every import that succeeds, after a crash too."""

    def __init__(self, store: JobStore, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs

    async def notify(self, message: Message) -> None:
        """A training that cannot be ordered any more is kept as a job that failed, with the reason; one whose import was to stop
        and had succeeded by then, as one that was cancelled.

        Raises Unavailable or StorageFull, to be told again, while nobody can say or write it down. That goes for a trainer that
        must be installed anew, too, but not for one that is installed no longer: nobody may ever do that again.
        """
        if message.state is not JobState.SUCCEEDED:
            return
        job = (await self._store.get(message.job_id)).job
        if job.kind is not JobKind.IMPORT or (order := _training(job)) is None:
            return
        try:
            training = (await self._jobs.submit(order, source=IMPORT, key=job.id)).view
        except KeyReused:  # a server before this one placed it, and wrote orders down otherwise
            return
        except EyebrightError as error:
            if isinstance(error, Unavailable | StorageFull) and not isinstance(error, TrainerMissing):
                raise
            await self._jobs.refuse(order, error, source=IMPORT, key=job.id)
            return
        if job.cancel_requested and not training.state.final:
            await self._jobs.cancel(training.id)


def _training(job: Job) -> JobRequest | None:
    wanted = job.config.get("train")
    if wanted is None:
        return None
    labels = {**wanted.get("labels", {}), IMPORT: job.id}
    order = JobRequest.model_validate({**wanted, "name": None, "labels": labels, "dataset": job.imported_version})
    return order.model_copy(update={"name": wanted.get("name")})  # checked when it was ordered, by the rule of that day
