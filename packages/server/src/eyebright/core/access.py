"""Users, tokens of teams, and what their holders may do."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from eyebright_wire.access import Actor, Role, lesser

#: By which it is told from the operator's token, an agent's and a job's.
PREFIX = "ebt_"
_SHAPE = re.compile(r"ebt_(?P<id>[0-9a-z]{1,64})_(?P<secret>[A-Za-z0-9_-]{16,128})")
_KIND = "tok_"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: str
    name: str
    created_at_ms: int
    removed_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    project: str
    user_id: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """`sponsor` is the user on whose behalf it was made: it may never do more than they may, and ends with them."""

    id: str
    name: str
    secret_sha256: str
    roles: Mapping[str, Role]
    user_id: str | None  # None: a service's
    sponsor: str | None  # None: the operator's
    maker: str | None  # the token that made it; None: the operator's
    created_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = None

    def lives(self, now_ms: int) -> bool:
        return self.revoked_at_ms is None and now_ms < self.expires_at_ms


@dataclass(frozen=True, slots=True)
class Standing:
    """A token and where its sponsor is a member, both of one moment."""

    token: Token
    memberships: Mapping[str, Role]

    @property
    def roles(self) -> Mapping[str, Role]:
        """What counts: of the token's roles and its sponsor's the lesser ones."""
        own, theirs = self.token.roles, self.memberships
        if self.token.sponsor is None:
            return own
        return {project: lesser(role, theirs[project]) for project, role in own.items() if project in theirs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who has called with a team's token, and what that may do."""

    token_id: str
    user_id: str | None
    sponsor: str | None
    roles: Mapping[str, Role]
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    id: str
    at_ms: int
    actor: Actor
    token_id: str | None
    user_id: str | None
    project: str | None
    method: str
    operation: str
    resource: str
    status: int
    remote: str
    request_id: str


def same_name(one: str, other: str) -> bool:
    """In whichever case, of A to Z: that of other letters can make one name of two."""
    return one == other or (one.isascii() and other.isascii() and one.lower() == other.lower())


def written(token_id: str, secret: str) -> str:
    """The token as its holder has it."""
    return f"{PREFIX}{token_id.removeprefix(_KIND)}_{secret}"


def read(token: str) -> tuple[str, str] | None:
    """(id, secret) by what it says of itself, which anybody could have written; None for what is no such token at all."""
    found = _SHAPE.fullmatch(token)
    return (_KIND + found["id"], found["secret"]) if found else None


def is_teams(token: str) -> bool:
    """It means to be a team's token, whole or not."""
    return token.startswith(PREFIX)


def sha256_of(secret: str) -> str:
    """256 random bits need no slow sum: nobody can try them all."""
    return hashlib.sha256(secret.encode()).hexdigest()
