"""AccessStore and AuditLog on SQLite and Postgres."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from eyebright.core.access import AuditEntry, Member, Standing, Token, User, same_name
from eyebright.errors import no_member, no_token, no_user, token_over
from eyebright.ports.access import AuditQuery
from eyebright.stores.sql.batch import insert_into
from eyebright.stores.sql.engine import Engine, queue_up
from eyebright.stores.sql.tables import audit, members, token_roles, tokens, users
from eyebright_wire.access import Actor, Role


class SqlAccess:
    """AccessStore."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add_user(self, user: User) -> None:
        async with self._engine.writing() as connection:
            await connection.execute(insert(users).values(asdict(user)))

    async def users(self, after: str | None, limit: int) -> Sequence[User]:
        query = select(users).where(users.c.id > (after or "")).order_by(users.c.id).limit(limit)
        async with self._engine.reading() as connection:
            return [User(**row) for row in (await connection.execute(query)).mappings()]

    async def user(self, user_id: str) -> User:
        async with self._engine.reading() as connection:
            return await _user(connection, user_id)

    async def named(self, name: str) -> Sequence[tuple[User, Mapping[str, Role]]]:
        # Each database lowers other letters than Python does, and some letters become those of another name.
        query = select(users).where(users.c.removed_at_ms.is_(None), func.length(users.c.name) == len(name))
        async with self._engine.reading() as connection:
            rows = (await connection.execute(query.order_by(users.c.id))).mappings().all()
            found = [User(**row) for row in rows if same_name(str(row["name"]), name)]
            return [(user, await _memberships(connection, user.id)) for user in found]

    async def remove_user(self, user_id: str, now_ms: int) -> User:
        leaving = update(users).where(users.c.id == user_id, users.c.removed_at_ms.is_(None))
        async with self._engine.writing() as connection:
            await queue_up(connection, _QUEUE)
            if (await connection.execute(leaving.values(removed_at_ms=now_ms))).rowcount:
                await connection.execute(delete(members).where(members.c.user_id == user_id))
                await _revoke(connection, tokens.c.sponsor == user_id, now_ms)
            return await _user(connection, user_id)

    async def members(self, project: str) -> Sequence[tuple[Member, User]]:
        query = select(members.c.role, users).join(users, users.c.id == members.c.user_id)
        query = query.where(members.c.project == project).order_by(users.c.id)
        async with self._engine.reading() as connection:
            found = [dict(row) for row in (await connection.execute(query)).mappings()]
        return [(_member(project, row["id"], row.pop("role")), User(**row)) for row in found]

    async def set_member(self, member: Member) -> None:
        setting = insert_into(members, self._engine.dialect).values(asdict(member))
        async with self._engine.writing() as connection:
            await queue_up(connection, _QUEUE)
            if (await _user(connection, member.user_id)).removed_at_ms is not None:
                raise no_user(member.user_id)
            await connection.execute(
                setting.on_conflict_do_update(index_elements=["project", "user_id"], set_={"role": member.role})
            )

    async def remove_member(self, project: str, user_id: str, now_ms: int) -> None:
        alone = func.count() == func.count().filter(token_roles.c.project == project)
        theirs = select(token_roles.c.token_id).group_by(token_roles.c.token_id).having(alone)
        async with self._engine.writing() as connection:
            await queue_up(connection, _QUEUE)
            leaving = delete(members).where(members.c.project == project, members.c.user_id == user_id)
            if not (await connection.execute(leaving)).rowcount:
                raise no_member(project, user_id)
            await _revoke(connection, (tokens.c.sponsor == user_id) & tokens.c.id.in_(theirs), now_ms)

    async def add_token(self, token: Token) -> None:
        row = asdict(token)
        roles = [{"token_id": token.id, "project": name, "role": role} for name, role in row.pop("roles").items()]
        async with self._engine.writing() as connection:
            await queue_up(connection, _QUEUE)
            await _require_maker(connection, token)
            await _require_sponsor(connection, token)
            await connection.execute(insert(tokens).values(row))
            await connection.execute(insert(token_roles), roles)

    async def standing(self, token_id: str) -> Standing | None:
        async with self._engine.reading() as connection:
            found = await _tokens(connection, tokens.c.id == token_id, 1)
            return Standing(found[0], await _memberships(connection, found[0].sponsor)) if found else None

    async def tokens(self, after: str | None, limit: int, project: str | None = None) -> Sequence[Token]:
        wanted = tokens.c.id < after if after is not None else tokens.c.id.is_not(None)
        if project is not None:
            wanted &= tokens.c.id.in_(select(token_roles.c.token_id).where(token_roles.c.project == project))
        async with self._engine.reading() as connection:
            return await _tokens(connection, wanted, limit)

    async def revoke(self, token_id: str, now_ms: int) -> None:
        async with self._engine.writing() as connection:
            await queue_up(connection, _QUEUE)
            if await connection.scalar(select(tokens.c.id).where(tokens.c.id == token_id)) is None:
                raise no_token(token_id)
            await _revoke(connection, tokens.c.id == token_id, now_ms)

    async def revoke_all(self, now_ms: int) -> int:
        async with self._engine.writing() as connection:
            await queue_up(connection, _QUEUE)
            return await _revoke(connection, tokens.c.id.is_not(None), now_ms)

    async def used(self, token_id: str, now_ms: int) -> None:
        async with self._engine.writing() as connection:
            await connection.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at_ms=now_ms))


