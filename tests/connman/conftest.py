"""A manager with users, and clients of it; what they leave behind fails the test."""

from collections.abc import Callable, Iterator

import pytest

from connhandler.testing import check_leaks
from tests.connman.support import Players, TableConnMan

Manage = Callable[..., TableConnMan]


@pytest.fixture
def manage() -> Iterator[Manage]:
    """Start a manager; arguments as those of `TableConnMan`."""
    managers: list[TableConnMan] = []

    def start(**options: object) -> TableConnMan:
        managers.append(TableConnMan(**options))
        managers[-1].start()
        return managers[-1]

    with check_leaks():
        yield start
        for manager in managers:
            assert manager.stop(20)


@pytest.fixture
def connman(manage: Manage) -> TableConnMan:
    return manage()


@pytest.fixture
def players(connman: TableConnMan) -> Iterator[Players]:
    players = Players(connman)
    yield players
    players.close()
