"""Messages that order a training of the toy on a data set, and a server on which they only queue up."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eyebright.client import Client
from eyebright_wire.jobs import JobKind, JobRequest
from harness.live import LiveServer, pets


def order(task_id: str, **parameters: Any) -> bytes:
    data = {"style_id": 7, "dataset": "pets", "task": "classification", "trainer": "toy", "parameters": parameters}
    return json.dumps({"task_id": task_id, "type": "model_training", "data": data}).encode()


@contextmanager
def busy(data_dir: Path, **variables: str) -> Iterator[LiveServer]:
    """Its only slot is taken for as long as the context lasts, so that whatever is ordered stays queued."""
    slot = {"EYEBRIGHT_LOCAL__CPU_SLOTS": "1", "EYEBRIGHT_JOBS__STOP_GRACE_SECONDS": "1"}
    with LiveServer(data_dir, **slot, **variables) as server:
        with Client(settings=server.settings) as client:
            version = client.import_dataset(pets(data_dir.parent / "pets"))
            request = JobRequest(dataset=version.id, trainer="toy", priority=100, config={"step_seconds": 600})
            blocking = client.submit(request)
        try:
            yield server
        finally:
            with Client(settings=server.settings) as client:
                client.cancel(blocking.id)
                client.wait(blocking.id, timeout_seconds=60)  # else its trainer would outlive us


def ordered(server: LiveServer) -> Counter[str]:
    """How many trainings there are for each `task_id`."""
    with Client(settings=server.settings) as client:
        return Counter(job.labels["task_id"] for job in client.jobs(kind=JobKind.TRAINING) if "task_id" in job.labels)
