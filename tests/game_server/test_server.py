"""One game: what is made for each connection, in which order, and many tasks at the same game at the same time."""

from typing import TYPE_CHECKING, Any

import gevent
import pytest
from gevent.event import Event

from game_server.controller import GameController
from game_server.model import FourInARow, PieceDropped
from game_server.protocol import Drop, GameEvent, Response, State
from game_server.publisher import GamePublisher
from game_server.server import GameServer

if TYPE_CHECKING:
    from tests.game_server.conftest import Connection, Hall


def game_of(hall: "Hall", connection: "Connection") -> GameServer:
    return hall.listener.controllers[connection.peer].game


def test_connections_to_one_game_id_share_a_game_and_others_do_not(open_house: "Hall") -> None:
    one, two, other = open_house.open("a"), open_house.open("a"), open_house.open("b")
    assert game_of(open_house, one) is game_of(open_house, two) is open_house.listener.games.get("a")
    assert game_of(open_house, other) is open_house.listener.games.get("b")
    assert game_of(open_house, one).publisher is not game_of(open_house, other).publisher


def test_each_connection_is_made_a_controller_subscribed_and_then_run_in_a_task_of_its_own(
    open_house: "Hall", monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, Any, Any]] = []
    subscribe, run = GamePublisher.subscribe, GameController.run

    def noted_subscribe(self: GamePublisher, subscriber: Any) -> None:
        if isinstance(subscriber, GameController):
            steps.append(("subscribed", subscriber, gevent.getcurrent()))
        subscribe(self, subscriber)

    def noted_run(self: GameController) -> None:
        steps.append(("runs", self, gevent.getcurrent()))
        run(self)

    monkeypatch.setattr(GamePublisher, "subscribe", noted_subscribe)
    monkeypatch.setattr(GameController, "run", noted_run)
    connections = [open_house.open("den") for _ in range(3)]
    controllers = [open_house.listener.controllers[connection.peer] for connection in connections]
    assert len(set(controllers)) == 3
    assert [(step, controller) for step, controller, _ in steps] == [
        (step, controller) for controller in controllers for step in ("subscribed", "runs")
    ]
    tasks = [task for step, _, task in steps if step == "runs"]
    assert len({*tasks, gevent.getcurrent()}) == 4
    assert [task.name for task in tasks] == [f"{connection.peer.name}.controller" for connection in connections]
    for connection in connections:
        open_house.lose(connection)
    assert all(task.dead for task in tasks)


def test_an_idle_controller_waits_without_waking_and_ends_at_once(open_house: "Hall") -> None:
    connection = open_house.open("den")
    controller = open_house.listener.controllers[connection.peer]
    assert controller.conversation.waiting
    with gevent.Timeout(0.2):  # sooner than any interval of looking whether to stop
        open_house.lose(connection)
    assert open_house.listener.controllers == {}


def test_a_command_that_takes_long_holds_up_no_other_game(open_house: "Hall", monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = open_house.open("a"), open_house.open("b")
    quick.take()
    slow.take()
    go_on = Event()
    state = GameServer.state

    def waiting_state(self: GameServer) -> Any:
        if self.game_id == "a":
            go_on.wait()
        return state(self)

    monkeypatch.setattr(GameServer, "state", waiting_state)
    slow.receives(open_house.listener, State())
    quick.receives(open_house.listener, State())
    gevent.idle()
    assert (slow.take(), len(quick.take())) == ([], 1)
    go_on.set()
    open_house.settle()
    assert len(slow.take()) == 1


def test_a_model_that_waits_is_still_one_game_for_all_its_controllers(
    hall: "Hall", monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the lock promises: with it held, a method may wait, and nobody else's comes between."""
    first, second = hall.pair()
    inside = 0
    drop = FourInARow.drop

    def waiting_drop(self: FourInARow, player: str, column: int) -> Any:
        nonlocal inside
        inside += 1
        assert inside == 1
        gevent.sleep(0.01)
        events = drop(self, player, column)
        gevent.sleep(0.01)
        inside -= 1
        return events

    monkeypatch.setattr(FourInARow, "drop", waiting_drop)
    for connection in (first, second):
        connection.receives(hall.listener, Drop(column=3))
    with gevent.Timeout(5):
        while len(first.sent) < 3 or len(second.sent) < 3:
            gevent.sleep(0.01)
    for connection in (first, second):
        dropped = [message for message in connection.take() if isinstance(message, GameEvent)]
        assert [event.sequence for event in dropped] == [4, 5]
        assert [type(event.event) for event in dropped] == [PieceDropped, PieceDropped]
        assert [event.event.row for event in dropped] == [0, 1]  # type: ignore[union-attr]


def test_a_late_joiner_misses_no_event_and_hears_none_twice(open_house: "Hall") -> None:
    players = [open_house.open("den", player=name) for name in ("alice", "bob")]
    game = open_house.listener.games.get("den")
    assert game is not None
    assert game.model is not None
    if game.model.beginner:
        players.reverse()
    watchers = []
    for turn in range(6):
        players[turn % 2].receives(open_house.listener, Drop(column=turn))
        watchers.append(open_house.open("den"))  # The drop has been handed over, and nobody knows if it is done yet.
    open_house.settle()
    for watcher in watchers:
        joined, *events = watcher.sent
        numbers = [event.sequence for event in events]
        assert numbers == list(range(joined.state.sequence + 1, game.publisher.sequence + 1))
        moves = [*joined.state.game.moves, *(event.event.column for event in events)]
        assert moves == list(range(6))
    assert all(isinstance(player.sent[-1], Response | GameEvent) for player in players)
