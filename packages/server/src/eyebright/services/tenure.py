"""Whether this server may do what only one of several may do at a time: a lease, taken again while it is asked for."""

import structlog

from eyebright.ports.clock import Clock
from eyebright.ports.leases import Leases

log = structlog.stdlib.get_logger(__name__)

TTL_SECONDS = 15.0
#: How long the last answer holds. Who was frozen for longer asks anew before anything else.
SURE_SECONDS = 5.0


class Tenure:
    """Of one name, for one holder. Several loops may share it."""

    def __init__(self, leases: Leases, clock: Clock, name: str, holder: str, *, told: bool = True) -> None:
        self._leases = leases
        self._clock = clock
        self._name = name
        self._holder = holder
        self._log = log.info if told else log.debug
        self._term: int | None = None
        self._sure_until_ms = 0

    async def held(self) -> bool:
        """Raises Unavailable while the database cannot be asked: then nobody knows."""
        return await self.term() is not None

    async def term(self) -> int | None:
        """None while another one has it. Another number than the last time: in between it had run out."""
        asked_ms = self._clock.monotonic_ms()
        if self._term is None or asked_ms >= self._sure_until_ms:
            self._sure_until_ms = 0
            term = await self._leases.take(self._name, self._holder, self._clock.now_ms(), int(1000 * TTL_SECONDS))
            self._tell(term)
            self._sure_until_ms = asked_ms + int(1000 * SURE_SECONDS)
        return self._term

    async def release(self) -> None:
        """At the end, so that the next one need not wait for it to run out."""
        if self._term is not None:
            self._term = None
            await self._leases.release(self._name, self._holder)

    def _tell(self, term: int | None) -> None:
        if (term is None) != (self._term is None):
            told = "this server holds the lease" if term else "another server holds the lease"
            self._log(told, lease=self._name, term=term)
        self._term = term
