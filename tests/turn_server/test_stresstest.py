"""The stress tool at work: against a simulated server that does things wrong on demand, and against the real one."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from connhandler import tasks
from tests.turn_server.simulatedserver import SimulatedServer
from turn_server.stresstest import commands, summary
from turn_server.stresstest.config import Order, StressConfig
from turn_server.stresstest.conversation import Kind, message
from turn_server.stresstest.generator import Generator
from turn_server.stresstest.histogram import bounds_of
from turn_server.stresstest.results import Results, load, merge

ROOT = Path(__file__).parent.parent.parent

# --- a process of players, against a simulated server --------------------------------------------------


def play(server: SimulatedServer, **settings: Any) -> Results:
    chosen = {"port": server.port, "pairs": 3, "rate": 50.0, "seconds": 0.6, "label": "test", **settings}
    order = Order(config=StressConfig(**chosen), process=0, start_at=time.time())
    return Generator(order, lambda results, requests: None).run()


def games_of(server: SimulatedServer) -> int:
    return sum(body.startswith("5,") for body in server.requests)


@pytest.mark.parametrize(
    "settings",
    [{}, {"pairing": "named"}, {"keep_alive": False}, {"data_size": 1}, {"data_size": 5_000}, {"game_seconds": 0.2}],
    ids=lambda settings: "-".join(map(str, settings.items())) or "plain",
)
def test_all_goes_well(settings: dict[str, Any]) -> None:
    with SimulatedServer() as server:
        results = play(server, **settings)
        counts = results.counts
        assert results.passed, summary.text(results)
        assert counts.players_paired == 6
        assert counts.pairs_formed == counts.games_finished == games_of(server)
        assert counts.pairs_formed == 3 if "game_seconds" not in settings else counts.pairs_formed > 3
        assert counts.messages_sent == counts.messages_verified > 100
        assert results.request_count == len(server.requests)
        if settings.get("keep_alive", True):
            assert server.connections == 7  # and one to see whether the server is there
        else:
            assert server.connections == 1 + len(server.requests)
        if settings.get("pairing") == "named":
            assert "0,test.0,*,test.1,*" in server.requests


def test_replies_that_are_thrown_away_change_nothing_else() -> None:
    with SimulatedServer() as server:
        results = play(server, lose=0.2)
        counts = results.counts
        assert results.passed, summary.text(results)
        assert counts.replies_thrown_away == counts.repeats > 20
        assert counts.messages_sent == counts.messages_verified
        assert len(server.requests) == results.request_count + counts.repeats


def test_lost_connections_are_counted_and_the_game_goes_on() -> None:
    with SimulatedServer(lambda number, body: b"" if number in (30, 31, 50) else None) as server:
        results = play(server)
        assert not results.passed
        assert results.error_count == results.counts.connections_lost == results.counts.repeats == 3
        assert results.violation_count == 0
        assert results.counts.games_finished == 3


def test_replies_that_do_not_come_are_not_waited_for_for_ever() -> None:
    with SimulatedServer(lambda number, body: b"HTTP/1.1 200 OK\r\n" if number == 20 else None) as server:
        results = play(server, timeout=0.1)
        assert results.counts.connections_lost == 1
        assert results.counts.games_finished == 3
        assert results.overall.latency.maximum > 0.1


def answer(text: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text.encode()), text.encode())


def spoil(kind: str) -> bytes:
    """The answer to an update, with a fault."""
    return answer(
        {
            "repeated": f"0/9/{message('test.0', 0, Kind.WORD, 64)}",
            "stray": f"0/9/{message('somebody', 0, Kind.WORD, 64)}",
            "damaged": "0/9/hello",
            "missing": f"0/9/{message('test.0', 999, Kind.WORD, 64)}",
        }[kind]
    )


@pytest.mark.parametrize(
    ("kind", "violation"),
    [("repeated", "repeated"), ("stray", "from somebody else"), ("damaged", "damaged"), ("missing", "missing")],
)
def test_a_server_that_spoils_messages_is_found_out(kind: str, violation: str) -> None:
    spoilt: list[str] = []

    def fault(number: int, body: str) -> bytes | None:
        # The sixth update of player 1, whose partner has said something by then.
        if body.startswith("6,test.1:5:w"):
            spoilt.append(body)
            return spoil(kind)
        return None

    with SimulatedServer(fault) as server:
        results = play(server, pairs=1, finish_seconds=0.2)
        assert len(spoilt) == 1
        assert not results.passed
        assert results.violations[violation] >= 1
        assert any("test.1: a message of test.0 was" in example for example in results.examples)
        assert "Failed" in summary.text(results)


def test_refusals_are_counted_by_name_and_end_the_game() -> None:
    def fault(number: int, body: str) -> bytes | None:
        return answer("18/*/*") if body.startswith("6,test.1:5:w") else None

    with SimulatedServer(fault) as server:
        results = play(server, pairs=1, finish_seconds=0.2)
        assert results.requests["game update"].errors == {"18 counter behind": 1}
        assert results.counts.games_lost >= 1
        assert ("game update", "18 counter behind", 1) in summary.errors(results)
        assert not results.passed


def test_answers_that_there_are_not_are_errors() -> None:
    def fault(number: int, body: str) -> bytes | None:
        return answer("hello") if body.startswith("2,") else None

    with SimulatedServer(fault) as server:
        results = play(server, pairs=1, seconds=0.2)
        assert set(results.requests["request pair"].errors) == {"unexpected reply"}
        assert results.counts.players_never_paired == 2
        assert any("2 players never had a partner" in text for text in summary.warnings(results))


def test_who_finds_no_partner_unregisters() -> None:
    with SimulatedServer(lambda number, body: answer("0/2/*") if body.startswith("2,") else None) as server:
        results = play(server, pairs=1, seconds=0.2)
        assert results.requests["unregister"].latency.count == 2
        assert results.counts.players_never_paired == 2
        assert not results.passed


def test_a_partner_that_leaves_after_the_end_is_no_error() -> None:
    """The end may come between the partner's last request for a pair and the reply that there is one."""
    loaded_at: list[float] = []

    def fault(number: int, body: str) -> bytes | None:
        if not body.startswith("4,"):
            return None
        loaded_at.append(time.monotonic())
        return answer("15/*/*" if loaded_at[-1] > loaded_at[0] + 1 else "0/7/*")

    with SimulatedServer(fault) as server:
        results = play(server, pairs=1, seconds=0.5)
        assert results.passed, summary.text(results)
        assert results.counts.games_lost == results.counts.pairs_formed == 0


