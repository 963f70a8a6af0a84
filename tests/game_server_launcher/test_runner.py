"""The runner with real processes: every event that it posts, and what a game finds around it."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from gevent.queue import Empty, Queue

from connhandler import WorkerPool
from connhandler.testing import check_leaks
from game_server_launcher.gamefile import GameFile
from game_server_launcher.gametables import (
    Commands,
    Console,
    Limits,
    Log,
    Output,
    ReadyByOutput,
    ReadyByPort,
    StopByInput,
)
from game_server_launcher.logpatterns import Joined
from game_server_launcher.runfolder import RunFolder
from game_server_launcher.runner import Runner
from game_server_launcher.runs import Found, Run

PATIENCE = 20.0

WAIT = "import signal; signal.pause()"


class Events:
    """Takes what a runner posts."""

    def __init__(self) -> None:
        self.queue: Queue[tuple[str, tuple[Any, ...]]] = Queue()

    def __getattr__(self, name: str) -> str:
        return name

    def post(self, name: str, *args: Any) -> None:
        self.queue.put((name, args))

    def expect(self, name: str) -> tuple[Any, ...]:
        """Return what the next event is about, which must be this one."""
        try:
            came, args = self.queue.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError(f"{name} did not come") from None
        assert came == name, (came, args)
        return args

    def all_until(self, name: str) -> list[tuple[str, tuple[Any, ...]]]:
        """Return what has come, up to and with this event."""
        came = [self.queue.get(timeout=PATIENCE)]
        while came[-1][0] != name:
            came.append(self.queue.get(timeout=PATIENCE))
        return came


class Stage:
    """A runner, and the games on it."""

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path / "run")
        self.path = path
        self.pool = WorkerPool("work", threads=2, max_queued=100)
        self.events = Events()
        self.runner = self.new_runner()
        self.groups: list[int] = []

    def new_runner(self) -> Runner:
        runner = Runner(self.folder, self.pool, "127.0.0.1", 9002)
        runner.report_to(self.events.post, self.events)  # type: ignore[arg-type]
        return runner

    def game(self, program: str, *arguments: str, **keys: Any) -> GameFile:
        values: dict[str, Any] = {
            "game": "chess",
            "name": "four",
            "capacity": 10,
            "command": ["{python}", "-I", "-S", "-u", "-c", program, *arguments],
        }
        return GameFile(**values | keys)

    def start(self, game: GameFile, number: int = 1) -> int:
        """Start a game and return its pid."""
        self.runner.start(Run(server="four", number=number, game=game, token="the token"))
        pid = int(self.events.expect("process_started")[2])
        self.group = os.getpgid(pid)
        self.groups.append(self.group)
        return pid

    def output(self) -> str:
        return (self.folder.path / "four" / "output.log").read_text()

    def close(self) -> None:
        self.runner.close()
        for group in self.groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.pool.close()
        self.folder.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def wait_until(condition: Callable[[], object], what: str) -> None:
    with gevent.Timeout(PATIENCE, AssertionError(f"not within {PATIENCE:g} s: {what}")):
        while not condition():
            gevent.sleep(0.01)


def test_a_process_is_started_and_its_end_is_told(stage: Stage) -> None:
    run = Run(server="four", number=3, game=stage.game("print('hello'); raise SystemExit(4)"), token="t")
    stage.runner.start(run)
    server, number, pid, created_at, port, output_from, _, group = stage.events.expect("process_started")
    assert (server, number, output_from) == ("four", 3, 0)
    assert pid > group > 0
    assert created_at == 0.0 or abs(created_at - time.time()) < 60, "0 if it had ended before one could look"
    assert 0 < port < 65536
    assert stage.events.expect("process_exited") == ("four", 3, 4, ["hello"])


def test_what_a_game_finds_around_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUNCHER_KEY", "the launcher's own secret")
    monkeypatch.setenv("INHERITED", "yes")
    program = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"
    arguments = "{port} {listen_address} {controller_address}:{controller_port} {server} {token} {run_dir} {python}"
    game = stage.game(program, arguments, "${kept} {}", environment={"MY_TOKEN": "<{token}>", "LAUNCHER_SERVER": "x"})
    stage.runner.start(Run(server="four", number=1, game=game, token="the token"))
    port = stage.events.expect("process_started")[4]
    stage.events.expect("process_exited")
    argv, environment, folder = json.loads(stage.output())
    own = stage.folder.path / "four"
    assert argv == [f"{port} 127.0.0.1 127.0.0.1:9002 four the token {own} {sys.executable}", "${kept} {}"]
    assert folder == str(own)
    assert environment["MY_TOKEN"] == "<the token>"
    assert environment["INHERITED"] == "yes"
    assert {name: text for name, text in environment.items() if name.startswith("LAUNCHER_")} == {
        "LAUNCHER_SERVER": "x",
        "LAUNCHER_TOKEN": "the token",
        "LAUNCHER_PORT": str(port),
        "LAUNCHER_CONTROLLER_ADDRESS": "127.0.0.1",
        "LAUNCHER_CONTROLLER_PORT": "9002",
    }


def test_a_game_inherits_no_descriptor(stage: Stage) -> None:
    stage.start(stage.game("import os; print(*sorted(os.listdir('/proc/self/fd')))"))
    stage.events.expect("process_exited")
    assert stage.output() == "0 1 2 3\n", "3 is the listed folder itself"


def not_started(stage: Stage, game: GameFile) -> tuple[str, bool]:
    stage.runner.start(Run(server="four", number=1, game=game, token="t"))
    server, number, reason, for_good = stage.events.expect("process_not_started")
    assert (server, number) == ("four", 1)
    return reason, for_good


def test_a_program_that_does_not_exist_is_named(stage: Stage) -> None:
    game = GameFile(game="chess", capacity=10, command=["/opt/none/chess"])
    assert not_started(stage, game) == ("there is no program /opt/none/chess", True)


def test_a_program_that_is_not_on_the_search_path_is_named(stage: Stage) -> None:
    game = GameFile(game="chess", capacity=10, command=["no-such-program-anywhere"])
    assert not_started(stage, game) == ("there is no program no-such-program-anywhere on the search path", True)


def test_a_script_whose_interpreter_does_not_exist(stage: Stage) -> None:
    script = stage.path / "chess"
    script.write_text("#!/opt/none/python\n")
    script.chmod(0o755)
    game = GameFile(game="chess", capacity=10, command=[str(script)])
    assert not_started(stage, game) == (f"{script}: the interpreter in its first line does not exist", True)


def test_a_file_that_is_no_program(stage: Stage) -> None:
    script = stage.path / "chess"
    script.write_bytes(b"\x00\x01")
    script.chmod(0o755)
    reason, for_good = not_started(stage, GameFile(game="chess", capacity=10, command=[str(script)]))
    assert reason.startswith(f"{script}: ")
    assert for_good
    script.chmod(0o644)
    reason, for_good = not_started(stage, GameFile(game="chess", capacity=10, command=[str(script)]))
    assert reason == f"{script} may not be run by this user"
    assert for_good


def test_a_command_line_that_cannot_be(stage: Stage) -> None:
    reason, for_good = not_started(stage, GameFile(game="chess", capacity=10, command=["/bin/echo", "\0"]))
    assert reason.startswith("/bin/echo: ")
    assert for_good


def test_a_working_folder_that_does_not_exist_is_named(stage: Stage) -> None:
    game = GameFile(game="chess", capacity=10, command=["/bin/true"], folder="/opt/none")
    assert not_started(stage, game) == ("the working folder /opt/none does not exist", True)


def test_a_port_in_use_may_be_free_later(stage: Stage) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        game = GameFile(game="chess", capacity=10, command=["/bin/true"], port=port)
        assert not_started(stage, game) == (f"port {port} is in use on 127.0.0.1", False)


def test_the_kernel_holds_a_game_to_its_limits(stage: Stage) -> None:
    limits = Limits(open_files=50, memory_bytes=2**31, nice=2)
    stage.start(stage.game("import os, resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))", limits=limits))
    assert stage.events.expect("process_exited")[2:] == (0, ["(50, 50)"])
    refused = not_started(stage, stage.game("", limits=Limits(open_files=2**50)))
    assert f"limits.open_files is {2**50}, but this user may have " in refused[0]
    assert refused[1]


def test_a_pool_that_is_full_may_have_room_later(stage: Stage) -> None:
    stage.pool.close()
    reason, for_good = not_started(stage, GameFile(game="chess", capacity=10, command=["/bin/true"]))
    assert "closed" in reason
    assert not for_good


# --- readiness --------------------------------------------------------------------------------------------


def test_ready_by_output(stage: Stage) -> None:
    program = "import signal; print('loading'); print('listening on 7000'); signal.pause()"
    stage.start(stage.game(program, ready=ReadyByOutput(pattern=r"listening on \d+")))
    assert stage.events.expect("process_ready") == ("four", 1)


def test_what_an_earlier_run_has_printed_makes_nobody_ready(stage: Stage) -> None:
    ready = ReadyByOutput(pattern="^ready$")
    stage.start(stage.game("print('ready')", ready=ready))
    stage.events.all_until("process_exited")
    stage.start(stage.game("raise SystemExit(1)", ready=ready), 2)
    assert stage.events.expect("process_exited")[:3] == ("four", 2, 1)


def test_ready_by_port(stage: Stage) -> None:
    program = (
        "import socket, sys, signal; s = socket.socket(); s.bind(('127.0.0.1', int(sys.argv[1])));"
        "s.listen(); signal.pause()"
    )
    stage.start(stage.game(program, "{port}", ready=ReadyByPort()))
    assert stage.events.expect("process_ready") == ("four", 1)


# --- ending -----------------------------------------------------------------------------------------------

STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
program = "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", program])
print(child.pid, flush=True)
signal.pause()
"""


