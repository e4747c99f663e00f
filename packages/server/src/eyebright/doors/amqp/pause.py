"""How long to wait before the next try: twice as long each time, and never the same as others wait."""

import random

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0


class Pause:
    def __init__(self, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> None:
        self._first = self._wait = first
        self._longest = longest

    def next(self) -> float:
        """Seconds, with up to half of them left out by chance."""
        wait, self._wait = self._wait, min(self._longest, 2 * self._wait)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 -- no secret

    def reset(self) -> None:
        """It went well."""
        self._wait = self._first
