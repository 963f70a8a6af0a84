"""How games are asked about themselves by UDP, and what their answers mean. Pure: no socket, no clock, no chance.

A `Question` is one conversation: `begin` is the first packet to send; `take` says of each packet that comes what it is,
the next one to send, the answer, or nothing of interest. Anybody can send anything to a UDP socket, so whatever does
not fit is nothing of interest, and nothing raises.

* Quake 3 (`getstatus`): one packet each way, of text. Games of its family answer the same.
* Teeworlds 0.7 (server info): before it answers, the server wants to see that our address is not forged, so tokens are
  exchanged first (`src/engine/shared/network.cpp`, `src/engine/server/server.cpp` of Teeworlds 0.7.5).
"""

import re
from collections.abc import Callable
from typing import Protocol

import msgspec

MAX_PLAYERS = 256
MAX_TEXT = 128
"""The longest name of a player, a map or a server that is believed, in characters."""

MAX_COUNT = 1_000_000


class GameStatus(msgspec.Struct, frozen=True):
    """What a game says of itself. `capacity` 0: it does not say."""

    name: str
    map: str
    capacity: int
    players: list[str]


class Question(Protocol):
    """One conversation with one game."""

    begin: bytes

    def take(self, packet: bytes) -> GameStatus | bytes | None:
        """Return the answer, or the next packet to send; None for a packet that is neither the one nor the other."""


# --- Quake 3 ----------------------------------------------------------------------------------------

_CONNECTIONLESS = b"\xff\xff\xff\xff"
_STATUS_RESPONSE = _CONNECTIONLESS + b"statusResponse\n"
_COLOUR = re.compile(r"\^[0-9A-Za-z]")
_PLAYER = re.compile(r'(-?\d+) (-?\d+) "(.*)"')


class Quake3Question:
    """`getstatus`.

    Args:
        nonce: that the answer must have in it, of at most 64 bits.
    """

    def __init__(self, nonce: int) -> None:
        self._challenge = f"{nonce:016x}"
        self.begin = _CONNECTIONLESS + f"getstatus {self._challenge}\n".encode()

    def take(self, packet: bytes) -> GameStatus | bytes | None:
        if not packet.startswith(_STATUS_RESPONSE):
            return None
        settings_line, *lines = packet[len(_STATUS_RESPONSE) :].decode("utf-8", "replace").split("\n")
        parts = settings_line.split("\\")[1:]
        settings = dict(zip(parts[::2], parts[1::2], strict=False))
        if settings.get("challenge") != self._challenge or "mapname" not in settings:
            return None
        found = [_PLAYER.fullmatch(line) for line in lines[:MAX_PLAYERS]]
        return GameStatus(
            name=without_colours(settings.get("sv_hostname", "")),
            map=_cut(settings["mapname"]),
            capacity=max(0, _number(settings.get("sv_maxclients")) - _number(settings.get("sv_privateClients"))),
            players=[without_colours(player[3]) for player in found if player],
        )


def without_colours(name: str) -> str:
    """Return a name of a Quake 3 player as it reads: `^` and a letter or digit is a colour."""
    return _cut(_COLOUR.sub("", name))


def _number(text: str | None) -> int:
    return min(int(text), MAX_COUNT) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _cut(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:MAX_TEXT]).strip()


# --- Teeworlds 0.7 ----------------------------------------------------------------------------------

_NO_TOKEN = b"\xff\xff\xff\xff"
_CONTROL = 1 << 2
"""Flags of a packet, above two bits that belong to an acknowledgement."""

_CONTROL_TOKEN = 5
_TOKEN_REQUEST_BYTES = 512
"""A question for a token is at least as long as any answer, so that nobody can use a server to flood others."""

_CONNLESS_V1 = bytes([(8 << 2) | 1])
_GET_INFO = b"\xff\xff\xff\xffgie3"
_INFO = b"\xff\xff\xff\xffinf3"


class TeeworldsQuestion:
    """The token, then the server info.

    Args:
        nonce: that the answers must have in them, of at most 64 bits.
    """

    def __init__(self, nonce: int) -> None:
        ours = (nonce & 0xFFFFFFFF).to_bytes(4, "big")
        self._ours = b"\x00\x00\x00\x01" if ours == _NO_TOKEN else ours
        self._asked = nonce >> 32 & 0x3F
        self.begin = bytes([_CONTROL, 0, 0]) + _NO_TOKEN + bytes([_CONTROL_TOKEN]) + self._ours
        self.begin += bytes(_TOKEN_REQUEST_BYTES)

    def take(self, packet: bytes) -> GameStatus | bytes | None:
        if len(packet) >= 12 and packet[0] & 0xFC == _CONTROL and packet[3:8] == self._ours + bytes([_CONTROL_TOKEN]):
            return _CONNLESS_V1 + packet[8:12] + self._ours + _GET_INFO + bytes([self._asked])
        head = 9 + len(_INFO)
        if packet[:1] == _CONNLESS_V1 and packet[1:5] == self._ours and packet[9:head] == _INFO:
            try:
                return self._read(_Unpacker(packet[head:]))
            except (IndexError, ValueError):
                return None
        return None

    def _read(self, unpacker: "_Unpacker") -> GameStatus:
        """Raises:
        IndexError: it ends too early.
        ValueError: it is the answer to another question, or there is an end of text too few.
        """
        if unpacker.integer() != self._asked:
            raise ValueError("another question's")
        _version, name, _host, map_name, _game_type = (unpacker.text() for _ in range(5))
        _flags, _skill, _players, _most_players, clients, capacity = (unpacker.integer() for _ in range(6))
        names = []
        for _ in range(min(max(clients, 0), MAX_PLAYERS)):
            names.append(unpacker.text())
            unpacker.text()  # The clan.
            for _ in range(3):  # Country, score, whether it only watches.
                unpacker.integer()
        return GameStatus(name=name, map=map_name, capacity=min(max(capacity, 0), MAX_COUNT), players=names)


class _Unpacker:
    """Reads the texts and numbers of Teeworlds' packets."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def text(self) -> str:
        """Raises:
        ValueError: it has no end.
        """
        end = self._data.index(0, self._position)
        text = self._data[self._position : end].decode("utf-8", "replace")
        self._position = end + 1
        return _cut(text)

    def integer(self) -> int:
        """Six bits, the sign, then seven bits a byte for as long as the highest one is set; five bytes at most.

        Raises:
            IndexError: it ends too early.
        """
        byte = self._byte()
        negative = byte & 0x40
        value = byte & 0x3F
        shift = 6
        while byte & 0x80 and shift < 34:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
        return ~value if negative else value

    def _byte(self) -> int:
        byte = self._data[self._position]
        self._position += 1
        return byte


QUESTIONS: dict[str, Callable[[int], Question]] = {"quake3": Quake3Question, "teeworlds": TeeworldsQuestion}
"""By the words of `status.kind`."""
