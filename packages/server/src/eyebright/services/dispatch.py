"""Claim queued jobs for free slots and launch them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import structlog

from eyebright.core import lifecycle
from eyebright.core.job import Run
from eyebright.core.records import changed
from eyebright.core.retry import RetryLimits
from eyebright.errors import ConfigInvalid, EyebrightError, ServiceUnavailable, StorageFull, TrainerUnavailable
from eyebright.ports.clock import Clock
from eyebright.ports.executor import Executor
from eyebright.ports.jobs import JobStore
from eyebright.services.announce import Announcer
from eyebright.services.ingest import token_hash
from eyebright.services.places import Places
from eyebright.services.seal import Seal
from eyebright_wire.errors import ErrorCode
from eyebright_wire.jobs import JobState
from eyebright_wire.runs import Handle, Slot

log = structlog.stdlib.get_logger(__name__)

#: At most so many claims for one executor in one tick, where the executor itself sets no limit.
BATCH = 16
#: Until it is looked again whether somebody has made room on an executor's disk.
FULL_DISK_SECONDS = 60.0
#: Until a trainer that could not be used is looked at again: doubled with each attempt of the job, up to the second.
TRAINER_SECONDS, LONGEST_TRAINER_SECONDS = 10, 300


class Dispatch:
    def __init__(
        self,
        store: JobStore,
        executors: Mapping[str, Executor],
        seal: Seal,
        places: Places,
        clock: Clock,
        announcer: Announcer,
        *,
        lease_ms: int,
        limits: RetryLimits,
    ) -> None:
        self._store = store
        self._executors = executors
        self._seal = seal
        self._places = places
        self._clock = clock
        self._announcer = announcer
        self._lease_ms = lease_ms
        self._limits = limits
        self._launching: set[Handle] = set()
        self._rest_until_ms: dict[str, int] = {}  # executors with a full disk

    def launching(self, handle: Handle) -> bool:
        """This process is between claiming it and hearing from the executor."""
        return handle in self._launching

    async def tick(self) -> int:
        """Fill the free slots; how many attempts were launched."""
        return await self.fill(self._executors)

    async def fill(self, executors: Iterable[str]) -> int:
        """The same for these executors only."""
        launches: list[asyncio.Task[bool]] = []
        try:
            for name in executors:
                await self._claim_for(name, self._executors[name], launches)
        finally:  # what was claimed is launched, whatever became of the next claim
            launched = await asyncio.gather(*launches)
        return sum(launched)

    async def _claim_for(self, name: str, executor: Executor, launches: list[asyncio.Task[bool]]) -> None:
        if self._clock.now_ms() < self._rest_until_ms.get(name, 0):
            return
        if executor.bound:
            await self._places.settled()
        place = self._places.home if executor.bound else None
        free = await self._free_slots(name, place, executor.slots())
        if not free or not await self._store.due(name, self._clock.now_ms(), 1):
            return  # most rounds; nobody had to wait for them to write
        for run, slot, token in await self._claim(name, place, free):
            self._launching.add(_handle(run))
            launches.append(asyncio.create_task(self._launch(run, slot, token)))

    async def _free_slots(self, name: str, place: str | None, slots: Sequence[Slot] | None) -> Sequence[Slot | None]:
        if slots is None:
            return [None] * BATCH
        runs = await self._store.unfinished()
        attempts = [run.attempt for run in runs if run.attempt]
        names = {each for each, executor in self._executors.items() if executor is self._executors[name]}
        taken = {each.slot for each in attempts if each.executor in names and each.place == place}
        return [slot for slot in slots if slot.index not in taken]

    async def _claim(
        self, name: str, place: str | None, free: Sequence[Slot | None]
    ) -> list[tuple[Run, Slot | None, str]]:
        """All by one commit. What another control plane is claiming at this moment is passed over."""
        async with self._store.transaction() as transaction:
            now_ms = self._clock.now_ms()
            found = await transaction.claimable(name, now_ms, len(free))
            claims = [(run, slot, self._clock.new_token()) for run, slot in zip(found, free, strict=False)]
            changes = [
                changed(run, self._claimed(run, slot, place, token, now_ms), now_ms) for run, slot, token in claims
            ]
            await transaction.save(changes)
        self._announcer.committed(changes)
        return [(change.after, slot, token) for change, (_, slot, token) in zip(changes, claims, strict=True)]

    def _claimed(self, run: Run, slot: Slot | None, place: str | None, token: str, now_ms: int) -> Run:
        return lifecycle.claim(
            run.job,
            now_ms,
            token_sha256=token_hash(token),
            lease_ms=self._lease_ms,
            place=place,
            slot=slot.index if slot else None,
        )

    async def _launch(self, run: Run, slot: Slot | None, token: str) -> bool:
        handle = _handle(run)
        try:
            spec, environment = await self._seal.spec(run, slot, token)
            await self._executors[run.job.executor].launch(spec, environment)
        except Exception as error:
            await self._failed(handle, error)
            return False
        else:
            await self._launched(run.job.executor, handle)
            log.info("launched", job=run.job.id, attempt=handle.attempt, trainer=run.job.trainer)
            return True
        finally:
            self._launching.discard(handle)

    async def _launched(self, executor: str, handle: Handle) -> None:
        key = (handle.job_id, handle.attempt)
        async with self._store.transaction() as transaction:
            run = (await transaction.lock([key]))[key]
            if run.current and run.attempt and not run.attempt.launched_at_ms:  # it has not yet said `started`
                now_ms = self._clock.now_ms()
                await transaction.save([changed(run, lifecycle.launched(run, now_ms), now_ms)])
        if run.attempt and run.attempt.gone_at_ms:  # given up meanwhile; who is only fenced is buried by the sweeper
            await self._executors[executor].stop(handle, timedelta(0))

    async def _failed(self, handle: Handle, error: Exception) -> None:
        _tell(handle, error)
        key = (handle.job_id, handle.attempt)
        async with self._store.transaction() as transaction:
            run = (await transaction.lock([key]))[key]
            if not run.current or run.job.state is JobState.RUNNING:  # it was heard, so it runs
                return
            now_ms = self._clock.now_ms()
            change = changed(run, self._without_launch(run, error, now_ms), now_ms)
            await transaction.save([change])
        self._announcer.committed([change])

    def _without_launch(self, run: Run, error: Exception, now_ms: int) -> Run:
        """A full disk ends no job, nor does a service that is away or a trainer that must be installed anew: neither those that
        wait nor their owners can do anything about it."""
        if isinstance(error, StorageFull):
            wait_ms = int(1000 * FULL_DISK_SECONDS)
            self._rest_until_ms[run.job.executor] = now_ms + wait_ms
            return lifecycle.put_back(run, ErrorCode.DISK_FULL, error.message, now_ms, wait_ms=wait_ms)
        if isinstance(error, ServiceUnavailable):
            wait_ms = int(1000 * error.wait_seconds)
            return lifecycle.put_back(run, ErrorCode.NO_CAPACITY, error.message, now_ms, wait_ms=wait_ms)
        if isinstance(error, TrainerUnavailable):
            seconds = min(LONGEST_TRAINER_SECONDS, TRAINER_SECONDS * 2 ** min(run.job.attempt - 1, 10))
            message = f"{error.message}. The job waits for its trainer; the next look is in {seconds} s"
            return lifecycle.put_back(run, ErrorCode.NO_CAPACITY, message, now_ms, wait_ms=1000 * seconds)
        if isinstance(error, ConfigInvalid):
            code, message = ErrorCode.CONFIG_INVALID, error.message
            return lifecycle.end(run, code, message, now_ms, limits=self._limits, said_retryable=False)
        code = ErrorCode.NO_CAPACITY if isinstance(error, EyebrightError) else ErrorCode.INTERNAL_ERROR
        return lifecycle.end(run, code, str(error), now_ms, limits=self._limits, said_retryable=True)


def _handle(run: Run) -> Handle:
    return Handle(run.job.id, run.job.attempt)


def _tell(handle: Handle, error: Exception) -> None:
    """Where a failure of our own came from, too; the others say all there is to know."""
    unexplained = None if isinstance(error, EyebrightError) else error
    log.error("launch failed", job=handle.job_id, attempt=handle.attempt, error=str(error), exc_info=unexplained)
