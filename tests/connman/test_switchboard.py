"""Any order of coming, going, games and messages: each message is in the queue that it belongs in, and in no other."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from connhandler.testing import FakeConnection, ManualClock, run_queue
from connman.clienthandle import ClientHandle, Received
from connman.protocol import Message, encode
from connman.switchboard import QueueLimits, Switchboard
from tests.connman.support import TableAuthenticator, User

MOST_FOR_GAME = 4
MOST_FOR_MATCHMAKING = 30

client_ids = st.integers(1, 4)
game_ids = st.integers(1, 3)


class Traffic(RuleBasedStateMachine):
    """The state is what a program and its clients know; the switchboard must agree."""

    def __init__(self) -> None:
        super().__init__()
        limits = QueueLimits(game_messages=MOST_FOR_GAME, match_messages=MOST_FOR_MATCHMAKING)
        self.switchboard = Switchboard(limits, clock=ManualClock())
        users = {str(number): User(number, str(number), rank=number * 10) for number in range(1, 5)}
        self.switchboard.authenticator = TableAuthenticator(self.switchboard, users)
        self.connections: dict[int, FakeConnection[ClientHandle]] = {}
        self.known: set[int] = set()
        self.games: dict[int, set[int]] = {}
        self.queues: dict[int, list[Any]] = {}
        self.matchmaking: list[Any] = []
        self.number = 0

    def log_in(self, client_id: int) -> tuple[FakeConnection[ClientHandle], Any]:
        connection = FakeConnection(ClientHandle(self.switchboard))
        connection.connected(self.switchboard)
        connection.receives(self.switchboard, Received(encode({"user": str(client_id), "pass": "pw"})))
        run_queue(self.switchboard)
        request, answer = connection.take()
        assert request["subtype"] == "loginRequest"
        return connection, answer

    def dc(self, client_id: int) -> Message:
        return Message(client_id, {"type": "CONTROL", "subtype": "DC", "player_id": client_id})

    def expect_departure(self, client_id: int) -> None:
        self.matchmaking.append(self.dc(client_id))
        for game_id, members in self.games.items():
            if client_id in members and len(self.queues[game_id]) < MOST_FOR_GAME + 2 * len(members):
                self.queues[game_id].append(self.dc(client_id))

    @rule(client_id=client_ids)
    def client_logs_in(self, client_id: int) -> None:
        full = len(self.matchmaking) >= MOST_FOR_MATCHMAKING
        connection, answer = self.log_in(client_id)
        if client_id in self.connections:
            assert answer["code"] == "already_logged_in"
        elif full:
            assert answer["code"] == "busy"
        else:
            assert answer == {
                "type": "CONTROL",
                "packet_type": "CONTROL",
                "subtype": "loginAccept",
                "id": client_id,
            }
            c = {"type": "CONTROL", "subtype": "C", "player_id": client_id, "rank": client_id * 10}
            self.matchmaking.append(Message(client_id, c))
            self.connections[client_id] = connection
            self.known.add(client_id)
            return
        assert connection.disconnected
        connection.disconnects(self.switchboard)

    @precondition(lambda self: self.connections)
    @rule(data=st.data(), by_program=st.booleans())
    def client_goes(self, data: st.DataObject, by_program: bool) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.connections)))
        connection = self.connections.pop(client_id)
        if by_program:
            self.switchboard.disconnect(client_id)
            assert connection.disconnected
        self.expect_departure(client_id)
        connection.disconnects(self.switchboard)

    @rule(game_id=game_ids, members=st.sets(client_ids))
    def game_starts(self, game_id: int, members: set[int]) -> None:
        if game_id in self.games:
            with pytest.raises(ValueError, match="started already"):
                self.switchboard.start_game(game_id, members)
        elif not members <= self.known:
            with pytest.raises(KeyError):
                self.switchboard.start_game(game_id, members)
        else:
            self.switchboard.start_game(game_id, members)
            self.games[game_id] = members
            self.queues[game_id] = [self.dc(one) for one in members if one not in self.connections]

    @rule(game_id=game_ids)
    def game_ends(self, game_id: int) -> None:
        if game_id not in self.games:
            with pytest.raises(KeyError):
                self.switchboard.end_game(game_id, [])
            return
        self.switchboard.end_game(game_id, self.games.pop(game_id))
        del self.queues[game_id]

    @precondition(lambda self: self.connections)
    @rule(data=st.data(), game_id=game_ids)
    def client_speaks_to_game(self, data: st.DataObject, game_id: int) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.connections)))
        connection = self.connections[client_id]
        self.number += 1
        packet = {"game_id": game_id, "n": self.number}
        connection.receives(self.switchboard, Received(encode(packet)))
        if game_id not in self.games:
            expected = "unknown_game"
        elif client_id not in self.games[game_id]:
            expected = "not_in_game"
        elif len(self.queues[game_id]) >= MOST_FOR_GAME:
            expected = "queue_full"
        else:
            self.queues[game_id].append(Message(client_id, packet))
            assert connection.take() == []
            return
        (error,) = connection.take()
        assert (error["code"], error["game_id"], error["player_id"]) == (expected, game_id, client_id)

    @precondition(lambda self: self.connections)
    @rule(data=st.data())
    def client_speaks_to_matchmaking(self, data: st.DataObject) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.connections)))
        full = len(self.matchmaking) >= MOST_FOR_MATCHMAKING
        self.connections[client_id].receives(self.switchboard, Received(b'{"Queue":1}'))
        if full:
            (error,) = self.connections[client_id].take()
            assert error["code"] == "queue_full"
        else:
            self.matchmaking.append(Message(client_id, {"Queue": 1}))

    @precondition(lambda self: self.games)
    @rule(data=st.data())
    def game_takes(self, data: st.DataObject) -> None:
        game_id = data.draw(st.sampled_from(sorted(self.games)))
        expected = self.queues[game_id].pop(0) if self.queues[game_id] else None
        taken = self.switchboard.games[game_id].mailbox.take()
        assert (taken is None) == (expected is None)
        if taken != expected:  # Of those who had gone already when the game started, any may be first.
            assert taken in self.queues[game_id]
            self.queues[game_id][self.queues[game_id].index(taken)] = expected

    @rule(count=st.integers(1, 5))
    def matchmaking_takes(self, count: int) -> None:
        for _ in range(count):
            assert self.switchboard.matchmaking.take() == (self.matchmaking.pop(0) if self.matchmaking else None)

    @rule(game_id=game_ids)
    def game_broadcasts(self, game_id: int) -> None:
        self.switchboard.broadcast(game_id, b"{}")
        for client_id, connection in self.connections.items():
            assert connection.take() == ([b"{}"] if client_id in self.games.get(game_id, ()) else [])

    @invariant()
    def all_agree(self) -> None:
        assert self.switchboard.clients == {key: connection.peer for key, connection in self.connections.items()}
        assert {key: game.members for key, game in self.switchboard.games.items()} == self.games
        in_games: dict[int, set[int]] = {}
        for game_id, members in self.games.items():
            for member in members:
                in_games.setdefault(member, set()).add(game_id)
        assert self.switchboard._games_of == in_games
        for game_id, queue in self.queues.items():
            assert self.switchboard.games[game_id].mailbox.messages_waiting == len(queue)
        assert self.switchboard.matchmaking.messages_waiting == len(self.matchmaking)


def test_any_order_of_events() -> None:
    run_state_machine_as_test(Traffic, settings=settings(max_examples=40, stateful_step_count=40, deadline=None))
