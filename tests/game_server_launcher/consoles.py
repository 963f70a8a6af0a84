"""Scripted conversations with the console of the server `four`."""

from typing import Any

from connhandler.testing import FakeConnection
from game_server_launcher import gameconsolehandler as console
from game_server_launcher.gameconsolehandler import ConsolePeer, parse

PORT = 7100
ASK_WHO_IS_THERE = [console.ShowStatus(), console.ShowMap()]


def says(world: Any, fake: "FakeConnection[ConsolePeer]", *lines: str) -> None:
    """The console says these lines."""
    for line in lines:
        message = parse(line)
        if message is not None:
            fake.receives(world.launcher, message)
    world.settle()


def connect(world: Any, console_port: int = PORT) -> "FakeConnection[ConsolePeer]":
    """A process with a console has started, and we are connected to that, and not logged in."""
    world.process_started(console_port=console_port)
    run, port = world.consoles.opened["four"]
    assert port == console_port
    return reconnect(world, run)


def reconnect(world: Any, run: int) -> "FakeConnection[ConsolePeer]":
    fake = FakeConnection(ConsolePeer("four", run))
    fake.connected(world.launcher)
    return fake


def log_in(world: Any, fake: "FakeConnection[ConsolePeer]") -> None:
    password = world.runner.runs["four"].console_password
    says(world, fake, "Enter password:")
    assert fake.take() == [console.Password(password)]
    says(world, fake, "Authentication successful. External console access granted.")
    assert fake.take() == ASK_WHO_IS_THERE
