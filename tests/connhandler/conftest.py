"""Servers that are stopped, and looked after for leaks, when the test is over."""

from collections.abc import Callable, Iterator

import pytest

from connhandler import testing
from tests.connhandler.support import Server


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start a `Server`; arguments as for the class. What it leaves behind fails the test."""
    servers: list[Server] = []

    def start(*args: object, **kwargs: object) -> Server:
        servers.append(Server(*args, **kwargs))  # type: ignore[arg-type]
        return servers[-1]

    with testing.check_leaks():
        yield start
        while servers:
            servers.pop().stop()
