import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
END_SECONDS = 20

StartProgram = Callable[..., int]


@pytest.fixture(scope="module")
def start_program() -> Iterator[StartProgram]:
    """Start `program` with these limits and return its port; each must end in order, and without a word."""
    started: list[subprocess.Popen[str]] = []

    def start(**limits: float) -> int:
        command = [sys.executable, "-m", "tests.conformance.http.program", json.dumps(limits)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        return int(line)

    yield start
    for process in started:
        process.terminate()
    outcomes = []
    for process in started:
        try:
            _, errors = process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
        outcomes.append((process.returncode, errors))
    assert outcomes == [(0, "")] * len(outcomes)
