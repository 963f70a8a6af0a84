"""One run of the suite each way, on free loopback ports, bounded in time."""

import contextlib
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gevent
from gevent import subprocess

from connhandler import tasks
from tests.conformance.autobahn.echo import AGENT, RETRY_SECONDS, EchoClient, EchoServer


def try_our_server(wstest: Path, folder: Path, cases: Sequence[str], seconds: float) -> Path:
    """Let the fuzzing client ask our server; return the suite's index.

    Raises:
        TimeoutError: it took too long.
    """
    server = EchoServer()
    server.handler.listen()
    central = tasks.spawn(server.name, server.run)
    try:
        server.handler.start()
        agent = {"agent": AGENT, "url": f"ws://127.0.0.1:{server.handler.port}"}
        with run_wstest(wstest, "fuzzingclient", folder, cases, {"servers": [agent]}, seconds) as process:
            process.wait()
    finally:
        server.handler.stop(0)
        central.kill()
    return folder / "index.json"


def try_our_client(wstest: Path, folder: Path, cases: Sequence[str], seconds: float) -> Path:
    """Let our client ask the fuzzing server; return the suite's index.

    Raises:
        TimeoutError: it took too long.
    """
    port = free_port()
    client = EchoClient(port)
    central = tasks.spawn(client.name, client.run)
    url = f"ws://127.0.0.1:{port}"
    try:
        with run_wstest(wstest, "fuzzingserver", folder, cases, {"url": url}, seconds):
            client.handler.start(RETRY_SECONDS)
            central.get()
    finally:
        client.handler.stop(0)
        central.kill()
    return folder / "index.json"


def free_port() -> int:
    """Return a port that nobody listens on: this suite cannot take one by itself."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def run_wstest(
    wstest: Path, mode: str, folder: Path, cases: Sequence[str], more: dict[str, Any], seconds: float
) -> Iterator["subprocess.Popen[bytes]"]:
    """Have the suite running, and killed at the end.

    Raises:
        TimeoutError: the block took too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    specification = folder / f"{mode}.json"
    settings = {"outdir": str(folder), "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}, **more}
    specification.write_text(json.dumps(settings))
    log = folder / f"{mode}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [wstest, "--mode", mode, "--spec", specification, "--webport", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        try:
            with gevent.Timeout(seconds, TimeoutError(f"{mode} took more than {seconds:g} s; see {log}")):
                yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
