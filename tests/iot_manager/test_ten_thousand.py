"""Ten thousand devices at the default heartbeat rate, a thousand of which fall silent: the manager on one processor,
the devices on another. Prints its figures (`pytest -s`). The small form is in `test_simulate.py`.
"""

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
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


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A manager's process id and port; its log goes to a file."""
    log = tmp_path / "manager.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            pinned(0, "iot_manager", "--port=0", "--backlogged-connections=1000"),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stderr=file,
        )
        with gevent.Timeout(30):
            while not (found := re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text())):
                assert process.poll() is None, log.read_text()
                gevent.sleep(0.05)
        yield process.pid, int(found[1])
        process.terminate()
        assert process.wait(60) == 0, log.read_text()[-5000:]
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_devices(manager: tuple[int, int]) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DEVICES + 100:
        pytest.skip(f"this system allows fewer open files than {DEVICES} connections need")
    pid, port = manager
    empty = resident_bytes(pid)
    command = pinned(1, "iot_manager.simulate", str(DEVICES), f"--port={port}", "--no-progress", "--dialect=mixed")
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
