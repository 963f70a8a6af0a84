"""`login-server account …` and `login-server database …`: in this process, and one as a person types it."""

import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent.socket
import pytest
from sqlalchemy import text

from login_server.accounts import AccountStore, Passwords
from login_server.database import Database

if TYPE_CHECKING:
    from tests.login_server.conftest import Run


ROOT = Path(__file__).parents[2]
URL = "sqlite:///login_server.sqlite"


def find(name: str, url: str = URL) -> Any:
    database = Database(url)
    try:
        return AccountStore(database).find(name)
    finally:
        database.close()


def test_an_account_from_its_beginning_on(run: "Run") -> None:
    passwords = Passwords()
    assert run("account", "add", "Alice", stdin="correct horse\n") == (0, "Alice can log in, account 1\n", "")
    assert passwords.verify(find("alice").password_hash, "correct horse")
    assert run("account", "set-password", "alice", stdin="battery staple\r\n") == (0, "Alice has a new password\n", "")
    assert passwords.verify(find("alice").password_hash, "battery staple")
    assert run("account", "set-rank", "alice", "1200") == (0, "alice has rank 1200\n", "")
    assert run("account", "set-rank", "alice", "--", "-5") == (0, "alice has rank -5\n", "")
    words = "alice can log in no more, and the day passes are void; a connection that is open stays\n"
    assert run("account", "disable", "alice") == (0, words, "")
    status, listed, _ = run("account", "list")
    assert status == 0
    assert listed.startswith("Alice\trank -5\tadded 20")
    assert listed.endswith(" UTC\tdisabled\n")
    assert run("account", "enable", "ALICE") == (0, "ALICE can log in\n", "")
    assert not find("alice").disabled
    words = "the day passes that alice has are void; the next log-in gives a new one\n"
    assert run("account", "revoke-passes", "alice") == (0, words, "")


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "sentence"),
    [
        ("account", "", 2, "account: say what to do: add, set-password, disable, enable, revoke-passes, set-rank, "),
        ("account add", "", 2, "account add: expected one name, got 0"),
        ("account set-rank alice", "", 2, "account set-rank: expected NAME RANK, got 1"),
        ("account set-rank alice ten", "", 2, "account set-rank: 'ten' is no rank: a whole number, of 32 bits at most"),
        ("account set-rank alice 99999999999", "", 2, "account set-rank: '99999999999' is no rank: a whole number"),
        ("account ad alice", "", 2, "login-server account: unknown command 'ad', did you mean 'add'?"),
        ("database upgrad", "", 2, "login-server database: unknown command 'upgrad', did you mean 'upgrade'?"),
        ("account list --databse-url x", "", 2, "there is no option --databse-url; did you mean --database-url?"),
        ("account add a", "", 1, "a name has 2 to 24 letters (a to z), digits or the characters _ . -"),
        ("account add bob", "short\n", 1, "a password has at least 8 characters"),
        ("account add bob", "", 1, "no password came from standard input"),
        ("account disable bob", "", 1, "there is no account bob"),
        ("account set-password bob", "long enough\n", 1, "there is no account bob"),
        ("account set-rank bob 5", "", 1, "there is no account bob"),
        ("account import none.jsonl", "", 1, "cannot read none.jsonl: No such file or directory"),
        ("account export no/folder.jsonl", "", 1, "cannot write no/folder.jsonl: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    run: "Run", arguments: str, stdin: str, status: int, sentence: str
) -> None:
    found, output, errors = run(*arguments.split(), stdin=stdin)
    assert (found, output) == (status, "")
    assert errors.removeprefix("login-server: ").startswith(sentence)
    assert errors.count("\n") == 1


def test_a_name_that_is_taken_is_said_before_a_password_is_asked_for(run: "Run") -> None:
    run("account", "add", "alice", stdin="correct horse\n")
    assert run("account", "add", "ALICE") == (1, "", "login-server: the name ALICE is taken\n")


def test_accounts_move_to_another_database(run: "Run", tmp_path: Path) -> None:
    for name in ("alice", "Bob"):
        run("account", "add", name, stdin="correct horse\n")
    run("account", "set-rank", "bob", "7")
    run("account", "disable", "alice")
    words = "2 accounts are in players.jsonl, each with its password's hash: keep it to yourself\n"
    assert run("account", "export", "players.jsonl") == (0, words, "")
    assert stat.S_IMODE((tmp_path / "players.jsonl").stat().st_mode) == 0o600
    status, exported, _ = run("account", "export", "-")
    assert status == 0
    assert exported == (tmp_path / "players.jsonl").read_text()
    assert [json.loads(line)["name"] for line in exported.splitlines()] == ["alice", "Bob"]

    other = "sqlite:///other.sqlite"
    for given, new, old in (("players.jsonl", 2, 0), ("players.jsonl", 0, 2), ("-", 0, 2)):
        words = f"{new} accounts imported, {old} were here already and stay as they are\n"
        assert run("account", "import", given, "--database-url", other, stdin=exported) == (0, words, "")
    for name in ("alice", "bob"):
        assert find(name, other) == find(name)


def test_a_file_that_is_there_already_is_nobody_elses_business_any_more(run: "Run", tmp_path: Path) -> None:
    file = tmp_path / "players.jsonl"
    file.write_text("old")
    file.chmod(0o644)
    assert run("account", "export", "players.jsonl")[0] == 0
    assert (stat.S_IMODE(file.stat().st_mode), file.read_text()) == (0o600, "")


def test_an_account_of_the_same_name_stays_as_it_is(run: "Run") -> None:
    run("account", "add", "alice", stdin="correct horse\n")
    before = find("alice")
    line = json.dumps({"name": "ALICE", "password_hash": "$argon2id$other", "created_at": 5.0})
    status, output, _ = run("account", "import", "-", stdin=line + "\n")
    assert status == 0
    assert output.splitlines()[1] == "1 of those have another password here: is it the same person?"
    assert find("alice") == before


GOOD = '{"name": "carol", "password_hash": "$argon2id$x", "created_at": 5.0}'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("my shopping list", "JSON is malformed"),
        ('{"name": "bob"}', "Object missing required field `password_hash`"),
        ('{"name": "b", "password_hash": "x", "created_at": 1}', "a name has 2 to 24 letters"),
        ('{"name": "bob", "password_hash": "", "created_at": 1}', "a password hash is printable ASCII"),
        ('{"name": "bob", "password_hash": "x", "created_at": 1, "rank": 9999999999}', "a rank is a whole number"),
        ('{"name": "bob", "password_hash": "x", "created_at": 1e300}', "Expected `float` < 253402300800.0"),
        ('{"name": "bob", "password_hash": "x", "created_at": -1}', "Expected `float` >= 0.0"),
        ('{"name": "bob", "password_hash": "x", "created_at": 1, "admin": true}', "unknown field `admin`"),
        ('{"name": "CAROL", "password_hash": "x", "created_at": 1}', "CAROL comes twice"),
        ('{"name": "\\u00e4\\u00f6"}', "Object missing"),
        ("x" * 70_000, "too long"),
    ],
)
def test_one_wrong_line_and_nothing_is_imported(run: "Run", line: str, words: str) -> None:
    status, output, errors = run("account", "import", "-", stdin=f"{GOOD}\n\n{line}\n")
    assert (status, output) == (1, "")
    assert errors.startswith("login-server: standard input, line 3: ")
    assert words in errors
    assert errors.endswith("; nothing was imported\n")
    assert run("account", "list")[1] == ""


