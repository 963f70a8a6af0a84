"""A client for a person at a terminal: a plain socket, `recv_all`, and one loop that waits for server and keyboard."""

import json
import os
import select
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from connman import ConnectionClosed, ProtocolError, recv_all

QUEUE: Final = "Nim"
HELP: Final = "Take matches with the heap's number and how many, such as '3 2'. 'q' gives up, 'h' shows this again."

REASONS: Final = {
    "last_match": "took the last match",
    "gave_up": "gave up",
    "too_slow": "took too long",
    "left": "left",
}
"""What somebody did to end the game."""

Packet = dict[str, Any]


class Finished(Exception):
    """The client ends; the text says why, if that is worth saying."""


class NimClient:
    """What is said to the person, and to the server. Knows neither terminal nor socket.

    Args:
        send: sends a packet to the server.
        say: shows a line to the person.

    Attributes:
        logged_in: whether the server has let the person in.
    """

    def __init__(self, user: str, password: str, send: Callable[[Packet], None], say: Callable[[str], None]) -> None:
        self._user = user
        self._password = password
        self._send = send
        self._say = say
        self.logged_in = False
        self._client_id = 0
        self._game_id: int | None = None
        self._opponent = ""
        self._asks_for_another = False

    def receive(self, packet: Packet) -> None:
        """The server has said something.

        Raises:
            Finished: it is over.
        """
        match packet.get("event") or packet.get("subtype"):
            case "loginRequest":
                self._send({"user": self._user, "pass": self._password})
            case "loginAccept":
                self.logged_in = True
                self._client_id = packet["id"]
                self._ask_for_game()
            case "loginDeny":
                raise Finished(f"The login was denied: {packet.get('message', 'no reason was given')}.")
            case "HELLO":
                self._say(f"You are logged in as {self._user}, and your rank is {packet['rank']}.")
            case "WAITING":
                self._say("Waiting for another player ('q' leaves) ...")
            case "START":
                self._started(packet)
            case "MOVED":
                self._moved(packet)
            case "ILLEGAL":
                self._say(f"Not so: {packet['message']}.")
            case "ENDED":
                self._ended(packet)
            case "REFUSED" | "ERROR":
                self._say(f"The server says: {packet['message']}.")
            case "DC":
                raise Finished("The server has ended the connection.")

    def line(self, text: str) -> None:
        """The person has typed a line.

        Raises:
            Finished: the person wants to leave.
        """
        words = text.replace(",", " ").split()
        if self._asks_for_another:
            self._asks_for_another = False
            if words and words[0].lower().startswith("n"):
                raise Finished("")
            self._ask_for_game()
        elif words and words[0].lower() in ("q", "quit"):
            if self._game_id is None:
                raise Finished("")
            self._send({"game_id": self._game_id, "resign": True})
        elif self._game_id is None:
            self._say("There is no other player yet. 'q' leaves.")
        elif len(words) == 2 and all(word.isdecimal() for word in words):
            heap, count = map(int, words)
            self._send({"game_id": self._game_id, "heap": heap, "count": count})
        else:
            self._say(HELP)

    def _ask_for_game(self) -> None:
        self._send({"Queue": QUEUE, "player_id": self._client_id})

    def _started(self, packet: Packet) -> None:
        self._game_id, self._opponent = packet["game_id"], packet["opponent"]
        self._say(f"\nYou play against {self._opponent}. Who takes the last match wins.\n{HELP}")
        self._show(packet)

    def _moved(self, packet: Packet) -> None:
        who = "You take" if packet["player_id"] == self._client_id else f"{self._opponent} takes"
        self._say(f"\n{who} {packet['count']} from heap {packet['heap']}.")
        self._show(packet)

    def _show(self, packet: Packet) -> None:
        for number, matches in enumerate(packet["heaps"], 1):
            self._say(f"  {number}  {'|' * matches or '-'}")
        if any(packet["heaps"]):
            yours = packet["turn"] == self._client_id
            self._say("Your turn: heap, and how many?" if yours else f"{self._opponent} thinks ...")

    def _ended(self, packet: Packet) -> None:
        self._game_id = None
        won = packet["winner"] == self._client_id
        # Who takes the last match wins; whoever does one of the other things loses.
        active = won == (packet["reason"] == "last_match")
        who = "you" if active else self._opponent
        result = "won" if won else "lost"
        self._say(f"\nYou have {result}: {who} {REASONS[packet['reason']]}. Your rank is {packet['rank']} now.")
        self._asks_for_another = True
        self._say("Another game? [Y/n]")


def play(sock: socket.socket, user: str, password: str, keyboard: int = 0) -> int:
    """Play at the terminal until the person or the server ends it; return the exit status.

    Args:
        sock: connected to the server, with TLS or without.
        keyboard: the file descriptor of what the person types.
    """

    def send(packet: Packet) -> None:
        sock.sendall(json.dumps(packet).encode())

    client = NimClient(user, password, send, lambda text: print(text, flush=True))
    lines = _Lines(keyboard)
    try:
        while True:
            has_more = getattr(sock, "pending", int)()  # TLS may hold what the socket has not.
            ready, _, _ = select.select([sock.fileno(), keyboard], [], [], 0 if has_more else None)
            if has_more or sock.fileno() in ready:
                client.receive(json.loads(recv_all(sock)))
            if keyboard in ready:
                for text in lines.read():
                    client.line(text)
    except Finished as finished:
        if str(finished):
            print(finished)
        return 0 if client.logged_in else 1
    except (ConnectionClosed, ProtocolError, OSError) as error:
        print(f"The connection is lost: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


class _Lines:
    """Reads what was typed, without waiting for more than there is."""

    def __init__(self, keyboard: int) -> None:
        self._keyboard = keyboard
        self._rest = b""

    def read(self) -> list[str]:
        """Raises:
        Finished: nobody types any more.
        """
        data = os.read(self._keyboard, 4096)
        if not data:
            raise Finished("")
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in lines]
