"""Waiting for news about one job without polling."""

import asyncio
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager


class Topics:
    """Each subscriber of a topic has its own event, so that a slow one misses nothing."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def publish(self, topic: str) -> None:
        for event in self._waiting.get(topic, ()):
            event.set()

    def publish_all(self) -> None:
        for topic in self._waiting:
            self.publish(topic)

    @contextmanager
    def subscribed(self, topic: str) -> Generator[asyncio.Event]:
        event = asyncio.Event()
        self._waiting[topic].add(event)
        try:
            yield event
        finally:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]