def test_term_that_is_ignored_and_kill_that_is_not(stage: Stage) -> None:
    pid = stage.start(stage.game(STUBBORN, ready=ReadyByOutput(pattern=r"^\d+$")))
    stage.events.expect("process_ready")
    grandchild = int(stage.output())
    stage.runner.signal("four", signal.SIGTERM)
    assert psutil.pid_exists(pid)
    stage.runner.signal("four", signal.SIGKILL)
    assert stage.events.expect("process_exited")[:3] == ("four", 1, -9)
    wait_until(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie", "gone")


def test_a_stopped_process_obeys_term(stage: Stage) -> None:
    pid = stage.start(stage.game("import signal; print('up'); signal.pause()", ready=ReadyByOutput(pattern="up")))
    stage.events.expect("process_ready")
    os.kill(pid, signal.SIGSTOP)
    stage.runner.signal("four", signal.SIGTERM)
    assert stage.events.expect("process_exited")[2] == -15


def test_a_process_that_is_to_stop_where_it_is_does_so_until_it_is_to_go_on(stage: Stage) -> None:
    pid = stage.start(stage.game(WAIT))
    stage.runner.signal("four", signal.SIGSTOP)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it is stopped")
    stage.runner.signal("four", signal.SIGCONT)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_SLEEPING, "it goes on")


