"""A wake-up call between the parts of one process: losing one costs only the caller's own polling interval."""

import asyncio


class Signal:
    """Many may wait; one `set` wakes them all, including whoever begins to wait before it next rests."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """True if called within the time; either way the signal is rested afterwards."""
        try:
            async with asyncio.timeout(
                seconds
            ):  # not wait_for: before Python 3.12 it loses a cancel that meets the call
                await self._event.wait()
        except TimeoutError:
            return False
        finally:
            self._event.clear()
        return True
