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
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._event.clear()
        return True
