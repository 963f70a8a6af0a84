"""Mutated tokens: whatever somebody without the key does to a good token, no checker takes it.

Here is what can be done to the text of tokens, and what can be signed by others. What the issuer itself must not sign
is in `test_tickets_missigned.py`.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from login_server.tickets import TicketError
from tests.login_server.forging import (
    BASE64URL,
    CLAIMED_ALGORITHMS,
    NOW,
    SUBJECTS,
    WHITE,
    Sign,
    Subject,
    any_character,
    any_text,
    any_value,
    compact,
    decode,
    ecdsa_signer,
    encode,
    hmac_signer,
    refuse_all,
    rsa_key,
    rsa_signer,
    usual_and_slow,
)

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group: RFC 8032 section 5.1."""


@pytest.fixture(scope="module", params=list(SUBJECTS))
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    yield Subject(*SUBJECTS[request.param])


def assert_refused(subject: Subject, texts: list[str]) -> None:
    """Each is refused, and the good token is taken afterwards."""
    check = subject.checker()
    for text in texts:
        with pytest.raises(TicketError):
            check(text)
    assert check(subject.token()).ticket_id == "token-1"


# --- the text ---------------------------------------------------------------------------------------


def tampered(random: Random, good: list[str]) -> str:
    """What somebody in the middle can make of tokens that they see."""
    text = random.choice(good)
    start, end, third = sorted(random.randrange(len(text) + 1) for _ in range(3))
    parts = text.split(".")
    match random.choice(
        ["replace", "bit", "insert", "remove", "repeat", "swap", "case", "white", "mix", "cut", "around", "any"]
    ):
        case "replace":
            return text[:start] + any_character(random) + text[start + 1 :]
        case "bit":
            index = random.randrange(3)
            data = bytearray(decode(parts[index]))
            data[random.randrange(len(data))] ^= random.randint(1, 255)
            parts[index] = encode(bytes(data))
            return ".".join(parts)
        case "insert":
            return text[:start] + any_text(random) + text[start:]
        case "remove":
            return text[:start] + text[end:]
        case "repeat":
            return text[:end] + text[start:end] + text[end:]
        case "swap":
            return text[:start] + text[end:third] + text[start:end] + text[third:]
        case "case":
            return text[:start] + text[start:end].swapcase() + text[end:]
        case "white":
            white = "".join(random.choices(WHITE, k=random.randint(1, 3)))
            place = random.choice([0, len(text), len(parts[0]), len(parts[0]) + 1, start])
            return text[:place] + white + text[place:]
        case "mix":
            everything = [part for one in good for part in one.split(".")] + ["", any_text(random)]
            return ".".join(random.choices(everything, k=random.randint(1, 5)))
        case "cut":
            return text[start:third]
        case "around":
            return random.choice(["Bearer ", "token=", '"', "%", ""]) + text + any_text(random)
        case _:
            return any_text(random, 200)


@usual_and_slow
def test_a_token_that_was_tampered_with_is_never_taken(subject: Subject, count: int) -> None:
    good = [subject.token(), subject.token("token-2", sub="bob"), subject.token("token-3", exp=NOW + 10)]
    take = subject.checker()
    assert [take(text).ticket_id for text in good] == ["token-1", "token-2", "token-3"]

    def mutate(random: Random) -> str:
        text = tampered(random, good)
        # One good token made of another is no mutation.
        return good[0] if text in good else text

    refuse_all(subject, mutate, count)


def test_a_token_has_one_spelling(subject: Subject) -> None:
    """The same bytes, spelled in ways that a lax decoder takes for the same."""
    spelled = []
    for text in (subject.token(), subject.token("token-10"), subject.token("token-100")):
        parts = text.split(".")
        for index, part in enumerate(parts):
            others = [part + "=" * count for count in (1, 2, 3)]
            others += [part.replace("-", "+"), part.replace("_", "/"), part + "\n", "\n" + part, part + "A"]
            # The bits of the last character that no byte needs.
            spare = {2: 16, 3: 4}.get(len(part) % 4, 1)
            value = BASE64URL.index(part[-1])
            others += [part[:-1] + BASE64URL[value - value % spare + low] for low in range(spare)]
            spelled += [".".join([*parts[:index], other, *parts[index + 1 :]]) for other in others if other != part]
    assert_refused(subject, spelled)


