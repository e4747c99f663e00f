"""Whose business an attempt is, where several servers share a database.

A run of a bound executor belongs to the server that launched it, its place: nobody else can see the process. Each server holds a
lease in its own name for as long as it looks after its runs; one of them holds another one, for the runs that any can look after
and those of places where nobody is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from enum import Enum, auto

import structlog

from eyebright.core.job import Attempt, Run
from eyebright.errors import EyebrightError
from eyebright.ports.clock import Clock
from eyebright.ports.executor import Executor
from eyebright.ports.jobs import JobHistory, JobStore
from eyebright.ports.leases import Leases
from eyebright.services.tenure import Tenure
from eyebright_wire.runs import Handle

log = structlog.stdlib.get_logger(__name__)

#: The lease of who looks after what is nobody's own.
SWEEPER = "sweeper"
RELEASE_SECONDS = 5.0


class Whose(Enum):
    OURS = auto()
    ANYBODYS = auto()  # and we are the one
    NOBODYS = auto()  # its place is dead: what it says itself is all there is
    OTHERS = auto()


class Places:
    def __init__(
        self,
        store: JobStore,
        history: JobHistory,
        leases: Leases,
        executors: Mapping[str, Executor],
        clock: Clock,
        *,
        home: str,
        dead_seconds: float = 60.0,
        blink_seconds: float = 10.0,
        wrong_clock: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        """A place is dead when we have seen it empty for `dead_seconds`, without having looked away for `blink_seconds`: after an
        outage of the database every place looks so."""
        self.home = home
        self.clock_problem: str | None = None  # judged by a wrong clock whoever lives would be dead
        self._store = store
        self._history = history
        self._leases = leases
        self._executors = executors
        self._clock = clock
        self._dead_ms = int(1000 * dead_seconds)
        self._blink_ms = int(1000 * blink_seconds)
        self._here = Tenure(leases, clock, lease_of(home), home, told=False)
        self._elsewhere = Tenure(leases, clock, SWEEPER, home)
        self._wrong_clock = wrong_clock
        self._leads = False
        self._looked_ms = clock.monotonic_ms()
        self._empty_since: dict[str, int] = {}
        self._clearing = asyncio.Lock()
        self._cleared: int | None = None

    async def settled(self) -> None:
        """At home, and alone there: what others gave up while we were away does not run any more.

        To be awaited before anything is begun here. Costs nothing while the lease of this place is kept.
        """
        async with self._clearing:
            term = await self._here.term()
            if term != self._cleared:
                if self._cleared is None:
                    await self._store.adopt(self.home, [name for name, each in self._executors.items() if each.bound])
                await self._clear()
                self._cleared = term

    async def look(self, runs: Iterable[Run]) -> None:
        """See who is there; `of` answers by what was seen."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._looked_ms > self._blink_ms:
            self._empty_since.clear()
        self._looked_ms = now_ms
        self.clock_problem = await self._wrong_clock() if self._wrong_clock else None
        self._leads = self.clock_problem is None and await self._elsewhere.held()
        held = await self._leases.holders(self._clock.now_ms())
        places = {run.attempt.place for run in runs if run.attempt and run.attempt.place}
        empty = {place for place in places if lease_of(place) not in held}
        self._empty_since = {place: self._empty_since.get(place, now_ms) for place in empty}

    @property
    def leads(self) -> bool:
        """We look after what is nobody's own."""
        return self._leads

    def of(self, attempt: Attempt) -> Whose:
        if attempt.place == self.home:
            return Whose.OURS
        if not self._leads:
            return Whose.OTHERS
        if attempt.place is None:
            return Whose.ANYBODYS
        since = self._empty_since.get(attempt.place)
        return Whose.NOBODYS if since is not None and self._looked_ms - since >= self._dead_ms else Whose.OTHERS

    async def close(self) -> None:
        """Let another one look after what is nobody's own. This place stays ours until its lease runs out: who is back before
        that never was away."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._elsewhere.release()
        except Exception as error:
            log.warning("a lease could not be given back; it runs out", problem=f"{type(error).__name__}: {error}")

    async def _clear(self) -> None:
        kept = {handle for each in self._executors.values() for handle in await each.kept()}
        if not kept:
            return
        watched = {_handle(run.attempt) for run in await self._store.unfinished() if run.attempt}
        for handle in sorted(kept - watched, key=lambda each: each.name):
            await self._end(handle)

    async def _end(self, handle: Handle) -> None:
        """What the database does not know is left alone: it may be another one than the run was ordered in."""
        attempts = await self._history.attempts(handle.job_id)
        attempt = next((each for each in attempts if each.number == handle.attempt), None)
        executor = self._executors.get(attempt.executor) if attempt else None
        if executor is None:
            log.warning("a run that nobody knows lies here; it is left alone", run=handle.name)
            return
        try:
            await executor.stop(handle, timedelta(0))
        except EyebrightError as error:
            log.error("a run that was given up cannot be ended", run=handle.name, error=error.message)


def lease_of(place: str) -> str:
    return f"place/{place}"


def _handle(attempt: Attempt) -> Handle:
    return Handle(attempt.job_id, attempt.number)
