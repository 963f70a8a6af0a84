"""A small game over ConnMan, with its matchmaking and a client. It uses `import connman`, and nothing else."""
