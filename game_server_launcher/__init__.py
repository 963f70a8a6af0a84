"""The program that starts, watches, restarts and stops game server processes."""
