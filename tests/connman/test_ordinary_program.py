"""ConnMan in a program that never heard of gevent. (In a monkey-patched one, it is in every other test.)"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def scenario(name: str) -> list[str]:
    """What the program prints; it must end by itself, with status 0, and without a word on stderr."""
    program = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-m", "tests.connman.ordinaryprogram", name],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (program.returncode, program.stderr) == (0, "")
    return program.stdout.splitlines()


def test_games_and_matchmaking_in_threads() -> None:
    assert scenario("games") == ["games True", "gevent False", "stopped True", "matchmaking ended True"]


def test_a_main_thread_that_waits() -> None:
    assert scenario("waiting_main_thread") == ["2 C", "2 DC", "main None", "stopped [True]"]
