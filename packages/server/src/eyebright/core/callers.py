"""What the callers of a Training Agent keep in a database of their own: projects, their data sets, models and log lines."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from eyebright.errors import EyebrightError, InvalidRequest

#: As `agent_logs.agent_name` has it; lines of other agents are theirs.
AGENT = "training"

#: Ids of rows that stand for something of ours are made from its own id, so that what is written twice is there once.
_ROWS = uuid.UUID("7f1f4e0f-27f5-4f6e-9a51-8d3a3c1d0c11")

#: In the inbox beside a project and the job before: who has ordered.
TRAINING_AGENT = "training_agent"
#: What labels begin with by which a job's callers are written to.
RESERVED = "callers_"

LogLevel = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallersProject:
    """A row of `projects`. Nothing in it is checked yet: other programs write it."""

    id: str
    name: str
    task_type: str | None
    framework: str | None
    status: str
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class CallersDataset:
    """A row of `datasets`."""

    id: str
    project_id: str
    name: str
    gcs_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What there is to train: a project and its data set, or why it has none."""

    project: CallersProject
    dataset: CallersDataset | EyebrightError


@dataclass(frozen=True, slots=True, kw_only=True)
class CallersModel:
    """A row for `models`."""

    id: str
    project_id: str
    name: str
    framework: str
    gcs_url: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A row of `agent_logs` of the agent `training`."""

    id: str
    project_id: str
    message: str
    level: LogLevel
    created_at: datetime


def row_id(*parts: str | int) -> str:
    """The id of the row that stands for these, always the same."""
    return str(uuid.uuid5(_ROWS, "/".join(map(str, parts))))


def require_unreserved(labels: Iterable[str]) -> None:
    """Whoever could give those labels could write into any project. Raises InvalidRequest."""
    if taken := sorted(label for label in labels if label.startswith(RESERVED)):
        raise InvalidRequest(
            f"labels that begin with {RESERVED!r} are Eyebright's own; found {', '.join(taken)!r:.200}"
        )
