"""Real processes: started, watched, adopted, signalled."""

import os
import signal
import subprocess as plain_subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import psutil
import pytest
from gevent import subprocess

from game_server_launcher.process import GameProcess, find_by_environment, make_input, write_input

Start = Callable[..., GameProcess]

PATIENCE = 20.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a Python program as a game; whatever is left of it is killed at the end."""
    started: list[GameProcess] = []

    def start(program: str, stdin: int = subprocess.DEVNULL, **environment: str) -> GameProcess:
        output = os.open(tmp_path / "output", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            command = [sys.executable, "-I", "-S", "-u", "-c", program]
            started.append(
                GameProcess.start(command, tmp_path, dict(os.environ) | environment, stdin, output, tmp_path)
            )
        finally:
            os.close(output)
        return started[-1]

    yield start
    for process in started:
        process.signal_group(signal.SIGKILL)
        process.close()


def wait_for(path: Path, text: str) -> str:
    """Wait until a process has written `text`; return all that it has written."""
    with gevent.Timeout(PATIENCE, AssertionError(f"{text!r} did not come")):
        while not path.exists() or text not in path.read_text():
            gevent.sleep(0.01)
    return path.read_text()


def end_of(process: GameProcess) -> int | None:
    with gevent.Timeout(PATIENCE, AssertionError("the process goes on")):
        return process.wait()


def wait_until_gone(pid: int) -> None:
    with gevent.Timeout(PATIENCE, AssertionError(f"process {pid} goes on")):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            gevent.sleep(0.01)


@pytest.mark.parametrize(("program", "status"), [("pass", 0), ("raise SystemExit(3)", 3)])
def test_the_exit_status(start: Start, program: str, status: int) -> None:
    assert end_of(start(program)) == status


@pytest.mark.parametrize(("ignored", "status"), [(False, -signal.SIGPIPE), (True, 7)])
def test_a_broken_pipe_ends_it_or_is_ignored(tmp_path: Path, ignored: bool, status: int) -> None:
    command = ["/bin/sh", "-c", "kill -PIPE $$; exit 7"]
    environment = {"PATH": os.defpath}
    process = GameProcess.start(command, tmp_path, environment, subprocess.DEVNULL, 2, tmp_path, ignore_sigpipe=ignored)
    assert end_of(process) == status


def test_a_process_that_ends_at_once(start: Start, tmp_path: Path) -> None:
    """Even before anybody has looked at it."""
    for _ in range(20):
        process = GameProcess.start(["/bin/true"], tmp_path, {}, subprocess.DEVNULL, 2, tmp_path)
        gevent.sleep(0)
        assert end_of(process) == 0


def test_the_end_by_a_signal(start: Start) -> None:
    process = start("import signal; signal.pause()")
    process.signal_group(signal.SIGTERM)
    assert end_of(process) == -signal.SIGTERM


def test_waiting_holds_nobody_up(start: Start) -> None:
    process = start("input()", stdin=make_pipe_that_nobody_writes())
    waiter = gevent.spawn(process.wait)  # noqa: TID251 - a test
    ticks = 0
    for _ in range(10):
        gevent.sleep(0.001)
        ticks += 1
    assert ticks == 10
    assert not waiter.ready()
    process.signal_group(signal.SIGKILL)
    assert waiter.get(timeout=PATIENCE) == -signal.SIGKILL


def make_pipe_that_nobody_writes() -> int:
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)
    return reading


def test_it_is_in_a_session_and_a_group_of_its_own(start: Start, tmp_path: Path) -> None:
    process = start("import os, signal; print(os.getpid(), os.getsid(0), os.getpgid(0), os.getcwd()); signal.pause()")
    said = wait_for(tmp_path / "output", "\n").split()
    assert said == [str(process.pid), str(process.group), str(process.group), str(tmp_path)]
    assert process.group != process.pid


def test_output_and_errors_go_to_one_file(start: Start, tmp_path: Path) -> None:
    end_of(start("import sys; print('out'); print('err', file=sys.stderr)"))
    assert (tmp_path / "output").read_text() == "out\nerr\n"


GRANDCHILD = """
import subprocess, signal, sys
program = "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", program])
print(child.pid, flush=True)
"""


def test_the_whole_group_gets_the_signal(start: Start, tmp_path: Path) -> None:
    process = start(GRANDCHILD + "signal.pause()")
    grandchild = int(wait_for(tmp_path / "output", "\n"))
    process.signal_group(signal.SIGKILL)
    assert end_of(process) == -signal.SIGKILL
    wait_until_gone(grandchild)


def test_what_is_left_of_the_group_ends_with_its_leader(start: Start, tmp_path: Path) -> None:
    process = start(GRANDCHILD)
    assert end_of(process) == 0
    wait_until_gone(int((tmp_path / "output").read_text()))


def test_a_stopped_process_is_killed(start: Start) -> None:
    process = start("import signal; signal.pause()")
    os.kill(process.pid, signal.SIGSTOP)
    process.signal_group(signal.SIGKILL)
    assert end_of(process) == -signal.SIGKILL


def test_signalling_a_process_that_has_ended_does_nothing(start: Start) -> None:
    process = start("pass")
    end_of(process)
    process.signal_group(signal.SIGTERM)


# --- adoption ---------------------------------------------------------------------------------------------


@pytest.fixture
def stranger() -> Iterator[plain_subprocess.Popen[bytes]]:
    """A process that is nobody's child here."""
    program = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-I', '-S', '-c', 'input()'],"
        " stdin=subprocess.PIPE, start_new_session=True); print(child.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    yield parent
    parent.kill()
    parent.communicate()