def test_revisions_from_the_command_line(run: "Run") -> None:
    words = "the database is empty; this version needs revision 0004, and makes it when it first serves\n"
    assert run("database", "status") == (0, words, "")
    status, applied, _ = run("database", "upgrade")
    assert status == 0
    assert [line[:13] for line in applied.splitlines()] == [
        "applied: 0001",
        "applied: 0002",
        "applied: 0003",
        "applied: 0004",
    ]
    assert run("database", "upgrade") == (0, "the database is up to date\n", "")
    database = Database(URL)
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    status, told, _ = run("database", "status")
    assert status == 0
    assert told.startswith("the database has revision 0002, and this version needs 0004\nto be applied: 0003  ")
    for command in (["account", "list"], ["launcher", "list"], ["serve", "--player-port", "0"]):
        status, output, errors = run(*command)
        assert (status, output) == (1, "")
        assert "make a copy of it, then run 'login-server database upgrade'" in errors
    assert run("database", "upgrade")[0] == 0
    assert run("account", "list") == (0, "", "")
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    words = "the database has revision 9999, of a newer version; this one knows 0004 at most\n"
    assert run("database", "status") == (0, words, "")


def test_help_answers(run: "Run") -> None:
    for arguments in (["account", "--help"], ["account", "import", "--help"], ["database", "upgrade", "-h"]):
        status, output, _ = run(*arguments)
        assert status == 0
        assert "--database-url" in output.replace("-\n", "-")  # a line may end there


def at_a_terminal(folder: Path, *passwords: bytes) -> tuple[int, bytes]:
    """Type one line at each prompt of `account add alice`; return the exit status and what the terminal shows."""
    here, there = pty.openpty()
    os.set_blocking(here, False)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "login_server", "account", "add", "alice"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=there,
            stdout=there,
            stderr=there,
            start_new_session=True,
        )
    finally:
        os.close(there)
    shown, waiting = b"", list(passwords)
    try:
        while some := read_terminal(here):
            shown += some
            if shown.endswith(b": ") and waiting:
                os.write(here, waiting.pop(0) + b"\n")
    finally:
        os.close(here)
    return process.wait(20), shown


def read_terminal(descriptor: int) -> bytes:
    """What it shows next; nothing when the far end has gone."""
    gevent.socket.wait_read(descriptor, timeout=30)
    try:
        return os.read(descriptor, 1024)
    except OSError:
        return b""


def test_a_person_types_the_password_twice_and_unseen(tmp_path: Path) -> None:
    status, shown = at_a_terminal(tmp_path, b"correct horse", b"battery staple")
    assert (status, shown) == (1, b"Password: \r\nAgain: \r\nlogin-server: these are two different passwords\r\n")
    status, shown = at_a_terminal(tmp_path, b"correct horse", b"correct horse")
    assert (status, shown) == (0, b"Password: \r\nAgain: \r\nalice can log in, account 1\r\n")
