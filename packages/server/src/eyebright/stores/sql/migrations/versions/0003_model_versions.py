"""Models of one name are numbered versions with aliases and a licence, and can be deleted."""

import sqlalchemy as sa
from alembic import op

from eyebright.stores.sql.migrations.guard import guard

revision = "0003"
down_revision = "0002"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

KEPT = (
    "id, name, job_id, attempt, trainer, task, architecture, dataset_version, classes, metrics, exports, artifacts, "
    "created_at_ms"
)


def upgrade() -> None:
    op.add_column("orders", sa.Column("licence", sa.Text()))
    _number_models()
    _create_aliases()
    _create_guards()


def _number_models() -> None:
    """SQLite adds no constraint to a table that is there, so it is made anew."""
    numbered = "ROW_NUMBER() OVER (PARTITION BY name ORDER BY created_at_ms, id)"
    op.execute(f"CREATE TEMPORARY TABLE models_before AS SELECT {KEPT}, {numbered} AS number FROM models")  # noqa: S608
    op.drop_table("models")
    _create_models()
    op.execute(f"INSERT INTO models ({KEPT}, number) SELECT {KEPT}, number FROM models_before")  # noqa: S608
    op.execute("DROP TABLE models_before")


def _create_models() -> None:
    op.create_table(
        "models",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", Id, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("job_id", Id, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("trainer", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("architecture", sa.Text, nullable=False),
        sa.Column("dataset_version", Id, nullable=False),
        sa.Column("classes", sa.Text, nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("exports", sa.Text, nullable=False),
        sa.Column("artifacts", sa.Text, nullable=False),
        sa.Column("licence", sa.Text),
        sa.Column("created_at_ms", Long, nullable=False),
        sa.Column("deleted_at_ms", Long),
        sa.Column("cleared_at_ms", Long),
        sa.UniqueConstraint("job_id", name="ux_models_job"),
        sa.UniqueConstraint("name", "number", name="ux_models_number"),
        sa.ForeignKeyConstraint(["job_id", "attempt"], ["attempts.job_id", "attempts.number"], name="fk_models_job_id"),
        sa.CheckConstraint("cleared_at_ms IS NULL OR deleted_at_ms IS NOT NULL", name=op.f("ck_models_cleared")),
        sqlite_strict=True,
    )
    condemned = sa.text("deleted_at_ms IS NOT NULL AND cleared_at_ms IS NULL")
    op.create_index("ix_models_condemned", "models", ["id"], sqlite_where=condemned, postgresql_where=condemned)


def _create_aliases() -> None:
    op.create_table(
        "model_aliases",
        sa.Column("name", Id, nullable=False),
        sa.Column("alias", Id, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", "alias"),
        sa.ForeignKeyConstraint(["name", "number"], ["models.name", "models.number"], name="fk_model_aliases_name"),
        sqlite_strict=True,
    )


def _create_guards() -> None:
    next_number = "1 + COALESCE((SELECT MAX(number) FROM models WHERE name = NEW.name), 0)"
    guard("models_numbered", "INSERT", "models", f"NEW.number <> {next_number}")
    # What a job has made stays what it was; a deleted model stays deleted, and no alias leads to it.
    guard(
        "models_kept",
        "UPDATE",
        "models",
        """
        NEW.id <> OLD.id
        OR NEW.name <> OLD.name
        OR NEW.number <> OLD.number
        OR NEW.job_id <> OLD.job_id
        OR NEW.attempt <> OLD.attempt
        OR (OLD.deleted_at_ms IS NOT NULL AND NEW.deleted_at_ms IS NULL)
        OR (NEW.deleted_at_ms IS NOT NULL AND EXISTS (
            SELECT 1 FROM model_aliases WHERE name = NEW.name AND number = NEW.number
        ))
        """,
    )
    guard("models_stay", "DELETE", "models", "1 = 1")  # with the row its number would be forgotten
    dead = """
        EXISTS (SELECT 1 FROM models WHERE name = NEW.name AND number = NEW.number AND deleted_at_ms IS NOT NULL)
    """
    guard("aliases_born", "INSERT", "model_aliases", dead)
    guard("aliases_moved", "UPDATE", "model_aliases", dead)
