"""Tokens that are signed with the right key and yet are not good: no checker takes one, whatever is wrong with it."""

import json
import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from tests.login_server.forging import (
    CLAIMED_ALGORITHMS,
    GAME,
    ISSUER,
    NOW,
    SERVER,
    SUBJECTS,
    Subject,
    any_text,
    any_value,
    compact,
    refuse_all,
    usual_and_slow,
)

CLAIMS = ["iss", "sub", "aud", "iat", "exp", "jti", "ply"]

LOOKALIKES: list[Callable[[str], str]] = [
    lambda name: name.upper(),
    lambda name: name + " ",
    lambda name: " " + name,
    lambda name: name + "\0",
    lambda name: name + "\n",
    lambda name: name + "\u200b",
    lambda name: name[0] + "\u0301" + name[1:],
    lambda name: name.translate(str.maketrans("aceiopxsy", "\u0430\u0441\u0435\u0456\u043e\u0440\u0445\u0455\u0443")),
    lambda name: "".join(chr(ord(letter) + 0xFEE0) for letter in name),
    lambda name: "\u202e" + name[::-1],
]
"""What people or programs might take for the same name: another case, white space, no width, Cyrillic, full width."""

TRICKS = [alike(name) for alike in LOOKALIKES for name in ("alice", "match-1", "login-server", "home/one")]

NO_TIMES: list[Any] = [
    -1,
    -1e-9,
    -NOW,
    -1e300,
    10**400,
    -(10**400),
    math.inf,
    -math.inf,
    math.nan,
    True,
    False,
    None,
    [NOW],
]
NO_TIMES += [str(NOW), "", {}, f"{NOW:.0f}", "2023-11-14T22:13:20Z", 2**53 + 2]


@pytest.fixture(scope="module", params=list(SUBJECTS))
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    yield Subject(*SUBJECTS[request.param])


def no_name(random: Random) -> Any:
    """Any value that is no text that a message can carry."""
    value = any_value(random)
    return random.choice(["", "\ud800", "alice\udfff"]) if isinstance(value, str) else value


def wrong_audience(random: Random, tickets: bool) -> Any:
    if tickets:
        wrong: list[Any] = [GAME, SERVER, [GAME], [SERVER], [GAME, SERVER], [SERVER, GAME, GAME], {SERVER: GAME}]
        wrong += [[SERVER, no_name(random)], [any_value(random), GAME], any_value(random), random.choice(TRICKS)]
    else:
        wrong = [{GAME: GAME}, [[GAME]], "*", ["*"], [GAME + " "], GAME[:-1], [], [GAME, no_name(random)]]
        wrong += [any_value(random), [any_value(random)], random.choice(TRICKS), [random.choice(TRICKS)]]
    return random.choice(wrong)


def wrong_value(random: Random, name: str, tickets: bool) -> Any:
    """A value that this claim must not have."""
    leeway = 2 if tickets else 30
    anything = [any_value(random), any_text(random), random.choice(TRICKS)]
    match name:
        case "iss":
            return random.choice([*anything, [ISSUER], no_name(random)])
        case "sub":
            return random.choice([*anything, no_name(random), ["alice"], {"alice": 1}])
        case "aud":
            return wrong_audience(random, tickets)
        case "exp":
            return random.choice([random.choice(NO_TIMES), NOW - leeway - random.uniform(0, NOW), int(NOW) - 31])
        case "iat" | "nbf":
            return random.choice([random.choice(NO_TIMES), NOW + leeway + random.uniform(0.01, 1e9), 2**53])
        case "jti":
            return no_name(random)
        case _:
            wrong = [any_value(random), "alice", {"alice": 0, "bob": 1}, ["bob"], [["alice"]], [random.choice(TRICKS)]]
            return random.choice([*wrong, ["alice", no_name(random)], [no_name(random), "alice"]])


