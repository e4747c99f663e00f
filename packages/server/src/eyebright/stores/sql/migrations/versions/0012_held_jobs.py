"""A job can be ordered and not begin yet."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """In one statement with its check: SQLite takes none later."""
    kind, no = ("INTEGER", "0") if op.get_bind().dialect.name == "sqlite" else ("BOOLEAN", "false")
    op.execute(
        f"ALTER TABLE jobs ADD COLUMN held {kind} DEFAULT {no} NOT NULL "
        "CONSTRAINT ck_jobs_held CHECK (state = 'queued' OR NOT held)"
    )
