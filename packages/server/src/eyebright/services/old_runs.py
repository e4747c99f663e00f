"""Remove the folders of runs whose jobs ended long ago, with what they printed and wrote down. Results lie elsewhere."""

from collections.abc import AsyncIterator, Iterable

from eyebright.errors import NotFound
from eyebright.ports.clock import Clock
from eyebright.ports.executor import Executor, Housekeeping
from eyebright.ports.jobs import JobHistory, JobStore
from eyebright.ports.objects import ObjectStore, attempt_prefix
from eyebright.services.output import output_key
from eyebright_wire.run_directory import SPOOL
from eyebright_wire.runs import Handle


class OldRuns:
    """Of this machine: each server looks after its own folder."""

    def __init__(
        self,
        jobs: JobStore,
        history: JobHistory,
        objects: ObjectStore,
        executors: Iterable[Executor],
        clock: Clock,
        *,
        days: float | None,
    ) -> None:
        """`days`: None keeps them for ever."""
        self._jobs = jobs
        self._history = history
        self._objects = objects
        self._houses = [executor for executor in executors if isinstance(executor, Housekeeping)]
        self._clock = clock
        self.days = days

    async def let_go(self, before_ms: int, *, remove: bool) -> tuple[int, int]:
        """Of jobs that ended before then: how many runs, and the bytes in their folders. They are gone, or would be."""
        count = size_bytes = 0
        async for house, handle, size in self._ended(before_ms):
            if not await self._is_over(handle, before_ms):
                continue
            if remove:
                await self._objects.remove([output_key(handle), attempt_prefix(handle.job_id, handle.attempt) + SPOOL])
                await house.forget(handle)
            count, size_bytes = count + 1, size_bytes + size
        return count, size_bytes

    async def _ended(self, before_ms: int) -> AsyncIterator[tuple[Housekeeping, Handle, int]]:
        seen: set[Handle] = set()  # several executors may share a folder
        for house in self._houses:
            for handle, size in (await house.ended(before_ms)).items():
                if handle not in seen:
                    seen.add(handle)
                    yield house, handle, size

    async def _is_over(self, handle: Handle, before_ms: int) -> bool:
        """A run that this database does not know stays: it may be another's."""
        try:
            job = (await self._jobs.get(handle.job_id)).job
        except NotFound:
            return False
        if job.finished_at_ms is None or job.finished_at_ms >= before_ms:
            return False
        attempts = {attempt.number: attempt for attempt in await self._history.attempts(handle.job_id)}
        return handle.attempt in attempts and attempts[handle.attempt].gone_at_ms is not None
