"""Whether a server fits among the others that work on its database."""

from eyebright.errors import Conflict
from eyebright.ports.clock import Clock
from eyebright.ports.leases import Leases
from eyebright.ports.replicas import Replica, Replicas
from eyebright.services.places import lease_of

#: Leases last seconds, and are judged by the clock of whoever looks.
CLOCK_SECONDS = 2.0


class Company:
    def __init__(self, replicas: Replicas, leases: Leases, clock: Clock, me: Replica) -> None:
        self._replicas = replicas
        self._leases = leases
        self._clock = clock
        self._me = me

    async def join(self) -> None:
        """Raises Conflict, with what to do, where this server and one that lives could not work together."""
        await self._replicas.enter(self._me)
        living = await self._leases.holders(self._clock.now_ms())
        others = [
            each for each in await self._replicas.list() if each.id != self._me.id and lease_of(each.id) in living
        ]
        for other in others:
            self._compare(other)
        if others and (wrong := await self.wrong_clock()):
            raise Conflict(wrong)

    async def wrong_clock(self) -> str | None:
        """What is wrong with this machine's clock; None where it agrees with the database's."""
        before_ms = self._clock.now_ms()
        theirs_ms = await self._replicas.clock_ms()
        after_ms = self._clock.now_ms()
        ahead_ms = max(0, before_ms - theirs_ms) - max(0, theirs_ms - after_ms)
        if abs(ahead_ms) <= 1000 * CLOCK_SECONDS:
            return None
        way = "ahead of" if ahead_ms > 0 else "behind"
        return (
            f"the clock of this machine is {abs(ahead_ms) / 1000:.0f} s {way} the database's; servers that share one may differ "
            f"by {CLOCK_SECONDS:g} s. Let all of them keep time (NTP)"
        )

    def _compare(self, other: Replica) -> None:
        if other.storage != self._me.storage:
            raise Conflict(
                f"the server at {other.url} uses the same database and keeps its objects in {other.storage}, this one in "
                f"{self._me.storage}; all need the same EYEBRIGHT_STORAGE__PLACE"
            )
        if other.token_sha256 != self._me.token_sha256:
            raise Conflict(
                f"the server at {other.url} uses the same database and takes another operator's token; give all of them the "
                "same one (EYEBRIGHT_TOKEN_FILE)"
            )
