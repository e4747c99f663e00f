"""What the callers' database says when it refuses something, in words that tell what to do."""

import uuid

from eyebright.errors import Conflict, EyebrightError, NotFound, Unavailable

_SHOWN = 300
_TABLES = "projects, datasets, models and agent_logs"
#: By SQLSTATE or by PostgREST's own codes.
_NOT_THERE = frozenset({"42P01", "42703", "42P10", "PGRST204", "PGRST205"})
_NOT_ALLOWED = frozenset({"42501"})
#: Classes of SQLSTATE: data, constraints, a view's check option, what a trigger raises.
_OF_THE_ROW = frozenset({"22", "23", "44", "P0"})


def refusal(place: str, code: str, text: str) -> EyebrightError:
    """Of an answer with this SQLSTATE, or this code of PostgREST's; `text` is what it says besides."""
    found = _short(text).rstrip(".")
    if code in _NOT_THERE:
        return Unavailable(
            f"the callers' database {place} lacks what is needed: {found}. Expected are the tables {_TABLES}, each with a "
            "primary key `id`; Eyebright never makes them"
        )
    if code in _NOT_ALLOWED:
        return Unavailable(
            f"the callers' database {place} does not allow that: {found}. Grant SELECT on {_TABLES}, UPDATE on projects and "
            "INSERT on models and agent_logs, or use the service_role key"
        )
    if code[:2] in _OF_THE_ROW and len(code) == 5:
        return Conflict(f"the callers' database {place} refuses the row: {found}. Its tables have rules of their own")
    return Unavailable(
        f"the callers' database {place} does not serve us: {found}. Check its address and credentials (SUPABASE_URL and "
        "SUPABASE_KEY, or EYEBRIGHT_TRAINING_AGENT__DATABASE_URL)"
    )


def silent(place: str, seconds: float) -> Unavailable:
    return Unavailable(
        f"the callers' database {place} did not answer within {seconds:g} s. Is it running? What was asked for may have been done"
    )


def unreachable(place: str, error: Exception) -> Unavailable:
    said = _short(str(error)) or type(error).__name__
    return Unavailable(f"cannot reach the callers' database {place}: {said}. Is it running, and is the address right?")


def no_project(project_id: str) -> NotFound:
    return NotFound(
        f"there is no project {_short(project_id)} in the table projects, or row-level security hides it from this server"
    )


def no_dataset(project_id: str) -> NotFound:
    return NotFound(f"the project {project_id} has no data set; add a row to the table datasets")


def several_datasets(project_id: str) -> Conflict:
    return Conflict(f"the project {project_id} has several data sets; leave one row of it in the table datasets")


def known(project_id: str) -> str:
    """The id in its usual form. Raises NotFound for what no project can be called."""
    try:
        return str(uuid.UUID(project_id))
    except ValueError:
        raise no_project(project_id) from None


def _short(text: str) -> str:
    """On one line, which shows where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
