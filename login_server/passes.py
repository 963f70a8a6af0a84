"""Day passes: what lets a player in while the login server is away.

A day pass is a JWT that the login server signs at each log-in, with the key that signs its tickets. It says who its
holder is, and no more: a launcher that reads it gives the holder a seat on one of its servers. How strictly it is read
is in `tokens.py`. It is good again and again, until it expires or is revoked: the login server tells launchers whose
passes, issued before when, are void. This module opens no connection and reads no clock; the time is an argument.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from login_server import tokens
from login_server.keys import load_private_key, load_public_key
from login_server.tokens import ForgedToken, MalformedToken, Name, Time

TYPE = "day-pass+jwt"
"""The header's `typ`: no ticket passes for a day pass, and no day pass for a ticket."""


class PassError(Exception):
    """A day pass that is good for nothing.

    Attributes:
        code: `pass_malformed`, `pass_forged`, `pass_expired` or `pass_revoked`.
        message: the same for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class DayPass(Struct, frozen=True):
    """What a valid day pass says: its holder is `player`."""

    player: str
    pass_id: str
    issued_at: float
    expires_at: float


class PassIssuer:
    """Signs day passes. About 0.1 ms a pass, so that the central task may call it.

    Args:
        private_key_pem: an Ed25519 private key, PKCS #8 in PEM.
        issuer: the `iss` of every pass.
        life_seconds: how long after its issue a pass is good.

    Raises:
        ValueError: the key is no Ed25519 private key.
    """

    def __init__(self, private_key_pem: str, issuer: str, life_seconds: float = 24 * 3600) -> None:
        self._key = load_private_key(private_key_pem)
        self.issuer = issuer
        self.life_seconds = life_seconds

    def issue(self, player: str, now: float, pass_id: str) -> tuple[str, float]:
        """Sign one pass; return its text, and when it expires in Unix time."""
        expires_at = now + self.life_seconds
        claims = {"iss": self.issuer, "sub": player, "iat": now, "exp": expires_at, "jti": pass_id}
        return tokens.sign(claims, self._key, TYPE), expires_at


class _Claims(Struct):
    """What every day pass must say."""

    iss: str
    sub: Name
    iat: Time
    exp: Time
    jti: Name


class PassChecker:
    """Checks the login server's day passes.

    Args:
        public_key_pem: the login server's public key.
        issuer: the only `iss` that is taken.
        leeway_seconds: how far this machine's clock and the login server's may differ.

    Raises:
        ValueError: the key is no Ed25519 public key.
    """

    def __init__(self, public_key_pem: str, issuer: str, leeway_seconds: float = 2) -> None:
        key = load_public_key(public_key_pem)
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("the public key is not an Ed25519 key")
        self._key = key
        self._issuer = issuer
        self._leeway_seconds = leeway_seconds

    def check(self, text: str, revoked: Mapping[str, float], now: float) -> DayPass:
        """Read a pass.

        Args:
            text: the pass.
            revoked: by player, before when (Unix time) passes were issued that are void.
            now: Unix time.

        Raises:
            PassError: it is not good now, and why.
        """
        try:
            _, claims = tokens.read(text, self._key, (TYPE,), _Claims)
        except ForgedToken as error:
            raise PassError("pass_forged", f"this day pass is not genuine: {error}") from error
        except MalformedToken as error:
            raise PassError("pass_malformed", ": ".join(filter(None, ("this is no day pass", str(error))))) from error
        if claims.iss != self._issuer:
            raise PassError("pass_forged", "this day pass was issued by somebody else")
        if now < claims.iat - self._leeway_seconds:
            raise PassError("pass_expired", "this day pass is from the future: the clocks differ")
        if now >= claims.exp + self._leeway_seconds:
            raise PassError("pass_expired", "this day pass has expired")
        if claims.iat < revoked.get(claims.sub, 0.0):
            raise PassError("pass_revoked", "this day pass was revoked")
        return DayPass(claims.sub, claims.jti, claims.iat, claims.exp)