def test_the_end_of_a_stopped_process_is_seen(stage: Stage) -> None:
    pid = stage.start(stage.game(WAIT))
    stage.runner.signal("four", signal.SIGSTOP)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it is stopped")
    os.kill(pid, signal.SIGKILL)
    assert stage.events.expect("process_exited")[:3] == ("four", 1, -9)


def test_a_server_without_process_can_be_signalled(stage: Stage) -> None:
    stage.runner.signal("none", signal.SIGTERM)


def test_a_line_on_standard_input(stage: Stage) -> None:
    program = "print('asks'); line = input(); print('got', line)"
    stage.start(stage.game(program, stop=StopByInput(text="quit"), ready=ReadyByOutput(pattern="asks")))
    stage.events.expect("process_ready")
    stage.runner.write_input("four", "quit")
    assert stage.events.expect("process_exited")[2:] == (0, ["asks", "got quit"])


def test_a_stop_command(stage: Stage) -> None:
    game = stage.game(WAIT)
    pid = stage.start(game)
    run = Run(server="four", number=1, game=game, token="the token")
    program = "import os, sys; os.kill(int(sys.argv[1]), 9); print('LAUNCHER_TOKEN' in os.environ)"
    stage.runner.run_command(run, [sys.executable, "-I", "-S", "-c", program, "{pid}"], 7000, PATIENCE)
    assert stage.events.expect("process_exited")[2] == -9
    wait_until(lambda: stage.output() == "False\n", "what it has printed")
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["/opt/none/stop"], "/opt/none/stop cannot be run: "),
        (["/bin/false"], "/bin/false ended with exit status 1"),
        (["/bin/sleep", "1000"], "/bin/sleep has not ended after 0.05 s and is killed"),
    ],
)
def test_a_stop_command_that_fails_is_logged(
    stage: Stage, command: list[str], line: str, caplog: pytest.LogCaptureFixture
) -> None:
    game = stage.game(WAIT)
    stage.start(game)
    stage.runner.run_command(Run(server="four", number=1, game=game, token="t"), command, 7000, 0.05)
    wait_until(lambda: line in caplog.text, line)


