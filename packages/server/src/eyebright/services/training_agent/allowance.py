"""How often trainings may be started: a caller that repeats itself without end gets an answer that costs nothing."""

import math

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from eyebright.errors import TooManyRequests
from eyebright.ports.clock import Clock

_STARTS = "starts"


class Allowance:
    def __init__(self, starts_per_minute: int, clock: Clock) -> None:
        self._clock = clock
        self._limit = RateLimitItemPerMinute(starts_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def take(self) -> None:
        """Raises TooManyRequests, with when there will be another one."""
        if await self._limiter.hit(self._limit, _STARTS):
            return
        window = await self._limiter.get_window_stats(self._limit, _STARTS)
        seconds = min(60, max(1, math.ceil(window.reset_time - self._clock.now_ms() / 1000)))
        raise TooManyRequests(
            f"more than {self._limit.amount} starts in a minute; try again in {seconds} s, or ask for the status, which starts "
            "nothing (EYEBRIGHT_TRAINING_AGENT__STARTS_PER_MINUTE)",
            retry_after_seconds=seconds,
        )
