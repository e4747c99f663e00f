"""`eyebright team …`."""

import time
from typing import Annotated

import typer

from eyebright.cli.connection import connected
from eyebright.cli.options import Json
from eyebright.cli.ordering import seconds_of
from eyebright.cli.terminal import emit, moment, say, show, show_facts, show_table
from eyebright.cli.verbs import example, group
from eyebright.core.scope import DEFAULT_PROJECT
from eyebright.errors import InvalidRequest
from eyebright.settings import Settings
from eyebright_wire.access import Role, TokenCreate, TokenSecret, TokenView, UserView

UserId = Annotated[str, typer.Argument(metavar="USER", help="Their id; `eyebright team users list` shows them.")]
Project = Annotated[
    str | None, typer.Option(help="In which project. Default: what EYEBRIGHT_PROJECT says, or `default`.")
]

app = group(
    "Let users and services in, with as much as they need.",
    """
eyebright team users add Ada
eyebright team members set USER member
eyebright team tokens make notebook --user USER --role member
eyebright team tokens revoke TOKEN
""",
)
users = group("Who can be a member of projects.", "eyebright team users add Ada\neyebright team users list")
members = group("Who may do what in a project.", "eyebright team members set USER viewer\neyebright team members list")
tokens = group(
    "What users and services call with.",
    "eyebright team tokens make ci --role member --expires 30d\neyebright team tokens list",
)
app.add_typer(users, name="users")
app.add_typer(members, name="members")
app.add_typer(tokens, name="tokens")


@users.command("add", epilog=example("eyebright team users add 'Ada Lovelace'"))
def add_user(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As people call them.")], as_json: Json = False
) -> None:
    """Add a user, who may do nothing until they are a member of a project and have a token."""
    with connected() as client:
        _show_user(client.add_user(name), as_json=as_json)


@users.command("list", epilog=example("eyebright team users list --json | jq -r .[0].id"))
def list_users(as_json: Json = False) -> None:
    """All of them, those who were removed too."""
    with connected() as client:
        found = list(client.users())
    if as_json:
        return emit(found)
    rows = ((each.id, each.name, moment(each.created_at_ms), _date(each.removed_at_ms)) for each in found)
    return show_table(("user", "name", "added", "removed"), rows, "There is none. Try `eyebright team users add NAME`.")


@users.command("remove", epilog=example("eyebright team users remove USER"))
def remove_user(user: UserId, as_json: Json = False) -> None:
    """Remove a user from every project; their tokens, and those of services that they made, are revoked."""
    with connected() as client:
        _show_user(client.remove_user(user), as_json=as_json)


@members.command("set", epilog=example("eyebright team members set USER admin"))
def set_member(
    user: UserId,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="viewer, member or admin.")],
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Give a user a role in a project, in place of the one they had."""
    with connected() as client:
        member = client.set_member(_project(project), user, role)
    if as_json:
        return emit(member)
    return show(f"{member.name} is {member.role} in {member.project}")


@members.command("list", epilog=example("eyebright team members list --json"))
def list_members(project: Project = None, as_json: Json = False) -> None:
    """Who is in a project."""
    with connected() as client:
        found = client.members(_project(project))
    if as_json:
        return emit(found)
    rows = ((each.user_id, each.name, each.role) for each in found)
    return show_table(("user", "name", "role"), rows, "Nobody is. Try `eyebright team members set USER ROLE`.")


@members.command("remove", epilog=example("eyebright team members remove USER"))
def remove_member(user: UserId, project: Project = None, as_json: Json = False) -> None:
    """Take a user out of a project; their tokens for it, and those of services that they made, are revoked."""
    with connected() as client:
        client.remove_member(_project(project), user)
    if as_json:
        return emit({"removed": user, "project": _project(project)})
    return show(f"{user} is no member of {_project(project)} any more")


@tokens.command(
    "make",
    epilog=example(
        "eyebright team tokens make notebook --user USER --role member\n"
        "eyebright team tokens make ci --role viewer --expires 30d --json | jq -r .token"
    ),
)
def make_token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    role: Annotated[Role, typer.Option(help="What it may do; no more than its user.")] = Role.VIEWER,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Whose it is. Default: a service's.")] = None,
    project: Project = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="It counts for 8h, 30d, … from now on. Default: 90d.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token, which is shown this once: whoever has it sets EYEBRIGHT_TOKEN to it."""
    order = TokenCreate(name=name, roles={_project(project): role}, user_id=user, expires_at_ms=_end(expires))
    with connected() as client:
        made = client.create_token(order)
    _show_secret(made, as_json=as_json)


@tokens.command(
    "list", epilog=example("eyebright team tokens list --json | jq -r '.[] | select(.revoked_at_ms == null) | .id'")
)
def list_tokens(as_json: Json = False) -> None:
    """All of them, the newest first, those that count no longer too; none with its secret."""
    with connected() as client:
        found = list(client.tokens())
    if as_json:
        return emit(found)
    columns = ("token", "name", "roles", "user", "made by", "expires", "revoked", "last used")
    return show_table(columns, map(_row, found), "There is none. Try `eyebright team tokens make NAME`.")


@tokens.command("revoke", epilog=example("eyebright team tokens revoke TOKEN"))
def revoke_token(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="Its id, which begins with tok_, not the token itself.")
    ],
    as_json: Json = False,
) -> None:
    """Revoke a token and all that it has made: at once at the server that is asked, within seconds at others of its database."""
    if not token.startswith("tok_"):
        raise InvalidRequest(
            "this is not the id of a token, which begins with tok_; `eyebright team tokens list` shows it"
        )
    with connected() as client:
        revoked = client.revoke_token(token)
    if as_json:
        return emit(revoked)
    return show(f"{revoked.id} ({revoked.name}) is revoked")


def _project(named: str | None) -> str:
    return named or Settings().project or DEFAULT_PROJECT


def _end(expires: str | None) -> int | None:
    """By the clock of whoever asks: a few seconds more or less do not matter."""
    seconds = seconds_of(expires)
    return None if seconds is None else time.time_ns() // 1_000_000 + 1000 * seconds


def _show_user(user: UserView, *, as_json: bool) -> None:
    if as_json:
        return emit(user)
    return show_facts([("user", user.id), ("name", user.name), ("removed", _date(user.removed_at_ms))])


def _show_secret(made: TokenSecret, *, as_json: bool) -> None:
    if as_json:
        return emit(made)
    show_facts(
        [("token", made.token), ("id", made.id), ("roles", _roles(made)), ("expires", moment(made.expires_at_ms))]
    )
    return say("The token is not shown again.")


def _row(token: TokenView) -> tuple[object, ...]:
    times = (moment(token.expires_at_ms), _date(token.revoked_at_ms), _date(token.last_used_at_ms))
    return (token.id, token.name, _roles(token), token.user_id or "", token.made_by, *times)


def _roles(token: TokenView) -> str:
    return ", ".join(f"{role} in {project}" for project, role in token.roles.items())


def _date(at_ms: int | None) -> str:
    return "" if at_ms is None else moment(at_ms)
