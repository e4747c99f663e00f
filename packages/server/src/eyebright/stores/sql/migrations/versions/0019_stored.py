"""What lies in the object store is known without listing it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "stored",
        sa.Column("key", Id, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("size_bytes", Long),
        sa.Column("open", sa.Integer, nullable=False),
        sa.Column("turn", Long, nullable=False),
        sa.Column("until_ms", Long, nullable=False),
        sqlite_strict=True,
    )
    someone = sa.text("open > 0")
    op.create_index("ix_stored_open", "stored", ["key"], sqlite_where=someone, postgresql_where=someone)
