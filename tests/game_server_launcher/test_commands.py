"""The commands in a terminal, with a launcher and a game as processes."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gevent import subprocess

import game_server_launcher
from tests.game_server_launcher.place import PATIENCE, WITH_TOKEN, Place

Command = Callable[..., tuple[int, str, str]]

ROOT = Path(game_server_launcher.__file__).parents[1]


def start(place: Place, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "game_server_launcher", *arguments],
        cwd=place.path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def command(place: Place) -> Command:
    """Carries out a command in the place's folder; returns exit status, stdout, and stderr without the program."""

    def command(*arguments: str) -> tuple[int, str, str]:
        process = start(place, *arguments)
        out, err = process.communicate(timeout=PATIENCE)
        return int(process.returncode), out, err.removeprefix("game-server-launcher: ")

    return command


def test_an_evening_of_a_host(place: Place, command: Command) -> None:
    place.game(text=WITH_TOKEN)
    launcher = place.launch()
    pid = place.wait_until_ready()

    status, out, err = command("status")
    assert (status, err) == (0, "")
    assert out.startswith(f"launcher home (process {launcher.pid}), login server away\n")
    assert re.search(rf"^four +ready +0/4 +large +\d+ +{pid} +(\d+ % +\d+ MiB|- +-) +\d+ s +0$", out, re.MULTILINE), out
    status, out, _ = command("status", "--json")
    (four,) = json.loads(out)["servers"]
    assert (status, four["name"], four["state"], four["pid"]) == (0, "four", "ready", pid)
    assert place.saved()["token"] not in out

    status, out, err = command("restart", "four")
    assert (status, err) == (0, "")
    assert re.fullmatch(r"four: ready again on port \d+ after \d+\.\d s\n", out)
    assert place.wait_until_ready() != pid

    assert command("say", "four", "a", "restart", "at", "ten") == (0, "four: said\n", "")
    assert command("kick", "four", "alice", "language") == (
        0,
        "four: alice is sent away, if there is anybody of that name\n",
        "",
    )
    status, out, err = command("stop", "four")
    assert (status, err) == (0, "")
    assert re.fullmatch(r"four: stopped after \d+\.\d s \(ended with exit status 0\)\n", out)
    assert place.games_running() == []
    assert command("say", "four", "hello") == (1, "", "four is stopped: nobody is there\n")
    status, out, _ = command("start", "four")
    assert re.fullmatch(r"four: ready on port \d+ after \d+\.\d s\n", out)
    assert command("start", "four")[0] == 1
    assert place.end(launcher) == 0
    assert not (place.path / "run" / "launcher.control").exists()
    assert "Traceback" not in place.log()


def test_what_is_refused_is_one_sentence(place: Place, command: Command) -> None:
    place.game(text=WITH_TOKEN)
    nowhere = "there is no run folder run; say with --run-dir where the launcher's is\n"
    assert command("restart", "four") == (1, "", nowhere)
    launcher = place.launch()
    place.wait_until_ready()
    assert command("restart", "fore") == (1, "", "there is no server fore; did you mean four?\n")
    assert command("logs", "fore") == (1, "", "there is no server fore; did you mean four?\n")
    status, _, err = command("map", "four", "8x8")
    assert (status, "four cannot change its map" in err) == (1, True)
    status, _, err = command("restart")
    assert status == 2
    assert "the following arguments are required: SERVER; see --help" in err
    launcher.send_signal(signal.SIGKILL)
    place.status(launcher)
    assert command("restart", "four") == (1, "", "no launcher is running on the run folder run\n")
    status, out, err = command("status")
    assert (status, err) == (
        0,
        "no launcher is running on the run folder run; this is what the last one has left there\n",
    )
    assert out.startswith("four: ready: process")
    assert place.saved()["token"] not in command("status", "--json")[1]


def test_the_next_launcher_takes_the_socket_over_and_knows_what_runs(place: Place, command: Command) -> None:
    place.game(text=WITH_TOKEN)
    launcher = place.launch()
    pid = place.wait_until_ready()
    launcher.send_signal(signal.SIGKILL)
    place.status(launcher)
    place.launch()
    place.wait_for(lambda: "again ready" in place.log(), "the game is adopted")
    status, out, _ = command("status", "--run-dir", "run")
    assert (status, str(pid) in out) == (0, True)


def test_the_output_is_shown_and_followed(place: Place, command: Command) -> None:
    place.game(text=WITH_TOKEN)
    place.launch()
    pid = place.wait_until_ready()
    assert command("logs", "four", "-n", "1") == (0, "accepted\n", "")
    following = start(place, "logs", "four", "-f", "-n", "1")
    assert following.stdout is not None
    assert following.stdout.readline() == "accepted\n"
    os.kill(pid, signal.SIGUSR1)
    assert following.stdout.readline() == "the match has ended\n"
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=PATIENCE)
    assert (following.returncode, err) == (-signal.SIGINT, "")


@pytest.mark.parametrize("name", ["status", "logs", "restart", "stop", "start", "say", "kick", "map", "check"])
def test_each_has_a_help(command: Command, name: str) -> None:
    status, out, err = command(name, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: game-server-launcher {name} ")


def test_the_output_of_a_process_that_takes_the_place_is_followed_too(tmp_path: Path) -> None:
    """As a change of the map leaves it: the file of the second process says that it is the server now."""

    def save(place: str, role: str) -> None:
        state = {"name": place, "state": "ready", "role": role, "output_from": 4}
        (tmp_path / f"{place}.json").write_text(json.dumps(state))

    for place in ("four", "four.2"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "output.log").write_text(f"old\n{place} is here\n")
    save("four", "current")
    command = [sys.executable, "-m", "game_server_launcher", "logs", "four", "-f", "-n1", f"--run-dir={tmp_path}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "four is here\n"
        save("four", "predecessor")
        save("four.2", "current")
        assert following.stdout.readline() == "four.2 is here\n"
        following.send_signal(signal.SIGINT)
