"""The way through database and hashing to an answer, as a central task takes it; on a real SQLite file."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from connhandler import CentralTask
from connhandler.jsonmessage import Refused
from connhandler.testing import ManualClock, run_queue, run_timers, run_work
from login_server.accounts import (
    Account,
    AccountOffice,
    DatabaseAway,
    DatabaseFailed,
    Passwords,
    Refusal,
    SchemaMismatch,
    attempts,
)
from login_server.databasecalls import PROBE_SECONDS

PASSWORD = "correct horse"
HOME, AWAY = "192.0.2.1", "198.51.100.7"


class Desk:
    """A central task with an office: `ask` waits for the answer."""

    def __init__(self, folder: Path, **office: Any) -> None:
        self.clock = ManualClock()
        self.central = CentralTask("test", clock=self.clock)
        self.office = AccountOffice(self.central, f"sqlite:///{folder}/accounts.sqlite", **office)
        self.quick = Passwords(memory_kib=8, passes=1)
        self.office.authenticator._passwords = self.quick

    def add(self, name: str) -> None:
        self.office.store.add(name, self.quick.hash(PASSWORD), self.clock())

    def begin(self, name: str, password: str, address: str) -> list[Account | Refusal]:
        answers: list[Account | Refusal] = []
        self.central.post(self.office.authenticator.authenticate, name, password, address, answers.append)
        return answers

    def ask(self, name: str, password: str = PASSWORD, address: str = HOME) -> Account | Refusal:
        answers = self.begin(name, password, address)
        run_work(self.central)
        (answer,) = answers
        return answer

    def code(self, name: str, password: str = PASSWORD, address: str = HOME) -> str:
        answer = self.ask(name, password, address)
        return answer.code if isinstance(answer, Refusal) else "welcome"

    def close(self) -> None:
        for pool in self.office.pools:
            pool.close()
        self.office.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    for name in ("Alice", "dora"):
        desk.add(name)
    desk.office.store.set_disabled("dora", True, 1.0)
    yield desk
    desk.close()


def test_the_right_password(desk: Desk) -> None:
    desk.office.store.set_rank("alice", 7)
    answer = desk.ask("ALICE")
    assert isinstance(answer, Account)
    assert (answer.name, answer.rank, answer.disabled) == ("Alice", 7, False)


def test_three_wrongs_get_one_answer_byte_for_byte(desk: Desk) -> None:
    answers = set()
    for name, password in (("alice", "wrong horse"), ("nobody", PASSWORD), ("dora", "wrong horse"), ("no name!", "")):
        answer = desk.ask(name, password)
        assert isinstance(answer, Refusal)
        answers.add(msgspec.json.encode(Refused(code=answer.code, message=answer.message, about="log_in")))
    assert answers == {b'{"type":"refused","code":"wrong_login","message":"wrong name or password","about":"log_in"}'}


def test_the_delay_is_the_same_for_a_name_that_nobody_has(desk: Desk) -> None:
    told = []
    for name, first in (("alice", 0), ("nobody", 20), ("dora", 40)):
        words = []
        for number in range(8):
            answer = desk.ask(name, "wrong horse", f"10.0.0.{first + number}")
            assert isinstance(answer, Refusal)
            words.append((answer.code, answer.message))
        told.append(words)
    assert told[0] == told[1] == told[2]
    wrong = ("wrong_login", "wrong name or password")
    too_many = ("too_many_attempts", "too many wrong names or passwords, try again in 2 seconds")
    assert told[0] == [wrong] * 5 + [too_many] * 3


def test_disabled_is_said_only_to_who_knows_the_password(desk: Desk) -> None:
    assert desk.code("dora", "wrong horse") == "wrong_login"
    assert desk.code("dora") == "account_disabled"
    for _ in range(30):  # and counts for nothing
        assert desk.code("dora") == "account_disabled"
    desk.office.store.set_disabled("dora", False, 1.0)
    assert desk.code("dora") == "welcome"


def test_the_right_password_helps_nobody_before_the_delay_is_over(desk: Desk) -> None:
    for number in range(5):
        assert desk.code("alice", f"guess number {number}", AWAY) == "wrong_login"
    assert desk.code("alice", PASSWORD, HOME) == "too_many_attempts"
    desk.clock.advance(2)
    assert desk.code("alice", PASSWORD, HOME) == "welcome"


def test_the_owner_gets_in_while_somebody_guesses_elsewhere(desk: Desk) -> None:
    assert desk.code("alice") == "welcome"
    for number in range(6):
        desk.code("alice", f"guess number {number}", AWAY)
    assert desk.code("alice", PASSWORD, AWAY) == "too_many_attempts"
    assert desk.code("alice") == "welcome"


def test_guesses_at_the_same_moment_are_no_more_than_guesses_one_by_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify, checked = desk.quick.verify, []

    def count(password_hash: str | None, password: str) -> bool:
        checked.append(password)
        return verify(password_hash, password)

    monkeypatch.setattr(desk.quick, "verify", count)
    answers = [desk.begin("alice", f"guess number {number}", f"10.0.0.{number}") for number in range(60)]
    answers.append(desk.begin("alice", PASSWORD, "10.1.0.1"))
    run_work(desk.central)
    codes = [answer.code for (answer,) in answers if isinstance(answer, Refusal)]
    assert codes == ["wrong_login"] * 5 + ["too_many_attempts"] * 56
    assert sorted(checked) == [f"guess number {number}" for number in range(5)]


def test_many_at_the_same_moment_behind_one_address_get_in(desk: Desk) -> None:
    names = [f"player{number}" for number in range(100)]
    for name in names:
        desk.add(name)
    answers = [desk.begin(name, PASSWORD, HOME) for name in names]
    run_work(desk.central)
    assert [answer.name for (answer,) in answers if isinstance(answer, Account)] == names


def test_when_there_is_no_room_it_is_busy_and_counts_for_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, database_threads=1, hashing_threads=1, hashing_queue=1)
    desk.add("alice")
    gate = threading.Event()
    try:
        for _ in range(2):
            desk.office.password_pool.submit(gate.wait, 30, done=lambda result, error: None)
        for _ in range(30):
            answers = desk.begin("alice", "wrong horse", AWAY)
            while not answers:
                desk.central.handle(desk.central.queue.get())
            assert [answer.code for answer in answers if isinstance(answer, Refusal)] == ["busy"]
        gate.set()
        assert desk.code("alice", PASSWORD, AWAY) in ("busy", "welcome")
    finally:
        gate.set()
        desk.close()


def test_many_wrong_at_the_same_moment_behind_one_address_are_counted_as_one_after_the_other(desk: Desk) -> None:
    answers = [desk.begin(f"player{number}", PASSWORD, AWAY) for number in range(100)]
    run_work(desk.central)
    at_once = [answer.code for (answer,) in answers if isinstance(answer, Refusal)]
    one_by_one = [desk.code(f"somebody{number}", PASSWORD, "203.0.113.1") for number in range(100)]
    assert at_once == one_by_one == ["wrong_login"] * 20 + ["too_many_attempts"] * 80


def test_the_words_say_how_the_delay_grows(desk: Desk) -> None:
    for _ in range(5):
        desk.ask("alice", "wrong horse", AWAY)
    for words, seconds in (("2 seconds", 2), ("4 seconds", 4), ("8 seconds", 8)):
        answer = desk.ask("alice", PASSWORD, AWAY)
        assert isinstance(answer, Refusal)
        assert answer.message == f"too many wrong names or passwords, try again in {words}"
        desk.clock.advance(seconds)
        assert desk.code("alice", "wrong horse", AWAY) == "wrong_login"


def test_everybody_gets_one_answer(desk: Desk) -> None:
    generator = random.Random(1)
    answers = []
    for number in range(300):
        name, password = generator.choice(["alice", "dora", "nobody", "no name"]), generator.choice([PASSWORD, "wrong"])
        answers.append(desk.begin(name, password, f"10.0.0.{generator.randrange(20)}"))
        if number % 50 == 0:
            run_work(desk.central)
            desk.clock.advance(60)
    run_work(desk.central)
    assert [len(answer) for answer in answers] == [1] * 300
    codes = {answer.code if isinstance(answer, Refusal) else "welcome" for (answer,) in answers}
    assert codes == {"welcome", "wrong_login", "too_many_attempts", "account_disabled"}
    assert not desk.office.authenticator._waiting


def test_when_too_many_wait_it_is_busy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_WAITING", 10)
    answers = [desk.begin("alice", PASSWORD, f"10.0.0.{number}") for number in range(20)]
    run_work(desk.central)
    codes = [answer.code if isinstance(answer, Refusal) else "welcome" for (answer,) in answers]
    assert codes == ["welcome"] * 15 + ["busy"] * 5


def test_a_database_that_is_away_is_asked_once_and_counts_for_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fail(*arguments: str) -> None:
        asked.append(arguments)
        raise DatabaseAway("no route to host")

    with monkeypatch.context() as away:
        away.setattr(desk.office.store, "find", fail)
        away.setattr(desk.office.database_calls, "_probe_function", fail)
        for _ in range(30):
            assert desk.code("alice", "wrong horse") == "database_away"
        assert asked == [("alice",), ()]  # the log-in, then the probe
    desk.clock.advance(1.25 * PROBE_SECONDS)
    run_timers(desk.central)
    run_work(desk.central)
    assert desk.code("alice") == "welcome"


def test_a_password_that_could_not_be_checked_counts_for_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(password_hash: str | None, password: str) -> bool:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(desk.quick, "verify", fail)
        for _ in range(30):
            assert desk.code("alice", "wrong horse") == "busy"
    assert {record.getMessage() for record in caplog.records} == {"a password could not be checked"}
    assert desk.code("alice") == "welcome"


def test_a_database_that_fails_counts_for_nothing(desk: Desk, tmp_path: Path) -> None:
    def fail(name: str) -> Account | None:
        raise DatabaseFailed("no such table")

    find = desk.office.store.find
    desk.office.store.find = fail  # type: ignore[method-assign]
    for _ in range(30):
        assert desk.code("alice", "wrong horse") == "database_failed"
    desk.office.store.find = find  # type: ignore[method-assign]
    assert desk.code("alice") == "welcome"


@pytest.mark.parametrize("password", ["", "\ud800", "x" * 100_000, "\0", "é" * 4096])
def test_whatever_is_given_as_a_password_is_wrong(desk: Desk, password: str) -> None:
    assert desk.code("alice", password) == "wrong_login"


def test_a_hash_that_is_none_lets_nobody_in(desk: Desk) -> None:
    desk.office.store.add("eve", "no hash", 1.0)
    assert desk.code("eve") == "wrong_login"


def test_it_answers_after_the_pools_are_closed(desk: Desk) -> None:
    for pool in desk.office.pools:
        pool.close()
    answers = desk.begin("alice", PASSWORD, HOME)
    run_queue(desk.central)
    assert [answer.code for answer in answers if isinstance(answer, Refusal)] == ["busy"]


def test_an_office_does_not_open_on_tables_of_another_revision(desk: Desk, tmp_path: Path) -> None:
    with desk.office._database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(SchemaMismatch, match="login-server database upgrade"):
        AccountOffice(desk.central, f"sqlite:///{tmp_path}/accounts.sqlite")
