"""Accounts can be disabled, and have a rank."""

from alembic import op
from sqlalchemy import Boolean, Column, Integer, false, inspect

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    existing = {column["name"] for column in inspect(op.get_bind()).get_columns("accounts")}
    for column in (
        Column("disabled", Boolean, nullable=False, server_default=false()),
        Column("rank", Integer, nullable=False, server_default="0"),
    ):
        if column.name not in existing:
            op.add_column("accounts", column)
