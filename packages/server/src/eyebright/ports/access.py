"""Where users, members and tokens of teams are kept, and the log of what callers have changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from eyebright.core.access import AuditEntry, Member, Standing, Token, User
from eyebright_wire.access import Role


class AccessStore(Protocol):
    """Whoever changes something waits for others who do: what is revoked takes along all that was made before."""

    async def add_user(self, user: User) -> None: ...

    async def users(self, after: str | None, limit: int) -> Sequence[User]:
        """By id, those that were removed too."""
        ...

    async def user(self, user_id: str) -> User:
        """Raises NotFound."""
        ...

    async def named(self, name: str) -> Sequence[tuple[User, Mapping[str, Role]]]:
        """Users who are called so, in whichever case, and were not removed; each with the roles in their projects."""
        ...

    async def remove_user(self, user_id: str, now_ms: int) -> User:
        """From all projects; the tokens that they sponsor are revoked. Again: nothing more happens. Raises NotFound."""
        ...

    async def members(self, project: str) -> Sequence[tuple[Member, User]]:
        """By user."""
        ...

    async def set_member(self, member: Member) -> None:
        """Raises NotFound for a user who is not known, or was removed."""
        ...

    async def remove_member(self, project: str, user_id: str, now_ms: int) -> None:
        """The tokens that they sponsor for this project alone are revoked; others lose it. Raises NotFound for who is none."""
        ...

    async def add_token(self, token: Token) -> None:
        """Raises Conflict where its maker has been revoked, or its sponsor is not in one of its projects."""
        ...

    async def standing(self, token_id: str) -> Standing | None:
        """Revoked and expired ones too."""
        ...

    async def tokens(self, after: str | None, limit: int, project: str | None = None) -> Sequence[Token]:
        """Newest first; only those that have a role in the project, if one is named."""
        ...

    async def revoke(self, token_id: str, now_ms: int) -> None:
        """And all that it has made, and those have made. Raises NotFound. Again: nothing more happens."""
        ...

    async def revoke_all(self, now_ms: int) -> int:
        """How many it were."""
        ...

    async def used(self, token_id: str, now_ms: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Keyset paging, newest first; `project` None: of all of them and of none."""

    project: str | None = None
    after: str | None = None
    limit: int = 50


class AuditLog(Protocol):
    """It only grows."""

    async def add(self, entry: AuditEntry) -> None: ...

    async def find(self, query: AuditQuery) -> Sequence[AuditEntry]: ...
