"""Data set versions can be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("dataset_versions", sa.Column("deleted_at_ms", Long))
