"""All games of a process that plays go on in another one: real processes, real connections, a scripted launcher."""

import random
import subprocess
import time
from collections import Counter
from typing import Any

import gevent
import pytest
from gevent.event import AsyncResult, Event

from connhandler import Limits, Peer, tasks
from connhandler.jsonmessage import Hello, Pong, Welcome
from game_server.handover import Context, Parts, export_context, import_context, parts_of
from game_server.model import GameEnded
from game_server_launcher.protocol import (
    CancelHandOver,
    ControllerAccepted,
    ControllerLogIn,
    HandOver,
    HandOverContext,
    HandOverFailed,
    MovePlayers,
    PlayersMoved,
    ServerReady,
    StopServer,
    TakeOver,
    TakeOverFailed,
    TookOver,
)
from login_server.protocol import MatchEnded, MatchRecorded
from tests.game_server.gameclient import SECONDS
from tests.game_server.test_main import FakeLauncher, Keys, Start, keys, launcher, start
from tests.game_server.traveller import Traveller

__all__ = ["keys", "launcher", "start"]


class Stage:
    """The launcher's side of a move, in a task of its own.

    Attributes:
        port: of the process where players are to come to now.
        ready: the controller and the port of each process, as it gets ready.
        results: how often the end of each match was told, by its id.
        dies: the successor, if it is to be killed as soon as the games stand still.
        moved: set with the seconds from the decision to the last player's departure.
    """

    def __init__(self, launcher: FakeLauncher, public_key: str) -> None:
        self.port = 0
        self.ready: list[tuple[Peer, int]] = []
        self.results: Counter[str] = Counter()
        self.dies: subprocess.Popen[str] | None = None
        self.moved: AsyncResult[float] = AsyncResult()
        self._launcher = launcher
        self._public_key = public_key
        self._decided_at = 0.0
        self._a_process_is_ready = Event()
        self._task = tasks.spawn("stage", self._run)

    def start(self, start: Start) -> "subprocess.Popen[str]":
        """A process, ready."""
        self._a_process_is_ready.clear()
        process = start(
            "--port", "0", "--launcher-port", str(self._launcher.handler.port), "--server", "four",
            GAME_CONTROLLER_TOKEN="secret",
        )  # fmt: skip
        assert self._a_process_is_ready.wait(SECONDS)
        return process

    def begin(self) -> None:
        self._decided_at = time.monotonic()
        self.ready[0][0].send(HandOver())

    def close(self) -> None:
        self._task.kill()

    def _run(self) -> None:
        while True:
            self._hear(self._launcher.queue.get())

    def _hear(self, message: Any) -> None:
        peer = message.peer
        match message:
            case Hello():
                peer.send(Welcome(version=1))
            case ControllerLogIn():
                peer.send(ControllerAccepted("here/four", "login", self._public_key, []))
            case ServerReady(port=port):
                self.port = self.port or port
                self.ready.append((peer, port))
                self._a_process_is_ready.set()
            case MatchEnded(match_id=match_id):
                self.results[match_id] += 1
                peer.send(MatchRecorded(match_id=match_id))
            case HandOverContext(last=last) if self.dies is not None:
                if last:
                    self.dies.kill()
                    self.dies.wait()
                    peer.send(CancelHandOver())
                    self.moved.set(time.monotonic() - self._decided_at)
            case HandOverContext(part=part, last=last, data=data):
                self.ready[1][0].send(TakeOver(part=part, last=last, data=data))
            case TookOver():
                self.port = self.ready[1][1]
                self.ready[0][0].send(MovePlayers(address="127.0.0.1", port=self.port))
            case PlayersMoved():
                self.moved.set(time.monotonic() - self._decided_at)
                peer.send(StopServer(grace_seconds=10))
            case HandOverFailed(reason=reason) | TakeOverFailed(reason=reason):
                self.moved.set_exception(AssertionError(reason))
            case Pong():
                pass


