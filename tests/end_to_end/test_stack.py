"""`make run` and `make demo`, as a person starts them."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(120)
def test_demo_plays_a_match_and_says_so() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "examples.stack", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"demo ok: (alice won|bob won|a draw) after \d+ turns, recorded once; .*", lines[-1])
    assert any("alice: matched with bob" in line for line in lines)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("number", "address"), [(signal.SIGINT, "127.0.0.1"), (signal.SIGTERM, "127.0.0.1"), (signal.SIGTERM, "127.0.0.2")]
)
def test_run_serves_until_it_is_asked_to_end(tmp_path: Path, number: signal.Signals, address: str) -> None:
    """At an address of its own, too: for players on other machines; and where an older version has been."""
    database = tmp_path / "login_server.sqlite"
    url = f"--database-url=sqlite:///{database}"
    subprocess.run([sys.executable, "-m", "login_server", "database", "upgrade", url], cwd=ROOT, check=True)
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.stack", "run", "--free-ports", f"--folder={tmp_path}", f"--address={address}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout:
        said = ""
        while "Ctrl-C ends everything" not in said:
            line = process.stdout.readline()
            assert line, f"it ended with exit status {process.wait()} after saying:\n{said}"
            said += line
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 3  # login server, launcher, game
        (page,) = re.findall(r"http://\S+:\d+/$", said, re.MULTILINE)
        assert page.startswith(f"http://{address}:")
        with urllib.request.urlopen(page, timeout=10) as answer:
            assert b"<html" in answer.read().lower()
        with urllib.request.urlopen(page + "status", timeout=10) as answer:
            (server,) = json.load(answer)["servers"]
        with socket.create_connection((address, server["port"]), timeout=10):
            assert server["address"] == address
        os.kill(process.pid, number)
        rest = process.stdout.read()
    assert process.wait(60) == 0, rest
    assert "All stopped." in rest
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


@pytest.mark.timeout(60)
def test_run_says_which_port_is_in_use(tmp_path: Path) -> None:
    code = (
        "import examples.stack as stack, socket\n"
        "taken = socket.create_server(('127.0.0.1', 0))\n"
        "ports = stack.free_ports(4)\n"
        "ports[0] = taken.getsockname()[1]\n"
        "stack.free_ports = lambda count: ports\n"
        f"import sys; sys.argv = ['stack', 'run', '--free-ports', '--folder={tmp_path}']\n"
        "sys.exit(stack.main())\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert result.returncode == 1
    assert re.match(r"run failed: 127\.0\.0\.1:\d+: Address already in use; does another stack run\? ", result.stderr)
    assert "The stack is up" not in result.stdout