class SqlAudit:
    """AuditLog."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, entry: AuditEntry) -> None:
        async with self._engine.writing() as connection:
            await connection.execute(insert(audit).values(asdict(entry)))

    async def find(self, query: AuditQuery) -> Sequence[AuditEntry]:
        newest = select(audit).order_by(audit.c.id.desc()).limit(query.limit)
        if query.after is not None:
            newest = newest.where(audit.c.id < query.after)
        if query.project is not None:
            newest = newest.where(audit.c.project == query.project)
        async with self._engine.reading() as connection:
            found = (await connection.execute(newest)).mappings()
            return [AuditEntry(**{**row, "actor": Actor(row["actor"])}) for row in found]


#: Nobody makes a token while its maker is revoked, or its sponsor leaves.
_QUEUE = "access"


async def _user(connection: AsyncConnection, user_id: str) -> User:
    found = (await connection.execute(select(users).where(users.c.id == user_id))).mappings().one_or_none()
    if found is None:
        raise no_user(user_id)
    return User(**found)


def _member(project: str, user_id: str, role: str) -> Member:
    return Member(project=project, user_id=user_id, role=Role(role))


async def _memberships(connection: AsyncConnection, user_id: str | None) -> dict[str, Role]:
    query = select(members.c.project, members.c.role).where(members.c.user_id == user_id)
    return {row.project: Role(row.role) for row in await connection.execute(query)} if user_id else {}


async def _require_maker(connection: AsyncConnection, token: Token) -> None:
    living = select(tokens.c.id).where(tokens.c.id == token.maker, tokens.c.revoked_at_ms.is_(None))
    if token.maker is not None and await connection.scalar(living) is None:
        raise token_over(token.maker)


async def _require_sponsor(connection: AsyncConnection, token: Token) -> None:
    if token.sponsor is None:
        return
    if absent := token.roles.keys() - await _memberships(connection, token.sponsor):
        raise no_member(min(absent), token.sponsor)


async def _tokens(connection: AsyncConnection, wanted: ColumnElement[bool], limit: int) -> Sequence[Token]:
    query = select(tokens).where(wanted).order_by(tokens.c.id.desc()).limit(limit)
    rows = (await connection.execute(query)).mappings().all()
    roles = await _roles(connection, [row["id"] for row in rows])
    return [Token(**row, roles=roles[row["id"]]) for row in rows]


async def _roles(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, dict[str, Role]]:
    query = select(token_roles).where(token_roles.c.token_id.in_(ids)).order_by(token_roles.c.project)
    found: dict[str, dict[str, Role]] = {token_id: {} for token_id in ids}
    for row in await connection.execute(query):
        found[row.token_id][row.project] = Role(row.role)
    return found


async def _revoke(connection: AsyncConnection, meant: ColumnElement[bool], now_ms: int) -> int:
    """With all that they have made. How many were not revoked before."""
    going = set(await connection.scalars(select(tokens.c.id).where(meant)))
    fresh = going
    while fresh:
        fresh = set(await _made_by(connection, fresh)) - going
        going |= fresh
    living = update(tokens).where(tokens.c.id.in_(going), tokens.c.revoked_at_ms.is_(None))
    return (await connection.execute(living.values(revoked_at_ms=now_ms))).rowcount if going else 0


async def _made_by(connection: AsyncConnection, makers: Iterable[str]) -> Iterable[Any]:
    return await connection.scalars(select(tokens.c.id).where(tokens.c.maker.in_(makers)))
