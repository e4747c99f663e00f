"""Whose a message is that was put aside, where it says so."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("parked_messages", sa.Column("task_id", sa.Text(), nullable=True))
