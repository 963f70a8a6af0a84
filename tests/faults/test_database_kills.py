"""`kill -9` of the login server while players register and change their passwords, on SQLite.

What was acknowledged is there after it, what was not is there whole or not at all, and the file is sound.
"""

import contextlib
import random
import sqlite3
import time
from pathlib import Path

import gevent
import pytest

from connhandler import Message, tasks
from connhandler.jsonmessage import Refused
from connhandler.testing import JsonClient
from login_server import protocol as login
from tests.faults.loginprogram import LoginProgram

OWNERS = 4
LONGEST_LIFE_SECONDS = 1.0


class Account:
    """What its owner knows of it.

    Attributes:
        may_be: the passwords of which one holds; None stands for no account at all.
        before: the one that the last acknowledged change has replaced.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.may_be: list[str | None] = [None]
        self.before: str | None = None


class Owner:
    """Somebody who registers again and again, and changes each password twice, until the connection breaks.

    Attributes:
        acknowledged: how many registrations and changes were.
        accounts: those since the last check.
    """

    def __init__(self, number: int, generator: random.Random) -> None:
        self.acknowledged = 0
        self.accounts: list[Account] = []
        self._number = number
        self._generator = generator
        self._count = 0

    def run(self, program: LoginProgram) -> None:
        """Until the server is killed."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._count += 1
                account = Account(f"owner{self._number}_{self._count}")
                self.accounts.append(account)
                with program.connect() as client:
                    self._use(account, client)

    def _use(self, account: Account, client: JsonClient) -> None:
        password = self._new_password()
        account.may_be = [None, password]
        self._ask(client, login.Register(account.name, password), login.Registered)
        account.may_be = [password]
        client.send(login.LogIn(account.name, password))
        assert isinstance(client.receive(), login.LoggedIn)
        for _ in range(2):
            old, password = password, self._new_password()
            account.may_be = [old, password]
            self._ask(client, login.ChangePassword(old, password), login.PasswordChanged)
            account.may_be, account.before = [password], old

    def check(self, program: LoginProgram) -> None:
        """What was acknowledged holds, what was not holds whole or not at all, what was replaced does not."""
        for account in self.accounts:
            holding = [one for one in account.may_be if one and let_in(program, account.name, one)]
            assert len(holding) == 1 or (not holding and None in account.may_be), f"{account.name} is not as it was"
        replaced = [account for account in self.accounts if account.before]
        for account in replaced[-1:]:  # Not of all: each wrong password makes the next one from here wait longer.
            assert account.before
            assert not let_in(program, account.name, account.before), f"{account.name}: a change is lost"
        self.accounts.clear()

    def _ask(self, client: JsonClient, request: Message, answer: type[Message]) -> None:
        client.send(request)
        while not isinstance(got := client.receive(), answer):
            assert isinstance(got, login.ServerList), got
        self.acknowledged += 1

    def _new_password(self) -> str:
        return f"password {self._generator.getrandbits(64):016x}"


def let_in(program: LoginProgram, name: str, password: str) -> bool:
    with program.connect() as client:
        client.send(login.LogIn(name, password))
        answer = client.receive()
        if isinstance(answer, login.LoggedIn):
            return True
        assert isinstance(answer, Refused)
        assert answer.code == "wrong_login", answer
        return False


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_nothing_acknowledged_is_lost(kills: int, tmp_path: Path) -> None:
    generator = random.Random(kills)
    file = tmp_path / "database.sqlite"
    owners = [Owner(number, generator) for number in range(OWNERS)]
    begun = time.monotonic()
    for kill in range(kills + 1):
        with LoginProgram(tmp_path, f"sqlite:///{file}") as program:
            gevent.joinall([tasks.spawn("check", owner.check, program) for owner in owners], raise_error=True)
            if kill == kills:
                break
            at_work = [tasks.spawn("owner", owner.run, program) for owner in owners]
            gevent.sleep(generator.uniform(0.0, LONGEST_LIFE_SECONDS))
            program.kill()
        gevent.joinall(at_work, raise_error=True)
        with contextlib.closing(sqlite3.connect(file)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not program.said("Traceback")
    acknowledged = sum(owner.acknowledged for owner in owners)
    print(f"{kills} kills in {time.monotonic() - begun:.0f} s: {acknowledged} acknowledged writes, none lost")
    assert acknowledged > kills
