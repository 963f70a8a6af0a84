"""Tokens for a game server that runs alone: of any issuer that signs with RS256 or EdDSA, and of no other kind."""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from login_server.tickets import (
    ANY_GAME,
    MAX_TICKET_LENGTH,
    GameTokenChecker,
    Ticket,
    TicketError,
    TicketIssuer,
    generate_key_pair,
)
from tests.login_server.forging import GAME, ISSUER, NOW, Subject, compact, hmac_signer, rsa_signer

_, PUBLIC = generate_key_pair()


@pytest.fixture(scope="module", params=["RS256", "EdDSA"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    yield Subject(request.param, tickets=False)


@pytest.fixture
def checker(subject: Subject) -> GameTokenChecker:
    return GameTokenChecker(subject.public_pem.decode(), ISSUER)


def assert_refused(checker: GameTokenChecker, code: str, text: str, game_id: str = GAME, now: float = NOW) -> None:
    with pytest.raises(TicketError) as caught:
        checker.check(text, game_id, now)
    assert caught.value.code == code, caught.value.message
    assert caught.value.message


def sign(subject: Subject, claims: dict[str, Any], **header: Any) -> str:
    """Signed by another program's hand: PyJWT."""
    return jwt.encode(claims, subject.key, algorithm=subject.algorithm, headers=header)


def test_a_good_token_says_who_may_play_what_with_whom(checker: GameTokenChecker, subject: Subject) -> None:
    expected = Ticket("alice", GAME, ["alice", "bob"], "token-1", NOW + 60)
    assert checker.check(sign(subject, subject.claims()), GAME, NOW) == expected


@pytest.mark.parametrize("header", [{}, {"typ": "JWT"}, {"typ": "ticket+jwt"}, {"kid": "2026-01"}])
def test_types_that_are_taken(checker: GameTokenChecker, subject: Subject, header: dict[str, str]) -> None:
    text = compact({"alg": subject.algorithm} | header, subject.claims(), subject.sign)
    assert checker.check(text, GAME, NOW).player == "alice"


@pytest.mark.parametrize("typ", ["at+jwt", "jwt", "TICKET+JWT", "", None, 7, ["JWT"], {}])
def test_types_that_are_not(checker: GameTokenChecker, subject: Subject, typ: Any) -> None:
    text = compact({"alg": subject.algorithm, "typ": typ}, subject.claims(), subject.sign)
    assert_refused(checker, "ticket_malformed", text)


@pytest.mark.parametrize("audience", [GAME, [GAME], ["other", GAME], [GAME, "other", "third"]])
def test_audiences_that_name_the_game(checker: GameTokenChecker, subject: Subject, audience: Any) -> None:
    assert checker.check(subject.token(aud=audience), GAME, NOW).game_id == GAME


@pytest.mark.parametrize("audience", ["other", ["other"], [], "match-10", ["match-1 "], "MATCH-1", "*"])
def test_audiences_that_do_not(checker: GameTokenChecker, subject: Subject, audience: Any) -> None:
    assert_refused(checker, "ticket_wrong_server", subject.token(aud=audience))


def test_a_token_is_for_the_game_that_is_asked_for(checker: GameTokenChecker, subject: Subject) -> None:
    """A part of a game's id is not its id, and a token that was refused for one game is good for its own."""
    for other in ("", "m", "match-2", "match-1\n", "\ud800"):
        assert_refused(checker, "ticket_wrong_server", subject.token(), other)
    assert checker.check(subject.token(), GAME, NOW).game_id == GAME


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "iat", "exp", "jti", "ply"])
def test_every_claim_is_required_and_of_its_type(checker: GameTokenChecker, subject: Subject, claim: str) -> None:
    claims = subject.claims()
    del claims[claim]
    assert_refused(checker, "ticket_malformed", compact(subject.header, claims, subject.sign))
    wrong: list[Any] = [None, True, {}, [[]], [7], "" if claim != "iss" else 7]
    for value in wrong:
        assert_refused(checker, "ticket_malformed", subject.token(**{claim: value}))
    assert checker.check(subject.token(), GAME, NOW)


