"""The program where players and game server launchers meet."""
