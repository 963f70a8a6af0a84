"""JSON connections for games and matchmaking."""
