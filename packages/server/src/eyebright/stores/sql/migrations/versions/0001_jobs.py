"""Jobs, their history, the outbox, data sets and models, with the guards that hold even when the code is wrong."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from eyebright.stores.sql.migrations.guard import guard

revision = "0001"
down_revision = None

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")

STATES = "'cancelled', 'failed', 'queued', 'running', 'starting', 'succeeded'"
FINAL = "'cancelled', 'failed', 'succeeded'"
LIVE = "'starting', 'running'"
MOVES = """
    'queued>starting', 'queued>cancelled', 'queued>failed',
    'starting>running', 'starting>queued', 'starting>failed', 'starting>cancelled',
    'running>succeeded', 'running>queued', 'running>failed', 'running>cancelled'
"""


def upgrade() -> None:
    _create_jobs()
    _create_history()
    _create_messages()
    _create_registry()
    _create_guards()


def _create_jobs() -> None:
    _table(
        "jobs",
        sa.Column("id", Id, primary_key=True),
        sa.Column("executor", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("created_at_ms", Long, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("not_before_ms", Long, nullable=False),
        sa.Column("stage", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("retryable", Flag, nullable=False),
        sa.Column("cancel_requested", Flag, nullable=False),
        sa.Column("progress", sa.Text),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("model_id", Id),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("started_at_ms", Long),
        sa.Column("finished_at_ms", Long),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("preemptions", sa.Integer, nullable=False),
        sa.Column("barren", sa.Integer, nullable=False),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_jobs_state")),
        sa.CheckConstraint(f"(finished_at_ms IS NOT NULL) = (state IN ({FINAL}))", name=op.f("ck_jobs_finished")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "id"])
    _partial_index("ix_jobs_queue", "jobs", ["priority", "created_at_ms", "id"], "state = 'queued'")
    _table(
        "orders",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name="fk_orders_job_id"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("trainer", Id, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("dataset_version", Id, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("resolved", sa.Text, nullable=False),
        sa.Column("max_duration_seconds", sa.Integer),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("rerun_of", Id),
    )
    op.create_index("ix_orders_trainer", "orders", ["trainer", "job_id"])
    op.create_index("ix_orders_dataset_version", "orders", ["dataset_version", "job_id"])
    _table(
        "labels",
        _job_id("labels"),
        sa.Column("key", Id, nullable=False),
        sa.Column("value", Id, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "key"),
    )
    op.create_index("ix_labels_key", "labels", ["key", "value", "job_id"])


def _create_history() -> None:
    _table(
        "attempts",
        _job_id("attempts"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("executor", sa.Text, nullable=False),
        sa.Column("token_sha256", sa.Text, nullable=False),
        sa.Column("claimed_at_ms", Long, nullable=False),
        sa.Column("lease_until_ms", Long, nullable=False),
        sa.Column("slot", sa.Integer),
        sa.Column("launched_at_ms", Long),
        sa.Column("heartbeat_at_ms", Long, nullable=False),
        sa.Column("moved_at_ms", Long, nullable=False),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("checkpoints", sa.Integer, nullable=False),
        sa.Column("claim", sa.Text),
        sa.Column("ended_at_ms", Long),
        sa.Column("outcome", sa.Text),
        sa.Column("gone_at_ms", Long),
        sa.PrimaryKeyConstraint("job_id", "number"),
        sa.CheckConstraint("(ended_at_ms IS NULL) = (outcome IS NULL)", name=op.f("ck_attempts_outcome")),
        sa.CheckConstraint("gone_at_ms IS NULL OR ended_at_ms IS NOT NULL", name=op.f("ck_attempts_gone")),
        postgresql_with={"fillfactor": 70},
    )
    _partial_index("ux_attempts_live", "attempts", ["job_id"], "ended_at_ms IS NULL", unique=True)
    _partial_index("ix_attempts_not_gone", "attempts", ["job_id"], "gone_at_ms IS NULL")
    _table(
        "events",
        sa.Column("job_id", Id, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at_ms", Long, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", "seq"),
        sa.UniqueConstraint("job_id", "position", name="ux_events_position"),
    )
    _table(
        "transitions",
        _job_id("transitions"),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("at_ms", Long, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("message", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "version"),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_transitions_state")),
    )
    _table(
        "checkpoints",
        sa.Column("job_id", Id, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("path", Id, nullable=False),
        sa.Column("epoch", Long, nullable=False),
        sa.Column("step", Long, nullable=False),
        sa.Column("best", Flag, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("at_ms", Long, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", "path"),
        _of_attempt("checkpoints"),
    )
    _table(
        "artifacts",
        sa.Column("job_id", Id, nullable=False),
        sa.Column("path", Id, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("size_bytes", Long, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "path"),
        _of_attempt("artifacts"),
    )


def _create_messages() -> None:
    _table(
        "outbox",
        sa.Column("job_id", Id, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("at_ms", Long, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("trainer", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("job_id", "version"),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_outbox_state")),
    )
    _table(
        "deliveries",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name="fk_deliveries_job_id"), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    _table(
        "inbox",
        sa.Column("source", Id, nullable=False),
        sa.Column("key", Id, nullable=False),
        sa.Column("body_sha256", sa.Text, nullable=False),
        _job_id("inbox"),
        sa.PrimaryKeyConstraint("source", "key"),
    )
    _table(
        "markers",
        sa.Column("name", Id, primary_key=True),
        sa.Column("value", Long, nullable=False),
    )


def _create_registry() -> None:
    _table(
        "models",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("job_id", Id, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("trainer", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("architecture", sa.Text, nullable=False),
        sa.Column("dataset_version", Id, nullable=False),
        sa.Column("classes", sa.Text, nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("exports", sa.Text, nullable=False),
        sa.Column("artifacts", sa.Text, nullable=False),
        sa.Column("created_at_ms", Long, nullable=False),
        sa.UniqueConstraint("job_id", name="ux_models_job"),
        _of_attempt("models"),
    )
    _table(
        "dataset_versions",
        sa.Column("dataset", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("manifest_sha256", sa.Text, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("created_at_ms", Long, nullable=False),
        sa.PrimaryKeyConstraint("dataset", "id"),
        sa.UniqueConstraint("dataset", "number", name="ux_dataset_versions_number"),
    )
    op.create_index("ix_dataset_versions_id", "dataset_versions", ["id"])


def _create_guards() -> None:
    guard("jobs_born", "INSERT", "jobs", "NEW.state <> 'queued' OR NEW.version <> 1 OR NEW.attempt <> 0")
    guard(
        "jobs_moved",
        "UPDATE",
        "jobs",
        f"""
        NEW.id <> OLD.id
        OR OLD.state IN ({FINAL})
        OR NEW.version <> OLD.version + 1
        OR NEW.attempt NOT IN (OLD.attempt, OLD.attempt + 1)
        OR (NEW.state <> OLD.state AND OLD.state || '>' || NEW.state NOT IN ({MOVES}))
        OR (NEW.state IN ({LIVE})) <> EXISTS (
            SELECT 1 FROM attempts WHERE job_id = NEW.id AND number = NEW.attempt AND ended_at_ms IS NULL
        )
        """,  # noqa: S608 - put together from the constants above
    )
    guard("orders_sealed", "UPDATE", "orders", "1 = 1")
    guard(
        "attempts_born",
        "INSERT",
        "attempts",
        "NEW.last_seq <> 0 OR NEW.number <> 1 + (SELECT attempt FROM jobs WHERE id = NEW.job_id)",
    )
    guard(
        "attempts_moved",
        "UPDATE",
        "attempts",
        """
        NEW.job_id <> OLD.job_id
        OR NEW.number <> OLD.number
        OR NEW.token_sha256 <> OLD.token_sha256
        OR NEW.last_seq < OLD.last_seq
        OR (NEW.last_seq > OLD.last_seq AND NOT EXISTS (
            SELECT 1 FROM events WHERE job_id = NEW.job_id AND attempt = NEW.number AND seq = NEW.last_seq
        ))
        OR (OLD.ended_at_ms IS NOT NULL AND NEW.ended_at_ms IS NULL)
        """,
    )
    # Many events of an attempt come in one statement, before `last_seq` follows: so the order is read off the events.
    guard(
        "events_accepted",
        "INSERT",
        "events",
        """
        NOT EXISTS (
            SELECT 1 FROM jobs JOIN attempts ON attempts.job_id = jobs.id AND attempts.number = jobs.attempt
            WHERE jobs.id = NEW.job_id AND jobs.attempt = NEW.attempt AND attempts.ended_at_ms IS NULL
        )
        OR NEW.seq <> 1 + COALESCE(
            (SELECT MAX(seq) FROM events WHERE job_id = NEW.job_id AND attempt = NEW.attempt), 0
        )
        """,
    )
    guard("events_kept", "UPDATE", "events", "1 = 1")
    # A version without its row would be a change that nobody is ever told of.
    guard(
        "outbox_whole",
        "INSERT",
        "outbox",
        """
        NEW.version <> 1 + COALESCE(
            (SELECT MAX(version) FROM outbox WHERE job_id = NEW.job_id),
            (SELECT version FROM deliveries WHERE job_id = NEW.job_id),
            0
        )
        """,
    )


def _table(name: str, *items: sa.schema.SchemaItem, **options: Any) -> None:
    op.create_table(name, *items, sqlite_strict=True, **options)


def _job_id(table: str) -> sa.Column[str]:
    return sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name=f"fk_{table}_job_id"), nullable=False)


def _of_attempt(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["job_id", "attempt"], ["attempts.job_id", "attempts.number"], name=f"fk_{table}_job_id"
    )


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
