"""Where the curves of long jobs are kept."""

from collections.abc import Sequence
from typing import Protocol

from eyebright.core.curves import Curves


class CurveStore(Protocol):
    async def get(self, job_id: str) -> Curves:
        """Empty ones where none were kept."""
        ...

    async def keep(self, job_id: str, kept: Curves, before: int) -> bool:
        """In place of those up to position `before`; False where others have been kept meanwhile, and then nothing changes."""
        ...

    async def behind(self, limit: int) -> Sequence[str]:
        """Jobs with so many events beyond their curves that each chart would have to read a lot: `STRIDE` or a little more."""
        ...


#: Each so many events of a job one has an entry in an index.
STRIDE = 2048
