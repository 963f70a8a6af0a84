"""A controller for any Python game: one file, the standard library alone, to be imported or copied into the game.

    controller = Controller(on_stop=stop, on_players_expected=expect)
    controller.start()
    controller.ready()
    ...
    controller.match_started("match-1", ["alice", "bob"])
    controller.match_ended("match-1", ["alice", "bob"], winner="alice", scores={"alice": 3, "bob": 1})

It speaks the messages of `docs/game_server_launcher.md` in threads of its own. No method waits but `wait_recorded`.
While the launcher is away it connects again and again, and what the launcher must know then is told anew: that the game
is ready, how many players there are, which matches go on, and every result that was not recorded yet. A game that was
not started by a launcher has a controller that does nothing.
"""

import collections
import json
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

__all__ = ["Controller"]

logger = logging.getLogger(__name__)

VERSION = 1
RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 15.0
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 90.0
"""The launcher asks for a sign of life more often than that."""

MAX_CHUNK = 0xFFFF
MAX_MESSAGE = 1024 * 1024
MAX_TEXT = 128
MAX_NAMES = 64
MAX_RESULTS = 1000
"""That wait to be recorded; of more, the oldest is lost."""

MAX_WAITING = 10_000
"""Messages for a launcher that does not read: then the connection is begun anew."""

Message = dict[str, Any]