def test_a_server_that_stalls_cannot_hide_it() -> None:
    """All requests that were planned while nothing was answered count as slow, not only those that had been sent."""
    with SimulatedServer() as server:
        server.stall_after(40, 0.5)
        results = play(server, pairs=1, rate=50.0, seconds=1.0)
        latency = results.requests["game update"].latency
        service = results.requests["game update"].service
        slow = sum(count for bucket, count in latency.counts.items() if bounds_of(bucket)[0] > 50_000)
        slow_service = sum(count for bucket, count in service.counts.items() if bounds_of(bucket)[0] > 50_000)
        assert slow >= 30
        assert slow_service <= 4
        assert latency.maximum >= 0.4


def test_a_test_can_be_stopped() -> None:
    with SimulatedServer() as server:
        order = Order(config=StressConfig(port=server.port, pairs=1, seconds=3600), process=0, start_at=time.time())
        generator = Generator(order, lambda results, requests: None)
        running = tasks.spawn("generator", generator.run)
        server.wait_for_requests(10)
        generator.stop()
        results = running.get(timeout=20)
        assert results.counts.games_finished == 1
        assert results.passed, summary.text(results)


# --- the program ---------------------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "turn_server.stresstest", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=50,
    )


def test_two_machines_and_their_merged_results(tmp_path: Path) -> None:
    def play_on(machine: int) -> subprocess.CompletedProcess[str]:
        return run(
            f"--port={server.port}",
            "--pairs=3",
            "--seconds=1",
            f"--processes={machine + 1}",
            f"--label=machine{machine}",
            f"--output={tmp_path / str(machine)}",
            "--start-at=+2",
            "--no-report",
        )

    with SimulatedServer() as server:
        machines = [tasks.spawn(f"machine[{machine}]", play_on, machine) for machine in range(2)]
        for machine, task in enumerate(machines):
            result = task.get()
            assert result.returncode == 0, result.stdout + result.stderr
            assert result.stderr == ""  # no progress bar: this is no terminal
            assert [file.name for file in (tmp_path / str(machine)).iterdir()] == ["results.json"]
    files = [str(tmp_path / str(number) / "results.json") for number in range(2)]
    result = run("merge", *files, "--output", str(tmp_path / "both"))
    assert result.returncode == 0, result.stdout + result.stderr
    both = load(tmp_path / "both" / "results.json")
    parts = [load(Path(file)) for file in files]
    assert both == merge(parts)
    assert both.counts.pairs_formed == 6
    assert [one.name for one in both.generators] == ["machine0.0", "machine1.0", "machine1.1"]
    page = (tmp_path / "both" / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == 3
    assert re.search(r'(src|href)="(?!data:)', page) is None, "the page is not self-contained"
    assert "Passed" in page
    assert "$" not in page
    for name in ("percentiles.png", "types.png", "timeline.png"):
        assert (tmp_path / "both" / name).read_bytes().startswith(b"\x89PNG")


def test_errors_give_exit_status_1_and_are_on_the_page(tmp_path: Path) -> None:
    def fault(number: int, body: str) -> bytes | None:
        return answer("12/<b>/*") if body.startswith("4,") else None

    with SimulatedServer(fault) as server:
        result = run(f"--port={server.port}", "--pairs=1", "--seconds=1", f"--output={tmp_path}")
    assert result.returncode == 1
    assert "map ready: 12 game keys used up" in result.stdout
    page = (tmp_path / "report.html").read_text()
    assert "12 game keys used up" in page
    assert "error 12/&lt;b&gt;" in page


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with SimulatedServer() as server:
        port = server.port
    result = run(f"--port={port}", f"--output={tmp_path / 'none'}")
    assert result.returncode == 1
    assert result.stderr == f"turn-stress: cannot connect to 127.0.0.1:{port}: Connection refused\n"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--pairs", "0"], "turn-stress: --pairs: '0' is not a whole number from 1 to 100000"),
        (["--pair", "5"], "turn-stress: there is no option --pair; did you mean --pairs?"),
        (["--start-at", "noon"], "turn-stress: --start-at: 'noon' is not text"),
        (["--server-pid", "4194305"], "turn-stress: --server-pid: there is no process 4194305"),
        (["marge"], "turn-stress: unknown command 'marge', did you mean 'merge'?"),
        (["merge"], "turn-stress: merge: expected the results.json of one or more machines"),
        (["merge", "nowhere.json"], "turn-stress: cannot read nowhere.json: No such file or directory"),
    ],
)
def test_mistyped_options_end_with_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = commands.run(arguments)
    except SystemExit as end:
        assert isinstance(end.code, int)
        status = end.code
    assert status == 2
    said = capsys.readouterr().err
    assert said.startswith(sentence)
    assert said.count("\n") == 1


