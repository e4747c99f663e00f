"""What attempts printed: read where they ran, and elsewhere from what that server left in the store once they were gone."""

from collections.abc import AsyncIterator, Mapping

import structlog

from eyebright.core.job import Attempt
from eyebright.errors import TooLarge
from eyebright.ports.executor import Executor
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright_wire.runs import Handle

log = structlog.stdlib.get_logger(__name__)


class Output:
    def __init__(
        self, objects: ObjectStore, executors: Mapping[str, Executor], *, home: str, shared: bool = False
    ) -> None:
        """`shared`: other servers may be asked for what is printed here."""
        self._objects = objects
        self._executors = executors
        self._home = home
        self._shared = shared

    async def read(self, attempt: Attempt, offset: int) -> AsyncIterator[bytes]:
        """From byte `offset` on, up to now. Raises NotFound where only another server has it."""
        executor = self._executors.get(attempt.executor)
        if executor is None or attempt.place not in (None, self._home):
            blocks = self._objects.open(output_key(_handle(attempt)), offset)
        else:
            blocks = executor.logs(_handle(attempt), offset)
        async for block in blocks:
            yield block

    async def leave(self, attempt: Attempt) -> None:
        """For other servers, once nothing of it runs. As often as one likes."""
        if (
            not self._shared
            or attempt.place != self._home
            or not await self._objects.absent([output_key(_handle(attempt))])
        ):
            return
        executor = self._executors[attempt.executor]
        try:
            await self._objects.pour(output_key(_handle(attempt)), executor.logs(_handle(attempt), 0))
        except TooLarge as error:
            about = {"job": attempt.job_id, "attempt": attempt.number}
            log.warning("other servers cannot show what it printed", **about, problem=error.message)


def elsewhere(attempt: Attempt) -> str:
    """Where what cannot be read here is."""
    if attempt.gone_at_ms is None:
        return f"attempt {attempt.number} runs at the server {attempt.place}: ask that one, or any once it has ended"
    return (
        f"attempt {attempt.number} ran at the server {attempt.place}, which was lost before it handed over its output"
    )


def output_key(handle: Handle) -> str:
    """Beside the attempt's prefix, below which the trainer may write."""
    return attempt_prefix(handle.job_id, handle.attempt).removesuffix("/") + ".log"


def _handle(attempt: Attempt) -> Handle:
    return Handle(attempt.job_id, attempt.number)
