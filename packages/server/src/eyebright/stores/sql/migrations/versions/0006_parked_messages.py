"""Messages of a queue that were put aside."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "parked_messages",
        sa.Column("id", Id, primary_key=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("size_bytes", Long, nullable=False),
        sa.Column("parked_at_ms", Long, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("parked_messages_by_time", "parked_messages", ["parked_at_ms", "id"])
