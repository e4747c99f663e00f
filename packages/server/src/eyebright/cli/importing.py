"""Have a server import data, and show how far it is meanwhile."""

from eyebright.cli.display import counted
from eyebright.cli.terminal import busy, say
from eyebright.client import Client
from eyebright.errors import Conflict
from eyebright_wire.jobs import JobState
from eyebright_wire.resources import DatasetImport, DatasetVersionView, JobView


def imported(client: Client, order: DatasetImport, shown: object) -> DatasetVersionView:
    """The version that comes of it. Ctrl-C cancels the import: nobody else waits for it. Raises as `Client.imported` does."""
    job = client.order_import(order)
    try:
        return client.imported(_watched(client, job, shown))
    except KeyboardInterrupt:
        _cancel(client, job)
        raise


def _watched(client: Client, job: JobView, shown: object) -> JobView:
    """The job once it has ended."""
    with busy(f"Importing {shown}…") as tell:
        for item in client.watch(job.id):
            if isinstance(item, JobView):
                job = item
                tell(_words(job, shown))
    return job


def _words(job: JobView, shown: object) -> str:
    if job.state is JobState.QUEUED:
        return f"Importing {shown}: number {job.queue_position or 1} in line"
    how_far = counted(job.progress) if job.progress else ""
    return f"Importing {shown}: {' '.join(part for part in (str(job.stage or job.state), how_far) if part)}"


def _cancel(client: Client, job: JobView) -> None:
    try:
        client.cancel(job.id)
    except Conflict:
        say("The import had already ended.")
    else:
        say("The import is cancelled; nothing of it is kept.")
