"""Who hears of changes after they are committed."""

from typing import Protocol

from eyebright.core.records import Message


class Subscriber(Protocol):
    async def notify(self, message: Message) -> None:
        """At least once, in order per job. An exception means: try again later."""
        ...
