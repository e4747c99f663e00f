"""What each project is allowed, and what it uses. Asked by the project's name, so it needs no scope."""

from typing import Protocol

from eyebright.core.quota import Quota, Usage


class QuotaStore(Protocol):
    async def get(self, project: str) -> Quota:
        """One that allows everything where none was put."""
        ...

    async def put(self, quota: Quota) -> None:
        """In place of the one that was there."""
        ...

    async def running_jobs(self, project: str) -> int:
        """What `usage` tells of them, at less cost."""
        ...

    async def usage(self, project: str) -> Usage:
        """Jobs count while anything of them may run; bytes of data set versions, of the files that
        jobs have left, and of kept uploads. What two versions share counts with each."""
        ...
