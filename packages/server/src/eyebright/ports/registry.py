"""Where data set versions and models are kept. Models are written by the job transaction that made them."""

from typing import Protocol

from eyebright.core.records import Dataset, Model, Version


class DatasetStore(Protocol):
    async def add_version(self, version: Version) -> Version:
        """Store it as the next number of its data set; the same content under the same name gives the version that exists."""
        ...

    async def version(self, version_id: str) -> Version:
        """Raises NotFound."""
        ...

    async def get(self, name: str) -> Dataset:
        """With its versions, newest first. Raises NotFound."""
        ...

    async def list(self, after: str | None = None, limit: int = 50) -> list[Dataset]:
        """By name; `after` is the last name of the page before."""
        ...


class ModelStore(Protocol):
    async def get(self, model_id: str) -> Model:
        """Raises NotFound."""
        ...

    async def list(self, after: str | None = None, limit: int = 50) -> list[Model]:
        """Newest first; `after` is the id of the last model of the page before."""
        ...
