"""AccessStore and AuditLog in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from eyebright.core.access import AuditEntry, Member, Standing, Token, User, same_name
from eyebright.errors import GuardViolated, no_member, no_token, no_user, token_over
from eyebright.ports.access import AuditQuery
from eyebright_wire.access import Role


class MemoryAccess:
    """AccessStore."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._members: dict[tuple[str, str], Member] = {}
        self._tokens: dict[str, Token] = {}

    async def add_user(self, user: User) -> None:
        self._users[user.id] = user

    async def users(self, after: str | None, limit: int) -> Sequence[User]:
        return [user for key, user in sorted(self._users.items()) if key > (after or "")][:limit]

    async def user(self, user_id: str) -> User:
        if user_id not in self._users:
            raise no_user(user_id)
        return self._users[user_id]

    async def named(self, name: str) -> Sequence[tuple[User, Mapping[str, Role]]]:
        living = (user for _, user in sorted(self._users.items()) if user.removed_at_ms is None)
        return [(user, self._memberships(user.id)) for user in living if same_name(user.name, name)]

    async def remove_user(self, user_id: str, now_ms: int) -> User:
        user = await self.user(user_id)
        if user.removed_at_ms is None:
            self._users[user_id] = user = replace(user, removed_at_ms=now_ms)
            self._members = {key: each for key, each in self._members.items() if each.user_id != user_id}
            self._revoke(lambda token: token.sponsor == user_id, now_ms)
        return user

    async def members(self, project: str) -> Sequence[tuple[Member, User]]:
        found = (each for _, each in sorted(self._members.items()) if each.project == project)
        return [(each, self._users[each.user_id]) for each in found]

    async def set_member(self, member: Member) -> None:
        if (await self.user(member.user_id)).removed_at_ms is not None:
            raise no_user(member.user_id)
        self._members[member.project, member.user_id] = member

    async def remove_member(self, project: str, user_id: str, now_ms: int) -> None:
        if self._members.pop((project, user_id), None) is None:
            raise no_member(project, user_id)
        self._revoke(lambda token: token.sponsor == user_id and token.roles.keys() == {project}, now_ms)

    async def add_token(self, token: Token) -> None:
        if token.id in self._tokens:
            raise GuardViolated(f"there is a token {token.id}")
        maker = self._tokens.get(token.maker) if token.maker else None
        if token.maker and (maker is None or maker.revoked_at_ms is not None):
            raise token_over(token.maker)
        if token.sponsor and (absent := token.roles.keys() - self._memberships(token.sponsor)):
            raise no_member(min(absent), token.sponsor)
        self._tokens[token.id] = token

    async def standing(self, token_id: str) -> Standing | None:
        token = self._tokens.get(token_id)
        return token and Standing(token, self._memberships(token.sponsor))

    async def tokens(self, after: str | None, limit: int, project: str | None = None) -> Sequence[Token]:
        newest = (token for _, token in sorted(self._tokens.items(), reverse=True) if after is None or token.id < after)
        return [token for token in newest if project is None or project in token.roles][:limit]

    async def revoke(self, token_id: str, now_ms: int) -> None:
        if token_id not in self._tokens:
            raise no_token(token_id)
        self._revoke(lambda token: token.id == token_id, now_ms)

    async def revoke_all(self, now_ms: int) -> int:
        return self._revoke(lambda _: True, now_ms)

    async def used(self, token_id: str, now_ms: int) -> None:
        self._tokens[token_id] = replace(self._tokens[token_id], last_used_at_ms=now_ms)

    def _memberships(self, user_id: str | None) -> dict[str, Role]:
        return {each.project: each.role for each in self._members.values() if each.user_id == user_id}

    def _revoke(self, meant: Callable[[Token], bool], now_ms: int) -> int:
        """With all that they have made. How many were not revoked before."""
        going = {token.id for token in self._tokens.values() if meant(token)}
        while more := {token.id for token in self._tokens.values() if token.maker in going} - going:
            going |= more
        fresh = [self._tokens[each] for each in going if self._tokens[each].revoked_at_ms is None]
        self._tokens |= {token.id: replace(token, revoked_at_ms=now_ms) for token in fresh}
        return len(fresh)


class MemoryAudit:
    """AuditLog."""

    def __init__(self) -> None:
        self._entries: dict[str, AuditEntry] = {}

    async def add(self, entry: AuditEntry) -> None:
        if entry.id in self._entries:
            raise GuardViolated(f"there is an entry {entry.id}")
        self._entries[entry.id] = entry

    async def find(self, query: AuditQuery) -> Sequence[AuditEntry]:
        newest = (entry for _, entry in sorted(self._entries.items(), reverse=True))
        return [
            entry
            for entry in newest
            if (query.after is None or entry.id < query.after)
            and (query.project is None or entry.project == query.project)
        ][: query.limit]
