"""How long each part of a command took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """`laps` in seconds, by name, in the order in which they ended."""

    monotonic: Callable[[], float] = time.monotonic
    laps: dict[str, float] = field(default_factory=dict[str, float])

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        begun = self.monotonic()
        try:
            yield
        finally:
            self.laps[name] = self.laps.get(name, 0.0) + self.monotonic() - begun
