"""Users, members of projects and tokens: who gives what to whom. Nobody gives more than they have."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from eyebright.core.access import Caller, Member, Token, User, sha256_of, written
from eyebright.errors import Forbidden, InvalidRequest, no_project, no_token
from eyebright.ports.access import AccessStore
from eyebright.ports.clock import Clock
from eyebright.ports.projects import ProjectStore
from eyebright.services.access import Access
from eyebright_wire.access import Actor, MemberView, MeView, Role, TokenCreate, TokenSecret, TokenView, UserView
from eyebright_wire.resources import Page

USUAL, LONGEST = timedelta(days=90), timedelta(days=366)
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Giver:
    """Whoever asks: with a team's token as an admin of a project, or the operator (None), who may give everything."""

    caller: Caller
    project: str


class Teams:
    def __init__(self, store: AccessStore, access: Access, projects: ProjectStore, clock: Clock) -> None:
        self._store = store
        self._projects = projects
        self._access = access
        self._clock = clock

    async def me(self, caller: Caller | None) -> MeView:
        """None: the operator."""
        if caller is None:
            return MeView(actor=Actor.OPERATOR)
        user = await self._store.user(caller.user_id) if caller.user_id else None
        return MeView(
            actor=Actor.TOKEN,
            token_id=caller.token_id,
            user_id=caller.user_id,
            name=user.name if user else None,
            roles=dict(caller.roles),
            expires_at_ms=caller.expires_at_ms,
        )

    async def add_user(self, name: str) -> UserView:
        user = User(id=self._clock.new_id("usr"), name=name, created_at_ms=self._clock.now_ms())
        await self._store.add_user(user)
        return _user_view(user)

    async def users(self, after: str | None, limit: int) -> Page[UserView]:
        found = await self._store.users(after, limit + 1)
        page = tuple(_user_view(user) for user in found[:limit])
        return Page[UserView](items=page, next=page[-1].id if len(found) > limit else None)

    async def remove_user(self, user_id: str) -> UserView:
        """From every project, with the tokens that were made by them or for them. Raises NotFound."""
        async with self._access.changing():
            return _user_view(await self._store.remove_user(user_id, self._clock.now_ms()))

    async def members(self, project: str) -> tuple[MemberView, ...]:
        await self._require_project(project)
        return tuple(_member_view(*found) for found in await self._store.members(project))

    async def set_member(self, project: str, user_id: str, role: Role, giver: Giver | None) -> MemberView:
        """Raises NotFound for a user who is not known or was removed; Forbidden where an admin would bring one in."""
        await self._require_project(project)
        if giver is not None and user_id not in [member.user_id for member, _ in await self._store.members(project)]:
            raise Forbidden(f"{user_id} is no member of {project}; who becomes one is the operator's to say")
        async with self._access.changing():
            member = Member(project=project, user_id=user_id, role=role)
            await self._store.set_member(member)
        return _member_view(member, await self._store.user(user_id))

    async def remove_member(self, project: str, user_id: str) -> None:
        """With their tokens for it. Raises NotFound."""
        await self._require_project(project)
        async with self._access.changing():
            await self._store.remove_member(project, user_id, self._clock.now_ms())

    async def make_token(self, order: TokenCreate, giver: Giver | None) -> TokenSecret:
        """Raises Forbidden for what the giver may not give, NotFound for a user who is not in the project."""
        for project in order.roles:
            await self._require_project(project)
        if giver is not None:
            _require_given(order, giver)
        sponsor = giver.caller.sponsor if giver else order.user_id
        secret = self._clock.new_token()
        token = Token(
            id=self._clock.new_id("tok"),
            name=order.name,
            secret_sha256=sha256_of(secret),
            roles=order.roles,
            user_id=order.user_id,
            sponsor=sponsor,
            maker=giver.caller.token_id if giver else None,
            created_at_ms=self._clock.now_ms(),
            expires_at_ms=self._end(order.expires_at_ms, giver),
        )
        await self._require_roles(token)
        await self._store.add_token(token)
        return TokenSecret(**_token_view(token).model_dump(), token=written(token.id, secret))

    async def tokens(self, after: str | None, limit: int, giver: Giver | None) -> Page[TokenView]:
        """Newest first; to an admin of a project those of the project, and nothing of others."""
        found = await self._store.tokens(after, limit + 1, giver and giver.project)
        page = tuple(_token_view(token, giver and giver.project) for token in found[:limit])
        return Page[TokenView](items=page, next=page[-1].id if len(found) > limit else None)

    async def revoke(self, token_id: str, giver: Giver | None) -> TokenView:
        """And all that it has made. Raises NotFound; Forbidden for one that counts where the giver is no admin."""
        standing = await self._store.standing(token_id)
        if standing is None or (giver and giver.project not in standing.token.roles):
            raise no_token(token_id)
        if giver is not None:
            _require_admin_of(standing.token, giver)
        async with self._access.changing():
            await self._store.revoke(token_id, self._clock.now_ms())
        revoked = await self._store.standing(token_id)
        assert revoked is not None
        return _token_view(revoked.token, giver and giver.project)

    async def _require_project(self, project: str) -> None:
        if not await self._projects.exists(project):
            raise no_project(project)

    async def _require_roles(self, token: Token) -> None:
        """A role that would not count would only look like one."""
        for project, role in token.roles.items() if token.user_id else ():
            for member, user in await self._store.members(project):
                if member.user_id == token.user_id and not member.role.covers(role):
                    raise InvalidRequest(
                        f"{user.name} is {member.role} in {project}, and a token of theirs can be no {role} there"
                    )

    def _end(self, asked_ms: int | None, giver: Giver | None) -> int:
        now_ms = self._clock.now_ms()
        latest_ms = now_ms + _ms(LONGEST)
        if giver is not None:
            latest_ms = min(latest_ms, giver.caller.expires_at_ms)
        if asked_ms is None:
            return min(now_ms + _ms(USUAL), latest_ms)
        if asked_ms <= now_ms:
            raise InvalidRequest(f"expires_at_ms: {asked_ms} is past already; it is {now_ms} now")
        if asked_ms > latest_ms:
            limit = "with the token that makes it" if giver and latest_ms == giver.caller.expires_at_ms else "in a year"
            raise InvalidRequest(
                f"expires_at_ms: {asked_ms} is too late; a token ends {limit} at the latest, at {latest_ms}"
            )
        return asked_ms