def test_players_who_are_not_a_list_of_names_with_the_player(checker: GameTokenChecker, subject: Subject) -> None:
    for players in (["bob"], ["Alice"], ["alice", 7], ["alice", ""], ["alice", "\ud800"], "alice", {"alice": 1}):
        assert_refused(checker, "ticket_malformed", subject.token(ply=players))
    assert checker.check(subject.token(ply=["bob", "alice", "carol"]), GAME, NOW).players == ["bob", "alice", "carol"]


@pytest.mark.parametrize(
    ("seconds", "good"),
    [(-30.5, False), (-30, True), (0, True), (60, True), (89.5, True), (90, False), (90.5, False), (1e9, False)],
)
def test_half_a_minute_of_leeway_at_both_ends(
    checker: GameTokenChecker, subject: Subject, seconds: float, good: bool
) -> None:
    if good:
        assert checker.check(subject.token(), GAME, NOW + seconds)
    else:
        assert_refused(checker, "ticket_expired", subject.token(), now=NOW + seconds)


def test_a_token_may_say_before_when_it_is_not_good(checker: GameTokenChecker, subject: Subject) -> None:
    assert_refused(checker, "ticket_expired", subject.token(nbf=NOW + 31))
    assert_refused(checker, "ticket_malformed", subject.token(nbf=None))
    assert checker.check(subject.token(nbf=NOW + 30), GAME, NOW)


def test_whole_seconds_are_times_too(checker: GameTokenChecker, subject: Subject) -> None:
    assert checker.check(subject.token(iat=int(NOW), exp=int(NOW) + 60), GAME, NOW).expires_at == int(NOW) + 60


@pytest.mark.parametrize(
    "literal", ["NaN", "Infinity", "-Infinity", "1e999", "1e300", "-1", "1" + "0" * 400, "true", '"1"']
)
@pytest.mark.parametrize("claim", ["iat", "exp"])
def test_times_that_are_none(checker: GameTokenChecker, subject: Subject, claim: str, literal: str) -> None:
    claims = subject.claims()
    del claims[claim]
    text = f'{json.dumps(claims)[:-1]},"{claim}":{literal}}}'
    assert_refused(checker, "ticket_malformed", compact(subject.header, text.encode(), subject.sign))


def test_a_name_that_is_there_twice(checker: GameTokenChecker, subject: Subject) -> None:
    header, claims = json.dumps(subject.header), json.dumps(subject.claims())

    def signed(header: str, claims: str) -> str:
        return compact(header.encode(), claims.encode(), subject.sign)

    for again in ('"alg":"none"', '"\\u0061lg":"none"', f'"alg":"{subject.algorithm}"'):
        assert_refused(checker, "ticket_malformed", signed(f"{header[:-1]},{again}}}", claims))
        assert_refused(checker, "ticket_malformed", signed(f"{{{again},{header[1:]}", claims))
    for again in ('"sub":"bob"', '"\\u0073ub":"bob"', '"sub":"alice"', '"more":{"a":1,"a":2}'):
        assert_refused(checker, "ticket_malformed", signed(header, f"{claims[:-1]},{again}}}"))
        assert_refused(checker, "ticket_malformed", signed(header, f"{{{again},{claims[1:]}"))
    assert checker.check(signed(header, claims), GAME, NOW)


@pytest.mark.parametrize("half", [r'"\ud800"', r'"alice\udfff"', r'"\udc00\ud800"', r'{"\ud800":1}'])
def test_half_a_character_is_no_text(checker: GameTokenChecker, subject: Subject, half: str) -> None:
    for claim in ("iss", "sub", "aud", "iat", "exp", "jti", "ply", "more"):
        claims = subject.claims()
        claims.pop(claim, None)
        text = f'{json.dumps(claims)[:-1]},"{claim}":{half}}}'
        assert_refused(checker, "ticket_malformed", compact(subject.header, text.encode(), subject.sign))
        text = text.replace(half, '"alice\xff"')
        assert_refused(checker, "ticket_malformed", compact(subject.header, text.encode("latin-1"), subject.sign))


