"""Jobs, data sets, models, webhooks, kept uploads and parked messages belong to projects; what there is belongs to `default`.

A server from before this goes on working beside it: it writes no project, and `default` is what is there then.

Guards do what foreign keys would: SQLite adds none to a table that is there, on Postgres one would have to be checked, and no
project is ever deleted. What told rows apart within the whole database goes; late indexes do so within a project.
"""

import sqlalchemy as sa
from alembic import op

from eyebright.stores.sql.migrations.guard import change_guard, guard

revision = "0022"
down_revision = "0021"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: What goes, by table, as Postgres calls it.
UNIQUE = {
    "inbox": ("inbox_pkey",),
    "dataset_versions": ("dataset_versions_pkey", "ux_dataset_versions_number"),
    "model_aliases": ("fk_model_aliases_name", "model_aliases_pkey"),
    "models": ("ux_models_number",),
}
OWNING = (
    "jobs",
    "inbox",
    "models",
    "model_aliases",
    "dataset_versions",
    "webhook_endpoints",
    "kept_uploads",
    "parked_messages",
)


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", Id, primary_key=True),
        sa.Column("created_at_ms", Long, nullable=False),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO projects (id, created_at_ms) VALUES ('default', 0)")
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        _alter()
    _create_guards()


def _add(table: str) -> None:
    op.add_column(table, sa.Column("project", Id, nullable=False, server_default="default"))


def _alter() -> None:
    for table in OWNING:
        _add(table)
    for table in ("inbox", "dataset_versions", "model_aliases", "models"):
        for name in UNIQUE[table]:
            # Older servers rely on what it keeps apart no more than we do: they queue up before they add a row.
            op.execute(f"ALTER TABLE {table}\n-- squawk-ignore ban-drop-constraint\nDROP CONSTRAINT {name}")


def _rebuild() -> None:
    """SQLite changes no key of a table that is there, so those are made anew, with the guards that go with them."""
    for table in ("jobs", "webhook_endpoints", "kept_uploads", "parked_messages"):
        _add(table)
    tables = ("inbox", "dataset_versions", "model_aliases", "models")
    for table in tables:
        op.execute(f"CREATE TEMPORARY TABLE {table}_before AS SELECT * FROM {table}")  # noqa: S608
    op.drop_table("model_aliases")
    for table in ("inbox", "dataset_versions", "models"):
        op.drop_table(table)
    _create_inbox()
    _create_dataset_versions()
    _create_models()
    _create_aliases()
    for table in reversed(tables):
        columns = ", ".join(f'"{column["name"]}"' for column in sa.inspect(op.get_bind()).get_columns(table))
        kept = columns.replace(', "project"', "")
        op.execute(f"INSERT INTO {table} ({kept}) SELECT {kept} FROM {table}_before")  # noqa: S608
        op.execute(f"DROP TABLE {table}_before")
    guard("models_stay", "DELETE", "models", "1 = 1")
    guard("models_begotten", "UPDATE", "models", "COALESCE(NEW.parent, '') <> COALESCE(OLD.parent, '')")


def _project() -> sa.Column[str]:
    return sa.Column("project", Id, nullable=False, server_default="default")


def _create_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("source", Id, nullable=False),
        sa.Column("key", Id, nullable=False),
        sa.Column("body_sha256", sa.Text, nullable=False),
        sa.Column("job_id", Id, sa.ForeignKey("jobs.id", name="fk_inbox_job_id"), nullable=False),
        _project(),
        sqlite_strict=True,
    )


def _create_dataset_versions() -> None:
    op.create_table(
        "dataset_versions",
        sa.Column("dataset", Id, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("manifest_sha256", sa.Text, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("created_at_ms", Long, nullable=False),
        _project(),
        sqlite_strict=True,
    )
    op.create_index("ix_dataset_versions_id", "dataset_versions", ["id"])


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
        sa.Column("parent", Id),
        _project(),
        sa.UniqueConstraint("job_id", name="ux_models_job"),
        sa.ForeignKeyConstraint(["job_id", "attempt"], ["attempts.job_id", "attempts.number"], name="fk_models_job_id"),
        sa.CheckConstraint("cleared_at_ms IS NULL OR deleted_at_ms IS NOT NULL", name=op.f("ck_models_cleared")),
        sqlite_strict=True,
    )
    condemned = sa.text("deleted_at_ms IS NOT NULL AND cleared_at_ms IS NULL")
    op.create_index("ix_models_condemned", "models", ["id"], sqlite_where=condemned)


def _create_aliases() -> None:
    op.create_table(
        "model_aliases",
        sa.Column("name", Id, nullable=False),
        sa.Column("alias", Id, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        _project(),
        sqlite_strict=True,
    )


def _create_guards() -> None:
    """The first four as 0003 has them, within a project."""
    same = "project = NEW.project AND name = NEW.name"
    next_number = f"1 + COALESCE((SELECT MAX(number) FROM models WHERE {same}), 0)"  # noqa: S608
    change_guard("models_numbered", "INSERT", "models", f"NEW.number <> {next_number}")
    change_guard(
        "models_kept",
        "UPDATE",
        "models",
        f"""
        NEW.id <> OLD.id
        OR NEW.name <> OLD.name
        OR NEW.number <> OLD.number
        OR NEW.job_id <> OLD.job_id
        OR NEW.attempt <> OLD.attempt
        OR (OLD.deleted_at_ms IS NOT NULL AND NEW.deleted_at_ms IS NULL)
        OR (NEW.deleted_at_ms IS NOT NULL AND EXISTS (
            SELECT 1 FROM model_aliases WHERE {same} AND number = NEW.number
        ))
        """,  # noqa: S608
    )
    there = f"EXISTS (SELECT 1 FROM models WHERE {same} AND number = NEW.number AND deleted_at_ms IS NULL)"  # noqa: S608
    change_guard("aliases_born", "INSERT", "model_aliases", f"NOT {there}")
    change_guard("aliases_moved", "UPDATE", "model_aliases", f"NOT {there}")
    for table in OWNING:
        unknown = "NOT EXISTS (SELECT 1 FROM projects WHERE id = NEW.project)"
        guard(f"{table}_placed", "INSERT", table, unknown)
        guard(f"{table}_stay_placed", "UPDATE OF project", table, "NEW.project <> OLD.project")
    guard("projects_stay", "DELETE", "projects", "1 = 1")  # with the row would go whose everything was
    guard("projects_sealed", "UPDATE", "projects", "1 = 1")
