"""Servers that nobody uses, in a whole stack: frozen or stopped, and there again for who wants in."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from websockets.sync.client import connect

from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import JsonClient
from examples.stack import GAME_FILES, Ports, Stack, free_ports
from login_server import protocol as login

SECONDS = 60.0

MakeStack = Callable[[str], Stack]


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    stacks: list[Stack] = []

    def make(idle: str) -> Stack:
        games = tmp_path / "games"
        games.mkdir()
        text = (GAME_FILES / "four_in_a_row.toml").read_text()
        (games / "four.toml").write_text(f"servers = 2\n{text}\n[idle]\n{idle}\n")
        stacks.append(Stack(tmp_path / "run", Ports(*free_ports(4)), log_to_files=True, games=games))
        stacks[0].start()
        return stacks[0]

    yield make
    for stack in stacks:
        stack.stop()


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    with gevent.Timeout(SECONDS, AssertionError(what)):
        while not (found := condition()):
            gevent.sleep(0.05)
        return found


def listed(stack: Stack) -> dict[str, dict[str, Any]]:
    """The servers as the login server shows them, by id."""
    status = stack.status() or {}
    return {server["server_id"]: server for server in status.get("servers", [])}


def games(stack: Stack) -> list[psutil.Process]:
    """The processes that listen for players, whoever their parent is."""
    folder = str(stack.folder / "launcher")
    return [one for one in psutil.process_iter(["cmdline", "cwd"]) if _is_game(one, folder)]


def _is_game(process: psutil.Process, folder: str) -> bool:
    command, cwd = process.info["cmdline"] or [], process.info["cwd"] or ""
    return "game_server" in command and command[0] != "/bin/sh" and cwd.startswith(folder)


def log_in(stack: Stack, name: str) -> JsonClient:
    lobby = JsonClient("127.0.0.1", stack.ports.player, login.ToPlayer, timeout=SECONDS)
    lobby.send(Hello([3]))
    lobby.expect(Welcome)
    lobby.send(login.Register(name, "a long password"))
    lobby.expect(login.Registered)
    lobby.send(login.LogIn(name, "a long password"))
    lobby.expect(login.ServerList)
    return lobby


def join(granted: login.JoinGranted) -> None:
    """Take the seat, as a player's program does."""
    with connect(f"ws://{granted.address}:{granted.port}/*?token={granted.ticket}") as websocket:
        assert json.loads(websocket.recv(SECONDS))["type"] == "joined"


@pytest.mark.timeout(180)
def test_frozen_servers_go_on_for_who_comes_and_outlive_their_launcher(make_stack: MakeStack) -> None:
    stack = make_stack('action = "freeze"\nafter_seconds = 0.5')
    one, two = "local/four-1", "local/four-2"
    wait_for(lambda: [server["state"] for server in listed(stack).values()] == ["sleeping"] * 2, "both are frozen")
    stopped = [psutil.STATUS_STOPPED] * 2
    wait_for(lambda: [game.status() for game in games(stack)] == stopped, "their processes are stopped")
    before = {game.pid for game in games(stack)}
    assert listed(stack)[one]["port"] != 0

    with log_in(stack, "alice") as alice:
        alice.send(login.JoinServer(one))
        join(alice.expect(login.JoinGranted))
        wait_for(lambda: listed(stack)[one]["state"] == "ready", "it is awake")
        assert listed(stack)[two]["state"] == "sleeping"

        launcher = stack.processes["launcher"]
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
        wait_for(lambda: not listed(stack), "the login server has lost the launcher")
        stack.start_launcher()
        wait_for(lambda: listed(stack).get(two, {}).get("state") == "sleeping", "it is taken up as frozen")
        wait_for(lambda: listed(stack).get(one, {}).get("state") == "ready", "and the other one as it was")
        assert {game.pid for game in games(stack)} == before
        assert sorted(game.status() == psutil.STATUS_STOPPED for game in games(stack)) == [False, True]

        alice.send(login.JoinServer(two))
        join(alice.expect(login.JoinGranted))
        assert {game.pid for game in games(stack)} == before


@pytest.mark.timeout(180)
def test_servers_without_a_process_are_started_for_who_comes(make_stack: MakeStack) -> None:
    stack = make_stack('action = "stop"\nafter_seconds = 0.5')
    asleep = [("sleeping", 0)] * 2
    wait_for(lambda: [(one["state"], one["port"]) for one in listed(stack).values()] == asleep, "both are asleep")
    wait_for(lambda: not games(stack), "no process is left")
    with log_in(stack, "alice") as alice:
        alice.send(login.JoinServer("local/four-1"))
        first = alice.expect(login.JoinPending)
        assert first == login.JoinPending("local/four-1", "the server is being woken")
        told = []
        while not isinstance(answer := alice.receive(), login.JoinGranted):
            told += [answer.reason] if isinstance(answer, login.JoinPending) else []
        assert told == [
            "the server is being woken: its process is being started",
            "the server is being woken: its process runs and gets ready",
        ]
        join(answer)
        assert len(games(stack)) == 1, "only the one that somebody wants"
