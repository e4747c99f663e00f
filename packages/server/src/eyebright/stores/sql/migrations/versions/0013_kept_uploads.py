"""Data sets as they were uploaded lie among the objects; whose they are is kept here."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "kept_uploads",
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("dataset_name", sa.Text(), nullable=False),
        sa.Column("size_bytes", Long, nullable=False),
        sa.Column("created_at_ms", Long, nullable=False),
        sqlite_strict=True,
    )
