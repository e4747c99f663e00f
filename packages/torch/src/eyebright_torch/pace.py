"""How fast a run goes and when it will end, measured since this process began."""

import time
from collections.abc import Callable

_TELL_EVERY_SECONDS = 1.0


class Pace:
    """`due` about once a second, because the numbers to tell make a GPU wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told = self._began = clock()
        self._images = 0
        self._steps = 0
        self._window: list[tuple[float, int]] = [(self._began, 0)]

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
        """Over the last few tellings: recent, yet not jumpy."""
        self._window = [*self._window[-9:], (self._clock(), self._images)]
        (began, before), (now, images) = self._window[0], self._window[-1]
        return (images - before) / (now - began) if now > began and images > before else None

    def eta_seconds(self, steps_left: int) -> float | None:
        """Evaluations so far are in the mean time per step, so they are in the forecast too."""
        if not self._steps:
            return None
        return (self._clock() - self._began) / self._steps * steps_left
