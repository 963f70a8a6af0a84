"""What is written down of a crash: files in a real folder, and what the launcher puts in them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from game_server_launcher.crashes import KEPT, OUTPUT_BYTES, Crash, crash_of, last_output, write
from game_server_launcher.protocol import PlayerCountChanged
from game_server_launcher.servers import GameServer
from login_server.protocol import MatchStarted

Make = Callable[..., Any]


@pytest.fixture
def crash(chess_with: Make) -> Crash:
    server = GameServer(name="four", server_id="home/four", game=chess_with(command=["chess", "--key", "abc"]))
    return crash_of(server, "ended by signal SIGSEGV", -11, 1_000_000_000.0, [], [])


def crashes(folder: Path) -> list[Path]:
    return sorted((folder / "crashes").iterdir())


def test_everything_is_written_for_the_owner_alone(tmp_path: Path, crash: Crash) -> None:
    (tmp_path / "output.log").write_text("of an earlier process\nof this one\n")
    path = write(crash, tmp_path, tmp_path, 22)
    assert path == tmp_path / "crashes" / "20010909-014640"
    assert (path / "output.txt").read_text() == "of this one\n"
    content = json.loads((path / "crash.json").read_text())
    assert (content["exit_status"], content["signal"], content["how"]) == (-11, "SIGSEGV", "ended by signal SIGSEGV")
    assert content["command"] == ["chess", "--key", "…"]
    assert content["core"] == ""
    assert {one.stat().st_mode & 0o777 for one in path.iterdir()} == {0o600}
    assert path.stat().st_mode & 0o777 == 0o700


def test_the_oldest_are_removed(tmp_path: Path, crash: Crash) -> None:
    for second in range(KEPT + 2):
        crash.ended_at = 1_000_000_000.0 + second
        write(crash, tmp_path, tmp_path, 0)
    names = [path.name for path in crashes(tmp_path)]
    assert len(names) == KEPT
    assert names[0] == "20010909-014642"


def test_two_crashes_within_a_second(tmp_path: Path, crash: Crash) -> None:
    assert write(crash, tmp_path, tmp_path, 0).name == "20010909-014640"
    assert write(crash, tmp_path, tmp_path, 0).name == "20010909-014640-2"


def test_a_core_file_is_named(tmp_path: Path, crash: Crash) -> None:
    old, core = tmp_path / "core.1", tmp_path / "core.2"
    for path in (old, core):
        path.touch()
    os.utime(old, (0, 0))
    crash.started_at = 1000.0
    written = write(crash, tmp_path, tmp_path, 0)
    assert json.loads((written / "crash.json").read_text())["core"] == str(core)


def test_the_last_output(tmp_path: Path) -> None:
    assert last_output(tmp_path, 0) == b""
    log, older = tmp_path / "output.log", tmp_path / "output.log.1"
    log.write_bytes(b"x" * 2 * OUTPUT_BYTES + b"end")
    assert last_output(tmp_path, 0) == b"x" * (OUTPUT_BYTES - 3) + b"end"
    log.write_bytes(b"end")
    assert last_output(tmp_path, 5) == b"end"
    older.write_bytes(b"begin, ")
    assert last_output(tmp_path, 5) == b"begin, end", "it was put aside meanwhile"
    assert last_output(tmp_path, 0) == b"end"


# --- the launcher -----------------------------------------------------------------------------------------


def report(world: Any, number: int = 0) -> dict[str, Any]:
    path = crashes(world.path / "four")[number]
    content: dict[str, Any] = json.loads((path / "crash.json").read_text())
    return content


def test_a_crash_is_written_down(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    controller = world.ready()
    controller.receives(
        world.launcher, MatchStarted(match_id="m1", players=["ann", "bob"]), PlayerCountChanged(players=2)
    )
    world.advance(5)
    controller.disconnects(world.launcher)
    world.process_exited(-11)
    content = report(world)
    assert (content["server"], content["game"], content["pid"], content["state"]) == ("four", "chess", 1000, "away")
    assert (content["exit_status"], content["signal"], content["players"]) == (-11, "SIGSEGV", 2)
    assert content["matches"]["m1"]["players"] == ["ann", "bob"]
    assert content["ran_for_seconds"] == 5
    messages = content["messages"]
    assert any(line.startswith("game: MatchStarted") for line in messages)
    assert messages[-1].startswith("game: PeerDisconnected")
    assert world.runner.runs["four"].token not in json.dumps(content)
    assert f"four: what is known of its crash is in {crashes(world.path / 'four')[0]}" in caplog.text


def test_no_crash_is_written_down_when_it_was_asked_to_stop_or_ended_by_itself(world: Any) -> None:
    world.ready().disconnects(world.launcher)
    world.process_exited(0)
    world.advance(1)
    world.ready().disconnects(world.launcher)
    world.launcher.on_shutdown()
    world.settle()
    world.process_exited(1)
    assert not (world.path / "four" / "crashes").exists()


def test_a_crash_while_there_was_no_launcher_is_written_down_too(make_world: Make) -> None:
    make_world().ready()
    later = make_world()
    later.happens("process_not_found", "four", later.runner.runs["four"].number, 9)
    assert report(later)["how"] == "ended with exit status 9 while no launcher was running"
    assert later.state()["state"] == "waiting to be restarted"


def test_one_that_ended_well_while_there_was_no_launcher(make_world: Make) -> None:
    make_world().ready()
    later = make_world()
    later.happens("process_not_found", "four", later.runner.runs["four"].number, 0)
    assert later.state()["reason"] == "ended by itself"
    assert not (later.path / "four" / "crashes").exists()


def test_a_disk_that_fails_is_logged(
    world: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("game_server_launcher.crashdesk.write", fail)
    world.process_started()
    world.process_exited(1)
    assert "four: what is known of its crash cannot be written down: the disk is full" in caplog.text
    assert world.state()["state"] == "waiting to be restarted"
