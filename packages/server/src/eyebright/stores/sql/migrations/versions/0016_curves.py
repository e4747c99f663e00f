"""Charts of long jobs are read from their curves, not from every event."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "curves",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name="fk_curves_job_id"), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    milestone = sa.text("position % 2048 = 0")
    op.create_index(
        "ix_events_milestones",
        "events",
        ["job_id", "position"],
        sqlite_where=milestone,
        postgresql_where=milestone,
    )
