"""Day passes: as often as wanted until they expire or are revoked; and no other token passes for one."""

import ast
import re
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from login_server import passes
from login_server.passes import DayPass, PassChecker, PassError, PassIssuer
from login_server.tickets import GameTokenChecker, TicketChecker, TicketError, TicketIssuer, generate_key_pair

NOW = 1_700_000_000.25
DAY = 24 * 3600
PRIVATE, PUBLIC = generate_key_pair()
CHECKER = PassChecker(PUBLIC, "login-server")
CLAIMS: dict[str, Any] = {"iss": "login-server", "sub": "alice", "iat": NOW, "exp": NOW + DAY, "jti": "pass-1"}
PAGE = Path(__file__).parent.parent.parent / "docs" / "tokens.md"


def issue(now: float = NOW) -> str:
    text, expires_at = PassIssuer(PRIVATE, "login-server").issue("alice", now, "pass-1")
    assert expires_at == now + DAY
    return text


def sign(claims: dict[str, Any], typ: str = "day-pass+jwt", key: str = PRIVATE) -> str:
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": typ})


def refusal(text: str, now: float = NOW, revoked: dict[str, float] | None = None) -> str:
    with pytest.raises(PassError) as caught:
        CHECKER.check(text, revoked or {}, now)
    assert caught.value.message
    return caught.value.code


def test_a_good_pass_says_who_its_holder_is_again_and_again() -> None:
    for _ in range(2):
        assert CHECKER.check(issue(), {}, NOW) == DayPass("alice", "pass-1", NOW, NOW + DAY)


def test_the_same_pass_is_signed_the_same() -> None:
    assert issue() == issue() == sign(CLAIMS)


@pytest.mark.parametrize(
    ("seconds", "good"), [(-3, False), (-2, True), (0, True), (DAY + 1.9, True), (DAY + 2, False), (1e9, False)]
)
def test_the_time_that_counts_is_the_one_given(seconds: float, good: bool) -> None:
    if good:
        CHECKER.check(issue(), {}, NOW + seconds)
    else:
        assert refusal(issue(), NOW + seconds) == "pass_expired"


def test_passes_issued_before_a_revocation_are_void_and_later_ones_are_not() -> None:
    revoked = {"alice": NOW + 10, "bob": NOW + 100}
    assert refusal(issue(), NOW + 20, revoked) == "pass_revoked"
    CHECKER.check(issue(NOW + 10), revoked, NOW + 20)
    assert CHECKER.check(issue(), {"bob": NOW + 10}, NOW + 20).player == "alice"


def test_a_pass_of_somebody_else() -> None:
    assert refusal(sign(CLAIMS, key=generate_key_pair()[0])) == "pass_forged"
    assert refusal(sign({**CLAIMS, "iss": "somebody"})) == "pass_forged"


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_is_needed_and_of_one_type(claim: str) -> None:
    assert refusal(sign({name: value for name, value in CLAIMS.items() if name != claim})) == "pass_malformed"
    if claim != "iss":
        assert refusal(sign({**CLAIMS, claim: ""})) == "pass_malformed"


@pytest.mark.parametrize("kind", ["ticket+jwt", "seat+jwt", "JWT", "", "day-pass", "DAY-PASS+JWT"])
def test_no_other_token_of_the_same_key_passes_for_a_pass(kind: str) -> None:
    claims = {**CLAIMS, "aud": ["home/one", "match-1"], "ply": ["alice", "bob"]}
    assert refusal(sign(claims, kind)) == "pass_malformed"
    CHECKER.check(sign(claims), {}, NOW)


def test_a_ticket_is_no_pass_and_a_pass_no_ticket() -> None:
    ticket, _ = TicketIssuer(PRIVATE, "login-server").issue("alice", "home/one", "*", ["alice"], NOW, "ticket-1")
    assert refusal(ticket) == "pass_malformed"
    tempting = sign({**CLAIMS, "aud": ["home/one", "*"], "ply": ["alice"]})
    for text in (issue(), tempting):
        with pytest.raises(TicketError) as caught:
            TicketChecker(PUBLIC, "login-server", "home/one").check(text, NOW)
        assert caught.value.code == "ticket_malformed"
        with pytest.raises(TicketError):
            GameTokenChecker(PUBLIC, "login-server").check(text, "*", NOW)


@given(st.text() | st.text("abcXYZ019-_.", max_size=300))
def test_whatever_text_is_shown_is_refused_with_a_reason(text: str) -> None:
    assert refusal(text) in {"pass_malformed", "pass_forged"}


@given(st.integers(0, len(issue()) - 1), st.sampled_from("abcdefABCDEF0123456789-_."))
def test_a_pass_with_one_character_changed_is_refused(place: int, character: str) -> None:
    good = issue()
    if good[place] != character:
        assert refusal(good[:place] + character + good[place + 1 :]) in {"pass_malformed", "pass_forged"}


def test_a_key_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="key"):
        PassChecker("no key", "login-server")
    with pytest.raises(ValueError, match="key"):
        PassIssuer(PUBLIC, "login-server")


def test_the_codes_on_the_page_are_those_that_are_raised() -> None:
    tree = ast.parse(Path(passes.__file__).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "PassError"]
    rows = re.findall(r"^\| `(pass_\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) == {ast.literal_eval(call.args[0]) for call in calls}


def test_the_example_on_the_page_works() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (example,) = [block for block in blocks if "PassChecker" in block]
    program: dict[str, Any] = {"time": type("Clock", (), {"time": staticmethod(lambda: NOW)})}
    exec(example, program)
    assert program["holder"](issue(), PUBLIC, "login-server", {}) == "alice"
    assert program["holder"](issue(), PUBLIC, "login-server", {"alice": NOW + 1}).startswith("pass_revoked: ")
