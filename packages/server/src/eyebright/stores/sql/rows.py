"""Records of the core as rows and back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from eyebright.core.job import Attempt, Job
from eyebright.core.records import Artifact, Checkpoint, Message, Model, StoredEvent, Transition, Version
from eyebright.ports.jobs import Receipt
from eyebright.stores.sql import tables
from eyebright.stores.sql.batch import Row
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef, ExportRef
from eyebright_wire.errors import ErrorCode
from eyebright_wire.events import Progress, Succeeded
from eyebright_wire.jobs import JobState, Stage
from eyebright_wire.resources import Needs, TimeForecast

JOB = tables.names(tables.jobs)
ORDER = tuple(name for name in tables.names(tables.orders) if name != "job_id")
ATTEMPT = tables.names(tables.attempts)
EVENT = tables.names(tables.events)
RECEIPT = ("source", "key", "body_sha256", "job_id")


def dump(value: object) -> str:
    """JSON in ASCII. Not orjson: that writes NaN as null and refuses integers above 64 bits, and events must come back equal."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def job_row(job: Job) -> Row:
    row = {name: getattr(job, name) for name in JOB}
    row["progress"] = None if job.progress is None else dump(dict(job.progress))
    row["metrics"] = dump(dict(job.metrics))
    return row


def order_row(job: Job) -> Row:
    row: Row = {name: getattr(job, name) for name in ORDER}
    for name in ("config", "resolved", "labels"):
        row[name] = dump(dict(row[name]))
    row["forecast"] = _foretold(job)
    return {"job_id": job.id, **row}


def _foretold(job: Job) -> str | None:
    """The needs lie within the forecast of time, which was there first."""
    told: Row = {} if job.forecast is None else job.forecast.model_dump()
    if job.needs is not None:
        told["needs"] = job.needs.model_dump(exclude_none=True)
    return dump(told) if told else None


def label_rows(job: Job) -> list[Row]:
    return [{"job_id": job.id, "key": key, "value": value} for key, value in job.labels.items()]


def order(values: Sequence[Any]) -> Row:
    """The cold half of a job, as keyword arguments."""
    row: Row = dict(zip(ORDER, values, strict=True))
    for name in ("config", "resolved", "labels"):
        row[name] = json.loads(row[name])
    told = json.loads(row["forecast"] or "{}")
    needs = told.pop("needs", None)
    row["forecast"] = TimeForecast.model_validate(told) if told else None
    row["needs"] = Needs.model_validate(needs) if needs else None
    return row


def job(values: Sequence[Any], order: Mapping[str, Any]) -> Job:
    row: Row = dict(zip(JOB, values, strict=True))
    row["state"] = JobState(row["state"])
    row["stage"] = row["stage"] and Stage(row["stage"])
    row["reason"] = row["reason"] and ErrorCode(row["reason"])
    row["held"] = bool(row["held"])
    row["retryable"] = bool(row["retryable"])
    row["cancel_requested"] = bool(row["cancel_requested"])
    row["progress"] = row["progress"] and Progress.model_validate_json(row["progress"])
    row["metrics"] = json.loads(row["metrics"])
    return Job(**row, **order)


def attempt_row(attempt: Attempt) -> Row:
    row = {name: getattr(attempt, name) for name in ATTEMPT}
    row["claim"] = None if attempt.claim is None else dump(attempt.claim.model_dump())
    return row


def attempt(values: Sequence[Any]) -> Attempt | None:
    """None for the empty half of an outer join."""
    if values[0] is None:
        return None
    row: Row = dict(zip(ATTEMPT, values, strict=True))
    row["claim"] = row["claim"] and Succeeded.model_validate(json.loads(row["claim"]))
    return Attempt(**row)


def event_row(event: StoredEvent) -> Row:
    row = {name: getattr(event, name) for name in EVENT}
    row["data"] = dump(dict(event.data))
    return row


def event(values: Sequence[Any]) -> StoredEvent:
    row: Row = dict(zip(EVENT, values, strict=True))
    row["data"] = json.loads(row["data"])
    return StoredEvent(**row)


def transition_row(transition: Transition) -> Row:
    return _fields(tables.transitions, transition)


def transition(row: Mapping[Any, Any]) -> Transition:
    return Transition(**_decoded(row))


def message_row(message: Message) -> Row:
    return _fields(tables.outbox, message)


def message(row: Mapping[Any, Any]) -> Message:
    return Message(**_decoded(row))


def receipt_row(receipt: Receipt, project: str) -> Row:
    return {"project": project, **{name: getattr(receipt, name) for name in RECEIPT}}


def checkpoint_row(checkpoint: Checkpoint) -> Row:
    return {
        "job_id": checkpoint.job_id,
        "attempt": checkpoint.attempt,
        "path": checkpoint.manifest.path,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "best": checkpoint.best,
        "manifest": dump(checkpoint.manifest.model_dump()),
        "metrics": dump(dict(checkpoint.metrics)),
        "at_ms": checkpoint.at_ms,
    }


def checkpoint(row: Mapping[Any, Any]) -> Checkpoint:
    fields = {name: value for name, value in row.items() if name != "path"}
    fields["best"] = bool(row["best"])
    fields["manifest"] = ArtifactRef.model_validate(json.loads(row["manifest"]))
    fields["metrics"] = json.loads(row["metrics"])
    return Checkpoint(**fields)


def artifact_row(artifact: Artifact) -> Row:
    return {"job_id": artifact.job_id, "attempt": artifact.attempt, **artifact.ref.model_dump()}


def artifact(row: Mapping[Any, Any]) -> Artifact:
    ref = ArtifactRef(
        path=row["path"],
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        kind=ArtifactKind(row["kind"]),
        media_type=row["media_type"],
    )
    return Artifact(job_id=row["job_id"], attempt=row["attempt"], ref=ref)


def model_row(model: Model) -> Row:
    return _fields(tables.models, model) | {
        "classes": dump(list(model.classes)),
        "metrics": dump(dict(model.metrics)),
        "exports": dump([export.model_dump() for export in model.exports]),
        "artifacts": dump([ref.model_dump() for ref in model.artifacts]),
    }


def model(row: Mapping[Any, Any], aliases: Sequence[str] = ()) -> Model:
    return Model(
        **{
            **row,
            "aliases": tuple(aliases),
            "classes": tuple(json.loads(row["classes"])),
            "metrics": json.loads(row["metrics"]),
            "exports": tuple(ExportRef.model_validate(export) for export in json.loads(row["exports"])),
            "artifacts": tuple(ArtifactRef.model_validate(ref) for ref in json.loads(row["artifacts"])),
        }
    )


def version_row(version: Version) -> Row:
    return _fields(tables.dataset_versions, version) | {"report": dump(dict(version.report))}


def version(row: Mapping[Any, Any]) -> Version:
    return Version(**{**row, "report": json.loads(row["report"])})


def _fields(table: Table, record: object) -> Row:
    return {name: getattr(record, name) for name in tables.names(table)}


def _decoded(row: Mapping[Any, Any]) -> Row:
    reason: str | None = row["reason"]
    return {**row, "state": JobState(row["state"]), "reason": reason and ErrorCode(reason)}
