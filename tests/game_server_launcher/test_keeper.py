"""The keeper of a game process, with real processes and real signals."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from game_server_launcher.gametables import Limits
from game_server_launcher.keeper import (
    NO_LIMITS,
    STATUS_FILE,
    check_limits,
    end_orphans,
    find_game,
    forget_exit_status,
    from_shell,
    kept,
    read_exit_status,
)

PATIENCE = 20.0

WAIT = "import signal; print('up'); signal.pause()"


class Kept:
    """A game under a keeper, both children of nobody that watches.

    Attributes:
        group: the keeper's pid.
        pid: the game's, as the keeper has said.
    """

    def __init__(self, folder: Path, program: str, limits: Limits = NO_LIMITS, **environment: str) -> None:
        self.folder = folder
        command = [sys.executable, "-I", "-S", "-u", "-c", program]
        with (folder / "output").open("wb") as output:
            self.keeper = subprocess.Popen(
                kept(command, folder, folder, limits),
                env=dict(os.environ) | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        self.group = self.keeper.pid
        assert self.keeper.stdout is not None
        with self.keeper.stdout as report:
            self.pid = int(report.readline())

    def wait_until_up(self) -> None:
        while "up" not in self.output() and self.keeper.poll() is None:
            pass

    def end(self) -> int | None:
        """Wait for the keeper's end; return what it has written down."""
        self.keeper.wait(PATIENCE)
        return read_exit_status(self.folder, self.group)

    def output(self) -> str:
        return (self.folder / "output").read_text()


@pytest.fixture(autouse=True)
def no_processes_left() -> Iterator[None]:
    yield
    for child in psutil.Process().children():
        if "keeper.sh" in " ".join(child.cmdline()):
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@pytest.mark.parametrize("status", [0, 1, 3, 126, 127, 255])
def test_the_exit_status_is_written_down(tmp_path: Path, status: int) -> None:
    game = Kept(tmp_path, f"raise SystemExit({status})")
    assert game.end() == status
    assert game.keeper.returncode == status
    assert (tmp_path / STATUS_FILE).stat().st_mode & 0o777 == 0o600
    forget_exit_status(tmp_path)
    forget_exit_status(tmp_path)
    assert read_exit_status(tmp_path, game.group) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_game_that_is_ended_alone(tmp_path: Path, number: signal.Signals) -> None:
    game = Kept(tmp_path, WAIT)
    os.kill(game.pid, number)
    assert game.end() == -number
    assert game.keeper.returncode == 128 + number
    assert game.output() in ("", "up\n"), "not a word of the keeper's"


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2"])
def test_a_signal_to_the_group_ends_the_game_and_not_the_keeper(tmp_path: Path, name: str) -> None:
    number = signal.Signals[f"SIG{name}"]
    game = Kept(tmp_path, f"import signal; signal.signal({number:d}, signal.SIG_DFL); print('up'); signal.pause()")
    game.wait_until_up()
    os.killpg(game.group, number)
    assert game.end() == -number


def test_a_game_may_take_its_time_over_a_signal(tmp_path: Path) -> None:
    program = (
        "import signal, sys; signal.signal(15, lambda *_: None); signal.signal(10, lambda *_: sys.exit(5));"
        "print('up'); signal.pause(); print('once'); signal.pause()"
    )
    game = Kept(tmp_path, program)
    game.wait_until_up()
    os.killpg(game.group, signal.SIGTERM)
    while "once" not in game.output():
        assert game.keeper.poll() is None
    os.killpg(game.group, signal.SIGUSR1)
    assert game.end() == 5