def _require_given(order: TokenCreate, giver: Giver) -> None:
    own = giver.caller.roles
    if foreign := sorted(order.roles.keys() - own.keys()):
        raise no_project(foreign[0])
    for project, role in order.roles.items():
        if not own[project].covers(Role.ADMIN):
            raise Forbidden(f"tokens of {project} are made by its admins; this token is {own[project]} there")
        if not own[project].covers(role):
            raise Forbidden(f"this token is {own[project]} in {project}, and makes none that is {role} there")
    if order.user_id is not None and order.user_id != giver.caller.user_id:
        raise Forbidden("tokens of other users are made by the operator; leave user_id out for a service's")


def _require_admin_of(token: Token, giver: Giver) -> None:
    own = giver.caller.roles
    if any(project not in own or not own[project].covers(Role.ADMIN) for project in token.roles):
        raise Forbidden(f"token {token.id} counts in other projects too, and is revoked by who is admin in all of them")


def _user_view(user: User) -> UserView:
    return UserView(id=user.id, name=user.name, created_at_ms=user.created_at_ms, removed_at_ms=user.removed_at_ms)


def _member_view(member: Member, user: User) -> MemberView:
    return MemberView(project=member.project, user_id=user.id, name=user.name, role=member.role)


def _token_view(token: Token, project: str | None = None) -> TokenView:
    """`project`: tell of no other."""
    roles: Mapping[str, Role] = {name: role for name, role in token.roles.items() if project in (None, name)}
    return TokenView(
        id=token.id,
        name=token.name,
        roles=dict(roles),
        user_id=token.user_id,
        made_by=token.maker or OPERATOR,
        created_at_ms=token.created_at_ms,
        expires_at_ms=token.expires_at_ms,
        revoked_at_ms=token.revoked_at_ms,
        last_used_at_ms=token.last_used_at_ms,
    )


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