@pytest.mark.parametrize(
    "extension", [{"crit": ["exp"]}, {"crit": []}, {"crit": None}, {"b64": False}, {"b64": True, "crit": ["b64"]}]
)
def test_extensions_are_not_understood(checker: GameTokenChecker, subject: Subject, extension: dict[str, Any]) -> None:
    assert_refused(checker, "ticket_malformed", compact(subject.header | extension, subject.claims(), subject.sign))


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", "PS256", "ES256", "", None, "rs256", ["RS256"]])
def test_the_algorithm_is_the_keys_and_must_be_named(
    checker: GameTokenChecker, subject: Subject, algorithm: Any
) -> None:
    text = compact(subject.header | {"alg": algorithm}, subject.claims(), subject.sign)
    assert_refused(checker, "ticket_forged", text)
    assert_refused(checker, "ticket_forged", compact({"typ": "JWT"}, subject.claims(), subject.sign))


def test_neither_kind_of_key_passes_for_the_other(checker: GameTokenChecker, subject: Subject) -> None:
    other = Subject("EdDSA" if subject.algorithm == "RS256" else "RS256", tickets=False)
    for header in (subject.header, other.header):
        assert_refused(checker, "ticket_forged", compact(header, subject.claims(), other.sign))


def test_the_public_key_is_no_shared_secret(checker: GameTokenChecker, subject: Subject) -> None:
    for algorithm, digest in (("HS256", "sha256"), ("HS512", "sha512"), (subject.algorithm, "sha256")):
        for secret in (subject.public_pem, subject.public_der):
            text = compact({"alg": algorithm}, subject.claims(), hmac_signer(secret, digest))
            assert_refused(checker, "ticket_forged", text)


def test_another_issuers_key_and_another_issuer(checker: GameTokenChecker, subject: Subject) -> None:
    signed = compact(subject.header, subject.claims(), subject.signer(subject.new_key()))
    assert_refused(checker, "ticket_forged", signed)
    assert_refused(checker, "ticket_forged", subject.token(iss=ISSUER + "/"))


def test_a_token_is_good_once_for_whichever_game(checker: GameTokenChecker, subject: Subject) -> None:
    text = subject.token(aud=[GAME, "match-2"])
    checker.check(text, GAME, NOW)
    assert_refused(checker, "ticket_reused", text)
    assert_refused(checker, "ticket_reused", text, "match-2")
    assert checker.check(subject.token("token-2"), GAME, NOW)


def test_used_tokens_are_forgotten_once_they_have_expired_and_the_leeway_is_over(
    checker: GameTokenChecker, subject: Subject
) -> None:
    for number in range(300):
        text = subject.token(f"token-{number}", iat=NOW + number, exp=NOW + number + 10)
        checker.check(text, GAME, NOW + number)
        assert len(checker.used) <= 10 + 30 + 30 + 1
    assert_refused(checker, "ticket_reused", text, now=NOW + 299)
    assert_refused(checker, "ticket_reused", text, now=NOW + 299 + 39)


def test_used_tokens_can_be_seeded_after_a_restart(checker: GameTokenChecker, subject: Subject) -> None:
    checker.used["token-1"] = NOW + 60
    assert_refused(checker, "ticket_reused", subject.token())


