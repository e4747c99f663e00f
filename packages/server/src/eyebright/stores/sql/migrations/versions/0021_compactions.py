"""Events of jobs that have ended may be compacted: what their curves have may go, and nothing else."""

import sqlalchemy as sa
from alembic import op

from eyebright.stores.sql.migrations.guard import guard_of_what_goes

revision = "0021"
down_revision = "0020"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "compactions",
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name="fk_compactions_job_id"), primary_key=True),
        sa.Column("at_ms", Long, nullable=False),
        sqlite_strict=True,
    )
    guard_of_what_goes(
        "events_compacted",
        "events",
        """
        OLD.kind <> 'progress'
        OR OLD.seq = 1
        OR OLD.position > COALESCE((SELECT position FROM curves WHERE job_id = OLD.job_id), 0)
        OR NOT EXISTS (SELECT 1 FROM jobs WHERE id = OLD.job_id AND finished_at_ms IS NOT NULL)
        OR NOT EXISTS (
            SELECT 1 FROM attempts
            WHERE job_id = OLD.job_id AND number = OLD.attempt AND last_seq > OLD.seq AND gone_at_ms IS NOT NULL
        )
        """,
    )
