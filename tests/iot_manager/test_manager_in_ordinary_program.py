"""A manager in a program that never heard of gevent. (In a monkey-patched one, it is in every other test.)"""

import errno
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def scenario(name: str) -> list[str]:
    """What the program prints; it must end by itself, with status 0, and without a word on stderr."""
    program = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.iot_manager.ordinarymanager", name],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (program.returncode, program.stderr) == (0, "")
    return program.stdout.splitlines()


def test_everything_once() -> None:
    assert scenario("everything") == [
        "connect {'n': 0} False",
        "b'who?'",
        "b'knock' me",
        "{'a': 1}",
        "b'\\x02'",
        "b'\\x02'",
        "1 None",
        "b'bye'",
        "gevent patched False",
        "b'end\\n'",
        "[False] True",
    ]


def test_send_and_recv_pairs_of_many_threads() -> None:
    assert scenario("pairs") == ["True", "True True", "True"]


def test_slow_handlers_in_threads() -> None:
    assert scenario("slow") == ["['2', '3', '4']", "True True"]


def test_a_program_that_forgets_to_close() -> None:
    assert scenario("forgotten") == [f"OSError {errno.EADDRINUSE}", "b'{\"request\":'", "ends"]
