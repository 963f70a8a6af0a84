"""The launcher as a process, with real games, a login server played by the test, and kill -9."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from connhandler import PeerConnected, PeerDisconnected
from connhandler.jsonmessage import Hello, Refused, Welcome
from game_server_launcher.__main__ import main
from login_server.protocol import (
    LauncherLogIn,
    MatchEnded,
    MatchRecorded,
    MatchStarted,
    PlayersExpected,
    RegisterServer,
    ScoreChanged,
    UnregisterServer,
)
from tests.game_server_launcher.place import WITH_TOKEN, Place


def test_a_game_is_run_from_its_start_to_its_stop(place: Place) -> None:
    place.game(text=WITH_TOKEN)
    launcher = place.launch()
    place.login_server.let_in()
    server = place.login_server.expect(RegisterServer).server
    assert (server.server_id, server.game, server.capacity) == ("home/four", "chess", 4)
    assert (server.map, server.version, server.state) == ("large", "1", "ready")
    started = place.login_server.expect(MatchStarted)
    assert (started.match_id, started.server_id) == ("m1", "home/four")
    assert place.login_server.expect(ScoreChanged).scores == {"ann": 1}
    place.login_server.peer.send(PlayersExpected("home/four", "m2", ["eve"], time.time() + 60))
    place.wait_for(lambda: "expects m2" in place.output(), "the players are told to the game")
    assert place.end(launcher) == 0
    assert place.login_server.expect(MatchEnded).result.reason == "server_stopped"
    place.login_server.expect(UnregisterServer)
    assert place.games_running() == []
    assert place.saved()["state"] == "stopped"
    log = place.log()
    for line in (
        "logged in to the login server",
        "four: started as process",
        "four: ready on port",
        "four: asked to stop by controller",
        "four: stopped (ended with exit status 0)",
    ):
        assert line in log
    assert "Traceback" not in log
    assert "ResourceWarning" not in log


def test_ctrl_c_ends_it_too(place: Place) -> None:
    place.game(text=WITH_TOKEN)
    launcher = place.launch()
    place.wait_until_ready()
    assert place.end(launcher, signal.SIGINT) == 0
    assert place.games_running() == []


def test_kill_9_of_the_game(place: Place) -> None:
    place.game(text=WITH_TOKEN + "[restart]\nfirst_seconds = 0.05\n")
    place.launch()
    place.login_server.let_in()
    first = place.login_server.expect(RegisterServer).server
    place.login_server.expect(ScoreChanged)
    pid = place.wait_until_ready()
    os.kill(pid, signal.SIGKILL)
    ended = place.login_server.expect(MatchEnded)
    assert (ended.match_id, ended.players, ended.server_id) == ("m1", ["ann", "bob"], "home/four")
    assert (ended.result.reason, ended.result.winner, ended.result.scores) == ("server_crashed", "", {"ann": 1})
    place.login_server.peer.send(MatchRecorded(match_id="m1"))
    assert place.login_server.expect(UnregisterServer).server_id == "home/four"
    again = place.login_server.expect(RegisterServer).server
    assert again.server_id == "home/four"
    assert again.port != first.port, "a port is not used again at once"
    assert place.wait_until_ready() != pid
    assert "four: crashed: ended by signal SIGKILL; restarted in 0.05 s" in place.log()


def test_kill_9_of_the_launcher(place: Place) -> None:
    """The game goes on, is adopted by the next launcher, and its result arrives once."""
    place.game(text=WITH_TOKEN)
    first = place.launch()
    place.login_server.let_in()
    place.login_server.expect(ScoreChanged)
    pid = place.wait_until_ready()
    port = place.saved()["port"]
    first.kill()
    assert place.status(first) == -9
    place.login_server.expect(PeerDisconnected)

    os.kill(pid, signal.SIGUSR1)
    place.wait_for(lambda: "the match has ended" in place.output(), "the match goes on and ends without a launcher")
    assert "recorded" not in place.output()

    second = place.launch()
    place.login_server.let_in()
    assert place.login_server.expect(RegisterServer).server.port == port
    assert place.login_server.expect(MatchEnded).result.winner == "ann"
    place.wait_for(lambda: "recorded" in place.output(), "the game knows that its result is safe")
    assert place.games_running() == [pid], "no second one was started"
    assert f"four: adopted as process {pid} on port {port}" in place.log()
    place.login_server.peer.send(MatchRecorded(match_id="m1"))
    place.wait_for(lambda: not (place.path / "run" / "launcher.results").read_bytes(), "the journal is empty")

    assert place.end(second) == 0
    assert place.games_running() == [], "an adopted game is stopped like any other"


def test_a_result_survives_kill_9_of_the_launcher(place: Place) -> None:
    place.game(text=WITH_TOKEN)
    first = place.launch()
    pid = place.wait_until_ready()
    os.kill(pid, signal.SIGUSR1)
    place.wait_for(lambda: "recorded" in place.output(), "the launcher has the result safe")
    first.kill()
    os.kill(pid, signal.SIGKILL)
    place.status(first)
    place.login_server.expect(PeerDisconnected)
    place.launch()
    place.login_server.let_in()
    assert place.login_server.expect(MatchEnded).result.winner == "ann"


def test_game_and_launcher_are_killed_together(place: Place) -> None:
    place.game(text=WITH_TOKEN)
    first = place.launch()
    pid = place.wait_until_ready()
    place.wait_for(lambda: place.saved()["matches"], "the match is written down")
    first.kill()
    os.kill(pid, signal.SIGKILL)
    place.status(first)
    place.login_server.expect(PeerDisconnected)
    place.launch()
    place.login_server.let_in()
    assert place.login_server.expect(MatchEnded).result.reason == "server_crashed"
    assert place.login_server.expect(RegisterServer).server.server_id == "home/four"
    assert place.wait_until_ready() != pid


def test_leave_running_and_adopt(place: Place) -> None:
    place.game(text=WITH_TOKEN)
    place.settings["leave_running"] = True
    first = place.launch()
    pid = place.wait_until_ready()
    assert place.end(first) == 0
    assert place.games_running() == [pid]
    assert place.saved()["pid"] == pid
    accepted = place.output().count("accepted")
    second = place.launch("--no-leave-running")
    place.wait_for(lambda: place.output().count("accepted") > accepted, "its controller is back")
    assert place.games_running() == [pid]
    assert place.end(second) == 0
    assert place.games_running() == []


def test_a_second_signal_is_in_a_hurry(place: Place) -> None:
    place.game(text=WITH_TOKEN + 'STUBBORN = "yes"\n')
    launcher = place.launch()
    place.wait_until_ready()
    launcher.send_signal(signal.SIGINT)
    place.wait_for(lambda: "four: asked to stop by controller" in place.log(), "the first signal")
    assert launcher.poll() is None
    assert place.end(launcher, signal.SIGINT) == 0
    assert "four: sending KILL" in place.log()
    assert place.games_running() == []


def test_a_stubborn_game_is_sent_term_then_kill(place: Place) -> None:
    place.game(text=WITH_TOKEN + 'STUBBORN = "yes"\n[stop]\nby = "controller"\nseconds = 0.1\nterm_seconds = 0.1\n')
    launcher = place.launch()
    place.wait_until_ready()
    assert place.end(launcher) == 0
    log = place.log()
    assert log.index("four: sending TERM") < log.index("four: sending KILL") < log.index("four: stopped")


def test_a_program_that_does_not_exist_fails_and_the_others_run(place: Place) -> None:
    place.game("broken", command='["/opt/none/chess-server"]')
    place.game("four", WITH_TOKEN)
    launcher = place.launch()
    place.wait_until_ready("four")
    place.wait_for(lambda: place.saved("broken")["state"] == "failed", "the other has failed")
    assert place.saved("broken")["reason"] == "there is no program /opt/none/chess-server"
    assert "ERROR" in place.log()
    assert "broken: cannot be started: there is no program /opt/none/chess-server" in place.log()
    assert place.end(launcher) == 0


def test_a_game_that_always_crashes_is_given_up(place: Place) -> None:
    place.game(
        text="[restart]\nfirst_seconds = 0.01\nmax_seconds = 0.02\ncrashes = 3\n",
        command='["{python}", "-I", "-S", "-c", "raise SystemExit(\'no licence\')"]',
    )
    launcher = place.launch()
    place.wait_for(lambda: place.saved()["state"] == "failed", "given up")
    assert place.saved()["reason"] == "crashed 3 times in 60 s, last: ended with exit status 1"
    assert place.log().count("four: its last output: no licence") == 3
    assert place.end(launcher) == 0


def test_a_wrong_key_is_said_once_and_the_game_runs(place: Place) -> None:
    place.game(text=WITH_TOKEN)
    place.launch()
    for _ in range(2):
        peer = place.login_server.expect(PeerConnected).peer
        place.login_server.expect(Hello)
        peer.send(Welcome(version=1))
        place.login_server.expect(LauncherLogIn)
        peer.send(Refused("wrong_key", "wrong launcher name or key", "launcher_log_in"))
        place.login_server.expect(PeerDisconnected)
    place.login_server.let_in()
    place.wait_until_ready()
    assert place.log().count("does not let launcher home in: wrong launcher name or key (wrong_key)") == 1


def test_two_launchers_cannot_share_a_run_folder(place: Place) -> None:
    place.game(text=WITH_TOKEN)
    place.launch()
    pid = place.wait_until_ready()
    assert place.status(place.launch()) == 1
    assert "game-server-launcher: another launcher (pid " in place.log()
    assert place.games_running() == [pid]


def test_a_port_in_use_is_said_before_any_game_is_started(place: Place) -> None:
    place.game(text=WITH_TOKEN)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", place.controller_port))
        sock.listen()
        assert place.status(place.launch()) == 1
    assert place.log().splitlines()[-1] == (
        f"game-server-launcher: controllers: cannot listen on 127.0.0.1:{place.controller_port}: Address already in use"
    )
    assert place.saved()["state"] == "none"


def test_wrong_settings_end_with_status_2(place: Place) -> None:
    place.game("four", "capacty = 3\n")
    assert place.status(place.launch()) == 2
    said = place.log().splitlines()[-1]
    assert said.startswith("game-server-launcher: games/four.toml: unknown key 'capacty'; did you mean 'capacity'?")
    place.game("four")
    (place.path / "launcher.key").unlink()
    assert place.status(place.launch()) == 2
    assert "--key-file: cannot read launcher.key: No such file or directory; or give --key" in place.log()
    place.settings["contoller_port"] = 5
    assert place.status(place.launch()) == 2
    assert "did you mean controller_port?" in place.log()


def test_an_empty_key_file(place: Place) -> None:
    place.game("four")
    (place.path / "launcher.key").write_text("\n")
    assert place.status(place.launch()) == 2
    assert "--key-file: launcher.key is empty" in place.log()
    assert place.status(place.launch("--games", "nowhere", "--key", "x")) == 2
    assert "nowhere: cannot be read: No such file or directory" in place.log()


def test_check_and_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('game = "chess"\ncapacity = 10\ncommand = ["chess", "{port}"]\nservers = 2\n')
    bad.write_text('game = "chess"\ncapacity = 10\ncommand = "chess"\n')
    assert main(["check", str(good)]) == 0
    out, err = capsys.readouterr()
    assert out == "chess: good-1, good-2 on any free port: chess {port}\n"
    assert err == "game-server-launcher: chess will not start here: there is no program chess on the search path\n"
    good.write_text('game = "chess"\ncapacity = 10\ncommand = ["sh", "-c", "{port}"]\n')
    assert main(["check", str(good)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["check", str(good), str(bad)]) == 2
    assert f"{bad}: Expected `array`, got `str` - at `command`" in capsys.readouterr().err
    assert main(["status", "--run-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    (tmp_path / "four.json").write_text('{"name": "four", "state": "ready", "pid": 12, "port": 7000}')
    (tmp_path / "five.json").write_text('{"name": "five", "state": "failed", "reason": "no program"}')
    assert main(["status", "--run-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "five: failed: no program\nfour: ready: process 12, port 7000, 0 matches\n"


def test_the_status_of_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = tmp_path / "nowhere"
    assert main(["status", "--run-dir", str(nowhere)]) == 1
    sentence = f"game-server-launcher: there is no run folder {nowhere}; say with --run-dir where the launcher's is\n"
    assert capsys.readouterr() == ("", sentence)


def test_a_mistyped_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["chekc", "games"])
    assert exit_.value.code == 2
    assert capsys.readouterr() == ("", "game-server-launcher: unknown command 'chekc', did you mean 'check'?\n")
