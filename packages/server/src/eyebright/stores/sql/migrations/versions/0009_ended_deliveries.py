"""The index of ended deliveries leaves out those that wait: SQLite took it for them, and read them all to find the oldest."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_NAME, _TABLE = "ix_webhook_deliveries_ended", "webhook_deliveries"


def upgrade() -> None:
    ended = sa.text("ended_at_ms IS NOT NULL")
    op.drop_index(_NAME, _TABLE)
    op.create_index(_NAME, _TABLE, ["status", "ended_at_ms"], sqlite_where=ended, postgresql_where=ended)
