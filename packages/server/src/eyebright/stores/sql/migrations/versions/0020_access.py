"""Users, members and tokens of teams, and a log of what callers change."""

import sqlalchemy as sa
from alembic import op

from eyebright.stores.sql.migrations.guard import guard

revision = "0020"
down_revision = "0019"

Id = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Long = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ROLE = "role IN ('admin', 'member', 'viewer')"


def upgrade() -> None:
    _users()
    _tokens()
    _audit()


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at_ms", Long, nullable=False),
        sa.Column("removed_at_ms", Long),
        sqlite_strict=True,
    )
    op.create_table(
        "members",
        sa.Column("project", Id, nullable=False),
        sa.Column("user_id", Id, sa.ForeignKey("users.id", name="fk_members_user_id"), nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("project", "user_id"),
        sa.CheckConstraint(_ROLE, name="role"),
        sqlite_strict=True,
    )
    op.create_index("ix_members_user_id", "members", ["user_id"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret_sha256", sa.Text, nullable=False),
        sa.Column("user_id", Id, sa.ForeignKey("users.id", name="fk_tokens_user_id")),
        sa.Column("sponsor", Id, sa.ForeignKey("users.id", name="fk_tokens_sponsor")),
        sa.Column("maker", Id),
        sa.Column("created_at_ms", Long, nullable=False),
        sa.Column("expires_at_ms", Long, nullable=False),
        sa.Column("revoked_at_ms", Long),
        sa.Column("last_used_at_ms", Long),
        sqlite_strict=True,
    )
    op.create_index("ix_tokens_maker", "tokens", ["maker"])
    op.create_index("ix_tokens_sponsor", "tokens", ["sponsor"])
    op.create_table(
        "token_roles",
        sa.Column("token_id", Id, sa.ForeignKey("tokens.id", name="fk_token_roles_token_id"), nullable=False),
        sa.Column("project", Id, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("token_id", "project"),
        sa.CheckConstraint(_ROLE, name="role"),
        sqlite_strict=True,
    )
    op.create_index("ix_token_roles_project", "token_roles", ["project", "token_id"])
    changed = " OR ".join(f"NEW.{name} <> OLD.{name}" for name in ("id", "secret_sha256", "expires_at_ms"))
    revived = "OLD.revoked_at_ms IS NOT NULL AND (NEW.revoked_at_ms IS NULL OR NEW.revoked_at_ms <> OLD.revoked_at_ms)"
    moved = " OR ".join(
        f"coalesce(NEW.{name}, '') <> coalesce(OLD.{name}, '')" for name in ("user_id", "sponsor", "maker")
    )
    guard("tokens_sealed", "UPDATE", "tokens", f"{changed} OR {moved} OR ({revived})")
    guard("token_roles_sealed", "UPDATE", "token_roles", "1 = 1")


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", Id, primary_key=True),
        sa.Column("at_ms", Long, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("token_id", Id),
        sa.Column("user_id", Id),
        sa.Column("project", Id),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("remote", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("ix_audit_project", "audit", ["project", "id"])
    guard("audit_kept", "UPDATE", "audit", "1 = 1")
    guard("audit_whole", "DELETE", "audit", "1 = 1")
