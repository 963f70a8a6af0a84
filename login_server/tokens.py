"""The strict reading of signed tokens: what tickets, seats and day passes have in common.

A token is a JWT (RFC 7519). Of the standard's freedom as little as possible is used (RFC 8725): the key says which
algorithm it is, never the token; the signature is checked before anything is parsed that it covers; what can be spelled
in several ways is taken in its canonical spelling alone. This module opens no connection and reads no clock.
"""

import base64
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import jwt
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Meta

MAX_TOKEN_LENGTH = 4096
_COMPACT_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")

Name = Annotated[str, Meta(min_length=1)]
# Up to here a float counts whole seconds.
Time = Annotated[float, Meta(ge=0, le=2**53)]

T = TypeVar("T")


class MalformedToken(Exception):
    """It is no token of the wanted kind. The text says why, and may be empty."""


class ForgedToken(Exception):
    """It is not by the one who issues such tokens. The text says why."""


def sign(claims: dict[str, Any], key: Ed25519PrivateKey, kind: str) -> str:
    """A token with these claims; `kind` is its `typ` (RFC 8725 section 3.11): no other kind passes for it."""
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": kind})


def read(text: str, key: Ed25519PublicKey | RSAPublicKey, kinds: Sequence[str], wanted: type[T]) -> tuple[str, T]:
    """The kind and the claims of a token that the key's owner has signed; without a `typ` its kind is `JWT`.

    The signature comes first: what a forged token claims to be is never looked at. Whether it is the issuer, the time
    and the place for it, is for the caller to look at.

    Args:
        text: the token.
        key: of who issues such tokens.
        kinds: those that are taken.
        wanted: what the claims must be.

    Raises:
        ForgedToken: somebody else has signed it, or in another way than it says.
        MalformedToken: it is of none of the kinds, or not all there.
    """
    parts = _COMPACT_FORM.fullmatch(text) if len(text) <= MAX_TOKEN_LENGTH else None
    if parts is None:
        raise MalformedToken
    header_part, claims_part, signature = (_decode_part(part) for part in parts.groups())
    signed = text[: parts.end(2)].encode()
    try:
        if isinstance(key, RSAPublicKey):
            algorithm = "RS256"
            key.verify(signature, signed, PKCS1v15(), SHA256())
        else:
            algorithm = "EdDSA"
            key.verify(signature, signed)
    except InvalidSignature as error:
        raise ForgedToken("it was signed by somebody else") from error
    header = _decode_json(header_part, dict[str, Any])
    if header.get("alg") != algorithm:
        raise ForgedToken("it was signed in another way than it says")
    # RFC 7515 section 4.1.11: what is critical and not understood must be refused; nothing is understood here.
    # Keys that a token brings along (`jwk`, `jku`, `x5c`, `x5u`) or names (`kid`) are never looked at.
    if "crit" in header or "b64" in header:
        raise MalformedToken("it asks for an extension")
    kind = header.get("typ", "JWT")
    if kind not in kinds:
        raise MalformedToken("it is a token of another kind")
    return kind, _decode_json(claims_part, wanted)


def _decode_part(part: str) -> bytes:
    """The bytes of a part of the compact form, in the one spelling that these bytes have: no bit left over.

    Raises:
        MalformedToken: it is spelled in another way.
    """
    if len(part) % 4 != 1:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == part:
            return decoded
    raise MalformedToken


def _decode_json(data: bytes, wanted: type[T]) -> T:
    """What this JSON says. Standard JSON alone: no `NaN`, no half of a character (`"\\ud800"`), no name twice.

    Raises:
        MalformedToken: it is none, or says something else than what is wanted.
    """
    try:
        # msgspec keeps the last of two members of one name, without a word, and skips what it does not know.
        json.loads(data.decode(), object_pairs_hook=_unambiguous)
        return msgspec.json.decode(data, type=wanted)
    except (ValueError, RecursionError) as error:
        raise MalformedToken(str(error)) from error


def _unambiguous(members: list[tuple[str, Any]]) -> None:
    """Of two members of one name, another program might believe the other (RFC 8725 section 2.6).

    Raises:
        ValueError: there are two.
    """
    if len({name for name, _ in members}) != len(members):
        raise ValueError("a name is there twice")
