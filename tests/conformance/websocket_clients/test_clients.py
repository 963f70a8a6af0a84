"""Other people's WebSocket clients, each in a process of its own, against a program in another."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.websocket_clients.conversation import expected
from tests.connhandler.certificates import make_certificate

ROOT = Path(__file__).parents[3]
END_SECONDS = 20
CLIENT_SECONDS = 50

Start = Callable[..., str]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_certificate(tmp_path_factory.mktemp("tls")))


@pytest.fixture(scope="module")
def start_program() -> Iterator[Start]:
    """Start `program` with these settings and return the URL of its socket; each must end in order, without a word."""
    started: dict[str, tuple[subprocess.Popen[str], str]] = {}

    def start(**settings: Any) -> str:
        key = json.dumps(settings)
        if key not in started:
            command = [sys.executable, "-m", "tests.conformance.websocket_clients.program", key]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            scheme = "wss" if settings.get("certificate") else "ws"
            started[key] = process, f"{scheme}://127.0.0.1:{int(line)}/socket"
        return started[key][1]

    yield start
    for process, _ in started.values():
        process.terminate()
    outcomes = []
    for process, _ in started.values():
        try:
            _, errors = process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
        outcomes.append((process.returncode, errors))
    assert outcomes == [(0, "")] * len(outcomes)


def run(client: str, url: str, *, compressed: bool = False, certificate: str = "") -> dict[str, Any]:
    """What a client prints when it is done."""
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            f"tests.conformance.websocket_clients.client_{client}",
            url,
            "1" if compressed else "",
            certificate,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=CLIENT_SECONDS,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    result: dict[str, Any] = json.loads(process.stdout)
    return result


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("client", ["sync", "asyncio", "aiohttp"])
def test_a_library(start_program: Start, certificate: str, client: str, secure: bool, compressed: bool) -> None:
    trusted = certificate if secure else ""
    url = start_program(compression=compressed, certificate=trusted)
    assert run(client, url, compressed=compressed, certificate=trusted) == expected(compressed=compressed)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize(("secure", "compressed"), [(False, False), (False, True), (True, True)])
def test_a_browser(start_program: Start, certificate: str, secure: bool, compressed: bool) -> None:
    trusted = certificate if secure else ""
    result = run("chromium", start_program(compression=compressed, certificate=trusted), certificate=trusted)
    assert result == {
        **expected(compressed=compressed),
        "closed by server": [4001, "as asked", True],
        "closed by client": [1000, "", True],
        "refused": [1006] * 3,
        "from another page": 1006,
    }
