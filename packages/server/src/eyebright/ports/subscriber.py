"""Who hears of changes after they are committed."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from eyebright.core.records import Message


class Subscriber(Protocol):
    async def notify(self, message: Message) -> None:
        """At least once, in order per job. An exception means: try again later."""
        ...


@runtime_checkable
class Gatherer(Subscriber, Protocol):
    """One who would rather hear of many changes at once, to write them with one commit."""

    async def notify_all(self, messages: Sequence[Message]) -> None:
        """As `notify`; after an exception each of them is told again by itself."""
        ...
