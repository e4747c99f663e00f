"""Tell the subscribers what has been committed: each one at least once, and in order for each job."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import structlog

from eyebright.core.records import Message
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import Outbox
from eyebright.ports.subscriber import Subscriber

log = structlog.stdlib.get_logger(__name__)

#: Until a subscriber that failed is told again.
REST_SECONDS = 5.0
#: No version of a job comes after it.
_LAST = 2**31 - 1


@dataclass(slots=True)
class _Cursors:
    """How far each subscriber has heard of one job, and who has failed and rests."""

    heard: dict[str, int] = field(default_factory=dict[str, int])
    resting: set[str] = field(default_factory=set[str])
    due_ms: int = 0

    def told(self, names: Collection[str]) -> int:
        """Up to which version there is nothing to tell to those who do not rest."""
        return min((self.heard.get(name, 0) for name in names if name not in self.resting), default=_LAST)

    @property
    def even(self) -> bool:
        return not self.resting and len(set(self.heard.values())) <= 1


class Relay:
    """One subscriber that fails holds up neither the others nor other jobs. How far it is behind is known to this process alone:
    after a restart the others may be told again what it has yet to hear."""

    def __init__(self, outbox: Outbox, subscribers: Mapping[str, Subscriber], clock: Clock) -> None:
        self._outbox = outbox
        self._subscribers = subscribers
        self._clock = clock
        self._cursors: dict[str, _Cursors] = {}  # of the jobs that are not even

    async def tick(self, limit: int = 1000) -> int:
        """Tell everybody what is due; how many messages there were."""
        self._end_rests()
        resting = {job: each for job, each in self._cursors.items() if each.resting}
        told = {job: cursors.told(self._subscribers.keys()) for job, cursors in resting.items()}
        messages = await self._outbox.pending(limit, told)
        delivered = [message for message in messages if await self._deliver(message)]
        if delivered:
            await self._outbox.delivered(delivered)
        self._forget({message.job_id for message in messages})
        return len(messages)

    async def _deliver(self, message: Message) -> bool:
        """Has every subscriber taken it by now?"""
        cursors = self._cursors.setdefault(message.job_id, _Cursors())
        for name, subscriber in self._subscribers.items():
            if name in cursors.resting or cursors.heard.get(name, 0) >= message.version:
                continue
            if await _told(name, subscriber, message):
                cursors.heard[name] = message.version
            else:
                cursors.resting.add(name)
                cursors.due_ms = self._clock.now_ms() + int(1000 * REST_SECONDS)
        return all(cursors.heard.get(name, 0) >= message.version for name in self._subscribers)

    def _end_rests(self) -> None:
        now_ms = self._clock.now_ms()
        for cursors in self._cursors.values():
            if now_ms >= cursors.due_ms:
                cursors.resting.clear()

    def _forget(self, seen: Collection[str]) -> None:
        """What the outbox knows by itself: nothing of these jobs is left, or nobody has heard more of it than another."""
        self._cursors = {
            job: cursors
            for job, cursors in self._cursors.items()
            if cursors.resting or (job in seen and not cursors.even)
        }


async def _told(name: str, subscriber: Subscriber, message: Message) -> bool:
    try:
        await subscriber.notify(message)
    except Exception:
        log.exception("subscriber failed; it will be told again", subscriber=name, job=message.job_id)
        return False
    return True
