"""`login-server account …` and `login-server database …`, in this process; passwords at a real terminal."""

import io
import json
import os
import pty
import select
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from login_server import commands
from login_server.accounts import Account, AccountStore, Passwords
from login_server.database import Database

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse"
BITS = "a whole number, of 32 bits at most"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("LOGIN_SERVER_"):
            monkeypatch.delenv(name)

    def run(*arguments: str, given: str = "") -> tuple[int, str, str]:
        """Exit status, stdout, stderr."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        try:
            status = commands.run(arguments)
        except SystemExit as exit_:
            assert isinstance(exit_.code, int)
            status = exit_.code
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def account(name: str) -> Account:
    database = Database("sqlite:///login_server.sqlite")
    found = AccountStore(database).find(name)
    database.close()
    assert found is not None
    return found


def test_the_life_of_an_account(run: Run) -> None:
    assert run("account", "add", "Alice", given=f"{PASSWORD}\n") == (0, "Alice can log in, account 1\n", "")
    assert Passwords().verify(account("alice").password_hash, PASSWORD)
    assert run("account", "add", "alice") == (1, "", "login-server: the name alice is taken\n")
    assert run("account", "set-password", "alice", given="battery staple\r\n") == (0, "Alice has a new password\n", "")
    assert Passwords().verify(account("alice").password_hash, "battery staple")
    assert run("account", "disable", "alice")[0] == 0
    assert account("alice").disabled
    assert run("account", "set-rank", "alice", "1200") == (0, "alice has rank 1200\n", "")
    assert run("account", "set-rank", "alice", "--", "-5")[0] == 0
    status, listed, _ = run("account", "list")
    assert status == 0
    assert listed.startswith("Alice\trank -5\tadded 20")
    assert listed.endswith(" UTC\tdisabled\n")
    assert run("account", "enable", "ALICE")[0] == 0
    assert account("alice").disabled is False


@pytest.mark.parametrize(
    ("arguments", "given", "status", "sentence"),
    [
        ("add a/b", PASSWORD, 1, "a name has 2 to 24 letters (a to z), digits or the characters _ . -"),
        ("add bob", "short\n", 1, "a password has at least 8 characters"),
        ("add bob", "x" * 1025, 1, "a password has at most 1024 characters"),
        ("add bob", "", 1, "no password came from standard input"),
        ("set-password bob", PASSWORD, 1, "there is no account bob"),
        ("disable bob", "", 1, "there is no account bob"),
        ("set-rank bob 1", "", 1, "there is no account bob"),
        ("set-rank bob much", "", 2, "account set-rank: 'much' is no rank: " + BITS),
        ("set-rank bob -- -x", "", 2, "account set-rank: '-x' is no rank: " + BITS),
        ("set-rank bob 2147483648", "", 2, "account set-rank: '2147483648' is no rank: " + BITS),
        ("import nowhere.jsonl", "", 1, "cannot read nowhere.jsonl: No such file or directory"),
        ("export no/where.jsonl", "", 1, "cannot write no/where.jsonl: No such file or directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_done(run: Run, arguments: str, given: str, status: int, sentence: str) -> None:
    assert run("account", *arguments.split(), given=given) == (status, "", f"login-server: {sentence}\n")


@pytest.mark.parametrize(
    "words", ["", "add", "add bob secret", "list bob", "dissable bob", "set-rank bob", "add -x bob"]
)
def test_wrong_use_is_one_sentence_and_status_2(run: Run, tmp_path: Path, words: str) -> None:
    status, output, errors = run("account", *words.split(), given=PASSWORD)
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith("login-server")
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_command(run: Run) -> None:
    for group, names in (("account", "add set-password disable enable set-rank list export import"),
                         ("database", "status upgrade")):  # fmt: skip
        status, output, _ = run(group, "--help")
        assert status == 0
        for name in names.split():
            assert name in output
            assert run(group, name, "--help")[0] == 0


def test_accounts_move_to_another_database_and_twice_is_once(run: Run, tmp_path: Path) -> None:
    for name in ("Alice", "bob"):
        run("account", "add", name, given=PASSWORD)
    run("account", "disable", "bob")
    run("account", "set-rank", "alice", "3")
    assert run("account", "export", "all.jsonl")[0] == 0
    assert stat.S_IMODE((tmp_path / "all.jsonl").stat().st_mode) == 0o600
    before = account("alice"), account("bob")
    (tmp_path / "login_server.sqlite").unlink()
    said = "2 accounts imported, 0 were here already and stay as they are\n"
    assert run("account", "import", "all.jsonl") == (0, said, "")
    assert (account("alice"), account("bob")) == before
    run("account", "set-password", "alice", given="battery staple")
    changed = account("alice")
    status, output, _ = run("account", "import", "-", given=(tmp_path / "all.jsonl").read_text())
    assert status == 0
    assert output.startswith("0 accounts imported, 2 were here already and stay as they are\n1 of those")
    assert account("alice") == changed


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b'{"name":"bob"}',
        b'{"name":"b","password_hash":"x","created_at":1}',
        b'{"name":"bob","password_hash":"","created_at":1}',
        b'{"name":"bob","password_hash":"x","created_at":1,"rank":99999999999}',
        b'{"name":"bob","password_hash":"x","created_at":1,"sex":"m"}',
        b'{"name":"ALICE","password_hash":"x","created_at":1}',
        b"\xff",
        b"x" * 100_000,
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(run: Run, tmp_path: Path, line: bytes) -> None:
    good = json.dumps({"name": "alice", "password_hash": "x", "created_at": 1.0}).encode()
    (tmp_path / "some.jsonl").write_bytes(good + b"\n\n" + line + b"\n")
    status, output, errors = run("account", "import", "some.jsonl")
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert errors.startswith("login-server: some.jsonl, line 3: ")
    assert run("account", "list")[1] == ""


def test_databases_are_told_and_upgraded(run: Run) -> None:
    status, output, _ = run("database", "status")
    assert (status, "the database is empty" in output) == (0, True)
    assert run("database", "upgrade")[0] == 0
    assert run("database", "status")[0] == 0
    database = Database("sqlite:///login_server.sqlite")
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    for command in (("serve", "--player-port=0"), ("account", "list"), ("launcher", "list")):
        status, output, errors = run(*command)
        assert (status, output) == (1, "")
        assert "run 'login-server database upgrade'" in errors.splitlines()[-1]
    assert "0003" in run("database", "upgrade")[1]
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    for command in (("serve", "--player-port=0"), ("database", "upgrade")):
        status, _, errors = run(*command)
        assert status == 1
        assert "has revision 0999 of its tables, which a newer version of this program has made" in errors
    database.close()


def test_a_password_at_a_terminal_is_not_shown(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "login_server", "account", "add", "alice"],
        cwd=tmp_path, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    for prompt in (b"Password: ", b"Again: ", b"account 1"):
        while prompt not in shown:
            assert select.select([master], [], [], 30)[0], shown
            shown += os.read(master, 4096)
        if prompt.endswith(b": "):
            os.write(master, PASSWORD.encode() + b"\n")
    assert process.wait(30) == 0
    os.close(master)
    assert PASSWORD.encode() not in shown
