"""Time and identity, injected so that tests own them."""

import asyncio
import secrets
import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since a moment that this process alone knows; setting the machine's clock does not move it."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def new_id(self, prefix: str) -> str:
        """A fresh identifier such as `job_0192f3…`; later ones sort after earlier ones."""
        ...

    def new_token(self) -> str:
        """256 random bits, for a bearer token."""
        ...


class SystemClock:
    """The real one."""

    def __init__(self) -> None:
        self._last_id_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def new_id(self, prefix: str) -> str:
        self._last_id_ms = max(self._last_id_ms, self.now_ms())  # a clock that is set back orders nothing anew
        return f"{prefix}_{self._last_id_ms:011x}{secrets.token_hex(6)}"

    def new_token(self) -> str:
        return secrets.token_urlsafe(32)
