"""Which projects there are. Nobody's own: whose things are meant is asked of it, so it needs no scope."""

from collections.abc import Sequence
from typing import Protocol

from eyebright.core.project import Project


class ProjectStore(Protocol):
    async def add(self, project: Project) -> bool:
        """False if there is one of that name."""
        ...

    async def exists(self, project_id: str) -> bool: ...

    async def list(self) -> Sequence[Project]:
        """By id. `default` is always among them."""
        ...
