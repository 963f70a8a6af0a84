"""Ten thousand devices at the default heartbeat rate, a thousand of which fall silent: the manager on one processor,
the devices on another. Prints its figures (`pytest -s`). The small form is in `test_simulate.py`.
"""

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from tests.iot_manager.programs import ROOT, figure

DEVICES = 10_000
SILENT = 1_000
RATE, TIMEOUT = 60.0, 15.0
"""The manager's defaults."""

SILENT_AFTER = 180.0
SECONDS = SILENT_AFTER + RATE + RATE + TIMEOUT + 5.0
TICK = os.sysconf("SC_CLK_TCK")


def pinned(processor: int, module: str, *options: str) -> list[str]:
    processors = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(processors[processor % len(processors)]), sys.executable, "-m", module, *options]


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class LoggingManager:
    """A manager on the first processor, whose log goes to a file."""

    def __init__(self, log: Path, port: int = 0) -> None:
        self._log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                pinned(0, "iot_manager", f"--port={port}"),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stderr=file,
            )
        self.port = int(self.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[0])

    def wait_for(self, pattern: str, count: int = 1) -> list[str]:
        """Wait until this was logged so often; return what the pattern's group matched."""
        with gevent.Timeout(SECONDS, AssertionError(f"no {count} of {pattern!r}")):
            while len(found := re.findall(pattern, self._log.read_text())) < count:
                assert self.process.poll() is None, self._log.read_text()[-5000:]
                gevent.sleep(0.1)
        return found

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(60) == 0, self._log.read_text()[-5000:]
        assert "Traceback" not in self._log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


Start = Callable[..., LoggingManager]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts managers."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DEVICES + 100:
        pytest.skip(f"this system allows fewer open files than {DEVICES} connections need")
    managers: list[LoggingManager] = []

    def start(port: int = 0) -> LoggingManager:
        managers.append(LoggingManager(tmp_path / f"manager{len(managers)}.log", port))
        return managers[-1]

    yield start
    for manager in managers:
        manager.kill()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_devices(start: Start) -> None:
    manager = start()
    pid = manager.process.pid
    empty = resident_bytes(pid)
    command = pinned(
        1, "iot_manager.simulate", str(DEVICES), f"--port={manager.port}", "--no-progress", "--dialect=mixed"
    )
    command += [
        f"--silent={SILENT}",
        f"--after={SILENT_AFTER}",
        f"--silent-over={RATE}",
        f"--seconds={SECONDS}",
        "--log-level=info",
    ]
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as devices,
        gevent.Timeout(500),
    ):
        assert devices.stdout is not None
        assert devices.stderr is not None
        for line in devices.stderr:
            if "have been connected" in line:
                break
        full = resident_bytes(pid)
        began, used = time.monotonic(), processor_seconds(pid)
        gevent.sleep(SILENT_AFTER)
        share = (processor_seconds(pid) - used) / (time.monotonic() - began)
        later = resident_bytes(pid)
        said, errors = devices.communicate()
        assert devices.returncode == 0, said + errors
    print(f"\n{said}")
    print(f"manager           {share:.1%} of a processor with {DEVICES:,} devices over {SILENT_AFTER:g} s")
    kibibytes = [(size - empty) / DEVICES / 1024 for size in (full, later)]
    print(f"memory            {kibibytes[0]:.1f} KiB a device when all had come, {kibibytes[1]:.1f} KiB later")
    assert figure(said, "dropped wrongly", "(.*)") == "none"
    assert figure(said, "fell silent", "(1,000), noticed 1,000") == "1,000"
    assert float(figure(said, "noticed after", r".*most ([\d.]+) s")) <= RATE + TIMEOUT + 1
    assert share < 0.25
    assert max(kibibytes) < 32
    manager.end()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_thousand_devices_come_back_to_a_manager_that_was_killed(start: Start) -> None:
    count = 5_000
    manager = start()
    command = pinned(
        1, "iot_manager.simulate", str(count), f"--port={manager.port}", "--no-progress", "--dialect=mixed"
    )
    with subprocess.Popen([*command, "--seconds=600"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as devices:
        manager.wait_for(" connected from ", count)
        manager.kill()
        began = time.monotonic()
        manager = start(manager.port)
        manager.wait_for(" connected from ", count)
        print(f"\n{count:,} devices were back {time.monotonic() - began:.1f} s after the manager was killed")
        devices.terminate()
        said, _ = devices.communicate(timeout=60)
        print(said)
        assert figure(said, "devices", r".* ([\d,]+) at the end") == "5,000"
        manager.end()
