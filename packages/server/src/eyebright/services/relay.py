"""Tell the subscribers what has been committed: at least once, and in order for each job."""

from collections.abc import Mapping

import structlog

from eyebright.core.records import Message
from eyebright.ports.jobs import Outbox
from eyebright.ports.subscriber import Subscriber

log = structlog.stdlib.get_logger(__name__)


class Relay:
    def __init__(self, outbox: Outbox, subscribers: Mapping[str, Subscriber]) -> None:
        self._outbox = outbox
        self._subscribers = subscribers

    async def tick(self, limit: int = 1000) -> int:
        """Deliver what is due; how many messages every subscriber has now taken."""
        delivered: list[Message] = []
        stuck: set[str] = set()
        for message in await self._outbox.pending(limit):
            if message.job_id in stuck:
                continue
            if await self._deliver(message):
                delivered.append(message)
            else:
                stuck.add(message.job_id)  # the later ones of this job wait for it
        if delivered:
            await self._outbox.delivered(delivered)
        return len(delivered)

    async def _deliver(self, message: Message) -> bool:
        for name, subscriber in self._subscribers.items():
            try:
                await subscriber.notify(message)
            except Exception:
                log.exception("subscriber failed; it will be told again", subscriber=name, job=message.job_id)
                return False
        return True
