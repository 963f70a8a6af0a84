"""Programs to learn from: a new connection type in one file, and the whole stack on one machine."""
