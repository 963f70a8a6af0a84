"""Day passes can be revoked."""

from alembic import op
from sqlalchemy import Column, Float, PrimaryKeyConstraint, inspect

from login_server.columns import key_text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    if "revoked_passes" not in inspect(op.get_bind()).get_table_names():
        op.create_table(
            "revoked_passes",
            Column("player", key_text(24), nullable=False),
            Column("issued_before", Float(53), nullable=False, index=True),
            PrimaryKeyConstraint("player"),
        )
