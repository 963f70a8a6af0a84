"""Servers that are stopped, and looked after for leaks, when the test is over; and what TLS needs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent.ssl
import pytest

from connhandler import testing
from tests.connhandler.certificates import make_certificate, presenting, trusting
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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server_context(certificate: Path) -> gevent.ssl.SSLContext:
    return presenting(certificate)


@pytest.fixture
def any_context(certificate: Path) -> gevent.ssl.SSLContext:
    """Of a client."""
    return trusting(certificate)
