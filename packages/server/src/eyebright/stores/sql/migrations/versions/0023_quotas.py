"""Projects have quotas."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "project_quotas",
        sa.Column("project", Id, sa.ForeignKey("projects.id", name="fk_project_quotas_project"), primary_key=True),
        sa.Column("running_jobs", sa.Integer),
        sa.Column("storage_bytes", Long),
        sa.Column("requests_per_minute", sa.Integer),
        sa.CheckConstraint(
            "running_jobs >= 0 AND storage_bytes >= 0 AND requests_per_minute > 0",
            name=op.f("ck_project_quotas_sane"),
        ),
        sqlite_strict=True,
    )
