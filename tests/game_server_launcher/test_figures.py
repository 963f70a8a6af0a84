"""What process groups use, measured with real processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from game_server_launcher.figures import Meter

Start = Callable[[str], "subprocess.Popen[bytes]"]

CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "x = bytearray(b'1' * 50_000_000); input()"])
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start() -> Iterator[Start]:
    started = []

    def start(program: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-I", "-S", "-c", program]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        os.killpg(process.pid, 9)
        process.communicate()


def test_a_group_is_measured_whole(start: Start) -> None:
    parent = start(CHILD)
    (child,) = psutil.Process(parent.pid).children()
    while child.memory_info().rss < 50_000_000:
        pass
    figures = Meter().measure({parent.pid, 2**22 + 1})
    assert list(figures) == [parent.pid]
    assert figures[parent.pid].rss_bytes > 50_000_000 + 1_000_000
    assert figures[parent.pid].cpu_percent == 0.0, "at the first look"


def test_the_use_of_processors_is_that_since_the_last_look(start: Start) -> None:
    busy = start("print('up', flush=True)\nwhile True: pass")
    idle = start("print('up', flush=True); input()")
    meter = Meter()
    groups = {busy.pid, idle.pid}
    meter.measure(groups)
    used = psutil.Process(busy.pid).cpu_times().user
    while psutil.Process(busy.pid).cpu_times().user < used + 0.2:
        pass
    figures = meter.measure(groups)
    assert figures[busy.pid].cpu_percent > 5
    assert figures[idle.pid].cpu_percent < figures[busy.pid].cpu_percent / 2


def test_nobody_to_measure() -> None:
    assert Meter().measure(set()) == {}
