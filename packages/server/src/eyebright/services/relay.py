"""Tell the subscribers what has been committed: each one at least once, and in order for each job.

Each hears of a job from within its project. Who takes many messages at once hears of those of all projects, and keeps them apart.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from eyebright.core.records import Message
from eyebright.core.scope import Scope, within
from eyebright.errors import StorageFull, Unavailable
from eyebright.ports.clock import Clock
from eyebright.ports.jobs import Outbox
from eyebright.ports.subscriber import Gatherer, Subscriber

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
        self._cursors: defaultdict[str, _Cursors] = defaultdict(_Cursors)  # of the jobs that are not even

    async def tick(self, limit: int = 1000) -> int:
        """Tell everybody what is due; how many messages there were."""
        self._end_rests()
        resting = {job: each for job, each in self._cursors.items() if each.resting}
        told = {job: cursors.told(self._subscribers.keys()) for job, cursors in resting.items()}
        messages = await self._outbox.pending(limit, told)
        await self._deliver_together(messages)
        delivered = [message for message in messages if await self._deliver(message)]
        if delivered:
            await self._outbox.delivered(delivered)
        self._forget({message.job_id for message in messages})
        return len(messages)

    async def _deliver_together(self, messages: Sequence[Message]) -> None:
        """To those who take many at once. What fails so is told one by one afterwards, so that one job spoils no other."""
        for name, subscriber in self._subscribers.items():
            if isinstance(subscriber, Gatherer) and (due := [each for each in messages if self._is_due(name, each)]):
                try:
                    await subscriber.notify_all(due)
                except Exception as error:
                    log.warning("told one by one instead", subscriber=name, problem=f"{type(error).__name__}: {error}")
                    continue
                for message in due:
                    self._cursors[message.job_id].heard[name] = message.version

    def _is_due(self, name: str, message: Message) -> bool:
        cursors = self._cursors[message.job_id]
        return name not in cursors.resting and cursors.heard.get(name, 0) < message.version

    async def _deliver(self, message: Message) -> bool:
        """Has every subscriber taken it by now?"""
        cursors = self._cursors[message.job_id]
        for name, subscriber in self._subscribers.items():
            if not self._is_due(name, message):
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
        kept = {
            job: cursors
            for job, cursors in self._cursors.items()
            if cursors.resting or (job in seen and not cursors.even)
        }
        self._cursors = defaultdict(_Cursors, kept)


async def _told(name: str, subscriber: Subscriber, message: Message) -> bool:
    try:
        with within(Scope(message.project)):
            await subscriber.notify(message)
    except (Unavailable, StorageFull) as away:
        log.warning("a subscriber waits; it is told again", subscriber=name, job=message.job_id, problem=away.message)
        return False
    except Exception:
        log.exception("subscriber failed; it will be told again", subscriber=name, job=message.job_id)
        return False
    return True
