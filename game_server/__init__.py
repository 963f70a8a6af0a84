"""A game server: many games of four in a row, behind tickets, reporting to a launcher."""
