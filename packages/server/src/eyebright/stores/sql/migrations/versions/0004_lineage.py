"""Models begin from models."""

import sqlalchemy as sa
from alembic import op

from eyebright.stores.sql.migrations.guard import guard

revision = "0004"
down_revision = "0003"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("orders", sa.Column("parent", Id))
    op.add_column("models", sa.Column("parent", Id))
    begotten = sa.text("parent IS NOT NULL")
    op.create_index("ix_orders_parent", "orders", ["parent"], sqlite_where=begotten, postgresql_where=begotten)
    guard("models_begotten", "UPDATE", "models", "COALESCE(NEW.parent, '') <> COALESCE(OLD.parent, '')")
