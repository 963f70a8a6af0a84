"""The login server is away for a while: who has a day pass plays, nobody else gets in, and each result arrives once.

Ten minutes become ten seconds, and a day a second or two: by options, where a time is one.
"""

import contextlib
import http.client
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import JsonClient
from examples.stack import Ports, free_ports
from game_server import protocol as game
from game_server.model import GameBegan, GameEnded, PieceDropped
from game_server_launcher.protocol import DoorRefused, DoorSeat
from login_server import protocol as login
from login_server.passes import PassIssuer
from login_server.tickets import generate_key_pair
from tests.faults.conftest import FaultyStack
from tests.game_server.gameclient import GameClient

OUTAGE_SECONDS = 10.0
PASSWORD = "a long password"
SERVER = "local/four"
SHORT_LIFE_HOURS = 1 / 3600

Eventually = Callable[[str, Callable[[], Any]], Any]


class Outage(FaultyStack):
    """A stack whose launcher has a door."""

    def __init__(self, folder: Path, door_port: int) -> None:
        super().__init__(folder, Ports(*free_ports(4)), log_to_files=True)
        self.door_port = door_port

    def log_in(self, name: str) -> tuple[JsonClient, login.LoggedIn]:
        """A new player."""
        lobby = JsonClient("127.0.0.1", self.ports.player, login.ToPlayer)
        lobby.send(Hello([1]))
        lobby.expect(Welcome)
        lobby.send(login.Register(name, PASSWORD))
        lobby.expect(login.Registered)
        lobby.send(login.LogIn(name, PASSWORD))
        return lobby, lobby.expect(login.LoggedIn)

    def day_pass(self, name: str) -> str:
        """That of a new player, who has gone again."""
        lobby, logged_in = self.log_in(name)
        lobby.close()
        return logged_in.day_pass

    def at_door(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """The answer at the door; status 0 while nobody opens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.door_port, timeout=10)
        try:
            connection.request(method, path, None if body is None else msgspec.json.encode(body))
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def seat(self, day_pass: str, server: str = "four") -> DoorSeat:
        status, answer = self.at_door("POST", "/join", {"day_pass": day_pass, "server": server})
        assert status == 200, answer
        return msgspec.json.decode(answer, type=DoorSeat)

    def refusal(self, day_pass: str, server: str = "four") -> tuple[int, str, str]:
        status, answer = self.at_door("POST", "/join", {"day_pass": day_pass, "server": server})
        refused = msgspec.json.decode(answer, type=DoorRefused)
        return status, refused.code, refused.message

    def is_open(self) -> bool:
        """Whether the server can be joined through the door."""
        status, answer = self.at_door("GET", "/servers")
        servers = msgspec.json.decode(answer, type=list[login.ServerInfo]) if status == 200 else []
        return [one.state for one in servers] == ["ready"]

    def journal(self) -> list[str]:
        """The ids of the matches whose results wait in the launcher's journal."""
        lines = (self.folder / "launcher" / "launcher.results").read_bytes().splitlines()
        return [msgspec.json.decode(line)["match_id"] for line in lines if b'"match_ended"' in line]

    def recorded(self) -> dict[str, list[str]]:
        """The winner by match, as the login server's database has it; a list with one for each row."""
        rows: dict[str, list[str]] = {}
        with contextlib.closing(sqlite3.connect(self.folder / "login_server.sqlite")) as database:
            for match_id, result in database.execute("SELECT match_id, result FROM matches"):
                rows.setdefault(match_id, []).append(msgspec.json.decode(result)["winner"])
        return rows

    def command(self, *words: str) -> None:
        subprocess.run([sys.executable, "-m", "login_server", *words, self._database()], check=True)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    (door_port,) = free_ports(1)
    monkeypatch.setenv("LAUNCHER_DOOR_PORT", str(door_port))
    monkeypatch.setenv("LOGIN_SERVER_DAY_PASS_HOURS", str(SHORT_LIFE_HOURS))
    stack = Outage(tmp_path / "run", door_port)
    stack.start()
    yield stack
    stack.stop()


def play_to_the_end(first: GameClient, second: GameClient, moves: int = 0) -> str:
    """The beginner builds a column on 0, the other one on 1; return who won.

    Args:
        moves: that were made before.
    """
    for move in range(moves, 7):
        (first, second)[move % 2].send(game.Drop(column=move % 2))
        for table in (first, second):
            assert table.event(PieceDropped).column == move % 2
    winners = {table.event(GameEnded).winner for table in (first, second)}
    assert len(winners) == 1
    return winners.pop()


def test_ten_minutes_without_a_login_server(
    stack: Outage, eventually: Eventually, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    print()

    def note(what: str, outcome: str) -> None:
        print(f"{what:<58} {outcome}")

    # Before: passes of a short life, then of a day. Two are in a match; one pass is revoked.
    expired = stack.day_pass("old")
    stack.kill("login server")
    monkeypatch.setenv("LOGIN_SERVER_DAY_PASS_HOURS", "24")
    stack.start_login_server()
    eventually("the launcher is back", lambda: (stack.status() or {}).get("servers"))
    lobbies = {name: stack.log_in(name)[0] for name in ("alice", "bob")}
    for lobby in lobbies.values():
        lobby.send(login.FindMatch(game.GAME))
    found = {name: lobby.expect(login.MatchFound) for name, lobby in lobbies.items()}
    match_id = found["alice"].match_id
    tables = {name: GameClient(one.port, match_id, {"token": one.ticket}) for name, one in found.items()}
    first = tables["alice"].event(GameBegan).beginner
    second = "bob" if first == "alice" else "alice"
    passes = {name: stack.day_pass(name) for name in ("carol", "dave", "frank", "grace", "eve")}
    stack.command("account", "revoke-passes", "eve")
    revoked = stack.folder / "launcher" / "launcher.revoked"
    eventually("the launcher knows what is revoked", lambda: revoked.exists() and b"eve" in revoked.read_bytes())

    stack.kill("login server")
    began = time.monotonic()

    # The match goes on; both come back with their seats, and play it to its end.
    tables[first].send(game.Drop(column=0))
    for table in tables.values():
        table.event(PieceDropped)
    for name in (first, second):
        tables[name].close()
        tables[name] = GameClient(found[name].port, match_id, {"token": found[name].seat})
        assert tables[name].expect(game.Joined).player == name
    winners = {match_id: play_to_the_end(tables[first], tables[second], moves=1)}
    eventually("the result is journalled", lambda: stack.journal() == [match_id])
    note("match begun before, players came back with seats", f"played to the end, {winners[match_id]} won; journalled")

    # Pass holders come in through the door, and play on while the launcher is killed and started anew.
    seats = {name: stack.seat(passes[name]) for name in ("carol", "dave")}
    tables |= {name: GameClient(seat.port, "*", {"token": seat.seat}) for name, seat in seats.items()}
    open_game = tables["carol"].expect(game.Joined).game_id
    first = tables["carol"].event(GameBegan).beginner
    second = "dave" if first == "carol" else "carol"
    stack.kill("launcher")
    stack.start_launcher()
    eventually("the door is open again", stack.is_open)
    tables["carol"].close()
    tables["carol"] = GameClient(seats["carol"].port, "*", {"token": seats["carol"].seat})
    assert tables["carol"].expect(game.Joined).game_id == open_game
    winners[open_game] = play_to_the_end(tables[first], tables[second])
    eventually("both results are journalled", lambda: sorted(stack.journal()) == sorted([match_id, open_game]))
    note("carol and dave, by the door; launcher killed meanwhile", f"played to the end, {winners[open_game]} won")

    # So do two terminal clients.
    environment = {**os.environ, "PLAY_PASSWORD": PASSWORD}
    clients = []
    for name in ("frank", "grace"):
        (tmp_path / name).write_text(passes[name])
        command = [sys.executable, "-m", "game_server.play", "--auto", "--name", name, "--pace", "0.05"]
        command += ["--port", str(stack.ports.player), "--door", f"127.0.0.1:{stack.door_port}"]
        command += ["--pass-file", str(tmp_path / name)]
        clients.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    outputs = [client.communicate(timeout=60)[0] for client in clients]
    assert [client.returncode for client in clients] == [0, 0], outputs
    eventually("three results are journalled", lambda: len(stack.journal()) == 3)
    note("frank and grace, terminal clients with --door", "played to the end")

    # Nobody else gets in, and is told why.
    forged, _ = PassIssuer(generate_key_pair()[0], "login-server").issue("alice", time.time(), "pass-1")
    for who, day_pass, server, expected in (
        ("nobody's: no pass", "", SERVER, (401, "pass_malformed")),
        ("mallory: a pass that she signed herself", forged, SERVER, (401, "pass_forged")),
        ("old: a pass that has expired", expired, SERVER, (401, "pass_expired")),
        ("eve: a pass that was revoked before the outage", passes["eve"], SERVER, (401, "pass_revoked")),
        ("alice: the ticket to her match", found["alice"].ticket, SERVER, (401, "pass_malformed")),
        ("carol: a server that there is not", passes["carol"], "five", (404, "no_such_server")),
    ):
        status, code, message = stack.refusal(day_pass, server)
        assert (status, code) == expected, message
        note(who, f"{status} {code}: {message}")

    # The game crashes: a new process takes the seat on the server, and not that in the match that is over.
    before = stack.game_process()
    before.kill()
    eventually("a new process runs", lambda: stack.game_process_is_new(before) and stack.is_open())
    port = stack.seat(passes["carol"]).port
    again = GameClient(port, "*", {"token": seats["carol"].seat})
    assert again.expect(game.Joined).player == "carol"
    again.close()
    with pytest.raises(InvalidStatus) as refused:
        GameClient(port, match_id, {"token": found["alice"].seat})
    assert refused.value.response.status_code == 403
    assert refused.value.response.body.startswith(b"match_gone")
    note("carol: her seat, at a new process after a crash", "let in")
    note("alice: her seat in a match that is over, there", refused.value.response.body.decode().strip())

    # After: every result once.
    eventually("the outage has lasted", lambda: time.monotonic() - began >= OUTAGE_SECONDS)
    lasted = time.monotonic() - began
    stack.start_login_server()
    eventually("all results are recorded", lambda: len(stack.recorded()) == 3)
    eventually("the journal is empty", lambda: not stack.journal())
    recorded = stack.recorded()
    assert all(len(rows) == 1 for rows in recorded.values())
    assert {match: recorded[match] for match in winners} == {match: [winner] for match, winner in winners.items()}
    note(f"after {lasted:.0f} s without a login server", f"{len(recorded)} results recorded, each once; journal empty")
    again = GameClient(port, "*", {"token": seats["carol"].seat})
    assert again.expect(game.Joined).player == "carol"
    note("carol: the same seat, the login server being back", "let in")
    for table in (again, *tables.values()):
        table.close()
    for lobby in lobbies.values():
        lobby.close()
