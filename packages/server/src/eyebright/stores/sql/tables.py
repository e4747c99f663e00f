"""The tables, as the newest migration leaves them. A test compares the two.

Times are whole milliseconds in 64 bits, never REAL. JSON is TEXT on both databases: jsonb refuses NUL characters and NaN, both
of which a training run can utter. A job is two rows: `jobs` changes with every event and is kept small; `orders` is written
once and never read again by whoever has read it before.
"""

from collections.abc import Iterable
from functools import cache

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from eyebright.core.scope import DEFAULT_PROJECT
from eyebright.ports.curves import STRIDE
from eyebright_wire.access import Role
from eyebright_wire.jobs import FINAL_STATES, OWN_TRAINERS, JobState

metadata = MetaData(
    naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s", "fk": "fk_%(table_name)s_%(column_0_name)s"}
)

# Byte order on both databases, so that paging and lock order never depend on a server's locale.
Id = Text().with_variant(Text(collation="C"), "postgresql")
Long = BigInteger().with_variant(Integer(), "sqlite")
Ms = Long
Seconds = Double().with_variant(REAL(), "sqlite")
Flag = Boolean().with_variant(Integer(), "sqlite")


@cache
def names(table: Table) -> tuple[str, ...]:
    """Its columns, as plain strings: SQLAlchemy's own kind is no key for orjson."""
    return tuple(str(column.name) for column in table.columns)


def keys(table: Table) -> tuple[str, ...]:
    """The columns of its primary key."""
    return tuple(str(column.name) for column in table.primary_key.columns)


