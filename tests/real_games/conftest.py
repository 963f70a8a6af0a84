"""Where the tests with real games find them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real_games.teeworldssite import Site

PROGRAM = Path("/usr/games/teeworlds-server")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    if not PROGRAM.exists():
        missing = f"{PROGRAM} is not here; on Debian: apt install teeworlds-server"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    site = Site(tmp_path)
    try:
        site.start_login_server()
        yield site
    finally:
        site.close()
