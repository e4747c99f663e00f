"""Follow one job live."""

import asyncio
from collections.abc import AsyncIterator

from eyebright.services.announce import Announcer
from eyebright.services.history import History
from eyebright.services.jobs import Jobs
from eyebright_wire.resources import EventView, JobView

#: Also look without having been called: another control plane may have written the change.
POLL_SECONDS = 2.0
#: A flood of events is passed on in this rhythm, not one by one.
PACE_SECONDS = 0.05


class Watch:
    def __init__(self, jobs: Jobs, history: History, announcer: Announcer) -> None:
        self._jobs = jobs
        self._history = history
        self._announcer = announcer

    async def follow(self, job_id: str, after: int = 0) -> AsyncIterator[JobView | EventView]:
        """The job as it is, then every event with position > `after` and every new view; ends with the final view.

        Of a job that has ended, the view comes last, so that it always closes the story. Raises NotFound before the first
        item.
        """
        seen = 0
        with self._announcer.jobs.subscribed(job_id) as news:
            while True:
                news.clear()
                view = await self._jobs.get(job_id)
                if seen == 0 and not view.state.final:
                    yield view
                    seen = view.version
                async for event in self._events(job_id, after):
                    after = event.position
                    yield event
                if view.version != seen:
                    yield view
                    seen = view.version
                if view.state.final:
                    return
                await self._pause(news)

    async def _events(self, job_id: str, after: int) -> AsyncIterator[EventView]:
        while True:
            page = await self._history.events(job_id, after)
            for event in page.items:
                after = event.position
                yield event
            if page.next is None:
                return

    async def _pause(self, news: asyncio.Event) -> None:
        await asyncio.sleep(PACE_SECONDS)
        try:
            async with asyncio.timeout(POLL_SECONDS):  # not wait_for: see Signal.wait
                await news.wait()
        except TimeoutError:
            return
