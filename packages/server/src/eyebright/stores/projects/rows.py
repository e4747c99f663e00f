"""Rows of the callers' tables as JSON has them, and what they mean: the same whichever way they come and go.

Other programs write them too, so that anything may stand in them; where a text is missing it is read as an empty one.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import orjson

from eyebright.core.callers import AGENT, Assignment, CallersDataset, CallersModel, CallersProject, LogLevel, LogLine
from eyebright.errors import EyebrightError
from eyebright.stores.projects.refusals import no_dataset, no_project, several_datasets

Row = Mapping[str, Any]

PROJECT = ("id", "name", "task_type", "framework", "status", "metadata")
DATASET = ("id", "project_id", "name", "gcs_url")
LOG = ("id", "project_id", "agent_name", "message", "log_level", "created_at")
MODEL = ("id", "project_id", "name", "framework", "gcs_url", "metadata")
#: What is read of each table.
TABLES = {"projects": PROJECT, "datasets": DATASET, "models": MODEL, "agent_logs": LOG}

#: Of a log line that does not say when it was written.
_LONG_AGO = datetime.fromtimestamp(0, UTC)


def project(found: Sequence[Row], project_id: str) -> CallersProject:
    """The one that was asked for. Raises NotFound."""
    if not found:
        raise no_project(project_id)
    row = found[0]
    return CallersProject(
        id=str(row["id"]),
        name=_text(row["name"]),
        task_type=row["task_type"],
        framework=row["framework"],
        status=_text(row["status"]),
        metadata=_mapping(row["metadata"]),
    )


def assignment(found: Sequence[Row], datasets: Sequence[Row], project_id: str) -> Assignment:
    """Of the data sets two will do. Raises NotFound."""
    return Assignment(project=project(found, project_id), dataset=_dataset(datasets, project_id))


def _dataset(found: Sequence[Row], project_id: str) -> CallersDataset | EyebrightError:
    """The only one of its project, or what is wrong."""
    if not found:
        return no_dataset(project_id)
    if len(found) > 1:
        return several_datasets(project_id)
    row = found[0]
    return CallersDataset(
        id=str(row["id"]),
        project_id=str(row["project_id"]),
        name=_text(row["name"]),
        gcs_url=_text(row["gcs_url"]),
    )


def log_line(row: Row) -> LogLine:
    return LogLine(
        id=str(row["id"]),
        project_id=str(row["project_id"]),
        message=_text(row["message"]),
        level=_level(row["log_level"]),
        created_at=_time(row["created_at"]),
    )


def of_model(model: CallersModel) -> Row:
    return storable({name: getattr(model, name) for name in MODEL})


def of_log_line(line: LogLine) -> Row:
    return storable(
        {
            "id": line.id,
            "project_id": line.project_id,
            "agent_name": AGENT,
            "message": line.message,
            "log_level": line.level,
            "created_at": line.created_at.astimezone(UTC).isoformat(),
        }
    )


def storable(value: Any) -> Any:
    """What JSON and Postgres can hold of it: NUL and half surrogates become U+FFFD, a number that is none becomes null."""
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {storable(str(key)): storable(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple():
            return [storable(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _level(value: Any) -> LogLevel:
    """By others it may be any word, in any case."""
    said = _text(value).lower()
    return next((level for level in get_args(LogLevel) if said.startswith(level[:4])), "info")


def _time(value: Any) -> datetime:
    """A column without a time zone is taken to hold UTC."""
    try:
        found = datetime.fromisoformat(_text(value))
    except ValueError:
        return _LONG_AGO
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _mapping(value: Any) -> Mapping[str, Any]:
    """Some ways bring it as text; and some clients have stored the text of the JSON instead of the JSON."""
    for _ in range(2):
        value = _parsed(value) if isinstance(value, str) else value
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _parsed(text: str) -> Any:
    """None for what is no JSON, or holds what nobody could mean: a number beyond all others, a thousand lists in each other."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
