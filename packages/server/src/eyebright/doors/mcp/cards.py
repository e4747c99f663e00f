"""Resources: a card, in JSON, of each job, model and data set."""

from eyebright.doors.mcp.answers import dataset_summary, told
from eyebright.services import Services

JSON = "application/json"


#: By the method that gives the card.
TEMPLATES = {
    "job_card": "eyebright://jobs/{job_id}",
    "model_card": "eyebright://models/{model}",
    "dataset_card": "eyebright://datasets/{name}",
}


class Cards:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def job_card(self, job_id: str) -> str:
        """A job: state, progress, metrics, and what came of it."""
        return told(await self._services.jobs.get(job_id)).model_dump_json()

    async def model_card(self, model: str) -> str:
        """A model: metrics, classes, exports, and where it came from."""
        return told(await self._services.models.get(model)).model_dump_json()

    async def dataset_card(self, name: str) -> str:
        """A data set: its versions, and the tasks that they are ready for."""
        return told(dataset_summary(await self._services.datasets.get(name))).model_dump_json()
