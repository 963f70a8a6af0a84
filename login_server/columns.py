"""Types of columns that mean the same in every database."""

from typing import Any

from sqlalchemy import String
from sqlalchemy.dialects.mysql import VARCHAR
from sqlalchemy.types import TypeEngine


def key_text(length: int) -> TypeEngine[Any]:
    """Text that is the same only if it is the same to the letter: names and ids.

    MySQL and MariaDB compare by the collation, by default without regard to case and accents; the others compare to the
    letter anyway.
    """
    return String(length).with_variant(VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
