"""The seed's known bug as a test: many clients log in at the same instant, no sleeps, against each kind of database."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from connhandler import CentralTask, tasks
from connman import ConnMan
from login_server.accounts import AccountOffice, AccountRecord, Passwords
from tests.connman.stormclients import PASSWORD

ROOT = Path(__file__).parents[2]


def add_users(database_url: str, number: int, passwords: Passwords) -> None:
    """Add `user1`, `user2`, … with the password of the storm's clients."""
    password_hash = passwords.hash(PASSWORD)
    office = AccountOffice(CentralTask("adding users"), database_url)
    records = [AccountRecord(f"user{n}", password_hash, time.time()) for n in range(1, number + 1)]
    for _ in office.store.add_all(records):
        pass
    office.close()


@contextmanager
def watching_the_hub() -> Iterator[list[float]]:
    """Collects how long the hub let a task wait too long, each time."""
    stalls = [0.0]

    def watch() -> None:
        while True:
            began = time.monotonic()
            gevent.sleep(0.002)
            stalls.append(time.monotonic() - began - 0.002)

    task = tasks.spawn("watching the hub", watch)
    try:
        yield stalls
    finally:
        task.kill()


class Storm:
    """All clients, in a process of their own."""

    def __init__(self, port: int, number: int) -> None:
        command = [sys.executable, "-m", "tests.connman.stormclients", str(port), str(number)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def result(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the clients have failed"
        result: dict[str, Any] = json.loads(line)
        return result

    def count_open(self) -> int:
        out, _ = self._process.communicate("\n", timeout=30)
        return int(out)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def weather(database_url: str, number: int, passwords: Passwords) -> None:
    """All must be let in, stay, and be announced once each."""
    add_users(database_url, number, passwords)
    with ConnMan("127.0.0.1", 0, database_url=database_url) as connman:
        storm = Storm(connman.port, number)
        try:
            with watching_the_hub() as stalls:
                result = storm.result()
            assert result["answers"] == {"loginAccept": number}
            messages = [connman.get_match_message() for _ in range(number)]
            assert {message.packet["subtype"] for message in messages if message} == {"C"}
            assert len({message.addr for message in messages if message}) == number
            assert connman.get_match_message() is None
            assert len(connman.clients()) == number
            assert storm.count_open() == number
        finally:
            storm.close()
    seconds = result["seconds"]
    print(
        f"{database_url.partition(':')[0]}: {number} clients logged in after {seconds[-1]:.2f} s, half of them after "
        f"{seconds[number // 2]:.2f} s, p99 {seconds[number * 99 // 100 - 1]:.2f} s; worst stall of the hub "
        f"{max(stalls) * 1e3:.0f} ms"
    )


def test_many_clients_log_in_at_the_same_instant(database_url: str) -> None:
    # Hashes that cost nothing bring the logins to the database all at once.
    weather(database_url, 50, Passwords(memory_kib=8, passes=1))


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("hashing", ["cheap", "real"])
def test_five_hundred_clients_log_in_at_the_same_instant(database_url: str, hashing: str) -> None:
    weather(database_url, 500, Passwords() if hashing == "real" else Passwords(memory_kib=8, passes=1))
