"""What one of several control planes does at a time is held by one of them."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", Id, primary_key=True),
        sa.Column("holder", Id, nullable=False),
        sa.Column("term", sa.Integer, nullable=False),
        sa.Column("until_ms", Long, nullable=False),
        sqlite_strict=True,
    )
