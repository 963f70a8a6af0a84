"""Tickets: what lets a player into one game server, once, for a minute; and seats: what leads back, for half an hour.

A ticket is a JWT (RFC 7519). The login server issues it, signed with Ed25519 (`alg` EdDSA, RFC 8037); a game server
checks it with the public key alone, so that it needs no connection to the login server to let players in. There are
two checkers: `TicketChecker` stands in front of a game server that the login server knows, and takes the login server's
tickets and seats alone; `GameTokenChecker` stands in front of one that runs alone, and takes the tokens of any issuer
of JWTs. A launcher issues seats too, with a key of its own and to its own servers alone, which `SeatChecker` is for.

How strictly they are read is in `tokens.py`; every claim is required and of one type. This module opens no connection
and reads no clock; the time is an argument.
"""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import Struct

from login_server import tokens
from login_server.keys import ensure_key_pair, generate_key_pair, load_private_key, load_public_key, public_pem
from login_server.tokens import MAX_TOKEN_LENGTH, ForgedToken, MalformedToken, Name, Time

__all__ = [
    "ANY_GAME",
    "MAX_TICKET_LENGTH",
    "SEAT_SECONDS",
    "GameTokenChecker",
    "SeatChecker",
    "SeatIssuer",
    "Ticket",
    "TicketChecker",
    "TicketError",
    "TicketIssuer",
    "ensure_key_pair",
    "generate_key_pair",
]

TYPE = "ticket+jwt"
"""The header's `typ` (RFC 8725 section 3.11): no other JWT signed with the same key passes for a ticket."""

SEAT_TYPE = "seat+jwt"
"""The same of a seat: a ticket is no seat, and a seat no ticket, though both lead to the same place."""

SEAT_SECONDS = 1800.0
"""How long a player may come back with a seat."""

ANY_GAME = "*"
"""The `game_id` of a ticket to a server, without a match."""

MAX_TICKET_LENGTH = MAX_TOKEN_LENGTH


