"""What is to be called out to other servers, until somebody takes it."""

import asyncio

from eyebright.ports.bus import ALL

#: More than this is no news of anything in particular.
MOST = 200


class Calls:
    """Keeps nothing before anybody has asked for it: most servers are alone."""

    def __init__(self) -> None:
        self._calls: set[str] = set()
        self._some = asyncio.Event()
        self._carried = False

    def add(self, *calls: str) -> None:
        if self._carried and ALL not in self._calls:
            self._calls.update(calls)
            if len(self._calls) > MOST:
                self._calls = {ALL}
            self._some.set()

    async def taken(self) -> set[str]:
        """All that there is, once there is something."""
        self._carried = True
        await self._some.wait()
        self._some.clear()
        calls, self._calls = self._calls, set()
        return calls
