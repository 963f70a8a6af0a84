"""What the terminal client says to the person and to the server, without either."""

from typing import Any

import pytest

from connman.nim.client import Finished, NimClient


class Conversation:
    """A client that is logged in as client 1, against bob, in game 5."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.client = NimClient("ann", "pw", self.sent.append, self.said.append)

    def begin(self) -> None:
        for packet in (
            {"subtype": "loginRequest"},
            {"subtype": "loginAccept", "id": 1},
            {"event": "START", "game_id": 5, "opponent": "bob", "heaps": [3, 4, 5], "turn": 1},
        ):
            self.client.receive(packet)
        assert self.sent == [{"user": "ann", "pass": "pw"}, {"Queue": "Nim", "player_id": 1}]
        self.sent.clear()
        self.said.clear()


@pytest.fixture
def conversation() -> Conversation:
    conversation = Conversation()
    conversation.begin()
    return conversation


@pytest.mark.parametrize(
    ("winner", "reason", "sentence"),
    [
        (1, "last_match", "You have won: you took the last match."),
        (1, "gave_up", "You have won: bob gave up."),
        (1, "left", "You have won: bob left."),
        (1, "too_slow", "You have won: bob took too long."),
        (2, "last_match", "You have lost: bob took the last match."),
        (2, "gave_up", "You have lost: you gave up."),
        (2, "too_slow", "You have lost: you took too long."),
    ],
)
def test_every_end(conversation: Conversation, winner: int, reason: str, sentence: str) -> None:
    conversation.client.receive({"event": "ENDED", "winner": winner, "reason": reason, "rank": 990})
    assert conversation.said == [f"\n{sentence} Your rank is 990 now.", "Another game? [Y/n]"]


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("3 2", [{"game_id": 5, "heap": 3, "count": 2}]),
        (" 3,2 ", [{"game_id": 5, "heap": 3, "count": 2}]),
        ("q", [{"game_id": 5, "resign": True}]),
        ("3", []),
        ("3 x", []),
        ("3 ²", []),
        ("", []),
    ],
)
def test_lines(conversation: Conversation, line: str, sent: list[dict[str, Any]]) -> None:
    conversation.client.line(line)
    assert conversation.sent == sent
    assert bool(conversation.said) == (not sent)


def test_what_it_does_not_know_is_passed_over(conversation: Conversation) -> None:
    conversation.client.receive({"type": "NEWS", "text": "of a later version"})
    assert (conversation.sent, conversation.said) == ([], [])


def test_the_server_ends_it(conversation: Conversation) -> None:
    with pytest.raises(Finished, match="The server has ended the connection"):
        conversation.client.receive({"subtype": "DC", "player_id": 1})
