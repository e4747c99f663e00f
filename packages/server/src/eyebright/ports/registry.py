"""Where data set versions and models are kept. Models are written by the job transaction that made them.

A version's id is made of its content, so several projects can have it; names are each project's own. What is asked for by these
is asked within one project: from within all of them it raises NoScope.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from eyebright.core.records import Dataset, Model, Version


class DatasetStore(Protocol):
    """A deleted version is found by its id, so that it can explain itself; no data set shows it, and its number is never given to
    another."""

    async def add_version(self, version: Version) -> Version:
        """Store it as the next number of its data set; the same content under the same name gives the version that exists, and
        one that was deleted is there again."""
        ...

    async def version(self, version_id: str) -> Version:
        """One that is there before one that was deleted. Raises NotFound."""
        ...

    async def versions(self, version_ids: Collection[str]) -> dict[str, Version]:
        """By their ids, as `version` has them. Those that never were are missing."""
        ...

    async def delete(self, name: str, number: int | None, now_ms: int) -> Sequence[Version]:
        """All versions of a data set, or the one of this number; which they were. Raises NotFound, or Conflict while a job that
        has not ended needs one of them."""
        ...

    async def manifests(self) -> Sequence[tuple[str, str | None]]:
        """Of each version that is not deleted the sha256 of its manifest, and of the list of what was changed for it, if it has
        one. Of all projects, whatever the scope: blobs are shared, and who asks is about to remove those that nobody names."""
        ...

    async def get(self, name: str) -> Dataset:
        """With its versions, newest first. Raises NotFound."""
        ...

    async def list(self, after: str | None = None, limit: int = 50) -> list[Dataset]:
        """By name; `after` is the last name of the page before."""
        ...


class ModelStore(Protocol):
    """A deleted model is found by id or number, so that it can explain itself; no list and no alias shows it."""

    async def get(self, model_id: str) -> Model:
        """Raises NotFound."""
        ...

    async def find(self, name: str, which: str | int) -> Model | None:
        """The version of that name with this number, or the one that this alias points to."""
        ...

    async def list(self, after: str | None = None, limit: int = 50, name: str | None = None) -> list[Model]:
        """Newest first; `after` is the id of the last model of the page before."""
        ...

    async def names(self) -> Sequence[str]:
        """That models have, in order."""
        ...

    async def point(self, model_id: str, alias: str) -> None:
        """From now on the alias of its name points to it, wherever it pointed before. Raises NotFound, also if it is deleted."""
        ...

    async def unpoint(self, model_id: str, alias: str) -> bool:
        """Take the alias away; False if it does not point to this model. Raises NotFound."""
        ...

    async def delete(self, model_id: str, now_ms: int) -> None:
        """Condemn it, and forget the artifacts and checkpoints of its attempt. Deleted already is not an error.

        Raises NotFound, or Conflict while an alias points to it.
        """
        ...

    async def condemned(self) -> Sequence[Model]:
        """Deleted ones whose files nobody needs any more: nothing of their attempt runs that could write, and no unfinished job
        begins from them."""
        ...

    async def cleared(self, model_id: str, now_ms: int) -> None:
        """Its files are gone."""
        ...
