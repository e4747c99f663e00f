"""Who may do what: users, their roles in projects, and tokens."""

from typing import Annotated

from fastapi import APIRouter, Path

from eyebright.doors.door import Verbs
from eyebright.doors.guests import Caller, giver_of
from eyebright.doors.http.paths import API, AfterToken, AfterUser, Limit
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright.doors.roles import Guest
from eyebright.errors import no_project
from eyebright_wire.access import (
    MemberUpdate,
    MemberView,
    MeView,
    TokenCreate,
    TokenSecret,
    TokenView,
    UserCreate,
    UserView,
)
from eyebright_wire.resources import Page

router = APIRouter(prefix=API, tags=["teams"], route_class=NativeRoute)

UserId = Annotated[str, Path(description="Such as usr_0192f3…", max_length=200)]
TokenId = Annotated[str, Path(description="Such as tok_0192f3…", max_length=200)]
Project = Annotated[str, Path(description="Such as default", max_length=100)]


@router.post("/users", operation_id="create_user", summary="Add a user", status_code=201, responses=refusals())
async def create_user(order: UserCreate, verbs: Verbs) -> UserView:
    """Who may do nothing until they are a member of a project and have a token."""
    return await verbs.teams.add_user(order.name)


@router.get("/users", operation_id="list_users", summary="List users", responses=refusals())
async def list_users(verbs: Verbs, after: AfterUser = None, limit: Limit = 50) -> Page[UserView]:
    """Those who were removed too: what they did is still in the audit log."""
    return await verbs.teams.users(after, limit)


@router.delete("/users/{user_id}", operation_id="remove_user", summary="Remove a user", responses=refusals(404))
async def remove_user(user_id: UserId, verbs: Verbs) -> UserView:
    """From every project. Their tokens, and those of services that they made, are revoked."""
    return await verbs.teams.remove_user(user_id)


@router.get("/projects/{project}/members", operation_id="list_members", summary="List members", responses=refusals(404))
async def list_members(project: Project, verbs: Verbs, caller: Caller) -> tuple[MemberView, ...]:
    _require_own(project, caller)
    return await verbs.teams.members(project)


@router.put(
    "/projects/{project}/members/{user_id}",
    operation_id="set_member",
    summary="Give a user a role in a project",
    responses=refusals(404),
)
async def set_member(
    project: Project, user_id: UserId, order: MemberUpdate, verbs: Verbs, caller: Caller
) -> MemberView:
    """In place of the one they had there. A token of theirs may do no more than they may. Who is no member yet is brought in by
    the operator alone."""
    _require_own(project, caller)
    return await verbs.teams.set_member(project, user_id, order.role, giver_of(caller))


@router.delete(
    "/projects/{project}/members/{user_id}",
    operation_id="remove_member",
    summary="Take a user out of a project",
    status_code=204,
    responses=refusals(404),
)
async def remove_member(project: Project, user_id: UserId, verbs: Verbs, caller: Caller) -> None:
    """Their tokens for it alone, and those of services that they made, are revoked; others lose it."""
    _require_own(project, caller)
    await verbs.teams.remove_member(project, user_id)


@router.post(
    "/tokens",
    operation_id="create_token",
    summary="Make a token for a user or a service",
    status_code=201,
    responses=refusals(404, 409),
)
async def create_token(order: TokenCreate, verbs: Verbs, caller: Caller) -> TokenSecret:
    """Shown in this answer and never again. A token makes none that may do more than itself, or that lasts longer."""
    return await verbs.teams.make_token(order, giver_of(caller))


@router.get("/tokens", operation_id="list_tokens", summary="List tokens, newest first", responses=refusals())
async def list_tokens(verbs: Verbs, caller: Caller, after: AfterToken = None, limit: Limit = 50) -> Page[TokenView]:
    """Those that count no longer too; none with its secret."""
    return await verbs.teams.tokens(after, limit, giver_of(caller))


@router.post(
    "/tokens/{token_id}:revoke", operation_id="revoke_token", summary="Revoke a token", responses=refusals(404)
)
async def revoke_token(token_id: TokenId, verbs: Verbs, caller: Caller) -> TokenView:
    """And all tokens that it has made. At once at this server, within seconds at others of the database."""
    return await verbs.teams.revoke(token_id, giver_of(caller))


@router.get("/me", operation_id="get_me", summary="Who calls", responses=refusals())
async def get_me(verbs: Verbs, caller: Caller) -> MeView:
    """And what they may do, in which projects."""
    return await verbs.teams.me(caller.caller if caller else None)


def _require_own(project: str, caller: Guest | None) -> None:
    if caller is not None and project != caller.project:
        raise no_project(project)
