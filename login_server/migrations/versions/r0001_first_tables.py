"""The first tables: accounts, launchers and matches, as they were before there were revisions."""

from alembic import op
from sqlalchemy import JSON, Column, Float, Integer, PrimaryKeyConstraint, String, Text, UniqueConstraint, inspect

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Databases made before there were revisions have these tables already."""
    existing = inspect(op.get_bind()).get_table_names()
    if "accounts" not in existing:
        op.create_table(
            "accounts",
            Column("id", Integer, nullable=False),
            Column("name", String(24), nullable=False),
            Column("folded_name", String(24), nullable=False),
            Column("password_hash", Text, nullable=False),
            Column("created_at", Float, nullable=False),
            PrimaryKeyConstraint("id"),
            UniqueConstraint("folded_name"),
        )
    if "launchers" not in existing:
        op.create_table(
            "launchers",
            Column("id", Integer, nullable=False),
            Column("name", String(32), nullable=False),
            Column("key_hash", String(64), nullable=False),
            Column("created_at", Float, nullable=False),
            PrimaryKeyConstraint("id"),
            UniqueConstraint("name"),
        )
    if "matches" not in existing:
        op.create_table(
            "matches",
            Column("match_id", String(128), nullable=False),
            Column("game", String(128), nullable=False),
            Column("server_id", String(128), nullable=False),
            Column("players", JSON, nullable=False),
            Column("result", JSON, nullable=False),
            Column("recorded_at", Float, nullable=False, index=True),
            PrimaryKeyConstraint("match_id"),
        )
