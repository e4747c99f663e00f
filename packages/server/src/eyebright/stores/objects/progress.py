"""Objects that take long to move, told in the log every few seconds: `with followed("up", key, size_bytes) as moved:`."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal

import structlog

log = structlog.stdlib.get_logger(__name__)

#: Between two lines about one object. What has moved by then is not told of.
EVERY_SECONDS = 5.0

Way = Literal["up", "down"]


@contextmanager
def followed(
    way: Way,
    name: str,
    total_bytes: int,
    every_seconds: float = EVERY_SECONDS,
    now: Callable[[], float] = time.monotonic,
) -> Generator[Callable[[int], None]]:
    """To be called with the bytes of each piece that has moved, by many threads at once."""
    progress = _Progress(way, name, total_bytes, every_seconds, now)
    yield progress.moved
    progress.ended()


class _Progress:
    def __init__(self, way: Way, name: str, total_bytes: int, every_seconds: float, now: Callable[[], float]) -> None:
        self._about = {"way": way, "object": name, "total_bytes": total_bytes}
        self._every_seconds = every_seconds
        self._now = now
        self._began = self._told_at = now()
        self._moved_bytes = 0
        self._lock = threading.Lock()

    def moved(self, count: int) -> None:
        with self._lock:
            self._moved_bytes += count
            if not count or self._now() - self._told_at < self._every_seconds:
                return
            self._told_at = self._now()
            log.info("an object is on its way", **self._about, moved_bytes=self._moved_bytes)

    def ended(self) -> None:
        if self._told_at > self._began:
            log.info("the transfer of an object has ended", **self._about, seconds=round(self._now() - self._began, 1))
