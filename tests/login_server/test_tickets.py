"""Tickets: the right one once, and no other ever."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from login_server.tickets import (
    ANY_GAME,
    Ticket,
    TicketChecker,
    TicketError,
    TicketIssuer,
    ensure_key_pair,
    generate_key_pair,
)

NOW = 1_700_000_000.25
PRIVATE, PUBLIC = generate_key_pair()
OTHER_PRIVATE, OTHER_PUBLIC = generate_key_pair()
ISSUER = TicketIssuer(PRIVATE, "login-server")
CLAIMS: dict[str, Any] = {
    "iss": "login-server",
    "sub": "alice",
    "aud": ["home/one", "match-1"],
    "iat": NOW,
    "exp": NOW + 60,
    "jti": "ticket-1",
    "ply": ["alice", "bob"],
}


def checker(server_id: str = "home/one") -> TicketChecker:
    return TicketChecker(PUBLIC, "login-server", server_id)


def issue(ticket_id: str = "ticket-1") -> str:
    text, expires_at = ISSUER.issue("alice", "home/one", "match-1", ["alice", "bob"], NOW, ticket_id)
    assert expires_at == NOW + 60
    return text


def sign(claims: dict[str, Any], key: str = PRIVATE, algorithm: str = "EdDSA", typ: Any = "ticket+jwt") -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"typ": typ})


def assert_refused(code: str, text: str, now: float = NOW, with_checker: TicketChecker | None = None) -> None:
    with pytest.raises(TicketError) as caught:
        (with_checker or checker()).check(text, now)
    assert caught.value.code == code, caught.value.message
    assert caught.value.message


def test_a_good_ticket_says_who_may_play_what_with_whom() -> None:
    assert checker().check(issue(), NOW) == Ticket("alice", "match-1", ["alice", "bob"], "ticket-1", NOW + 60)


def test_a_ticket_without_a_match() -> None:
    text, _ = ISSUER.issue("alice", "home/one", ANY_GAME, ["alice"], NOW, "ticket-1")
    assert checker().check(text, NOW).game_id == "*"


def test_the_same_ticket_is_signed_the_same() -> None:
    assert issue() == issue()


def test_a_ticket_is_good_once() -> None:
    one = checker()
    one.check(issue(), NOW)
    assert_refused("ticket_reused", issue(), NOW + 1, one)
    one.check(issue("ticket-2"), NOW + 1)


def test_a_ticket_that_was_refused_is_not_used_up() -> None:
    one = checker()
    assert_refused("ticket_expired", issue(), NOW - 10, one)
    one.check(issue(), NOW)


def test_used_tickets_can_be_seeded_after_a_restart() -> None:
    one = checker()
    one.used["ticket-1"] = NOW + 60
    assert_refused("ticket_reused", issue(), NOW, one)


def test_used_tickets_are_forgotten_once_they_have_expired() -> None:
    one = checker()
    for number in range(500):
        text, _ = ISSUER.issue("alice", "home/one", "*", ["alice"], NOW + number, f"ticket-{number}")
        one.check(text, NOW + number)
        assert len(one.used) <= 60 + 2 + 30 + 1
    assert_refused("ticket_reused", text, NOW + 499, one)


@pytest.mark.parametrize(
    ("seconds", "good"), [(-3, False), (-2, True), (0, True), (59.9, True), (61.9, True), (62, False), (1e6, False)]
)
def test_the_time_that_counts_is_the_one_given(seconds: float, good: bool) -> None:
    if good:
        checker().check(issue(), NOW + seconds)
    else:
        assert_refused("ticket_expired", issue(), NOW + seconds)


def test_a_ticket_for_another_server() -> None:
    assert_refused("ticket_wrong_server", issue(), NOW, checker("home/two"))


def test_a_match_that_is_named_like_a_server_opens_no_other_server() -> None:
    text = sign({**CLAIMS, "aud": ["home/two", "home/one"]})
    assert_refused("ticket_wrong_server", text)


def test_a_ticket_signed_with_another_key() -> None:
    assert_refused("ticket_forged", sign(CLAIMS, OTHER_PRIVATE))


def test_a_ticket_of_another_issuer() -> None:
    assert_refused("ticket_forged", sign({**CLAIMS, "iss": "somebody"}))


def test_the_algorithm_is_not_the_tickets_choice() -> None:
    unsigned = jwt.encode(CLAIMS, "", algorithm="none", headers={"typ": "ticket+jwt"})
    assert_refused("ticket_malformed", unsigned)
    # With a signature, so that it looks like a ticket.
    assert_refused("ticket_forged", unsigned + "A" * 86)
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"ticket+jwt"}').rstrip(b"=").decode()
    assert_refused("ticket_forged", ".".join([header, issue().split(".")[1], "A" * 86]))


def test_the_public_key_is_no_shared_secret() -> None:
    """The classic: an HMAC with the public key's text for its key."""
    import hashlib
    import hmac

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = encode(b'{"alg":"HS512","typ":"ticket+jwt"}') + "." + encode(json.dumps(CLAIMS).encode())
    signature = hmac.new(PUBLIC.encode(), signed.encode(), hashlib.sha512).digest()
    assert_refused("ticket_forged", f"{signed}.{encode(signature)}")


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "TICKET+JWT", ""])
def test_another_kind_of_token_of_the_same_issuer(typ: str) -> None:
    assert_refused("ticket_malformed", sign(CLAIMS, typ=typ))


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_is_required(claim: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != claim}
    assert_refused("ticket_malformed", sign(claims))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "home/one"},
        {"aud": ["home/one"]},
        {"aud": ["home/one", "match-1", "more"]},
        {"aud": ["home/one", 7]},
        {"exp": "soon"},
        {"exp": None},
        {"iat": "now"},
        {"iat": [1]},
        {"jti": 7},
        {"sub": ""},
        {"ply": "alice"},
        {"ply": []},
        {"ply": ["bob"]},
        {"ply": ["alice", 7]},
    ],
)
def test_claims_of_another_shape(changes: dict[str, Any]) -> None:
    assert_refused("ticket_malformed", sign({**CLAIMS, **changes}))


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "\ud800", "ü" * 100, "A" * 100_000, issue() + ".", issue()[:-1]]
)
def test_what_is_no_ticket_at_all(text: str) -> None:
    assert_refused("ticket_malformed", text)


