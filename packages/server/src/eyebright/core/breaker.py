"""A circuit breaker: after a row of failures an endpoint rests, and then one probe decides."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

State = Literal["closed", "open", "half-open"]
STATES: tuple[State, ...] = get_args(State)

#: Failures in a row that open it.
THRESHOLD = 5
#: The first rest; it doubles with each probe that fails.
REST_MS = 5_000
LONGEST_REST_MS = 300_000


@dataclass(frozen=True, slots=True)
class Breaker:
    """Closed until `failures` reach the threshold; open until `open_until_ms`; then one probe at a time (half-open)."""

    failures: int = 0
    open_until_ms: int = 0

    def state(self, now_ms: int) -> State:
        if self.failures < THRESHOLD:
            return "closed"
        return "open" if self.resting(now_ms) else "half-open"

    def resting(self, now_ms: int) -> bool:
        return now_ms < self.open_until_ms

    def room(self, at_once: int) -> int:
        """How many may be under way: one, for who has just failed."""
        return 1 if self.failures else at_once

    def succeeded(self) -> "Breaker":
        return Breaker()

    def failed(self, now_ms: int, asked_ms: int = 0) -> "Breaker":
        """`asked_ms`: for how long the receiver wants to be left alone."""
        failures = self.failures + 1
        opened = failures - THRESHOLD
        rest_ms = 0 if opened < 0 else min(LONGEST_REST_MS, REST_MS * 2 ** min(opened, 10))
        return replace(self, failures=failures, open_until_ms=now_ms + max(rest_ms, min(asked_ms, LONGEST_REST_MS)))
