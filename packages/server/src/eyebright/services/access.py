"""Whose a team's token is, and what it may do now.

What was read is believed for two seconds, so that a token costs no look into the database with each request; what this server
itself changes counts at once.
"""

import asyncio
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from eyebright.core.access import Caller, Standing, read, sha256_of
from eyebright.errors import Unauthenticated
from eyebright.ports.access import AccessStore
from eyebright.ports.clock import Clock
from eyebright_wire.access import Role

#: What another server has revoked counts here after that long.
BELIEVED_MS = 2000
#: How exactly the last use of a token is told.
COARSE_MS = 300_000
#: Of all tokens, which is more than anybody has in use; beyond it they are looked up anew.
_MOST = 10_000
_NOBODYS = "0" * 64


@dataclass(frozen=True, slots=True)
class _Known:
    standing: Standing
    read_ms: int  # by the clock that nobody sets


class Access:
    def __init__(self, store: AccessStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._generation = 0
        self._changed = asyncio.Event()

    async def caller(self, token: str) -> Caller:
        """Raises Unauthenticated for a token that is not known, was revoked or has expired."""
        claimed = read(token)
        if claimed is None:
            raise Unauthenticated("this is no whole token of a team; it begins with ebt_ and has an id and a secret")
        token_id, secret = claimed
        standing = await self._standing(token_id)
        expected = standing.token.secret_sha256 if standing else _NOBODYS
        if not hmac.compare_digest(sha256_of(secret), expected) or standing is None:
            raise Unauthenticated("this token of a team is not known here")
        self._require_living(standing)
        await self._note_use(standing)
        found = standing.token
        return Caller(
            token_id=found.id,
            user_id=found.user_id,
            sponsor=found.sponsor,
            roles=standing.roles,
            expires_at_ms=found.expires_at_ms,
        )

    async def require(self, caller: Caller, project: str, least: Role) -> None:
        """Once what was sent has come, which may have taken a while. Raises Unauthenticated.

        Who gives roles to others is looked up anew: what another server has taken away holds for that at once.
        """
        if least is Role.ADMIN:
            self._known.pop(caller.token_id, None)
        if not await self._may(caller, project, least):
            raise Unauthenticated(
                "this token was revoked, or its role taken away, while the request came; nothing was done"
            )

    async def ended(self, caller: Caller, project: str, least: Role) -> None:
        """Returns once the caller may do that no longer: for what goes on for as long as somebody listens."""
        while await self._may(caller, project, least):
            changed = self._changed
            left = caller.expires_at_ms - self._clock.now_ms()
            sleeping = asyncio.ensure_future(self._clock.sleep(max(1, min(left, BELIEVED_MS)) / 1000))
            waking = asyncio.ensure_future(changed.wait())
            try:
                await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeping.cancel()
                waking.cancel()

    @asynccontextmanager
    async def changing(self) -> AsyncGenerator[None]:
        """Around whatever takes something away: once it has ended, however, nothing that was read before counts any more."""
        try:
            yield
        finally:
            self._generation += 1
            self._known.clear()
            self._changed.set()
            self._changed = asyncio.Event()

    async def _may(self, caller: Caller, project: str, least: Role) -> bool:
        standing = await self._standing(caller.token_id)
        if standing is None or not self._lives(standing):
            return False
        role = standing.roles.get(project)
        return role is not None and role.covers(least)

    async def _standing(self, token_id: str) -> Standing | None:
        known, now_ms = self._known.get(token_id), self._clock.monotonic_ms()
        if known is not None and now_ms - known.read_ms < BELIEVED_MS:
            return known.standing
        while True:
            generation = self._generation
            found = await self._store.standing(token_id)
            if generation == self._generation:  # else it may be of before a revocation that holds already
                break
        if found is not None:
            self._remember(token_id, _Known(found, now_ms))
        return found

    def _remember(self, token_id: str, known: _Known) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[token_id] = known

    def _lives(self, standing: Standing) -> bool:
        return standing.token.lives(self._clock.now_ms())

    def _require_living(self, standing: Standing) -> None:
        token = standing.token
        if token.revoked_at_ms is not None:
            raise Unauthenticated(f"token {token.id} was revoked {_at(token.revoked_at_ms)}; ask for another one")
        if not self._lives(standing):
            raise Unauthenticated(f"token {token.id} expired {_at(token.expires_at_ms)}; ask for another one")

    async def _note_use(self, standing: Standing) -> None:
        now_ms, last_ms = self._clock.now_ms(), standing.token.last_used_at_ms
        if last_ms is None or now_ms - last_ms >= COARSE_MS:
            await self._store.used(standing.token.id, now_ms)
            self._known.pop(standing.token.id, None)


def _at(ms: int) -> str:
    return f"on {datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d at %H:%M} UTC"
