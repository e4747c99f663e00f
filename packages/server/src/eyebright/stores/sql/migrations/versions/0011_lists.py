"""Queues and lists of trainings are read along an index, in the order in which they are told."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    queued = sa.text("state = 'queued'")
    op.drop_index("ix_jobs_queue", "jobs")
    best_first = ["executor", sa.text("priority DESC"), "created_at_ms", "id"]
    op.create_index("ix_jobs_queue", "jobs", best_first, sqlite_where=queued, postgresql_where=queued)
    trains = sa.text("trainer NOT IN ('exporter', 'importer', 'rehearser')")
    op.create_index("ix_orders_trainings", "orders", ["job_id"], sqlite_where=trains, postgresql_where=trains)
