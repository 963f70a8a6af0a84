"""How matches ended, kept for good. Runs in a worker pool."""

import msgspec
from sqlalchemy import JSON, Column, Float, Table, insert, select
from sqlalchemy.exc import IntegrityError

from login_server.columns import key_text
from login_server.database import SCHEMA, Database
from login_server.protocol import MatchResult

_matches = Table(
    "matches",
    SCHEMA,
    Column("match_id", key_text(128), primary_key=True),
    Column("game", key_text(128), nullable=False),
    Column("server_id", key_text(128), nullable=False),
    Column("players", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("recorded_at", Float(53), nullable=False, index=True),
)


class RecordedMatch(msgspec.Struct, frozen=True):
    match_id: str
    game: str
    server_id: str
    players: list[str]
    result: MatchResult


class Results:
    """The results in the database. Every method raises `DatabaseFailed` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, match: RecordedMatch, now: float) -> bool:
        """Record a match unless it is recorded; it is safe on disk when this returns.

        Returns:
            False when it was recorded before: what was recorded first stays.
        """
        values = {**msgspec.to_builtins(match), "recorded_at": now}
        try:
            with self._database.transaction() as connection:
                connection.execute(insert(_matches).values(values))
        except IntegrityError:
            return False
        return True

    def recent(self, count: int) -> list[RecordedMatch]:
        """The latest, oldest first."""
        names = RecordedMatch.__struct_fields__
        columns = [_matches.c[name] for name in names]
        latest = select(*columns).order_by(_matches.c.recorded_at.desc(), _matches.c.match_id).limit(count)
        with self._database.transaction() as connection:
            rows = connection.execute(latest).all()
        return [msgspec.convert(dict(zip(names, row, strict=True)), RecordedMatch) for row in reversed(rows)]