# --- output -----------------------------------------------------------------------------------------------


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("game_server_launcher.runner.ROTATE_SECONDS", 0.05)


@pytest.mark.usefixtures("looks_often")
def test_output_is_rotated_while_the_game_prints_on(stage: Stage) -> None:
    program = (
        "import os, sys\n"
        "os.write(1, b'a long line of output\\n' * 20_000)\n"
        "sys.stdin = open(sys.argv[1])\n"
        "sys.stdin.readline()\n"
        "print('the end')\n"
    )
    fifo = stage.path / "go"
    os.mkfifo(fifo)
    stage.start(stage.game(program, str(fifo), output=Output(max_bytes=100_000, files=2)))
    folder = stage.folder.path / "four"
    wait_until(lambda: (folder / "output.log.1").exists() and not (folder / "output.log").stat().st_size, "rotated")
    fifo.write_text("go\n")
    *dropped, (_, exited) = stage.events.all_until("process_exited")
    assert exited[2:] == (0, ["the end"])
    assert all(name == "output_dropped" and args[2] > 0 for name, args in dropped)
    assert dropped, "half a megabyte at once is more than these files take"
    assert stage.output() == "the end\n"
    assert (folder / "output.log.1").stat().st_size <= 200_000


@pytest.mark.usefixtures("looks_often")
def test_a_disk_that_fails_holds_no_game_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(log: object) -> None:
        raise OSError("the disk has failed")

    monkeypatch.setattr("game_server_launcher.output.OutputLog.rotate", fail)
    monkeypatch.setattr("game_server_launcher.output.OutputLog.last_lines", fail)
    stage.start(stage.game(WAIT))
    wait_until(lambda: "game[four]: its output cannot be looked at: the disk has failed" in caplog.text, "logged")
    stage.runner.signal("four", signal.SIGTERM)
    assert stage.events.expect("process_exited")[2:] == (-15, ["(its output cannot be read: the disk has failed)"])


# --- launchers that come and go ---------------------------------------------------------------------------


def test_closing_leaves_the_process_and_no_trace_here(stage: Stage) -> None:
    folder = Path("/proc/self/fd")

    def pidfds() -> int:
        return sum("pidfd" in str(entry.readlink()) for entry in folder.iterdir() if entry.is_symlink())

    with check_leaks():
        pid = stage.start(stage.game(WAIT))
        assert pidfds() == 2, "of the game and of its keeper"
        stage.runner.close()
    wait_until(lambda: pidfds() == 0, "the pidfd is closed")
    assert psutil.pid_exists(pid)


def found(group: int, pid: int, created_at: float, **changes: Any) -> Found:
    return Found(
        **{"group": group, "pid": pid, "created_at": created_at, "port": 7000, "output_from": 0, "was_ready": False}
        | changes
    )


def test_a_process_is_adopted_by_the_next_runner(stage: Stage) -> None:
    game = stage.game("print('ready'); " + WAIT, ready=ReadyByOutput(pattern="ready"))
    run = Run(server="four", number=1, game=game, token="the token")
    pid = stage.start(game)
    stage.events.expect("process_ready")
    created_at = psutil.Process(stage.group).create_time()
    stage.runner.close()
    stage.runner = stage.new_runner()
    stage.runner.adopt(run, found(stage.group, pid, created_at))
    assert stage.events.expect("process_started") == ("four", 1, pid, created_at, 7000, 0, 0, stage.group)
    assert stage.events.expect("process_ready") == ("four", 1), "its output still says so"
    stage.runner.signal("four", signal.SIGTERM)
    assert stage.events.expect("process_exited")[:3] == ("four", 1, -15)


def test_a_process_that_was_ready_is_ready_when_adopted(stage: Stage) -> None:
    game = stage.game(WAIT, ready=ReadyByOutput(pattern="never said again"))
    pid = stage.start(game)
    created_at = psutil.Process(stage.group).create_time()
    stage.runner.close()
    stage.runner = stage.new_runner()
    run = Run(server="four", number=2, game=game, token="t")
    stage.runner.adopt(run, found(stage.group, pid, created_at, was_ready=True))
    stage.events.expect("process_started")
    assert stage.events.expect("process_ready") == ("four", 2)


