"""What is told of a job's end says how long it ran."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("outbox", sa.Column("ran_ms", Long))