class Controller:
    """The game's connection to its launcher. Its methods may be called by any thread.

    The callbacks are called in the controller's thread, one after the other; they should return soon.

    Args:
        on_stop: come to an end within so many seconds; 0 if the launcher knows nothing of this process any more.
        on_say: show a text to all players.
        on_kick: end the connections of a player (name, reason).
        on_players_expected: these players may come to this match (match, players, until when in unix time); may be
            called again for the same match.
        program: the game's name.
        environment: where the launcher has written who this is.

    Attributes:
        port: where the game is to listen; 0 without a launcher.
        server_id, issuer, public_key: what good tickets are for and by, and are checked with (PEM); empty until known.
    """

    def __init__(
        self,
        *,
        on_stop: Callable[[float], object],
        on_say: Callable[[str], object] | None = None,
        on_kick: Callable[[str, str], object] | None = None,
        on_players_expected: Callable[[str, list[str], float], object] | None = None,
        program: str = "",
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.port = int(environment.get("LAUNCHER_PORT", "0"))
        self.server_id = self.issuer = self.public_key = ""
        self._place = (
            environment.get("LAUNCHER_CONTROLLER_ADDRESS", ""),
            int(environment.get("LAUNCHER_CONTROLLER_PORT", "0")),
        )
        self._log_in = {
            "type": "controller_log_in",
            "server": environment.get("LAUNCHER_SERVER", ""),
            "token": environment.get("LAUNCHER_TOKEN", ""),
            "pid": os.getpid(),
        }
        self._program = program[:MAX_TEXT]
        self._handlers: dict[str, Callable[[Message], object]] = {
            "players_expected": lambda said: (
                on_players_expected and on_players_expected(said["match_id"], said["players"], said["expires_at"])
            ),
            "stop_server": lambda said: on_stop(said["grace_seconds"]),
            "say": lambda said: on_say and on_say(said["text"]),
            "kick_player": lambda said: on_kick and on_kick(said["player"], said.get("reason", "")),
        }
        self._on_stop = on_stop
        self._changed = threading.Condition()
        """Guards everything below; notified when a result is recorded, and at the end."""
        self._connection: _Connection | None = None
        self._closed = False
        self._ready: Message | None = None
        self._players = 0
        self._matches: dict[str, _Match] = {}
        self._results: dict[str, Message] = {}

    def start(self) -> None:
        """Connect, and again whenever that ends, in a thread that does not keep the game from ending."""
        if self._place[1]:
            threading.Thread(target=self._run, name="launcher", daemon=True).start()

    def close(self) -> None:
        """Connect no more."""
        with self._changed:
            self._closed = True
            connection, self._connection = self._connection, None
            self._changed.notify_all()
        if connection is not None:
            connection.close()

    # --- what the game tells -------------------------------------------------------------------------

    def ready(self, version: str = "", map: str = "", capacity: int = 0) -> None:
        """Players may come, to `port`. What is left out is as the game file says."""
        _check_texts(version, map)
        message = {"type": "server_ready", "port": self.port, "version": version, "map": map, "capacity": capacity}
        with self._changed:
            self._ready = message
            self._tell(message)

    def player_count_changed(self, players: int) -> None:
        """So many players are connected."""
        with self._changed:
            self._players = players
            self._tell({"type": "player_count_changed", "players": players})

    def ticket_used(self, ticket_id: str, expires_at: float) -> None:
        """A ticket was taken; a process that comes after this one is told."""
        _check_texts(ticket_id)
        with self._changed:
            self._tell({"type": "ticket_used", "ticket_id": ticket_id, "expires_at": expires_at})

    def map_changed(self, name: str) -> None:
        _check_texts(name)
        with self._changed:
            if self._ready is not None:
                self._ready["map"] = name
            self._tell({"type": "map_changed", "map": name})

    def match_started(self, match_id: str, players: Sequence[str]) -> None:
        _check_texts(match_id, *players)
        with self._changed:
            match = self._matches[match_id] = _Match(match_id, list(players))
            self._tell(match.started)

    def player_joined(self, match_id: str, player: str) -> None:
        self._joined_or_left(match_id, player, True)

    def player_left(self, match_id: str, player: str) -> None:
        self._joined_or_left(match_id, player, False)

    def score_changed(self, match_id: str, scores: Mapping[str, int]) -> None:
        _check_texts(match_id, *scores)
        with self._changed:
            if match_id in self._matches:
                self._matches[match_id].scores = dict(scores)
            self._tell({"type": "score_changed", "match_id": match_id, "scores": dict(scores)})

    def match_ended(
        self, match_id: str, players: Sequence[str], winner: str, scores: Mapping[str, int], reason: str = "won"
    ) -> None:
        """A match has ended; `winner` is empty for a draw. The result is told until it is recorded."""
        _check_texts(match_id, winner, reason, *players)
        _check_texts(*scores)
        result = {"winner": winner, "scores": dict(scores), "reason": reason, "ended_at": time.time()}
        message = {"type": "match_ended", "match_id": match_id, "players": list(players), "result": result}
        with self._changed:
            self._matches.pop(match_id, None)
            self._results[match_id] = message
            if len(self._results) > MAX_RESULTS:
                lost = next(iter(self._results))
                del self._results[lost]
                logger.error("too many results wait to be recorded: the one of match %s is lost", lost)
            self._tell(message)

    def wait_recorded(self, seconds: float) -> bool:
        """Wait until every result was recorded, before the game ends; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._results, seconds)

    def _joined_or_left(self, match_id: str, player: str, joined: bool) -> None:
        _check_texts(match_id, player)
        with self._changed:
            if match_id in self._matches:
                self._matches[match_id].here[player] = joined
            self._tell(_joined_or_left(match_id, player, joined))

    def _tell(self, message: Message) -> None:
        if self._connection is not None:
            self._connection.send(message)

    # --- the connection ------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = RETRY_SECONDS
        while not self._closed:
            try:
                if self._serve():
                    pause = RETRY_SECONDS
            except (OSError, ValueError, KeyError, struct.error) as error:
                logger.info("the launcher is away (%s); trying again in %g s", error, pause)
            with self._changed:
                self._connection = None
                self._changed.wait_for(lambda: self._closed, pause)
            pause = min(pause * 2, MAX_RETRY_SECONDS)

    def _serve(self) -> bool:
        """One connection, until it ends; return whether the launcher let us in.

        Raises:
            OSError: it cannot be made, or breaks.
            ValueError, KeyError: what comes makes no sense.
        """
        accepted = False
        with socket.create_connection(self._place, CONNECT_SECONDS) as sock, sock.makefile("rb") as stream:
            sock.settimeout(SILENCE_SECONDS)
            connection = _Connection(sock)
            try:
                connection.send({"type": "hello", "versions": [VERSION], "program": self._program})
                for message in _messages(stream):
                    accepted = self._take(connection, message) or accepted
            finally:
                connection.close()
        return accepted

    def _take(self, connection: "_Connection", message: Message) -> bool:
        """Do what a message is for; return whether it let us in."""
        kind = message["type"]
        if kind == "ping":
            connection.send({"type": "pong"})
        elif kind == "welcome":
            connection.send(self._log_in)
        elif kind == "controller_accepted":
            self._learn(message)
            self._tell_anew(connection)
            return True
        elif kind == "issuer_changed":
            self._learn(message)
        elif kind == "match_recorded":
            with self._changed:
                self._results.pop(message["match_id"], None)
                self._changed.notify_all()
        elif kind == "refused":
            logger.error("the launcher refused %s: %s", message.get("about"), message.get("message"))
            if message.get("about") == "controller_log_in":
                self._closed = True  # Another process has this one's place.
                self._call(self._on_stop, 0.0)
        elif kind in self._handlers:
            self._call(self._handlers[kind], message)
        return False

    def _learn(self, message: Message) -> None:
        self.server_id = message.get("server_id", self.server_id)
        self.issuer, self.public_key = message["issuer"], message["public_key"]

    def _tell_anew(self, connection: "_Connection") -> None:
        with self._changed:
            self._connection = connection
            if self._ready is not None:
                connection.send(self._ready)
            connection.send({"type": "player_count_changed", "players": self._players})
            for match in self._matches.values():
                for fact in match.facts():
                    connection.send(fact)
            for result in self._results.values():
                connection.send(result)

    def _call(self, function: Callable[[Any], object], argument: object) -> None:
        try:
            function(argument)
        except Exception:
            logger.exception("a callback of the game failed")


class _Match:
    """A match that goes on, as far as it was told."""

    def __init__(self, match_id: str, players: list[str]) -> None:
        self.started: Message = {"type": "match_started", "match_id": match_id, "players": players}
        self.here: dict[str, bool] = {}
        self.scores: dict[str, int] = {}

    def facts(self) -> Iterator[Message]:
        match_id = self.started["match_id"]
        yield self.started
        for player, joined in self.here.items():
            yield _joined_or_left(match_id, player, joined)
        if self.scores:
            yield {"type": "score_changed", "match_id": match_id, "scores": self.scores}


class _Connection:
    """Sends messages in a thread of its own, so that nobody waits for a launcher that does not read."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._waiting: collections.deque[Message] = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._write, name="launcher.writer", daemon=True).start()

    def send(self, message: Message) -> None:
        with self._changed:
            self._waiting.append(message)
            if len(self._waiting) > MAX_WAITING:
                self._shut()
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._shut()
            self._changed.notify()

    def _shut(self) -> None:
        self._closed = True
        self._waiting.clear()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It has ended already.

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return None
                data = b"".join(_encode(message) for message in self._waiting)
                self._waiting.clear()
            try:
                self._socket.sendall(data)
            except OSError:
                return self.close()


def _encode(message: Message) -> bytes:
    """A message on the wire: chunks after a 16-bit length, 0 for a full one that is not the last."""
    data = json.dumps(message).encode()
    parts = []
    for start in range(0, len(data), MAX_CHUNK):
        chunk = data[start : start + MAX_CHUNK]
        more = start + MAX_CHUNK < len(data)
        parts += [struct.pack("<H", 0 if more else len(chunk)), chunk]
    return b"".join(parts)


def _messages(stream: BinaryIO) -> Iterator[Message]:
    """Everything that is said, until the connection ends.

    Raises:
        ValueError: it is too long, or no JSON object.
    """
    whole = b""
    while len(head := stream.read(2)) == 2:
        (length,) = struct.unpack("<H", head)
        whole += stream.read(length or MAX_CHUNK)
        if len(whole) > MAX_MESSAGE:
            raise ValueError("a message that is too long")
        if length:
            message = json.loads(whole)
            if not isinstance(message, dict):
                raise ValueError("a message that is no object")
            yield message
            whole = b""


def _joined_or_left(match_id: str, player: str, joined: bool) -> Message:
    return {"type": "player_joined" if joined else "player_left", "match_id": match_id, "player": player}


def _check_texts(*texts: str) -> None:
    """The launcher would end the connection over it, again and again.

    Raises:
        ValueError: a text is too long, or there are too many.
    """
    if len(texts) > MAX_NAMES:
        raise ValueError(f"{len(texts)} names; at most {MAX_NAMES}")
    for text in texts:
        if len(text) > MAX_TEXT:
            raise ValueError(f"a text of {len(text)} characters; at most {MAX_TEXT}: {text[:20]!r}…")