@pytest.mark.parametrize(("still", "event"), [(True, "process_frozen"), (False, "process_ready")])
def test_a_process_that_was_frozen_is_found_so_unless_it_goes_on(stage: Stage, still: bool, event: str) -> None:
    game = stage.game(WAIT, ready=ReadyByOutput(pattern="never said again"))
    pid = stage.start(game)
    group = os.getpgid(pid)
    created_at = psutil.Process(group).create_time()
    if still:
        stage.runner.signal("four", signal.SIGSTOP)
        wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it is stopped")
    stage.runner.close()
    stage.runner = stage.new_runner()
    run = Run(server="four", number=2, game=game, token="t")
    stage.runner.adopt(run, found(group, pid, created_at, was_ready=True, was_frozen=True))
    stage.events.expect("process_started")
    assert stage.events.expect(event) == ("four", 2)


def test_what_its_output_says_is_told_and_once_more_to_the_next_runner(stage: Stage) -> None:
    program = "import sys; print('alice joins'); print(sys.stdin.readline(), end=''); " + WAIT
    game = stage.game(program, log=Log(joined="^(?P<player>.+) joins$"), stop=StopByInput(text="quit"))
    pid = stage.start(game)
    assert stage.events.expect("process_said") == ("four", 1, [Joined("alice")])
    stage.runner.write_input("four", "bob joins")
    assert stage.events.expect("process_said") == ("four", 1, [Joined("bob")])
    created_at = psutil.Process(stage.group).create_time()
    stage.runner.close()
    stage.runner = stage.new_runner()
    stage.runner.adopt(Run(server="four", number=2, game=game, token="t"), found(stage.group, pid, created_at))
    stage.events.expect("process_started")
    assert stage.events.expect("process_said") == ("four", 2, [Joined("alice"), Joined("bob")])


def test_a_game_with_commands_can_be_told_on_its_input(stage: Stage) -> None:
    stage.start(stage.game("print(input())", commands=Commands(say="say {text}")))
    stage.runner.write_input("four", "say hello")
    assert stage.events.expect("process_exited")[2:] == (0, ["say hello"])


def test_a_process_that_was_not_written_down_is_found(stage: Stage) -> None:
    game = stage.game("print('up'); " + WAIT, ready=ReadyByOutput(pattern="up"))
    pid = stage.start(game)
    stage.events.expect("process_ready")
    stage.runner.close()
    stage.runner = stage.new_runner()
    stage.runner.adopt(Run(server="four", number=2, game=game, token="the token"), found(0, 0, 0.0, port=0))
    _, _, adopted, _, port, _, _, group = stage.events.expect("process_started")
    assert (adopted, group) == (pid, stage.group)
    assert port > 0


def test_files_are_written_before_the_start_and_for_the_owner_alone(stage: Stage) -> None:
    files = {"srv.cfg": "name {server}\nport {console_port}\npassword {console_password}\n{kept as it is}\n"}
    game = stage.game("print(repr(open('srv.cfg').read()))", files=files, console=Console("econ"))
    path = stage.folder.path / "four" / "srv.cfg"
    run = Run(server="four", number=1, game=game, token="t", console_password="secret")
    stage.runner.start(run)
    console_port = stage.events.expect("process_started")[6]
    content = f"name four\nport {console_port}\npassword secret\n{{kept as it is}}\n"
    assert stage.events.expect("process_exited")[2:] == (0, [repr(content)])
    assert path.stat().st_mode & 0o777 == 0o600
    stage.runner.start(run)
    assert stage.events.expect("process_started")[6] not in (0, console_port), "a fresh one each time"
    stage.events.expect("process_exited")


def test_the_console_of_a_process_that_was_not_written_down_is_found(stage: Stage) -> None:
    game = stage.game(WAIT, console=Console("econ"))
    stage.runner.start(Run(server="four", number=1, game=game, token="the token"))
    _, _, _, _, port, _, console_port, group = stage.events.expect("process_started")
    stage.groups.append(group)
    stage.runner.close()
    stage.runner = stage.new_runner()
    stage.runner.adopt(Run(server="four", number=2, game=game, token="the token"), found(0, 0, 0.0, port=0))
    assert stage.events.expect("process_started")[4:] == (port, 0, console_port, group)


def test_nothing_to_adopt(stage: Stage) -> None:
    run = Run(server="four", number=2, game=stage.game(WAIT), token="a token that nobody has")
    stage.runner.adopt(run, found(0, 0, 0.0))
    assert stage.events.expect("process_not_found") == ("four", 2, None)
    stage.runner.adopt(run, found(2**22 + 1, 2**22 + 2, 1.0))
    assert stage.events.expect("process_not_found") == ("four", 2, None)
    stage.pool.close()
    stage.runner.adopt(run, found(0, 0, 0.0))
    assert stage.events.expect("process_not_found") == ("four", 2, None)