def test_the_login_servers_tickets_are_such_tokens() -> None:
    private, public = generate_key_pair()
    issuer = TicketIssuer(private, ISSUER)
    checker = GameTokenChecker(public, ISSUER)
    text, _ = issuer.issue("alice", "home/one", GAME, ["alice", "bob"], NOW, "ticket-1")
    assert checker.check(text, GAME, NOW) == Ticket("alice", GAME, ["alice", "bob"], "ticket-1", NOW + 60)
    text, _ = issuer.issue("bob", "home/one", ANY_GAME, ["bob"], NOW, "ticket-2")
    assert_refused(checker, "ticket_wrong_server", text)
    assert checker.check(text, ANY_GAME, NOW).players == ["bob"]


# --- what is no token -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "\ud800", "ü.ü.ü", "A" * 100_000, "é" * 4096, "null"])
def test_what_is_no_token_at_all(checker: GameTokenChecker, text: str) -> None:
    assert_refused(checker, "ticket_malformed", text)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_refused_in_words(text: str) -> None:
    assert_refused(GameTokenChecker(PUBLIC, ISSUER), "ticket_malformed", text)


@given(st.lists(st.text("AQgw_-", min_size=1, max_size=100), min_size=3, max_size=3))
def test_anything_in_the_form_of_a_token_is_refused_in_words(parts: list[str]) -> None:
    with pytest.raises(TicketError) as caught:
        GameTokenChecker(PUBLIC, ISSUER).check(".".join(parts), GAME, NOW)
    assert caught.value.code in ("ticket_malformed", "ticket_forged")


def test_a_long_token_is_not_even_looked_at(checker: GameTokenChecker, subject: Subject) -> None:
    # Four characters spell three bytes, so that one of three lengths comes to the bound exactly or just below it.
    room = MAX_TICKET_LENGTH - len(subject.token(more="")) - 4
    fits, too_long = (subject.token(more="x" * (room * 3 // 4 + extra)) for extra in (0, 6))
    assert MAX_TICKET_LENGTH - 8 <= len(fits) <= MAX_TICKET_LENGTH < len(too_long) <= MAX_TICKET_LENGTH + 8
    assert_refused(checker, "ticket_malformed", too_long)
    assert checker.check(fits, GAME, NOW)


@pytest.mark.parametrize("depth", [50, 900, 1_000, 1_200])
def test_deep_nesting_does_no_harm(checker: GameTokenChecker, subject: Subject, depth: int) -> None:
    """How deep is too deep is the interpreter's to say; more than refuse such a token it cannot do."""

    def deep(value: dict[str, Any]) -> bytes:
        return f'{json.dumps(value)[:-1]},"more":{"[" * depth}{"]" * depth}}}'.encode()

    texts = [
        compact(deep(subject.header), subject.claims("token-1"), subject.sign),
        compact(subject.header, deep(subject.claims("token-2")), subject.sign),
    ]
    for text in texts:
        try:
            assert checker.check(text, GAME, NOW).player == "alice"
        except TicketError as error:
            assert depth > 50
            assert error.code == "ticket_malformed"


# --- keys -------------------------------------------------------------------------------------------


def public_text(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return text.decode()


def test_other_keys_than_long_rsa_and_ed25519_are_not_taken() -> None:
    wrong = [
        public_text(Ed448PrivateKey.generate()),
        public_text(ec.generate_private_key(ec.SECP256R1())),
        public_text(generate_private_key(public_exponent=65537, key_size=1024)),
        generate_key_pair()[0],
        "",
        "no key",
        "\ud800",
    ]
    for text in wrong:
        with pytest.raises(ValueError, match="key"):
            GameTokenChecker(text, ISSUER)


def test_a_longer_rsa_key() -> None:
    """3,072 bits, whose signatures fill their characters: there are no bits left over."""
    key = generate_private_key(public_exponent=65537, key_size=3072)
    subject = Subject("RS256", tickets=False)
    checker = GameTokenChecker(public_text(key), ISSUER)
    text = compact(subject.header, subject.claims(), rsa_signer(key))
    assert_refused(checker, "ticket_malformed", text + "=")
    assert checker.check(text, GAME, NOW)
