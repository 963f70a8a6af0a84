"""The terminal client: everything of `python -m game_server.play` but its command line."""