def test_how_a_process_ended_while_there_was_no_launcher(stage: Stage) -> None:
    game = stage.game("input(); raise SystemExit(7)", stop=StopByInput(text=""))
    pid = stage.start(game)
    created_at = psutil.Process(stage.group).create_time()
    stage.runner.close()
    stage.runner.write_input("four", "")
    wait_until(lambda: not psutil.pid_exists(stage.group) or is_over(stage.group), "the end")
    stage.runner = stage.new_runner()
    run = Run(server="four", number=2, game=game, token="the token")
    stage.runner.adopt(run, found(stage.group, pid, created_at))
    assert stage.events.expect("process_not_found") == ("four", 2, 7)
    stage.runner.adopt(run, found(stage.group + 1, pid, created_at))
    assert stage.events.expect("process_not_found") == ("four", 2, None), "that was another one"


def test_a_game_whose_keeper_is_gone_is_ended_by_the_next_runner(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """It could not be watched, and another one takes its place."""
    game = stage.game("print('up'); " + WAIT, ready=ReadyByOutput(pattern="up"))
    pid = stage.start(game)
    stage.events.expect("process_ready")
    created_at = psutil.Process(stage.group).create_time()
    stage.runner.close()
    os.kill(stage.group, signal.SIGKILL)
    wait_until(lambda: is_over(stage.group), "the keeper's end")
    stage.runner = stage.new_runner()
    stage.runner.adopt(Run(server="four", number=2, game=game, token="the token"), found(stage.group, pid, created_at))
    assert stage.events.expect("process_not_found") == ("four", 2, None)
    wait_until(lambda: is_over(pid), "the game's end")
    assert "game[four]: 1 processes that nobody kept any more were killed" in caplog.text


def is_over(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_game_that_is_killed_alone(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    os.kill(stage.start(stage.game(WAIT)), signal.SIGKILL)
    assert stage.events.expect("process_exited")[2:] == (-9, []), "not a word of the keeper's in its output"
    assert "keeper" not in caplog.text


def test_a_keeper_that_is_killed_alone_takes_the_game_with_it(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    pid = stage.start(stage.game(WAIT))
    os.kill(stage.group, signal.SIGKILL)
    assert stage.events.expect("process_exited")[2] == -9
    wait_until(lambda: is_over(pid), "the game's end")
    assert "game[four]: its keeper was ended, and the game with it" in caplog.text


def test_an_adopted_process_that_is_killed_with_its_keeper(stage: Stage) -> None:
    game = stage.game(WAIT)
    pid = stage.start(game)
    created_at = psutil.Process(stage.group).create_time()
    stage.runner.close()
    stage.runner = stage.new_runner()
    stage.runner.adopt(Run(server="four", number=2, game=game, token="t"), found(stage.group, pid, created_at))
    stage.events.expect("process_started")
    stage.runner.signal("four", signal.SIGKILL)
    assert stage.events.expect("process_exited")[2] == -9


def test_a_game_that_ends_while_its_whole_group_is_stopped(stage: Stage) -> None:
    """Its keeper is stopped too, and must not keep that for itself."""
    pid = stage.start(stage.game(WAIT))
    os.killpg(stage.group, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(stage.group).status() == psutil.STATUS_STOPPED, "stopped")
    os.kill(pid, signal.SIGKILL)
    assert stage.events.expect("process_exited")[2] == -9


def test_a_stopped_group_obeys_term_and_kill(stage: Stage) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = stage.start(stage.game("print('up'); " + WAIT, ready=ReadyByOutput(pattern="up")))
        stage.events.expect("process_ready")
        os.killpg(stage.group, signal.SIGSTOP)
        wait_until(lambda pid=pid: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "stopped")  # type: ignore[misc]
        stage.runner.signal("four", number)
        assert stage.events.expect("process_exited")[2] == -number


def test_the_port_of_a_process_that_has_ended_without_a_launcher_is_not_given_again_at_once(stage: Stage) -> None:
    port = 43100
    game = stage.game(WAIT, port=f"{port}-{port + 1}")
    run = Run(server="four", number=1, game=game, token="the token")
    stage.runner.adopt(run, found(2**22 + 1, 2**22 + 2, 1.0, port=port))
    stage.events.expect("process_not_found")
    stage.runner.start(run)
    event = stage.events.expect("process_started")
    stage.groups.append(event[7])
    assert event[4] == port + 1
