"""How fast a run goes and when it will end, measured since this process began to train."""

import time
from collections import deque
from collections.abc import Callable

_TELL_EVERY_SECONDS = 1.0
_TELLINGS = 10  # recent, yet not jumpy


class Pace:
    """`due` about once a second, because the losses to tell make a GPU wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told = self._began = clock()
        self._images = 0
        self._steps = 0
        self._window = deque([(self._began, 0)], maxlen=_TELLINGS)

    def count(self, images: int) -> None:
        self._images += images
        self._steps += 1

    def due(self) -> bool:
        now = self._clock()
        if now - self._told < _TELL_EVERY_SECONDS:
            return False
        self._told = now
        return True

    def images_per_second(self) -> float | None:
        self._window.append((self._clock(), self._images))
        (began, before), (now, images) = self._window[0], self._window[-1]
        return (images - before) / (now - began) if now > began and images > before else None

    def eta_seconds(self, steps_left: int) -> float | None:
        """The evaluations so far are in the mean time of a step, so they are in the forecast too."""
        if not self._steps:
            return None
        return (self._clock() - self._began) / self._steps * steps_left
