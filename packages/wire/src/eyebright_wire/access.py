"""Who may do what: users, their roles in projects, the tokens of users and services, and the log of what was changed."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from eyebright_wire.model import Line, RequestModel, Whole, WireModel

_Name = Annotated[Line, Field(min_length=1, max_length=200)]
#: Looked up, so whatever is no project is refused there.
ProjectName = Annotated[Line, Field(min_length=1, max_length=63)]


class Role(StrEnum):
    """What somebody may do in a project; each may do what those before it may."""

    VIEWER = "viewer"  # look at everything
    MEMBER = "member"  # order and cancel trainings, bring data sets, name models
    ADMIN = "admin"  # delete models, manage webhooks, members and tokens of the project

    def covers(self, least: "Role") -> bool:
        return _RANKS[self] >= _RANKS[least]


_RANKS = {role: rank for rank, role in enumerate(Role)}


def lesser(one: Role, other: Role) -> Role:
    return other if one.covers(other) else one


class Actor(StrEnum):
    """Who called: the operator, an agent with a token made of the operator's, or the holder of a token of a team."""

    OPERATOR = "operator"
    AGENT = "agent"
    TOKEN = "token"  # noqa: S105 - a kind of caller


class UserCreate(RequestModel):
    """Somebody who is to get tokens of their own."""

    name: _Name = Field(description="As people call them, such as a name or an address")


class UserView(WireModel):
    """Somebody with tokens of their own."""

    id: str
    name: str
    created_at_ms: int
    removed_at_ms: int | None = Field(default=None, description="None of their tokens counts from then on")


class MemberUpdate(RequestModel):
    """What a user may do in a project."""

    role: Role


class MemberView(WireModel):
    """A user in a project."""

    project: str
    user_id: str
    name: str
    role: Role


class TokenCreate(RequestModel):
    """A token for a user, or, without one, for a service."""

    name: _Name = Field(description="What it is for")
    roles: dict[ProjectName, Role] = Field(
        min_length=1, max_length=100, description="What it may do, by project; nothing in any other"
    )
    user_id: Line | None = Field(
        default=None, max_length=200, description="Whose it is; default: a service's, which is nobody's"
    )
    expires_at_ms: Whole | None = Field(
        default=None, description="When it ends, within a year; default: in 90 days, or with the token that makes it"
    )


class TokenView(WireModel):
    """A token, without its secret."""

    id: str
    name: str
    roles: dict[str, Role]
    user_id: str | None = None
    made_by: str = Field(
        description="`operator`, or the id of the token that made it and takes it along when it is revoked"
    )
    created_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = Field(default=None, description="To some minutes")


class TokenSecret(TokenView):
    """A token as it is made: the only answer that has it whole."""

    token: str = Field(repr=False)


class MeView(WireModel):
    """Who calls."""

    actor: Actor
    token_id: str | None = None
    user_id: str | None = None
    name: str | None = Field(default=None, description="Of the user")
    roles: dict[str, Role] = Field(default_factory=dict, description="By project; the operator may do everything")
    expires_at_ms: int | None = None


class AuditView(WireModel):
    """One call that was meant to change something, whatever came of it."""

    id: str
    at_ms: int
    actor: Actor
    token_id: str | None = Field(default=None, description="Of a team's or an agent's token")
    user_id: str | None = None
    project: str | None = Field(default=None, description="In which it acted; none where that was not settled")
    method: str
    operation: str = Field(description="As the OpenAPI document calls it, or the path of what is not in there")
    resource: str = Field(description="The path, or the address of what came into being")
    status: int = Field(description="Of the answer; 499 where the caller went away before it")
    remote: str = Field(description="The address that called, or of the proxy before it")
    request_id: str = Field(description="As X-Request-Id in the answer")