def test_a_process_that_is_no_child_is_watched(stranger: "plain_subprocess.Popen[bytes]") -> None:
    assert stranger.stdout is not None
    pid = int(stranger.stdout.readline())
    created_at = psutil.Process(pid).create_time()
    process = GameProcess.adopt(pid, created_at)
    assert process is not None
    waiter = gevent.spawn(process.wait)  # noqa: TID251 - a test
    gevent.sleep(0.01)
    assert not waiter.ready()
    process.signal_group(signal.SIGKILL)
    assert waiter.get(timeout=PATIENCE) is None, "only its parent is told how it ended"


def test_another_process_with_the_same_number_is_not_adopted(start: Start) -> None:
    process = start("import signal; signal.pause()")
    assert GameProcess.adopt(process.group, process.created_at - 10) is None


def test_a_process_that_is_gone_is_not_adopted(start: Start) -> None:
    process = start("pass")
    end_of(process)
    assert GameProcess.adopt(process.group, process.created_at) is None
    assert GameProcess.adopt(2**22 + 1, time.time()) is None


def test_a_process_is_found_by_its_environment(start: Start) -> None:
    process = start("import signal; signal.pause()", LAUNCHER_TOKEN="very secret", LAUNCHER_PORT="7")
    with gevent.Timeout(PATIENCE, AssertionError("not found")):
        while (found := find_by_environment("LAUNCHER_TOKEN", "very secret")) is None:
            gevent.sleep(0.01)  # Until it has become the program that it is to be.
    assert found[0] == process.group
    assert abs(found[1] - process.created_at) < 1
    assert found[2]["LAUNCHER_PORT"] == "7"
    assert find_by_environment("LAUNCHER_TOKEN", "another secret") is None


# --- standard input ---------------------------------------------------------------------------------------

ECHO = "import sys\nfor line in sys.stdin: print('got', line.strip(), flush=True)\nprint('end of input')"


def test_lines_on_standard_input_arrive_and_it_never_ends(start: Start, tmp_path: Path) -> None:
    fifo = tmp_path / "stdin"
    descriptor = make_input(fifo)
    process = start(ECHO, stdin=descriptor)
    os.close(descriptor)
    write_input(fifo, "one")
    wait_for(tmp_path / "output", "got one\n")
    write_input(fifo, "two")
    assert wait_for(tmp_path / "output", "got two\n") == "got one\ngot two\n"
    process.signal_group(signal.SIGKILL)
    end_of(process)
    with pytest.raises(OSError, match="No such device or address"):
        write_input(fifo, "three")


def test_an_input_that_is_full_does_not_hold_anybody_up(start: Start, tmp_path: Path) -> None:
    fifo = tmp_path / "stdin"
    descriptor = make_input(fifo)
    start("import signal; signal.pause()", stdin=descriptor)
    os.close(descriptor)
    with pytest.raises(BlockingIOError):
        for _ in range(1000):
            write_input(fifo, "x" * 4000)


def test_a_file_in_the_place_of_the_input_is_replaced(tmp_path: Path) -> None:
    fifo = tmp_path / "stdin"
    fifo.write_text("left by somebody")
    os.close(make_input(fifo))
    assert fifo.is_fifo()
    os.close(make_input(fifo))