@given(st.data())
def test_a_ticket_with_one_character_changed_is_never_taken(data: st.DataObject) -> None:
    text = issue()
    index = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters(codec="ascii").filter(lambda one: one != text[index]))
    with pytest.raises(TicketError):
        checker().check(text[:index] + character + text[index + 1 :], NOW)


@given(st.data())
def test_a_ticket_with_something_put_in_or_left_out_is_never_taken(data: st.DataObject) -> None:
    text = issue()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    between = data.draw(st.text(alphabet="Aa-_.=\n0", max_size=4).filter(lambda one: one != text[start:end]))
    with pytest.raises(TicketError):
        checker().check(text[:start] + between + text[end:], NOW)


def test_the_parts_of_two_tickets_do_not_mix() -> None:
    first, second = issue("ticket-1").split("."), issue("ticket-2").split(".")
    assert_refused("ticket_forged", ".".join([first[0], first[1], second[2]]))


def test_only_ed25519_keys_are_taken() -> None:
    other = Ed448PrivateKey.generate()
    private = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = other.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for wrong in (private, "no key", PUBLIC):
        with pytest.raises(ValueError, match="key"):
            TicketIssuer(wrong, "login-server")
    for wrong in (public.decode(), "no key", PRIVATE):
        with pytest.raises(ValueError, match="key"):
            TicketChecker(wrong, "login-server", "home/one")


def test_the_issuer_knows_its_public_key() -> None:
    assert ISSUER.public_key_pem == PUBLIC


# --- key files --------------------------------------------------------------------------------------


def test_key_files_are_made_once_and_the_private_one_is_private(tmp_path: Path) -> None:
    private, public = tmp_path / "keys" / "private.pem", tmp_path / "keys" / "public.pem"
    assert ensure_key_pair(private, public)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_text()
    assert not ensure_key_pair(private, public)
    assert private.read_text() == before
    assert TicketIssuer(before, "login-server").public_key_pem == public.read_text()
    assert sorted(path.name for path in private.parent.iterdir()) == ["private.pem", "public.pem"]


def test_of_two_programs_that_start_together_the_first_makes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    exists = Path.exists

    def somebody_is_faster(path: Path) -> bool:
        if path == private:
            private.write_text(PRIVATE)
            return False
        return exists(path)

    monkeypatch.setattr(Path, "exists", somebody_is_faster)
    assert not ensure_key_pair(private, public)
    assert (private.read_text(), public.read_text()) == (PRIVATE, PUBLIC)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["private.pem", "public.pem"]


def test_the_public_key_file_follows_the_private_one(tmp_path: Path) -> None:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_text(PRIVATE)
    public.write_text(OTHER_PUBLIC)
    assert not ensure_key_pair(private, public)
    assert public.read_text() == PUBLIC


def test_a_private_key_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    private = tmp_path / "private.pem"
    private.write_text("my shopping list")
    with pytest.raises(ValueError, match="not a private key"):
        ensure_key_pair(private, tmp_path / "public.pem")
    assert private.read_text() == "my shopping list"
    assert not (tmp_path / "public.pem").exists()
