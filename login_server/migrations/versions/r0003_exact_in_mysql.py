"""MySQL and MariaDB keep texts to the letter, and times to the microsecond, as the others always did.

Before, it was for the database's character set and collation to say which texts are possible, and which the same; and
their FLOAT has 24 bits: a time of today is rounded to two minutes.
"""

from alembic import op
from sqlalchemy.dialects.mysql import DOUBLE, VARCHAR

revision = "0003"
down_revision = "0002"

TEXTS = (
    ("accounts", "name", 24),
    ("accounts", "folded_name", 24),
    ("launchers", "name", 32),
    ("launchers", "key_hash", 64),
    ("matches", "match_id", 128),
    ("matches", "game", 128),
    ("matches", "server_id", 128),
)
TIMES = (("accounts", "created_at"), ("launchers", "created_at"), ("matches", "recorded_at"))


def upgrade() -> None:
    if op.get_context().dialect.name not in ("mysql", "mariadb"):
        return
    for table, column, length in TEXTS:
        exact = VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
        op.alter_column(table, column, type_=exact, existing_nullable=False)
    for table, column in TIMES:
        op.alter_column(table, column, type_=DOUBLE(), existing_nullable=False)
