"""What `docs/tokens.md` says is true: its tables are those of the code, and its examples run."""

import ast
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from login_server import tickets
from login_server.tickets import GameTokenChecker, TicketError
from tests.login_server.forging import Subject, compact

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "tokens.md").read_text(encoding="utf-8")
ISSUER = "https://login.example"
NODE = shutil.which("node")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def first_words(title: str) -> list[str]:
    """What stands in backticks in the first column of the table with this title."""
    found = re.search(rf"^\| {title} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found
    return re.findall(r"^\| `(\w+)`", found[1], re.MULTILINE)


def signed(subject: Subject, **changes: Any) -> str:
    now = time.time()
    claims: dict[str, Any] = {"iss": ISSUER, "aud": "match-1", "iat": now, "exp": now + 60} | changes
    return compact(subject.header, subject.claims(**claims), subject.sign)


def test_the_claims_are_those_that_are_read() -> None:
    assert first_words("claim") == [field.name for field in msgspec.structs.fields(tickets._Claims)]


def test_the_codes_are_those_that_are_raised() -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(Path(tickets.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "TicketError"
    ]
    assert set(first_words("code")) == {ast.literal_eval(call.args[0]) for call in calls}


def test_the_python_examples_run_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject("RS256", tickets=False)
    private = subject.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "private_key.pem").write_bytes(private)
    (tmp_path / "public_key.pem").write_bytes(subject.public_pem)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["issue_token.py", "alice"])
    program: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, program)
    token, let_in = program["token"], program["let_in"]
    assert let_in(token, "match-2").startswith("401 ticket_wrong_server: ")
    assert let_in(token, "match-1") == "alice plays match-1 with alice, bob"
    assert let_in(token, "match-1").startswith("401 ticket_reused: ")


class Shell:
    """What a reader types into one terminal."""

    def __init__(self, folder: Path, line: str) -> None:
        self.process = subprocess.Popen(
            ["sh", "-e", "-c", line],
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, pattern: str) -> str:
        """Return the first group of what is said next like this."""
        assert self.process.stdout is not None
        said: list[str] = []
        with gevent.Timeout(30, TimeoutError(f"{pattern} did not come")):
            while not said or not (match := re.search(pattern, said[-1])):
                said.append(self.process.stdout.readline())
                assert said[-1], f"it ended: {said}"
        return match[1]

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def __enter__(self) -> "Shell":
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no OpenSSL here to make the keys with")
def test_two_players_get_into_a_game_as_the_page_says(tmp_path: Path) -> None:
    make_keys, serve, play = blocks("sh")
    (tmp_path / "issue_token.py").write_text(blocks("python")[0], encoding="utf-8")
    with Shell(tmp_path, make_keys) as shell:
        shell.process.communicate(timeout=30)
        assert shell.process.returncode == 0
    with Shell(tmp_path, serve.replace("game-server", "exec python -m game_server --port=0")) as server:
        port = server.wait_for(r"listening on \S+:(\d+)")
        alice_joins, bob_joins = (f"exec {line}" for line in play.replace(":10020", f":{port}").splitlines())
        with Shell(tmp_path, alice_joins) as alice, Shell(tmp_path, bob_joins) as bob:
            players = {"alice": alice, "bob": bob}
            (beginner,) = {player.wait_for(r'"game_began".*"beginner":"(\w+)"') for player in players.values()}
            (drop,) = re.findall(r'^`(\{"command".*?\})`', PAGE, re.MULTILINE)
            players[beginner].type(drop)
            assert {player.wait_for(r'"piece_dropped".*"column":(\d)') for player in players.values()} == {"3"}


@pytest.mark.skipif(NODE is None, reason="no Node here to run the JavaScript with")
@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
def test_the_javascript_example_takes_and_refuses_what_the_checker_does(algorithm: str, tmp_path: Path) -> None:
    subject = Subject(algorithm, tickets=False)
    (script,) = blocks("js")
    (tmp_path / "check.mjs").write_text(script, encoding="utf-8")
    (tmp_path / "public_key.pem").write_bytes(subject.public_pem)
    now = time.time()
    good = signed(subject)
    claims = subject.claims("token-8", iss=ISSUER, iat=now, exp=now + 60)
    offered = {
        good: "alice",
        signed(subject, aud=["other", "match-1"], jti="token-2", sub="bob"): "bob",
        signed(subject, jti="token-1", exp=now + 61): "used before",
        good[:-1] + ("B" if good[-1] == "A" else "A"): None,
        good + "=": "no token",
        signed(subject, jti="token-3", iss="https://another.example"): "forged",
        signed(subject, jti="token-4", aud="match-2"): "another game",
        signed(subject, jti="token-5", exp=now - 31): "not its time",
        signed(subject, jti="token-6", iat=now + 90): "not its time",
        signed(subject, jti="token-7", ply=["bob"]): "no token",
        compact({"alg": algorithm}, claims, subject.signer(subject.new_key())): "forged",
        compact({"alg": "none"}, claims, lambda _: b""): "forged",
        compact({"alg": "HS256"}, claims, subject.sign): "forged",
        compact({"alg": algorithm, "crit": ["exp"]}, claims, subject.sign): "forged",
    }
    command = [str(NODE), str(tmp_path / "check.mjs"), str(tmp_path / "public_key.pem"), ISSUER, "match-1", *offered]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    checker = GameTokenChecker(subject.public_pem.decode(), ISSUER)
    for (text, expected), said in zip(offered.items(), run.stdout.splitlines(), strict=True):
        assert said == expected or expected is None
        try:
            assert checker.check(text, "match-1", time.time()).player == said
        except TicketError:
            assert said not in ("alice", "bob")