def damaged(random: Random, value: dict[str, Any]) -> bytes:
    """What is not quite the JSON of this object, or not unambiguously."""
    members = [f"{json.dumps(name)}:{json.dumps(one)}" for name, one in value.items()]
    text = "{" + ",".join(members) + "}"
    chosen, place = random.randrange(len(members)), random.randint(0, len(text))
    match random.choice(["twice", "changed", "escaped", "around", "encoded", "bytes", "deep", "cut", "literal", "in"]):
        case "twice":
            again = members[chosen]
        case "changed":
            again = f"{json.dumps(list(value)[chosen])}:{json.dumps(any_value(random))}"
        case "escaped":
            # The same name, spelled in another way.
            again = f'"\\u{ord(members[chosen][1]):04x}{members[chosen][2:]}'
        case "around":
            before, after = random.choice(
                [("[", "]"), ('"', '"'), ("\ufeff", ""), ("", ","), ("", text), ("(", ")"), ("", "\0"), ("/**/", "")]
            )
            return f"{before}{text}{after}".encode()
        case "encoded":
            return text.encode(random.choice(["utf-16", "utf-16-le", "utf-32", "utf-32-be", "utf-8-sig", "cp037"]))
        case "bytes":
            return (
                text[:place].encode() + random.choice([b"\xff", b"\xc0\xaf", b"\xed\xa0\x80"]) + text[place:].encode()
            )
        case "deep":
            opening = random.choice(["[", '{"a":'])
            return (text[:-1] + ',"deep":' + opening * random.randint(1, 400) + "}").encode()
        case "cut":
            return text[: random.randrange(len(text))].encode()
        case "literal":
            literal = random.choice(
                ["NaN", "Infinity", "-Infinity", "nan", "1e", "01", "+1", "0x10", "1_0", ".5", "'1'"]
            )
            return f'{text[:-1]},"more":{literal}}}'.encode()
        case _:
            return json.dumps({"claims": value, "more": any_value(random)}).encode()
    members.insert(random.randint(0, len(members)), again)
    return ("{" + ",".join(members) + "}").encode()


def missigned(random: Random, subject: Subject) -> str:
    header: Any = subject.header
    # So that two that are wrong in the same way are two, and not one.
    claims: Any = subject.claims() | {"serial": random.randrange(10**9)}
    name = random.choice(CLAIMS)
    match random.choice(
        ["value"] * 5 + ["missing", "renamed", "alg", "typ", "crit", "claims", "claims", "header", "long"]
    ):
        case "value":
            name = random.choice([*CLAIMS, "nbf"])
            claims[name] = wrong_value(random, name, subject.tickets)
        case "missing":
            for one in {name, *random.choices(CLAIMS, k=random.randint(0, 2))}:
                del claims[one]
        case "renamed":
            claims[random.choice(LOOKALIKES)(name)] = claims.pop(name)
        case "alg":
            others = [one for one in CLAIMED_ALGORITHMS if one != subject.algorithm]
            header["alg"] = random.choice([*others, any_value(random), [subject.algorithm]])
            if random.random() < 0.1:
                del header["alg"]
        case "typ":
            header["typ"] = random.choice(
                ["jwt", "at+jwt", "TICKET+JWT", "ticket+jwt ", "", None, ["JWT"], any_value(random)]
            )
        case "crit":
            critical = random.choice([["exp"], ["b64"], [], ["alg"], None, any_value(random)])
            header |= random.choice([{"crit": critical}, {"b64": False}, {"b64": True, "crit": ["b64"]}])
        case "claims":
            claims = damaged(random, claims)
        case "header":
            header = damaged(random, header | {"kid": str(random.randrange(10**9))})
        case _:
            claims["more"] = "x" * random.randint(3_000, 6_000)
    return compact(header, claims, subject.sign)


@usual_and_slow
def test_a_token_that_the_issuer_should_not_have_signed_is_never_taken(subject: Subject, count: int) -> None:
    refuse_all(subject, lambda random: missigned(random, subject), count)
