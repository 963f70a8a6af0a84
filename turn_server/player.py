"""One player, from the registration to the end of the game."""

import enum
from typing import TYPE_CHECKING, Any

from turn_server.inbox import Inbox

if TYPE_CHECKING:
    from connhandler import Timer
    from connhandler.http import HttpResponse
    from turn_server.game import Game


class Stage(enum.StrEnum):
    """How far a player has come. A request takes it one stage on, and the same request again changes nothing."""

    REGISTERED = "registered"
    WAITING = "waiting"
    PAIRED = "paired"
    INITIALISED = "initialised"
    READY = "ready"
    PLAYING = "playing"


class Player:
    """Plain data; the desks change it.

    Attributes:
        serial: counts registrations, from 1; what log lines call the player by, since keys are secrets.
        key: of the pairing.
        name: as registered, any bytes.
        wish: the name of the only partner wanted, or `*`.
        patient: whether registered with the long wait.
        stage: how far this player has come.
        heard: when the last request came.
        wait: after so many seconds without another, this player is dropped.
        timer: looks when that is due.
        partner: once paired.
        number: 0, the side that came first and sets the game up, or 1.
        bereaved: why there is no partner any more, until another one is asked for.
        game: once both are ready.
        agreed: whether this player has shown that it knows the key of the game; the pairing key is free then.
        counter: the state counter of the last request that was taken; -1 before the first.
        taken: the data of the last request with this counter, if it was passed on: the same again is a repetition.
        overflowed: whether the last reply was that a cache is full, so that the next request repeats its data.
        inbox: what the partner sent.
        left: what this player hears now that it has left the game.
    """

    __slots__ = (
        "agreed",
        "bereaved",
        "counter",
        "game",
        "heard",
        "inbox",
        "key",
        "left",
        "name",
        "number",
        "overflowed",
        "partner",
        "patient",
        "serial",
        "stage",
        "taken",
        "timer",
        "wait",
        "wish",
    )

    def __init__(self, serial: int, key: bytes, name: bytes, wish: bytes, patient: bool, max_cache_bytes: int) -> None:
        self.serial = serial
        self.key = key
        self.name = name
        self.wish = wish
        self.patient = patient
        self.stage = Stage.REGISTERED
        self.heard = 0.0
        self.wait = 0.0
        self.timer: Timer | None = None
        self.partner: Player | None = None
        self.number = 0
        self.bereaved: HttpResponse | None = None
        self.game: Game | None = None
        self.agreed = False
        self.counter = -1
        self.taken: bytes | None = None
        self.overflowed = False
        self.inbox = Inbox(max_cache_bytes)
        self.left: HttpResponse | None = None

    def __str__(self) -> str:
        return f"player {self.serial} {self.name.decode(errors='backslashreplace')!r}"

    def plain(self) -> dict[str, Any]:
        """All of it, as values that JSON knows."""
        return {
            "serial": self.serial,
            "key": self.key.decode(),
            "name": self.name.decode(errors="backslashreplace"),
            "wish": self.wish.decode(errors="backslashreplace"),
            "patient": self.patient,
            "stage": self.stage.value,
            "heard": self.heard,
            "wait": self.wait,
            "partner": self.partner.serial if self.partner else None,
            "number": self.number,
            "bereaved": self.bereaved.body.decode() if self.bereaved else None,
            "game": self.game.key.decode() if self.game else None,
            "agreed": self.agreed,
            "counter": self.counter,
            "taken": self.taken.decode(errors="backslashreplace") if self.taken is not None else None,
            "overflowed": self.overflowed,
            "inbox": self.inbox.block.decode(errors="backslashreplace"),
            "left": self.left.body.decode() if self.left else None,
        }