class TicketError(Exception):
    """A ticket that lets nobody in.

    Attributes:
        code: `ticket_malformed`, `ticket_forged`, `ticket_expired`, `ticket_wrong_server` or `ticket_reused`.
        message: the same for people.
        detail: more, for who runs the server; not for who shows the ticket.
    """

    def __init__(self, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail


class Ticket(Struct, frozen=True):
    """What a valid ticket says: `player` may play `game_id` with `players`, who include the player.

    A seat, which is not good `once` but until it expires, leads to a match that goes on, and never begins one anew.
    """

    player: str
    game_id: str
    players: list[str]
    ticket_id: str
    expires_at: float
    once: bool = True


class TicketIssuer:
    """Signs tickets. About 0.1 ms a ticket, so that the central task may call it.

    Args:
        private_key_pem: an Ed25519 private key, PKCS #8 in PEM.
        issuer: the `iss` of every ticket.
        life_seconds: how long after its issue a ticket is good.

    Raises:
        ValueError: the key is no Ed25519 private key.
    """

    _type = TYPE

    def __init__(self, private_key_pem: str, issuer: str, life_seconds: float = 60) -> None:
        self._key = load_private_key(private_key_pem)
        self.issuer = issuer
        self.life_seconds = life_seconds
        self.public_key_pem = public_pem(self._key.public_key())

    def issue(
        self, player: str, server_id: str, game_id: str, players: Sequence[str], now: float, ticket_id: str
    ) -> tuple[str, float]:
        """Sign one ticket.

        Args:
            player: whom it lets in.
            server_id: the one game server that takes it.
            game_id: the match, or `ANY_GAME`.
            players: everybody in the match, in order; the player alone for `ANY_GAME`.
            now: Unix time.
            ticket_id: never the same twice; the ticket is good once.

        Returns:
            The ticket's text, and when it expires in Unix time.
        """
        expires_at = now + self.life_seconds
        claims = {
            "iss": self.issuer,
            "sub": player,
            "aud": [server_id, game_id],
            "iat": now,
            "exp": expires_at,
            "jti": ticket_id,
            "ply": list(players),
        }
        return tokens.sign(claims, self._key, self._type), expires_at


class SeatIssuer(TicketIssuer):
    """Signs seats: the same, good again and again for as long as they live. Arguments as for the base."""

    _type = SEAT_TYPE

    def __init__(self, private_key_pem: str, issuer: str, life_seconds: float = SEAT_SECONDS) -> None:
        super().__init__(private_key_pem, issuer, life_seconds)


class _Claims(Struct):
    """What every token must say, whoever issued it; `nbf` alone may be missing (RFC 7519 section 4.1.5)."""

    iss: str
    sub: Name
    aud: Name | list[Name]
    iat: Time
    exp: Time
    jti: Name
    ply: list[Name]
    nbf: Time = 0


class _Checker:
    """What the checkers share: a token's form, signature, claims and times, and that it is taken once.

    Attributes:
        used: when each ticket that was taken expires, by its id; forgotten once it has. Seed it after a
            restart, so that the tickets taken before are not taken again.
    """

    def __init__(self, key: Ed25519PublicKey | RSAPublicKey, issuer: str, leeway_seconds: float) -> None:
        self._key = key
        self.issuer = issuer
        self.leeway_seconds = leeway_seconds
        self.used: dict[str, float] = {}
        self._purge_at = 0.0

    def _genuine_claims(self, text: str, types: Sequence[str]) -> tuple[str, _Claims]:
        """The `typ` and the claims of a token that the issuer has signed and that is of one of these types.

        Raises:
            TicketError: it is not genuine, or not all there.
        """
        try:
            kind, claims = tokens.read(text, self._key, types, _Claims)
        except ForgedToken as error:
            raise TicketError("ticket_forged", f"this ticket is not genuine: {error}") from error
        except MalformedToken as error:
            raise TicketError("ticket_malformed", ": ".join(filter(None, ("this is no ticket", str(error))))) from error
        if claims.iss != self.issuer:
            detail = f"its iss is {repr(claims.iss)[:80]}, expected is {self.issuer!r}"
            raise TicketError("ticket_forged", "this ticket was issued by somebody else", detail)
        if claims.sub not in claims.ply:
            raise TicketError("ticket_malformed", "this ticket's player is not among its players")
        return kind, claims

    def _take(self, claims: _Claims, game_id: str, now: float, once: bool = True) -> Ticket:
        """Take a token now: afterwards, one that is good once is used.

        Raises:
            TicketError: this is not its time, or it was used before.
        """
        if now < max(claims.iat, claims.nbf) - self.leeway_seconds:
            raise TicketError("ticket_expired", "this ticket is from the future: the clocks differ")
        if now >= claims.exp + self.leeway_seconds:
            raise TicketError("ticket_expired", "this ticket has expired")
        if once:
            self._purge(now)
            if claims.jti in self.used:
                raise TicketError("ticket_reused", "this ticket has been used already")
            self.used[claims.jti] = claims.exp
        return Ticket(claims.sub, game_id, claims.ply, claims.jti, claims.exp, once)

    def _purge(self, now: float) -> None:
        if now < self._purge_at:
            return
        self._purge_at = now + 30
        self.used = {
            ticket_id: expires_at
            for ticket_id, expires_at in self.used.items()
            if now < expires_at + self.leeway_seconds
        }


class SeatChecker(_Checker):
    """Checks somebody's seats to one game server, each as often as it is shown.

    Args:
        public_key_pem: the public key of who issues them.
        issuer: the only `iss` that is taken.
        server_id: the game server that this checker stands in front of.
        leeway_seconds: how far this machine's clock and the issuer's may differ.

    Raises:
        ValueError: the key is no Ed25519 public key.
    """

    _types: tuple[str, ...] = (SEAT_TYPE,)

    def __init__(self, public_key_pem: str, issuer: str, server_id: str, leeway_seconds: float = 2) -> None:
        key = load_public_key(public_key_pem)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("the public key is not an Ed25519 key")
        super().__init__(key, issuer, leeway_seconds)
        self.server_id = server_id

    def check(self, text: str, now: float) -> Ticket:
        """Take a seat; or a ticket, where those are taken: afterwards it is used.

        Args:
            text: the seat or ticket.
            now: Unix time.

        Raises:
            TicketError: it is not good here and now, and why.
        """
        kind, claims = self._genuine_claims(text, self._types)
        match claims.aud:
            case [server_id, game_id]:
                pass
            case _:
                raise TicketError("ticket_malformed", "this ticket is not for one game on one server")
        if server_id != self.server_id:
            raise TicketError("ticket_wrong_server", f"this ticket is for {server_id}, not for {self.server_id}")
        return self._take(claims, game_id, now, once=kind == TYPE)


class TicketChecker(SeatChecker):
    """Checks the login server's tickets to one game server, each once, and its seats. Arguments as for the base.

    Attributes:
        used: when each ticket that was taken expires, by its id; forgotten once it has. Seed it after a
            restart, so that the tickets taken before are not taken again.
    """

    _types = (TYPE, SEAT_TYPE)


class GameTokenChecker(_Checker):
    """Checks the tokens to the games of a game server that runs alone, each once.

    Their issuer may be any that signs with RS256 or EdDSA, the login server among them.

    Args:
        public_key_pem: the issuer's public key: RSA of at least 2048 bits, or Ed25519.
        issuer: the only `iss` that is taken.
        leeway_seconds: how far this machine's clock and the issuer's may differ.

    Attributes:
        used: when each token that was taken expires, by its id; forgotten once it has. Seed it after a
            restart, so that the tokens taken before are not taken again.

    Raises:
        ValueError: the key is none of these.
    """

    def __init__(self, public_key_pem: str, issuer: str, leeway_seconds: float = 30) -> None:
        super().__init__(load_public_key(public_key_pem), issuer, leeway_seconds)

    def check(self, text: str, game_id: str, now: float) -> Ticket:
        """Take a token: afterwards it is used.

        Args:
            text: the token.
            game_id: the game that the player asks for. The token's `aud` must be it, or be a list that it is in.
            now: Unix time.

        Raises:
            TicketError: it is not good here and now, and why.
        """
        _, claims = self._genuine_claims(text, (TYPE, "JWT"))
        if game_id not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
            raise TicketError("ticket_wrong_server", "this ticket is for another game")
        return self._take(claims, game_id, now)