def test_when_to_start() -> None:
    now = time.time()
    assert 0 < StressConfig().start_time() - now < 5
    assert StressConfig(start_at="+30").start_time() == pytest.approx(now + 30, abs=1)
    assert StressConfig(start_at="1900000000.5").start_time() == 1_900_000_000.5


# --- the real server -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_port() -> Iterator[int]:
    """The port of a turn server that runs as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "turn_server", "--address=127.0.0.1", "--port=0"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        with gevent.Timeout(30):
            while not (found := re.search(r"listening on \S+:(\d+)", line := process.stderr.readline())):
                assert line, "the server ended"
        yield int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            with gevent.Timeout(30):
                process.communicate()
        finally:
            process.kill()


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--pairing=named", "--processes=2"),
        ("--lose=0.2",),
        ("--no-keep-alive",),
        ("--game-seconds=0.5", "--lose=0.1"),
        ("--data-size=10000", "--rate=5"),
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_the_real_server_serves_everybody_right(real_port: int, tmp_path: Path, options: tuple[str, ...]) -> None:
    result = run(
        f"--port={real_port}", "--pairs=10", "--rate=20", "--seconds=2", "--no-report", f"--output={tmp_path}", *options
    )
    assert result.returncode == 0, result.stdout + result.stderr
    counts = load(tmp_path / "results.json").counts
    assert counts.players_paired == 20
    assert counts.messages_sent == counts.messages_verified > 100
    assert (counts.replies_thrown_away > 0) == any("lose" in option for option in options)
