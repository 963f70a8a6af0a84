"""Connections of devices: a manager that knows which are here, and talks to them."""
