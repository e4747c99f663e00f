"""Outgoing webhooks: who is told, and what."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Seconds = sa.Double().with_variant(sa.REAL(), "sqlite")
Flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_endpoints()
    _create_deliveries()


def _create_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", Id, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("previous_secret", sa.Text),
        sa.Column("previous_until_ms", Long, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("progress_seconds", Seconds),
        sa.Column("enabled", Flag, nullable=False),
        sa.Column("disabled_reason", sa.Text, nullable=False),
        sa.Column("managed", Flag, nullable=False),
        sa.Column("failing_since_ms", Long),
        sa.Column("created_at_ms", Long, nullable=False),
        sqlite_strict=True,
    )


def _create_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", Id, primary_key=True),
        sa.Column("endpoint_id", Id, nullable=False),
        sa.Column("subject", Id, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("event", Id, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", Id, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at_ms", Long, nullable=False),
        sa.Column("tried_at_ms", Long),
        sa.Column("answer", sa.Integer),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ended_at_ms", Long),
        sa.Column("created_at_ms", Long, nullable=False),
        sa.UniqueConstraint("endpoint_id", "subject", "version", "ordinal", name="ux_webhook_deliveries_version"),
        sa.ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.id"], name="fk_webhook_deliveries_endpoint_id"),
        sa.CheckConstraint("(ended_at_ms IS NULL) = (status = 'pending')", name=op.f("ck_webhook_deliveries_ended")),
        sa.CheckConstraint("status IN ('dead', 'delivered', 'pending')", name=op.f("ck_webhook_deliveries_status")),
        sqlite_strict=True,
    )
    pending = sa.text("status = 'pending'")
    where: dict[str, Any] = {"sqlite_where": pending, "postgresql_where": pending}
    lane = ["endpoint_id", "subject", "version", "ordinal"]
    op.create_index("ix_webhook_deliveries_due", "webhook_deliveries", ["next_at_ms"], **where)
    op.create_index("ix_webhook_deliveries_lanes", "webhook_deliveries", lane, **where)
    op.create_index("ix_webhook_deliveries_subject", "webhook_deliveries", ["subject"])
    op.create_index("ix_webhook_deliveries_ended", "webhook_deliveries", ["status", "ended_at_ms"])
