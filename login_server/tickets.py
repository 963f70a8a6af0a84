"""Tickets: what lets a player into one game server, once, for a minute.

A ticket is a JWT (RFC 7519) signed with Ed25519 (`alg` EdDSA, RFC 8037). The login server issues it; a game
server checks it with the public key alone, so that it needs no connection to the login server to let players in.
Of the standard's freedom nothing is used: one algorithm, one `typ`, every claim required, the compact form
in its one canonical spelling. This module opens no connection and reads no clock; the time is an argument.
"""

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

ALGORITHM = "EdDSA"
TYPE = "ticket+jwt"
"""The header's `typ` (RFC 8725 section 3.11): no other JWT signed with the same key passes for a ticket."""

ANY_GAME = "*"
"""The `game_id` of a ticket to a server, without a match."""

MAX_TICKET_LENGTH = 4096
_CLAIMS = ("iss", "sub", "aud", "iat", "exp", "jti", "ply")
# An Ed25519 signature has 64 bytes: 86 characters, the last of which carries two bits and four zeros.
# Requiring the zeros leaves each ticket exactly one spelling.
_COMPACT_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{85}[AQgw]")


class TicketError(Exception):
    """A ticket that lets nobody in.

    Attributes:
        code: `ticket_malformed`, `ticket_forged`, `ticket_expired`, `ticket_wrong_server` or `ticket_reused`.
        message: the same for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Ticket(Struct, frozen=True):
    """What a valid ticket says: `player` may play `game_id` with `players`, who include the player."""

    player: str
    game_id: str
    players: list[str]
    ticket_id: str
    expires_at: float


class TicketIssuer:
    """Signs tickets. About 0.1 ms a ticket, so that the central task may call it.

    Args:
        private_key_pem: an Ed25519 private key, PKCS #8 in PEM.
        issuer: the `iss` of every ticket.
        life_seconds: how long after its issue a ticket is good.

    Raises:
        ValueError: the key is no Ed25519 private key.
    """

    def __init__(self, private_key_pem: str, issuer: str, life_seconds: float = 60) -> None:
        self._key = _private_key(private_key_pem)
        self.issuer = issuer
        self.life_seconds = life_seconds
        self.public_key_pem = _public_pem(self._key.public_key())

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
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"typ": TYPE}), expires_at


class TicketChecker:
    """Checks the tickets to one game server, each once.

    Args:
        public_key_pem: the login server's public key.
        issuer: the only `iss` that is taken.
        server_id: the game server that this checker stands in front of.
        leeway_seconds: how far this machine's clock and the login server's may differ.

    Attributes:
        used: when each ticket that was taken expires, by its id; forgotten once it has. Seed it after a
            restart, so that the tickets taken before are not taken again.

    Raises:
        ValueError: the key is no Ed25519 public key.
    """

    def __init__(self, public_key_pem: str, issuer: str, server_id: str, leeway_seconds: float = 2) -> None:
        self._key = _public_key(public_key_pem)
        self.issuer = issuer
        self.server_id = server_id
        self.leeway_seconds = leeway_seconds
        self.used: dict[str, float] = {}
        self._purge_at = 0.0

    def check(self, text: str, now: float) -> Ticket:
        """Take a ticket: afterwards it is used.

        The signature comes first: what a forged ticket claims to be is never looked at.

        Args:
            text: the ticket.
            now: Unix time.

        Raises:
            TicketError: it is not good here and now, and why.
        """
        claims = self._genuine_claims(text)
        ticket = _ticket(claims, self.server_id)
        if now < claims["iat"] - self.leeway_seconds:
            raise TicketError("ticket_expired", "this ticket is from the future: the clocks differ")
        if now >= ticket.expires_at + self.leeway_seconds:
            raise TicketError("ticket_expired", "this ticket has expired")
        self._purge(now)
        if ticket.ticket_id in self.used:
            raise TicketError("ticket_reused", "this ticket has been used already")
        self.used[ticket.ticket_id] = ticket.expires_at
        return ticket

    def _genuine_claims(self, text: str) -> dict[str, Any]:
        if len(text) > MAX_TICKET_LENGTH or not _COMPACT_FORM.fullmatch(text):
            raise TicketError("ticket_malformed", "this is no ticket")
        try:
            token = jwt.decode_complete(
                text,
                self._key,
                algorithms=[ALGORITHM],
                issuer=self.issuer,
                # Times and audience are checked here: by the time given, and by the order of the audience.
                options={
                    "require": list(_CLAIMS),
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_aud": False,
                },
            )
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidIssuerError) as error:
            raise TicketError("ticket_forged", "this ticket was not issued by the login server") from error
        except jwt.InvalidTokenError as error:
            raise TicketError("ticket_malformed", f"this is no ticket: {error}") from error
        if token["header"].get("typ") != TYPE:
            raise TicketError("ticket_malformed", "this token is not a ticket")
        claims: dict[str, Any] = token["payload"]
        return claims

    def _purge(self, now: float) -> None:
        if now < self._purge_at:
            return
        self._purge_at = now + 30
        self.used = {
            ticket_id: expires_at
            for ticket_id, expires_at in self.used.items()
            if now < expires_at + self.leeway_seconds
        }


def _ticket(claims: dict[str, Any], server_id: str) -> Ticket:
    match claims:
        case {
            "sub": str(player),
            "aud": [str(audience), str(game_id)],
            "iat": int() | float(),
            "exp": int() | float() as expires_at,
            "jti": str(ticket_id),
            "ply": [*players],
        } if all(isinstance(name, str) for name in players) and player in players:
            pass
        case _:
            raise TicketError("ticket_malformed", "this ticket's claims are not those of a ticket")
    if audience != server_id:
        raise TicketError("ticket_wrong_server", f"this ticket is for {audience}, not for {server_id}")
    return Ticket(player, game_id, players, ticket_id, expires_at)


# --- keys -------------------------------------------------------------------------------------------


def generate_key_pair() -> tuple[str, str]:
    """A new private key and its public key, both PEM."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), _public_pem(key.public_key())


def ensure_key_pair(private_path: Path, public_path: Path) -> bool:
    """Create the key files that are missing: the private key with mode 0600, the public one beside it.

    Returns:
        Whether a new key pair was made.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: the private key that is there is no Ed25519 key.
    """
    created = False
    if not private_path.exists():
        private_pem, _ = generate_key_pair()
        created = _create_file(private_path, private_pem, 0o600)
    public_pem = _public_pem(_private_key(private_path.read_text()).public_key())
    if not public_path.exists() or public_path.read_text() != public_pem:
        public_path.parent.mkdir(parents=True, exist_ok=True)
        public_path.write_text(public_pem)
    return created


def _create_file(path: Path, text: str, mode: int) -> bool:
    """Create a file whole or not at all; False when somebody else did so at the same moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(path).hardlink_to(temporary)
    except FileExistsError:
        return False
    finally:
        Path(temporary).unlink()
    return True


def _private_key(pem: str) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:  # TypeError: it is encrypted
        raise ValueError(f"not a private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the private key is not an Ed25519 key")
    return key


def _public_key(pem: str) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError as error:
        raise ValueError(f"not a public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the public key is not an Ed25519 key")
    return key


def _public_pem(key: Ed25519PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