def test_a_game_finds_signals_and_limits_as_they_would_be_without_a_keeper(tmp_path: Path) -> None:
    program = (
        "import os, signal, resource;"
        "print(os.getcwd(), os.environ.get('PWD'), os.environ.get('OLDPWD'),"
        "[line for line in open('/proc/self/status') if line.startswith(('SigIgn', 'SigBlk'))],"
        "resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_NOFILE), os.nice(0), end='')"
    )
    game = Kept(tmp_path, program)
    assert game.end() == 0
    plain = subprocess.run(
        [sys.executable, "-I", "-S", "-u", "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        start_new_session=True,
        cwd=tmp_path,
        env={name: text for name, text in os.environ.items() if name != "OLDPWD"} | {"PWD": str(tmp_path)},
        text=True,
    )
    assert game.output() == plain.stdout


def test_limits(tmp_path: Path) -> None:
    program = (
        "import os, resource; print(resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_NOFILE),"
        "os.nice(0), os.getpid())\nbytearray(2**31)"
    )
    game = Kept(tmp_path, program, Limits(memory_bytes=2**30, open_files=77, nice=3))
    assert game.end() == 1
    said, *_, last = game.output().splitlines()
    assert said == f"({2**30}, {2**30}) (77, 77) {os.nice(0) + 3} {game.pid}"
    assert last.strip() == "MemoryError"


def test_limits_that_this_user_may_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda kind: (10, 1000 if kind == resource.RLIMIT_NOFILE else -1))
    check_limits(NO_LIMITS)
    check_limits(Limits(open_files=1000, memory_bytes=2**50))
    with pytest.raises(ValueError, match=r"^limits\.open_files is 1001, but this user may have 1000 at most$"):
        check_limits(Limits(open_files=1001))


def test_a_launcher_that_dies_before_it_is_told_the_pid(tmp_path: Path) -> None:
    """The game is started all the same, and SIGPIPE means to it what it means to everybody."""
    reading, writing = os.pipe()
    os.close(reading)
    program = "import os; os.write(2, [one for one in open('/proc/self/status') if 'SigIgn' in one][0].encode())"
    command = [sys.executable, "-I", "-S", "-c", program]
    with (tmp_path / "output").open("wb") as output:
        keeper = subprocess.Popen(
            kept(command, tmp_path, tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=output,
            start_new_session=True,
        )
    os.close(writing)
    assert keeper.wait(PATIENCE) == 0
    plain = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=True)
    assert (tmp_path / "output").read_text() == plain.stderr
    assert (tmp_path / "output").read_text().count("\n") == 1


def test_the_game_of_a_keeper(tmp_path: Path) -> None:
    game = Kept(tmp_path, WAIT)
    assert find_game(game.group) == game.pid
    os.kill(game.pid, signal.SIGKILL)
    game.end()
    assert find_game(game.group) == 0


def test_orphans_are_known_by_their_token(tmp_path: Path) -> None:
    game = Kept(tmp_path, WAIT, LAUNCHER_TOKEN="an orphan's")
    game.wait_until_up()
    orphan = psutil.Process(game.pid)
    game.keeper.kill()
    assert game.end() is None, "it could not write anything down"
    assert end_orphans("LAUNCHER_TOKEN", "of somebody else") == 0
    assert orphan.is_running()
    assert end_orphans("LAUNCHER_TOKEN", "an orphan's") == 1
    psutil.wait_procs([orphan], timeout=PATIENCE)
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("status", "meaning"),
    [(0, 0), (1, 1), (128, 128), (129, -1), (137, -9), (143, -15), (192, -64), (193, 193), (255, 255)],
)
def test_an_exit_status_of_a_shell(status: int, meaning: int) -> None:
    assert from_shell(status) == meaning


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("12 0\n", 0),
        ("12 137\n", -9),
        ("13 0\n", None),
        ("12 0", None),
        ("12 \n", None),
        ("12\n", None),
        ("12 -1\n", None),
        ("12 x\n", None),
        ("", None),
    ],
)
def test_what_is_written_down(tmp_path: Path, text: str, status: int | None) -> None:
    (tmp_path / STATUS_FILE).write_text(text)
    assert read_exit_status(tmp_path, 12) == status


@given(st.binary(max_size=30))
def test_a_file_with_anything_in_it(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / STATUS_FILE).write_bytes(data)
    assert read_exit_status(folder, 12) is None or data.startswith(b"12 ")
