"""Let go of what is old: progress of ended jobs that their curves have, but for the first and last words of each attempt, and the
folders of runs."""

from collections.abc import AsyncIterator

import structlog

from eyebright.core.scope import EVERYTHING, within
from eyebright.errors import Conflict, InvalidRequest
from eyebright.ports.clock import Clock
from eyebright.ports.compaction import CompactionStore, Ended
from eyebright.ports.leases import Leases
from eyebright.services.charts import Charts
from eyebright.services.old_runs import OldRuns
from eyebright.services.tenure import Tenure
from eyebright_wire.storage import Compacted

log = structlog.stdlib.get_logger(__name__)

#: Whose turn it is, among all servers.
LEASE = "compaction"
#: Jobs that are looked up at once, and events that go in one transaction: others want the database too.
PAGE, BATCH = 100, 500
PAUSE_SECONDS = 0.02
RUNS_HOURS = EVENTS_HOURS = 1.0
_DAY_MS = 86_400_000


class Compaction:
    def __init__(
        self,
        store: CompactionStore,
        charts: Charts,
        leases: Leases,
        clock: Clock,
        runs: OldRuns,
        *,
        holder: str,
        events_days: float | None,
    ) -> None:
        """`holder` of the lease. `events_days`: None keeps events for ever."""
        self._store = store
        self._charts = charts
        self._clock = clock
        self._runs = runs
        self._days = events_days
        self._runs_at_ms = self._events_at_ms = 0
        self._tenure = Tenure(leases, clock, LEASE, holder, told=False)

    async def look(self, days: float | None = None) -> Compacted:
        """What `compact` would let go of. Raises InvalidRequest where nobody says how old it must be."""
        self._require_days(days)
        with within(EVERYTHING):
            return await self._over_all(days, remove=False)

    async def compact(self, days: float | None = None) -> Compacted:
        """Of jobs that ended so many days ago, or as the settings say. Raises as above, and Conflict where a server is at it."""
        self._require_days(days)
        if not await self._tenure.held():
            raise Conflict("a server compacts events just now; try again in a minute")
        try:
            with within(EVERYTHING):
                return await self._over_all(days, remove=True)
        finally:
            await self._tenure.release()

    async def keep_up(self) -> None:
        """As far as the settings ask for it: the runs of this machine, and events on one of all servers; each hour."""
        now_ms = self._clock.now_ms()
        with within(EVERYTHING):
            if self._runs.days is not None and now_ms >= self._runs_at_ms:
                self._runs_at_ms = now_ms + int(3_600_000 * RUNS_HOURS)
                _tell(Compacted(removed=True, **await self._old_runs(None, remove=True)))
            if self._days is not None and now_ms >= self._events_at_ms and await self._tenure.held():
                self._events_at_ms = now_ms + int(3_600_000 * EVENTS_HOURS)
                _tell(Compacted(removed=True, **await self._old_events(None, remove=True)))

    async def _over_all(self, days: float | None, *, remove: bool) -> Compacted:
        events, runs = await self._old_events(days, remove=remove), await self._old_runs(days, remove=remove)
        return Compacted(removed=remove, **events, **runs)

    async def _old_runs(self, days: float | None, *, remove: bool) -> dict[str, int]:
        before_ms = self._before_ms(self._runs.days if days is None else days)
        runs, size_bytes = await self._runs.let_go(before_ms, remove=remove) if before_ms is not None else (0, 0)
        return {"runs": runs, "runs_bytes": size_bytes}

    async def _old_events(self, days: float | None, *, remove: bool) -> dict[str, int]:
        before_ms = self._before_ms(self._days if days is None else days)
        jobs = events = size_bytes = 0
        async for ended in self._ended(before_ms):
            if remove and not await self._tenure.held():
                break  # another server goes on with it
            spare = await self._store.spare(ended.job_id)
            if remove:
                await self._let_go(ended.job_id)
            jobs, events, size_bytes = jobs + bool(spare.events), events + spare.events, size_bytes + spare.size_bytes
        return {"jobs": jobs, "events": events, "size_bytes": size_bytes}

    async def _ended(self, before_ms: int | None) -> AsyncIterator[Ended]:
        after: Ended | None = None
        while before_ms is not None and (page := await self._store.ended(before_ms, after, PAGE)):
            for ended in page:
                yield ended
            after = page[-1]

    async def _let_go(self, job_id: str) -> None:
        """The curves first: what they do not have the database keeps."""
        await self._charts.settle(job_id)
        while await self._store.drop(job_id, BATCH, self._clock.now_ms()) == BATCH:
            await self._clock.sleep(PAUSE_SECONDS)

    def _before_ms(self, days: float | None) -> int | None:
        return None if days is None else self._clock.now_ms() - int(_DAY_MS * days)

    def _require_days(self, days: float | None) -> None:
        if (days, self._days, self._runs.days) == (None, None, None):
            raise InvalidRequest(
                "how old it must be is not said; set EYEBRIGHT_RETENTION__EVENTS_DAYS or EYEBRIGHT_RETENTION__RUNS_DAYS, or name "
                "--days"
            )


def _tell(gone: Compacted) -> None:
    if gone.events or gone.runs:
        log.info("let go of what is old", jobs=gone.jobs, events=gone.events, runs=gone.runs)
