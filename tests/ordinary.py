"""Runs a program that never heard of gevent, for tests, which are in a monkey-patched process themselves."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_ordinary(module: str, scenario: str) -> list[str]:
    """What `python -m MODULE SCENARIO` prints; it must end by itself, with status 0, and without a word on stderr."""
    program = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore", "-m", module, scenario],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (program.returncode, program.stderr) == (0, "")
    return program.stdout.splitlines()
