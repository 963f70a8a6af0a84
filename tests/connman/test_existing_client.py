"""A client as those of the original are: plain sockets, `packet_type`, and braces counted to tell packets apart."""

import json
import socket
import threading
from typing import Any

from tests.connman.support import SECONDS, TableConnMan, game_message, match_message


class OldClient:
    """Answers a loginRequest, asks for a queue, and answers each REQUEST; knows packets only by `packet_type`.

    Attributes:
        seen: every packet.
    """

    def __init__(self, port: int, user: str, password: str) -> None:
        self.seen: list[dict[str, Any]] = []
        self.client_id = -1
        self._login = {"user": user, "pass": password}
        self._sock = socket.create_connection(("localhost", port), timeout=SECONDS)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while data := self._sock.recv(4096):
            for text in self._split(data.decode()):
                packet = json.loads(text)
                self.seen.append(packet)
                if packet["packet_type"] == "CONTROL":
                    self._control(packet)
        self._sock.close()

    @staticmethod
    def _split(text: str) -> list[str]:
        """A packet ends at the first closing brace."""
        return [part + "}" for part in text.split("}")[:-1]]

    def _send(self, packet: dict[str, Any]) -> None:
        self._sock.send(json.dumps(packet).encode())

    def _control(self, packet: dict[str, Any]) -> None:
        if packet.get("subtype") == "loginRequest":
            self._send(self._login)
        elif packet.get("subtype") == "loginAccept":
            self.client_id = packet["id"]
            self._send({"Queue": "Test", "player_id": self.client_id})
        elif packet.get("type") == "REQUEST":
            move = {
                "packet_type": "GAME",
                "MOVE": "HIT",
                "player_id": packet["player_id"],
                "game_id": packet["game_id"],
            }
            self._send(move)


def test_a_client_of_the_original_plays(connman: TableConnMan) -> None:
    client = OldClient(connman.port, "ann", "pw")
    assert match_message(connman)[1]["subtype"] == "C"
    addr, packet = match_message(connman)
    assert (addr, packet) == (1, {"Queue": "Test", "player_id": 1})
    connman.start_game(1571.25, [addr])
    connman.send_message(
        addr, {"packet_type": "CONTROL", "type": "REQUEST", "game_id": 1571.25, "item": "move", "player_id": addr}
    )
    assert game_message(connman, 1571.25) == (
        1,
        {"packet_type": "GAME", "MOVE": "HIT", "player_id": 1, "game_id": 1571.25},
    )
    connman.send_message(0, {"packet_type": "GAME", "type": "BROADCAST", "game_id": 1571.25, "card": "10H"})
    connman.end_game(1571.25, [addr])
    connman.disconnect_client(addr)
    client.join()
    assert client.client_id == 1
    assert [packet.get("subtype") or packet["type"] for packet in client.seen] == [
        "loginRequest",
        "loginAccept",
        "REQUEST",
        "BROADCAST",
        "DC",
    ]
    assert client.seen[-1]["player_id"] == 1


def test_a_client_of_the_original_is_denied(connman: TableConnMan) -> None:
    client = OldClient(connman.port, "ann", "wrong")
    client.join()
    assert [packet["subtype"] for packet in client.seen] == ["loginRequest", "loginDeny"]


def test_every_packet_of_connmans_own_is_flat_and_has_both_keys(connman: TableConnMan) -> None:
    client = OldClient(connman.port, "ann", "pw")
    for _ in range(2):
        match_message(connman)
    client._sock.send(b'{"game_id":3}{"game_id":{"{":"}"}}{"}]":]')
    client.join()
    assert [packet["subtype"] for packet in client.seen] == [
        "loginRequest",
        "loginAccept",
        "ERROR",
        "ERROR",
        "ERROR",
        "DC",
    ]
    assert all(packet["type"] == packet["packet_type"] == "CONTROL" for packet in client.seen)
    assert all(packet["player_id"] == 1 for packet in client.seen[2:])