def play_matches(stage: Stage, keys: Keys, pair: int, matches: int, seed: int, happened: Any) -> list[Traveller]:
    """Let two players play so many matches, one after the other."""
    names = (f"player-{pair}-0", f"player-{pair}-1")
    players = []
    for number in range(matches):
        match_id = f"match-{pair}-{number}"
        both = [Traveller(name, lambda: stage.port, random.Random(f"{seed} {match_id} {name}")) for name in names]
        group = [
            tasks.spawn(one.name, one.play, match_id, keys.ticket(one.name, match_id, names), happened) for one in both
        ]
        for task in group:
            task.get()
        players += both
    return players


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("clients", "seed"), [(20, 1), (20, 2), (50, 3), (50, 4)])
def test_clients_that_play_follow_without_losing_or_doubling_anything(
    launcher: FakeLauncher, keys: Keys, start: Start, clients: int, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    stage = Stage(launcher, keys.public)
    old = stage.start(start)
    stage.start(start)
    when = chance.randint(clients, clients * 25)
    heard = [0]

    def happened() -> None:
        heard[0] += 1
        if heard[0] == when // 2 and seed % 2:  # A first try that comes to nothing.
            stage.ready[0][0].send(HandOver())
            stage.ready[0][0].send(CancelHandOver())
        if heard[0] == when:
            stage.begin()

    pairs = [
        tasks.spawn(f"pair-{pair}", play_matches, stage, keys, pair, 3, seed, happened) for pair in range(clients // 2)
    ]
    with gevent.Timeout(240):
        players = [player for pair in pairs for player in pair.get()]
        seconds = stage.moved.get()
    for player in players:
        player.check()
        (ended,) = [event for event in player.events.values() if isinstance(event, GameEnded)]
        assert ended.reason in ("won", "draw")
    for one, other in zip(players[::2], players[1::2], strict=True):
        common = one.events.keys() & other.events.keys()
        assert {number: one.events[number] for number in common} == {number: other.events[number] for number in common}
    assert stage.results == Counter(f"match-{pair}-{number}" for pair in range(clients // 2) for number in range(3))
    moves = [away for player in players for away in player.away]
    assert moves
    assert old.wait(SECONDS) == 0
    stage.close()
    repeated = sum(player.repeated for player in players)
    with capsys.disabled():
        print(
            f"\n{clients} clients: {seconds:.2f} s from the decision to the last departure; {len(moves)} connections "
            f"moved, each away for {max(moves):.2f} s at most; {repeated} commands were said again"
        )


@pytest.mark.timeout(300)
def test_a_successor_that_is_killed_costs_nobody_anything(launcher: FakeLauncher, keys: Keys, start: Start) -> None:
    stage = Stage(launcher, keys.public)
    stage.start(start)
    stage.dies = stage.start(start)
    heard = [0]

    def happened() -> None:
        heard[0] += 1
        if heard[0] == 200:
            stage.begin()

    pairs = [tasks.spawn(f"pair-{pair}", play_matches, stage, keys, pair, 2, 9, happened) for pair in range(10)]
    with gevent.Timeout(240):
        players = [player for pair in pairs for player in pair.get()]
        stage.moved.get()
    for player in players:
        player.check()
        assert player.away == []
    assert stage.results == Counter(f"match-{pair}-{number}" for pair in range(10) for number in range(2))
    stage.close()


def test_a_context_of_many_megabytes_is_taken_and_handed_on(launcher: FakeLauncher, keys: Keys, start: Start) -> None:
    """More than a connection may have waiting otherwise."""
    generator = random.Random(1)
    used = {f"{generator.getrandbits(256):064x}": time.time() + 600 for _ in range(200_000)}
    text = export_context(Context(games=[], used_tickets=used, passes=[]))
    assert len(text) > 8 * Limits().outgoing_hard_bytes
    start("--port", "0", "--launcher-port", str(launcher.handler.port), "--server", "four",
          GAME_CONTROLLER_TOKEN="secret")  # fmt: skip
    peer = launcher.accept(keys.public, "login")
    for part, last, data in parts_of(text):
        peer.send(TakeOver(part=part, last=last, data=data))
    launcher.expect(TookOver)
    peer.send(HandOver())
    parts = Parts()
    while True:
        message = launcher.expect(HandOverContext)
        parts.add(message.part, message.data)
        if message.last:
            break
    assert import_context(parts.text()).used_tickets == used
    peer.send(CancelHandOver())