def test_a_signature_has_one_number(subject: Subject) -> None:
    """Other numbers that are the same modulo the order of the group, or modulo the key."""
    others = []
    for index in range(20):
        signed, _, part = subject.token(f"token-{index}").rpartition(".")
        signature = decode(part)
        others += [(signed, other) for other in (b"", bytes(len(signature)), b"\0" + signature, signature + b"\0")]
        if isinstance(subject.key, RSAPrivateKey):
            number, modulus = int.from_bytes(signature), subject.key.public_key().public_numbers().n
            numbers = [number + modulus, number + 2 * modulus, modulus - number, 0, 1, modulus - 1, modulus]
            others += [(signed, one.to_bytes(size)) for one in numbers for size in (256, 257) if one < 256**size]
        else:
            point, scalar = signature[:32], int.from_bytes(signature[32:], "little")
            numbers = [scalar + many * ED25519_ORDER for many in range(1, 15)]
            others += [(signed, point + one.to_bytes(32, "little")) for one in numbers]
            # The neutral element, which some take for a signature of anything.
            others += [(signed, bytes([1, *bytes(63)])), (signed, bytes([1, *bytes(31)]) + signature[32:])]
    assert_refused(subject, [f"{signed}.{encode(signature)}" for signed, signature in others])


# --- other signers ----------------------------------------------------------------------------------


def forgers(subject: Subject) -> list[tuple[str, Sign]]:
    """What can be signed without the private key, and what its owner signs in another way, each with its `alg`."""
    pem, der = subject.public_pem, subject.public_der
    known = [
        pem,
        pem.strip(),
        pem.replace(b"\n", b"\r\n"),
        b"".join(pem.splitlines()[1:-1]),
        der,
        der[-32:],
        b"",
        b"secret",
    ]
    other = rsa_key()
    found: list[tuple[str, Sign]] = [
        ("RS256", rsa_signer(other)),
        ("RS384", rsa_signer(other, hashes.SHA384())),
        ("PS256", rsa_signer(other, pss=True)),
        ("EdDSA", Ed25519PrivateKey.generate().sign),
        ("ES256", ecdsa_signer()),
        ("none", lambda signed: b""),
        ("none", lambda signed: bytes(64)),
        ("none", lambda signed: bytes(256)),
        *(("HS256", hmac_signer(secret)) for secret in known),
        *(("HS512", hmac_signer(secret, "sha512")) for secret in known),
    ]
    if isinstance(subject.key, RSAPrivateKey):
        found += [
            ("RS384", rsa_signer(subject.key, hashes.SHA384())),
            ("RS512", rsa_signer(subject.key, hashes.SHA512())),
            ("PS256", rsa_signer(subject.key, pss=True)),
        ]
    return found


@usual_and_slow
def test_a_token_that_somebody_else_has_signed_is_never_taken(subject: Subject, count: int) -> None:
    signers = forgers(subject)
    own: dict[str, Any] = {
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": encode(bytes(32))},
        "jku": "http://127.0.0.1:9/keys.json",
        "x5u": "http://127.0.0.1:9/key.pem",
        "x5c": ["MIIB"],
        "kid": "../../../../dev/null",
        "cty": "JWT",
        "zip": "DEF",
    }

    def mutate(random: Random) -> str:
        algorithm, sign = random.choice(signers)
        claimed = random.choice([algorithm, subject.algorithm, random.choice(CLAIMED_ALGORITHMS), any_value(random)])
        header = subject.header | {"alg": claimed}
        for name in random.sample(sorted(own), random.randint(0, 3)):
            header[name] = own[name]
        token_id = f"token-{random.randrange(10**9)}"
        claims = subject.claims(token_id, sub=random.choice(["alice", "bob"]), exp=NOW + random.randint(1, 10**9))
        return compact(header, claims, sign)

    refuse_all(subject, mutate, count)


def test_a_key_that_a_token_brings_along_is_not_looked_at(subject: Subject) -> None:
    mine = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(mine.public_key().public_bytes_raw())}
    assert_refused(subject, [compact({"alg": "EdDSA", "typ": "JWT", "jwk": jwk}, subject.claims(), mine.sign)])
    harmless = subject.header | {"jwk": jwk, "jku": "http://127.0.0.1:9/", "x5u": "http://127.0.0.1:9/", "kid": 7}
    assert subject.checker()(compact(harmless, subject.claims(), subject.sign)).player == "alice"