def _states(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({quoted(JobState)})", name=column)


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def _project() -> Column[str]:
    """Guards see to it that there is such a project, and that it stays the same: SQLite adds no foreign key to a table that is
    there, and projects are never deleted."""
    return Column("project", Id, nullable=False, server_default=DEFAULT_PROJECT)


def _one_each(name: str, *columns: str) -> Index:
    """Within a project. No constraint, and no real primary key: their indexes would be built while a table is locked. The project
    comes last, for servers that know of none."""
    return Index(name, *columns, "project", unique=True, postgresql_concurrently=True)


def _job_id() -> Column[str]:
    return Column("job_id", Id, ForeignKey("jobs.id"), nullable=False)


projects = Table(
    "projects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("created_at_ms", Ms, nullable=False),
    sqlite_strict=True,
)

project_quotas = Table(
    "project_quotas",
    metadata,
    Column("project", Id, ForeignKey("projects.id", name="fk_project_quotas_project"), primary_key=True),
    Column("running_jobs", Integer),
    Column("storage_bytes", Long),
    Column("requests_per_minute", Integer),
    CheckConstraint("running_jobs >= 0 AND storage_bytes >= 0 AND requests_per_minute > 0", name="sane"),
    sqlite_strict=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("executor", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created_at_ms", Ms, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("not_before_ms", Ms, nullable=False),
    Column("stage", Text),
    Column("reason", Text),
    Column("message", Text, nullable=False),
    Column("retryable", Flag, nullable=False),
    Column("cancel_requested", Flag, nullable=False),
    Column("progress", Text),
    Column("metrics", Text, nullable=False),
    Column("model_id", Id),
    Column("events", Integer, nullable=False),
    Column("started_at_ms", Ms),
    Column("finished_at_ms", Ms),
    Column("failures", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("preemptions", Integer, nullable=False),
    Column("barren", Integer, nullable=False),
    Column("imported_version", Id),
    Column("held", Flag, nullable=False),
    _project(),
    _states("state"),
    CheckConstraint("state = 'queued' OR NOT held", name="held"),
    CheckConstraint(f"(finished_at_ms IS NOT NULL) = (state IN ({quoted(FINAL_STATES)}))", name="finished"),
    Index("ix_jobs_state", "state", "id"),
    Index("ix_jobs_project", "project", "id", postgresql_concurrently=True),
    sqlite_strict=True,
    postgresql_with={"fillfactor": 70},  # room for the next version on the same page: no index is touched
)
Index(
    "ix_jobs_queue",
    *(jobs.c.executor, jobs.c.priority.desc(), jobs.c.created_at_ms, jobs.c.id),  # in which order they are claimed
    sqlite_where=text("state = 'queued'"),
    postgresql_where=text("state = 'queued'"),
)

Index(
    "ix_jobs_finished",
    *(jobs.c.finished_at_ms, jobs.c.id),
    sqlite_where=text("finished_at_ms IS NOT NULL"),
    postgresql_where=text("finished_at_ms IS NOT NULL"),
    postgresql_concurrently=True,
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", Id, primary_key=True),
    Column("url", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("storage", Text, nullable=False),
    Column("token_sha256", Text, nullable=False),
    Column("started_at_ms", Ms, nullable=False),
    sqlite_strict=True,
)

_OPEN = "open > 0"

stored = Table(
    "stored",
    metadata,
    Column("key", Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("size_bytes", Long),
    Column("open", Integer, nullable=False),
    Column("turn", Long, nullable=False),
    Column("until_ms", Ms, nullable=False),
    Index("ix_stored_open", "key", sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
    sqlite_strict=True,
)

_BEGOTTEN = "parent IS NOT NULL"
#: What every training is and nothing else.
_TRAINS = f"trainer NOT IN ({quoted(frozenset(OWN_TRAINERS.values()))})"

orders = Table(
    "orders",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("trainer", Id, nullable=False),
    Column("task", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("dataset_version", Id, nullable=False),
    Column("config", Text, nullable=False),
    Column("resolved", Text, nullable=False),
    Column("max_duration_seconds", Integer),
    Column("labels", Text, nullable=False),
    Column("rerun_of", Id),
    Column("licence", Text),
    Column("parent", Id),
    Column("resume_from", Id),
    Column("forecast", Text),
    Index("ix_orders_parent", "parent", sqlite_where=text(_BEGOTTEN), postgresql_where=text(_BEGOTTEN)),
    Index("ix_orders_trainer", "trainer", "job_id"),
    Index("ix_orders_trainings", "job_id", sqlite_where=text(_TRAINS), postgresql_where=text(_TRAINS)),
    Index("ix_orders_dataset_version", "dataset_version", "job_id"),
    sqlite_strict=True,
)

labels = Table(
    "labels",
    metadata,
    _job_id(),
    Column("key", Id, nullable=False),
    Column("value", Id, nullable=False),
    PrimaryKeyConstraint("job_id", "key"),
    Index("ix_labels_key", "key", "value", "job_id"),
    sqlite_strict=True,
)

attempts = Table(
    "attempts",
    metadata,
    _job_id(),
    Column("number", Integer, nullable=False),
    Column("executor", Text, nullable=False),
    Column("token_sha256", Text, nullable=False),
    Column("claimed_at_ms", Ms, nullable=False),
    Column("lease_until_ms", Ms, nullable=False),
    Column("slot", Integer),
    Column("launched_at_ms", Ms),
    Column("heartbeat_at_ms", Ms, nullable=False),
    Column("moved_at_ms", Ms, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("checkpoints", Integer, nullable=False),
    Column("claim", Text),
    Column("ended_at_ms", Ms),
    Column("outcome", Text),
    Column("gone_at_ms", Ms),
    Column("place", Id),
    PrimaryKeyConstraint("job_id", "number"),
    CheckConstraint("(ended_at_ms IS NULL) = (outcome IS NULL)", name="outcome"),
    CheckConstraint("gone_at_ms IS NULL OR ended_at_ms IS NOT NULL", name="gone"),
    Index(
        "ux_attempts_live",
        "job_id",
        unique=True,
        sqlite_where=text("ended_at_ms IS NULL"),
        postgresql_where=text("ended_at_ms IS NULL"),
    ),
    Index(
        "ix_attempts_not_gone",
        "job_id",
        sqlite_where=text("gone_at_ms IS NULL"),
        postgresql_where=text("gone_at_ms IS NULL"),
    ),
    sqlite_strict=True,
    postgresql_with={"fillfactor": 70},
)

_MILESTONE = f"position % {STRIDE} = 0"

# No foreign key: the trigger looks at the attempt more closely than one would, and a key would lock its row once more.
events = Table(
    "events",
    metadata,
    Column("job_id", Id, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("job_id", "attempt", "seq"),
    UniqueConstraint("job_id", "position", name="ux_events_position"),
    Index(
        "ix_events_milestones",
        *("job_id", "position"),
        sqlite_where=text(_MILESTONE),
        postgresql_where=text(_MILESTONE),
    ),
    sqlite_strict=True,
)
#: As the index has it: with a parameter instead of a number SQLite would not see that it serves.
MILESTONE = text(f"events.{_MILESTONE}")

curves = Table(
    "curves",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("data", Text, nullable=False),
    sqlite_strict=True,
)

#: Jobs whose curves have all that their events could tell a chart: of these, nothing more is to go.
compactions = Table(
    "compactions",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True),
    Column("at_ms", Ms, nullable=False),
    sqlite_strict=True,
)

transitions = Table(
    "transitions",
    metadata,
    _job_id(),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    Column("reason", Text),
    Column("message", Text, nullable=False),
    PrimaryKeyConstraint("job_id", "version"),
    _states("state"),
    sqlite_strict=True,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("job_id", Id, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("path", Id, nullable=False),
    Column("epoch", Long, nullable=False),
    Column("step", Long, nullable=False),
    Column("best", Flag, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    PrimaryKeyConstraint("job_id", "attempt", "path"),
    ForeignKeyConstraint(["job_id", "attempt"], ["attempts.job_id", "attempts.number"]),
    sqlite_strict=True,
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("job_id", Id, nullable=False),
    Column("path", Id, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("size_bytes", Long, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    PrimaryKeyConstraint("job_id", "path"),
    ForeignKeyConstraint(["job_id", "attempt"], ["attempts.job_id", "attempts.number"]),
    sqlite_strict=True,
)

_CONDEMNED = "deleted_at_ms IS NOT NULL AND cleared_at_ms IS NULL"

models = Table(
    "models",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("job_id", Id, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("trainer", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("architecture", Text, nullable=False),
    Column("dataset_version", Id, nullable=False),
    Column("classes", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("exports", Text, nullable=False),
    Column("artifacts", Text, nullable=False),
    Column("licence", Text),
    Column("parent", Id),
    Column("created_at_ms", Ms, nullable=False),
    Column("deleted_at_ms", Ms),
    Column("cleared_at_ms", Ms),
    _project(),
    UniqueConstraint("job_id", name="ux_models_job"),
    _one_each("ux_models_project", "name", "number"),
    ForeignKeyConstraint(["job_id", "attempt"], ["attempts.job_id", "attempts.number"]),
    CheckConstraint("cleared_at_ms IS NULL OR deleted_at_ms IS NOT NULL", name="cleared"),
    Index("ix_models_condemned", "id", sqlite_where=text(_CONDEMNED), postgresql_where=text(_CONDEMNED)),
    sqlite_strict=True,
)

model_aliases = Table(
    "model_aliases",
    metadata,
    Column("name", Id, nullable=False),
    Column("alias", Id, nullable=False),
    Column("number", Integer, nullable=False),
    _project(),
    PrimaryKeyConstraint("project", "name", "alias"),  # in name
    _one_each("ux_model_aliases_project", "name", "alias"),
    sqlite_strict=True,
)

outbox = Table(
    "outbox",
    metadata,
    Column("job_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("topic", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("trainer", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("ran_ms", Ms),
    PrimaryKeyConstraint("job_id", "version"),
    _states("state"),
    sqlite_strict=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    sqlite_strict=True,
)

inbox = Table(
    "inbox",
    metadata,
    Column("source", Id, nullable=False),
    Column("key", Id, nullable=False),
    Column("body_sha256", Text, nullable=False),
    _job_id(),
    _project(),
    PrimaryKeyConstraint("project", "source", "key"),  # in name
    _one_each("ux_inbox_project", "source", "key"),
    sqlite_strict=True,
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("dataset", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("created_at_ms", Ms, nullable=False),
    Column("deleted_at_ms", Ms),
    _project(),
    PrimaryKeyConstraint("project", "dataset", "id"),  # in name
    _one_each("ux_dataset_versions_project", "dataset", "id"),
    _one_each("ux_dataset_versions_project_number", "dataset", "number"),
    Index("ix_dataset_versions_id", "id"),
    sqlite_strict=True,
)

markers = Table(
    "markers",
    metadata,
    Column("name", Id, primary_key=True),
    Column("value", Long, nullable=False),
    sqlite_strict=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", Id, primary_key=True),
    Column("holder", Id, nullable=False),
    Column("term", Integer, nullable=False),
    Column("until_ms", Ms, nullable=False),
    sqlite_strict=True,
)

parked_messages = Table(
    "parked_messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("body", Text, nullable=False),  # base64
    Column("size_bytes", Long, nullable=False),
    Column("parked_at_ms", Ms, nullable=False),
    Column("task_id", Text),
    _project(),
    Index("parked_messages_by_time", "parked_at_ms", "id"),
    sqlite_strict=True,
)

kept_uploads = Table(
    "kept_uploads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("dataset_name", Text, nullable=False),
    Column("size_bytes", Long, nullable=False),
    Column("created_at_ms", Ms, nullable=False),
    _project(),
    sqlite_strict=True,
)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at_ms", Ms, nullable=False),
    Column("removed_at_ms", Ms),
    sqlite_strict=True,
)

members = Table(
    "members",
    metadata,
    Column("project", Id, nullable=False),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("project", "user_id"),
    CheckConstraint(f"role IN ({quoted(Role)})", name="role"),
    Index("ix_members_user_id", "user_id"),
    sqlite_strict=True,
)

# No foreign key to the maker: a copy of the table is written in the order of its ids, which are of several servers' clocks.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_sha256", Text, nullable=False),
    Column("user_id", Id, ForeignKey("users.id")),
    Column("sponsor", Id, ForeignKey("users.id")),
    Column("maker", Id),
    Column("created_at_ms", Ms, nullable=False),
    Column("expires_at_ms", Ms, nullable=False),
    Column("revoked_at_ms", Ms),
    Column("last_used_at_ms", Ms),
    Index("ix_tokens_maker", "maker"),
    Index("ix_tokens_sponsor", "sponsor"),
    sqlite_strict=True,
)

token_roles = Table(
    "token_roles",
    metadata,
    Column("token_id", Id, ForeignKey("tokens.id"), nullable=False),
    Column("project", Id, nullable=False),
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("token_id", "project"),
    CheckConstraint(f"role IN ({quoted(Role)})", name="role"),
    Index("ix_token_roles_project", "project", "token_id"),
    sqlite_strict=True,
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at_ms", Ms, nullable=False),
    Column("actor", Text, nullable=False),
    Column("token_id", Id),
    Column("user_id", Id),
    Column("project", Id),
    Column("method", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("remote", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Index("ix_audit_project", "project", "id"),
    sqlite_strict=True,
)

_PENDING, _ENDED = "status = 'pending'", "ended_at_ms IS NOT NULL"

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Id, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("previous_secret", Text),
    Column("previous_until_ms", Ms, nullable=False),
    Column("events", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("progress_seconds", Seconds),
    Column("enabled", Flag, nullable=False),
    Column("disabled_reason", Text, nullable=False),
    Column("managed", Flag, nullable=False),
    Column("failing_since_ms", Ms),
    Column("created_at_ms", Ms, nullable=False),
    _project(),
    sqlite_strict=True,
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("endpoint_id", Id, ForeignKey("webhook_endpoints.id"), nullable=False),
    Column("subject", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("event", Id, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", Id, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at_ms", Ms, nullable=False),
    Column("tried_at_ms", Ms),
    Column("answer", Integer),
    Column("reason", Text, nullable=False),
    Column("ended_at_ms", Ms),
    Column("created_at_ms", Ms, nullable=False),
    UniqueConstraint("endpoint_id", "subject", "version", "ordinal", name="ux_webhook_deliveries_version"),
    CheckConstraint("(ended_at_ms IS NULL) = (status = 'pending')", name="ended"),
    CheckConstraint("status IN ('dead', 'delivered', 'pending')", name="status"),
    Index("ix_webhook_deliveries_due", "next_at_ms", sqlite_where=text(_PENDING), postgresql_where=text(_PENDING)),
    Index(
        "ix_webhook_deliveries_lanes",
        *("endpoint_id", "subject", "version", "ordinal"),
        sqlite_where=text(_PENDING),
        postgresql_where=text(_PENDING),
    ),
    Index("ix_webhook_deliveries_subject", "subject"),
    # Without those that wait: SQLite would take it for them, and sort them all.
    Index(
        "ix_webhook_deliveries_ended",
        *("status", "ended_at_ms"),
        sqlite_where=text(_ENDED),
        postgresql_where=text(_ENDED),
    ),
    sqlite_strict=True,
)
