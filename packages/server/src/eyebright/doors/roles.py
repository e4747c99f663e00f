"""What the token of a team opens: operations of the native API, each with the least role that it takes.

What is not listed is the operator's alone, so that a new operation is closed until somebody has thought of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from eyebright.core.access import Caller
from eyebright.errors import Forbidden, InvalidRequest, no_project
from eyebright_wire.access import Role

_VIEWER = (
    *("list_jobs", "get_job", "list_events", "get_logs", "get_metrics"),
    *("list_checkpoints", "list_artifacts", "get_artifact"),
    *(
        "list_datasets",
        "get_dataset",
        "get_dataset_version",
        "list_pictures",
        "get_thumbnail",
        "get_sheet",
        "get_changes",
    ),
    *("list_models", "compare_models", "get_model", "get_model_file"),
    *("list_recipes", "get_recipe", "resolve_recipe", "list_trainers"),
    "describe_uploads",
    "get_me",
    "get_quota",
)
_MEMBER = (
    *("submit_job", "preflight_job", "rehearse_job", "cancel_job", "retry_job"),
    *("upload_dataset", "import_dataset", "inspect_dataset"),
    *("create_upload", "show_upload", "continue_upload", "abandon_upload"),
    *("set_model_alias", "remove_model_alias", "export_model", "predict"),
)
_ADMIN = (
    *("delete_model", "delete_dataset", "delete_dataset_version"),
    *("create_webhook", "list_webhooks", "get_webhook", "update_webhook", "delete_webhook", "rotate_webhook"),
    *("test_webhook", "list_deliveries", "replay_delivery", "replay_deliveries"),
    *("list_members", "set_member", "remove_member"),
    *("create_token", "list_tokens", "revoke_token"),
    "list_audit",
)
ROLES: Mapping[str, Role] = {
    **dict.fromkeys(_VIEWER, Role.VIEWER),
    **dict.fromkeys(_MEMBER, Role.MEMBER),
    **dict.fromkeys(_ADMIN, Role.ADMIN),
}
#: What is asked by who does not know their projects yet.
_ANYWHERE = frozenset({"get_me"})
#: Names the project in which a token of several acts.
HEADER = "Eyebright-Project"


@dataclass(frozen=True, slots=True)
class Guest:
    """The holder of a team's token, in the one project in which this request acts."""

    caller: Caller
    project: str

    @property
    def role(self) -> Role:
        return self.caller.roles[self.project]


def guest_at(routes: Iterable[BaseRoute], scope: Scope, caller: Caller, named: str | None) -> Guest:
    """Raises Forbidden for what is the operator's or takes more of a role, NotFound for a project that is not the caller's."""
    operation = operation_of(routes, scope)
    least = ROLES.get(operation) if operation is not None else Role.VIEWER  # there is nothing: the framework says so
    if least is None:
        raise Forbidden("this is the operator's alone: the token of a team opens the native API of its projects")
    if named is None and operation in _ANYWHERE:
        named = min(caller.roles, default=None)
    guest = Guest(caller, _project(caller, named))
    if not guest.role.covers(least):
        raise Forbidden(f"this takes the role {least} in {guest.project}, and this token is {guest.role} there")
    return guest


def operation_of(routes: Iterable[BaseRoute], scope: Scope) -> str | None:
    """Of the first route that answers, as the framework looks for it; its path where it has no name, None where none does."""
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            return getattr(route, "operation_id", None) or getattr(route, "path", "")
    return None


def _project(caller: Caller, named: str | None) -> str:
    if named is not None:
        if named not in caller.roles:
            raise no_project(named)
        return named
    if not caller.roles:
        raise Forbidden("this token has no project any more; ask for another one")
    if len(caller.roles) > 1:
        raise InvalidRequest(
            f"this token has several projects; name one in the header {HEADER}: {', '.join(sorted(caller.roles))}"
        )
    return next(iter(caller.roles))
