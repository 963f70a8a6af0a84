"""What a successor needs in order to go on with the games of this process, as text in parts. Pure: no connection, no
clock."""

import base64
import zlib
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from game_server.model import FourInARow
from game_server.model.events import Name
from game_server.protocol import GameEvent, Id, Key, UnixTime
from game_server_launcher.protocol import MAX_CONTEXT_LENGTH, MAX_PART_LENGTH

FORMAT = 1
MAX_JSON_BYTES = 512 * 1024 * 1024
"""Of a context before it is packed."""


class ContextError(Exception):
    """A context that cannot be handed over or taken."""


class Seat(Struct):
    """A player's place in a game, and the secret that gives it back after a lost connection."""

    player: Name
    resume_key: Key
    has_come: bool = False


class GameContext(Struct, kw_only=True):
    """One game.

    Attributes:
        changed_at: what every wait is counted from.
        present: the players who were connected, and are on their way.
        sequence: the number of the last event.
        events: the last ones.
    """

    game_id: Id
    is_match: bool
    seats: Annotated[list[Seat], Meta(max_length=2)]
    model: FourInARow | None
    begun: bool
    begun_at: UnixTime
    changed_at: UnixTime
    present: list[Name]
    sequence: Annotated[int, Meta(ge=0)]
    events: list[GameEvent]


class Pass(Struct):
    """Lets somebody without a seat come to a game, once: who watched, or had been let in and was not at the game yet.

    Attributes:
        players, returning: as those of an `Admission`.
    """

    key: Key
    player: Name
    game_id: Id
    players: list[Name] | None = None
    returning: bool = False


class Context(Struct, kw_only=True):
    """All games and who may come to them. Matches that nobody has recorded yet are not in it: their results stay with
    who has told them."""

    format: int = FORMAT
    games: list[GameContext]
    used_tickets: dict[str, float]
    passes: list[Pass]


def export_context(context: Context) -> str:
    """A context as text.

    Raises:
        ContextError: it is longer than `MAX_CONTEXT_LENGTH`.
    """
    text = base64.b64encode(zlib.compress(msgspec.json.encode(context), level=1)).decode()
    if len(text) > MAX_CONTEXT_LENGTH:
        raise ContextError(f"the context has {len(text)} characters, and {MAX_CONTEXT_LENGTH} is the most")
    return text


def import_context(text: str) -> Context:
    """The context that was made to this text.

    Raises:
        ContextError: it is none that could have been.
    """
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(base64.b64decode(text, validate=True), MAX_JSON_BYTES)
        if not unpack.eof:
            raise ContextError("the context is cut off, or too long")
        context = msgspec.json.decode(data, type=Context)
    except (ValueError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContextError(f"the context cannot be read: {error}") from error
    _check(context)
    return context


def parts_of(text: str) -> Iterator[tuple[int, bool, str]]:
    """A text in parts: the number of each, from 1, whether it is the last, and its text."""
    count = max(1, -(-len(text) // MAX_PART_LENGTH))
    for part in range(count):
        yield part + 1, part + 1 == count, text[part * MAX_PART_LENGTH : (part + 1) * MAX_PART_LENGTH]


class Parts:
    """Puts the parts of a text together."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def add(self, part: int, data: str) -> None:
        """Take a part; the first one begins anew.

        Raises:
            ContextError: it does not follow on the one before, or it is too much.
        """
        if part == 1:
            self.clear()
        if part != len(self._parts) + 1:
            raise ContextError(f"part {part} came, and part {len(self._parts) + 1} was to come")
        self._parts.append(data)
        self._length += len(data)
        if self._length > MAX_CONTEXT_LENGTH:
            raise ContextError(f"the context has more than {MAX_CONTEXT_LENGTH} characters")

    def clear(self) -> None:
        self._parts.clear()
        self._length = 0

    def text(self) -> str:
        return "".join(self._parts)


def _check(context: Context) -> None:
    """Raises:
    ContextError: the context contradicts itself.
    """
    if context.format != FORMAT:
        raise ContextError(f"the context has the format {context.format}, and {FORMAT} is the one that is known here")
    keys = [seat.resume_key for game in context.games for seat in game.seats]
    keys += [one.key for one in context.passes]
    if len(set(keys)) != len(keys) or len({game.game_id for game in context.games}) != len(context.games):
        raise ContextError("two games have the same id, or two players the same key")
    for game in context.games:
        _check_game(game)


def _check_game(game: GameContext) -> None:
    players = [seat.player for seat in game.seats]
    first = game.sequence - len(game.events) + 1
    if len(set(players)) != len(players) or not set(game.present) <= set(players):
        raise ContextError(f"game {game.game_id}: who plays is not clear")
    if [event.sequence for event in game.events] != list(range(first, game.sequence + 1)) or first < 1:
        raise ContextError(f"game {game.game_id}: its events have gaps")
    if game.model is not None and game.model.players != players:
        raise ContextError(f"game {game.game_id}: its board cannot be")
    if game.model is None and (game.begun or len(players) == 2):
        raise ContextError(f"game {game.game_id}: it has no board")
