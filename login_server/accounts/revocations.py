"""Whose day passes are void, in the database. Runs in a worker pool, or in a command that serves nobody."""

from sqlalchemy import Column, Connection, Float, Table, insert, select, update

from login_server.columns import key_text
from login_server.database import SCHEMA, Database

_revoked = Table(
    "revoked_passes",
    SCHEMA,
    Column("player", key_text(24), primary_key=True),
    Column("issued_before", Float(53), nullable=False, index=True),
)


class Revocations:
    """Read by the login server, which tells launchers. Raises `DatabaseFailed` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, moment: float, count: int) -> dict[str, float]:
        """By player, before when passes were issued that are void: those revoked since a moment, the latest first.

        Args:
            moment: in seconds since 1970.
            count: so many at most.
        """
        some = select(_revoked).where(_revoked.c.issued_before >= moment)
        latest = some.order_by(_revoked.c.issued_before.desc(), _revoked.c.player).limit(count)
        with self._database.transaction() as connection:
            return {row.player: row.issued_before for row in connection.execute(latest)}


def revoke(connection: Connection, player: str, now: float) -> None:
    """Make void all passes of a player that were issued before now, as part of a transaction.

    Raises:
        IntegrityError: somebody else did so for the first time at the same moment; the transaction is to be done again.
    """
    changed = update(_revoked).where(_revoked.c.player == player).values(issued_before=now)
    if not connection.execute(changed).rowcount:
        connection.execute(insert(_revoked).values(player=player, issued_before=now))
