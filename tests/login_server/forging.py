"""Tokens of every kind, good and bad: compact forms put together by hand, and those who could have signed them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cached_property
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from login_server.tickets import GameTokenChecker, Ticket, TicketChecker, TicketError

NOW = 1_700_000_000.25
ISSUER = "login-server"
SERVER = "home/one"
GAME = "match-1"

Sign = Callable[[bytes], bytes]

CLAIMED_ALGORITHMS = ["none", "None", "nOnE", "NONE", "HS256", "RS256", "rs256", "RS384", "PS256", "ES256", "EdDSA"]
CLAIMED_ALGORITHMS += ["eddsa", "Ed25519", "", " RS256", "RS256\0", "\uff32\uff33256", "EdDSA\n", "*"]
"""What a header's `alg` can say."""


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def compact(header: Any, claims: Any, sign: Sign) -> str:
    """A token of this header and these claims: bytes as they are, anything else as JSON."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    signed = f"{encode(parts[0])}.{encode(parts[1])}"
    return f"{signed}.{encode(sign(signed.encode()))}"


def rsa_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def rsa_signer(key: RSAPrivateKey, algorithm: hashes.HashAlgorithm | None = None, pss: bool = False) -> Sign:
    digest = algorithm or hashes.SHA256()
    scheme = padding.PSS(padding.MGF1(digest), digest.digest_size) if pss else padding.PKCS1v15()
    return lambda signed: key.sign(signed, scheme, digest)


def hmac_signer(secret: bytes, algorithm: str = "sha256") -> Sign:
    return lambda signed: hmac.new(secret, signed, getattr(hashlib, algorithm)).digest()


def ecdsa_signer() -> Sign:
    key = ec.generate_private_key(ec.SECP256R1())
    return lambda signed: key.sign(signed, ec.ECDSA(hashes.SHA256()))


class Subject:
    """One checker with one kind of key: what it takes, and who signs that.

    Args:
        algorithm: `RS256` or `EdDSA`.
        tickets: whether it is the checker of the login server's tickets.
    """

    def __init__(self, algorithm: str, tickets: bool) -> None:
        self.algorithm = algorithm
        self.tickets = tickets
        self.key = self.new_key()
        self.sign = self.signer(self.key)

    @cached_property
    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @cached_property
    def public_der(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": self.algorithm, "typ": "ticket+jwt" if self.tickets else "JWT"}

    def new_key(self) -> RSAPrivateKey | Ed25519PrivateKey:
        return rsa_key() if self.algorithm == "RS256" else Ed25519PrivateKey.generate()

    def signer(self, key: RSAPrivateKey | Ed25519PrivateKey) -> Sign:
        return rsa_signer(key) if isinstance(key, RSAPrivateKey) else key.sign

    def claims(self, token_id: str = "token-1", **changes: Any) -> dict[str, Any]:
        """Those of a good token, and these instead."""
        good = {
            "iss": ISSUER,
            "sub": "alice",
            "aud": [SERVER, GAME] if self.tickets else GAME,
            "iat": NOW,
            "exp": NOW + 60,
            "jti": token_id,
            "ply": ["alice", "bob"],
        }
        return good | changes

    def token(self, token_id: str = "token-1", **changes: Any) -> str:
        return compact(self.header, self.claims(token_id, **changes), self.sign)

    def checker(self) -> Callable[[str], Ticket]:
        """A new checker: give it a token, and it takes it now or raises."""
        pem = self.public_pem.decode()
        if self.tickets:
            tickets = TicketChecker(pem, ISSUER, SERVER)
            return lambda text: tickets.check(text, NOW)
        tokens = GameTokenChecker(pem, ISSUER)
        return lambda text: tokens.check(text, GAME, NOW)


SUBJECTS = {
    "tickets": ("EdDSA", True),
    "game-tokens-rs256": ("RS256", False),
    "game-tokens-eddsa": ("EdDSA", False),
}


# --- chance -----------------------------------------------------------------------------------------

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
WHITE = [" ", "\n", "\r\n", "\t", "\0", "\x0b", "\u00a0", "\u2028", "\u200b", "\ufeff"]


def any_character(random: Random) -> str:
    """Of base64url, of ASCII, or any code point, surrogates as well."""
    return random.choice([random.choice(BASE64URL), chr(random.randrange(128)), chr(random.randrange(0x110000))])


def any_text(random: Random, longest: int = 12) -> str:
    return "".join(any_character(random) for _ in range(random.randint(0, longest)))


def any_value(random: Random, depth: int = 2) -> Any:
    """Any JSON value."""
    match random.choice(["none", "bool", "integer", "number", "text", "list", "object"][: 7 if depth else 5]):
        case "none":
            return None
        case "bool":
            return random.random() < 0.5
        case "integer":
            return random.choice([1, -1]) * random.getrandbits(random.choice([1, 8, 31, 64, 200]))
        case "number":
            return random.uniform(-1, 1) * 10 ** random.randint(-20, 300)
        case "text":
            return any_text(random)
        case "list":
            return [any_value(random, depth - 1) for _ in range(random.randint(0, 3))]
        case _:
            return {any_text(random, 5): any_value(random, depth - 1) for _ in range(random.randint(0, 3))}


def refuse_all(subject: Subject, mutate: Callable[[Random], str], count: int) -> None:
    """Offer so many different mutated tokens: each must be refused, and a good one be taken after it.

    That shows each time that it was the mutation that was refused, and that a refusal uses nothing up.
    """
    good = subject.token()
    offered: set[str] = set()

    # A fifth more than asked for: some are the same again.
    @settings(max_examples=count + count // 5, deadline=None, database=None, phases=[Phase.generate])
    @given(st.randoms(use_true_random=True))
    def refuse(random: Random) -> None:
        text = mutate(random)
        assume(text != good)
        check = subject.checker()
        try:
            taken = check(text)
        except TicketError:
            offered.add(text)
        else:
            raise AssertionError(f"{text!r} was taken: {taken}")
        assert check(good).ticket_id == "token-1"

    refuse()
    assert len(offered) >= count


usual_and_slow = pytest.mark.parametrize(
    "count", [1_200, pytest.param(11_200, marks=[pytest.mark.slow, pytest.mark.timeout(300)])]
)
"""How many tokens: there are nine batteries, three for each subject, 100,800 tokens when all is run."""
