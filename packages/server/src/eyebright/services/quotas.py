"""What a project may use, and what it is told when it has used that up. Jobs that are too many wait; nothing else does."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from eyebright.core.quota import Quota
from eyebright.core.scope import current_project
from eyebright.errors import QuotaExceeded, TooManyRequests, no_project
from eyebright.ports.clock import Clock
from eyebright.ports.projects import ProjectStore
from eyebright.ports.quotas import QuotaStore
from eyebright_wire.projects import QuotaUpdate, QuotaView

#: Raises QuotaExceeded where the present project may not keep so many bytes more, or nothing more at all.
RequireRoom = Callable[[int], Awaitable[None]]
#: Why the jobs of a project wait although there may be room for them; empty: only for their turn.
WhyWaiting = Callable[[str], Awaitable[str]]
#: For so long a quota is remembered where every request asks for it.
REMEMBERED_MS = 5_000


async def boundless(_more_bytes: int) -> None:
    """Where nobody counts."""


async def unhindered(_project: str) -> str:
    """Where nobody counts."""
    return ""


class Quotas:
    def __init__(self, store: QuotaStore, projects: ProjectStore, clock: Clock) -> None:
        self._store = store
        self._projects = projects
        self._clock = clock
        self._known: dict[str, tuple[int, Quota]] = {}
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def view(self, project: str) -> QuotaView:
        """Raises NotFound."""
        await self._require(project)
        quota, usage = await self._store.get(project), await self._store.usage(project)
        return QuotaView(
            project=project,
            running_jobs=quota.running_jobs,
            storage_bytes=quota.storage_bytes,
            requests_per_minute=quota.requests_per_minute,
            used_running_jobs=usage.running_jobs,
            used_storage_bytes=usage.storage_bytes,
        )

    async def update(self, project: str, update: QuotaUpdate) -> QuotaView:
        """What is left out stays as it is; None takes a limit away. Raises NotFound."""
        await self._require(project)
        quota = await self._store.get(project)
        await self._store.put(replace(quota, **update.model_dump(exclude_unset=True)))
        self._known.pop(project, None)
        return await self.view(project)

    async def require_room(self, more_bytes: int = 0) -> None:
        """Before the present project begins to keep more. Raises QuotaExceeded."""
        project = current_project()
        allowed = (await self._store.get(project)).storage_bytes
        if allowed is None:
            return
        used = (await self._store.usage(project)).storage_bytes
        if used + more_bytes > allowed or used >= allowed:
            more = f", and {more_bytes:,} are to come" if more_bytes else ""
            raise QuotaExceeded(
                f"project {project} keeps {used:,} of the {allowed:,} bytes that it may{more}, so it takes no more data and "
                "trains nothing; delete data sets and models that it no longer needs, or ask the operator for more"
            )

    async def why_waiting(self, project: str) -> str:
        """Empty while it may have more of them."""
        allowed = (await self._remembered(project)).running_jobs
        if allowed is None or (running := await self._store.running_jobs(project)) < allowed:
            return ""
        more = "" if allowed else "; ask the operator for more"
        return f"waits for the quota of project {project}: {running} of its jobs run, and {allowed} may at once{more}"

    async def require_turn(self, project: str) -> None:
        """Each request is counted, by this server. Raises TooManyRequests, with when there will be another one."""
        quota = await self._remembered(project)
        if quota.requests_per_minute is None:
            return
        limit = RateLimitItemPerMinute(quota.requests_per_minute)
        if await self._limiter.hit(limit, project):
            return
        window = await self._limiter.get_window_stats(limit, project)
        seconds = min(60, max(1, math.ceil(window.reset_time - self._clock.now_ms() / 1000)))
        raise TooManyRequests(
            f"project {project} has sent more than the {limit.amount} requests that it may send in a minute; try again in "
            f"{seconds} s",
            retry_after_seconds=seconds,
        )

    async def _remembered(self, project: str) -> Quota:
        now_ms = self._clock.now_ms()
        until_ms, quota = self._known.get(project, (0, Quota(project=project)))
        if now_ms >= until_ms:
            quota = await self._store.get(project)
            self._known[project] = now_ms + REMEMBERED_MS, quota
        return quota

    async def _require(self, project: str) -> None:
        if not await self._projects.exists(project):
            raise no_project(project)
