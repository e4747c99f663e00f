"""Sessions of people whom a login provider vouches for: each is a token of its user, for a working day."""

import hmac
from dataclasses import dataclass
from datetime import timedelta

from eyebright.core.access import Token, sha256_of, written
from eyebright.errors import Forbidden
from eyebright.ports.access import AccessStore
from eyebright.ports.clock import Clock
from eyebright.services.access import Access

NAME = "login"


@dataclass(frozen=True, slots=True)
class Session:
    token: Token
    written: str  # the token as it is shown, which is kept nowhere


class Logins:
    def __init__(self, store: AccessStore, access: Access, clock: Clock) -> None:
        self._store = store
        self._access = access
        self._clock = clock

    async def begin(self, address: str, seconds: int) -> Session:
        """A token of the user who is called so, with all of their roles. Raises Forbidden where there is no such user, more than
        one, or one without a project."""
        found = await self._store.named(address)
        if len(found) != 1:
            wrong = f"{len(found)} users are called" if found else "no user is called"
            raise Forbidden(
                f"{wrong} {address}; an operator adds you by `eyebright team users add {address}`, once, and gives you a role by "
                "`eyebright team members set`"
            )
        user, roles = found[0]
        if not roles:
            raise Forbidden(
                f"{address} is in no project yet; an operator gives you a role by `eyebright team members set {user.id} ROLE`"
            )
        secret, now_ms = self._clock.new_token(), self._clock.now_ms()
        token = Token(
            id=self._clock.new_id("tok"),
            name=NAME,
            secret_sha256=sha256_of(secret),
            roles=roles,
            user_id=user.id,
            sponsor=user.id,
            maker=None,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + int(timedelta(seconds=seconds) / timedelta(milliseconds=1)),
        )
        await self._store.add_token(token)
        return Session(token, written(token.id, secret))

    async def end(self, token_id: str, secret: str) -> Token | None:
        """Whoever has the session may end it, once; otherwise nothing happens, and there is none to be told."""
        standing = await self._store.standing(token_id)
        if standing is None or not hmac.compare_digest(sha256_of(secret), standing.token.secret_sha256):
            return None
        if not standing.token.lives(self._clock.now_ms()):
            return None
        async with self._access.changing():
            await self._store.revoke(token_id, self._clock.now_ms())
        return standing.token
