"""One file a revision. Alembic reads them; nothing imports them."""
