"""Tokens for agents: each opens one door, as one persona, until it expires.

They are signed with the operator's token and kept nowhere: whoever has that can make one without a server, and a server that has
it knows its own without looking anything up. So all of them end with it, and each at its own time.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from eyebright.errors import Unauthenticated

#: Part of what is signed, so that a signature made for another purpose is none here.
_AUDIENCE = "eyebright mcp"
_SHAPE = re.compile(
    r"ebmcp_(?P<persona>reader|operator)_(?P<id>[0-9a-f]{16})_(?P<expires>[0-9]{1,12})_(?P<mac>[0-9a-f]{64})"
)


class Persona(StrEnum):
    """What an agent may do: look at everything and change nothing, or import, train, cancel and delete too."""

    READER = "reader"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class AgentToken:
    id: str  # 16 hex digits, by which it can be revoked
    persona: Persona
    expires_s: int  # seconds since 1970

    def signed(self, operators: str) -> str:
        """The token itself. `operators`: the operator's token, of 256 random bits: a weak one could be guessed from it."""
        claims = f"ebmcp_{self.persona}_{self.id}_{self.expires_s}"
        return f"{claims}_{_mac(claims, operators)}"

    @property
    def expires(self) -> str:
        return f"{datetime.fromtimestamp(self.expires_s, UTC):%Y-%m-%d at %H:%M} UTC"


def read(token: str) -> AgentToken | None:
    """What it says of itself, which anybody could have written; None for what is no such token at all."""
    found = _SHAPE.fullmatch(token)
    return AgentToken(found["id"], Persona(found["persona"]), int(found["expires"])) if found else None


def verified(token: str, operators: str, now_s: int) -> AgentToken:
    """Raises Unauthenticated for one that the holder of the operator's token did not make, or that has expired."""
    claimed = read(token)
    if claimed is None or not hmac.compare_digest(claimed.signed(operators), token):
        raise Unauthenticated("this agent's token was not made with this server's operator's token, or was altered")
    if now_s >= claimed.expires_s:
        raise Unauthenticated(
            f"this agent's token ({claimed.id}) expired on {claimed.expires}; `eyebright token` makes another"
        )
    return claimed


def _mac(claims: str, operators: str) -> str:
    return hmac.new(operators.encode(), f"{_AUDIENCE}:{claims}".encode(), hashlib.sha256).hexdigest()
