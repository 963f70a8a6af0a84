"""The database goes away under load: stopped, frozen, its connections ended, its file locked.

While it is away, those who are connected play on, and who logs in is told so within 2 s; it is used again by itself
within 5 s of its return; and nobody is disconnected.
"""

import contextlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import psutil
import pytest
from msgspec import Struct, structs

from connhandler import tasks
from connhandler.jsonmessage import Refused
from login_server import protocol as login
from login_server.database import Database
from login_server.results import Results
from tests.databases import DatabaseServer
from tests.faults.loginprogram import PASSWORD, LoginProgram, make_accounts

REFUSED_WITHIN_SECONDS = 2.0
BACK_WITHIN_SECONDS = 5.0
ANSWERED_WITHIN_SECONDS = 0.5
"""To players who ask for nothing of the database, on a machine whose processors all hash passwords."""

LOADERS = 12
AWAY_SECONDS = 3.0

ALICE, BOB = "alice", "bob"
SERVER = login.ServerInfo(
    server_id="home/one",
    name="One",
    game="fourinarow",
    map="classic",
    players=0,
    capacity=1_000,
    region="eu",
    address="127.0.0.1",
    port=10020,
    ping_address="127.0.0.1:10020",
    version="1",
)

RESULT = login.MatchResult(winner=ALICE, scores={}, reason="won", ended_at=1.0)


class Attempt(Struct, frozen=True):
    """One log-in.

    Attributes:
        code: `in`, or the code of the refusal.
    """

    begun: float
    ended: float
    code: str
    words: str = ""


class Crowd:
    """Players who log in, leave, and come again under another name, without a pause.

    Attributes:
        attempts: in the order in which they ended.
    """

    def __init__(self, program: LoginProgram, names: list[str]) -> None:
        self.attempts: list[Attempt] = []
        self._program = program
        self._names = iter(names)
        self._stopping = False
        self._loaders = [tasks.spawn(f"loader {number}", self._run) for number in range(LOADERS)]

    def _run(self) -> None:
        while not self._stopping:
            name = next(self._names)
            with self._program.connect() as client:
                while not self._stopping:
                    begun = time.monotonic()
                    client.send(login.LogIn(name=name, password=PASSWORD))
                    answer = client.receive()
                    refused = isinstance(answer, Refused)
                    told = (answer.code, answer.message) if refused else ("in", "")
                    self.attempts.append(Attempt(begun, time.monotonic(), *told))
                    if not refused:
                        break
                    gevent.sleep(0.1)  # People are not quicker.

    def wait_for(self, what: str, condition: Callable[[Attempt], bool], seconds: float = 30.0) -> Attempt:
        """Wait for an attempt from now on that is like this."""
        seen = len(self.attempts)
        with gevent.Timeout(seconds, AssertionError(f"not within {seconds} s: {what}")):
            while True:
                for attempt in self.attempts[seen:]:
                    if condition(attempt):
                        return attempt
                seen = len(self.attempts)
                gevent.sleep(0.005)

    def stop(self) -> None:
        """Raises what any of them has met with, such as the end of its connection."""
        self._stopping = True
        gevent.joinall(self._loaders, raise_error=True)


class House:
    """A login server with a launcher, two players who look for each other again and again, and a crowd at the door."""

    def __init__(self, program: LoginProgram, database_url: str, names: list[str], launcher_key: str) -> None:
        self.program = program
        self.database_url = database_url
        self.launcher = program.launcher("home", launcher_key)
        self.launcher.send(login.RegisterServer(SERVER))
        self.alice, self.bob = program.enter(ALICE), program.enter(BOB)
        self.crowd = Crowd(program, names)
        self.slowest = 0.0
        self.matches: list[str] = []
        self.recorded: set[str] = set()
        self.results_refused = 0
        self.news = 0
        self._playing = True
        self._players = tasks.spawn("players", self._play)
        self._results = tasks.spawn("launcher", self._launch)

    def _play(self) -> None:
        """They get answers, matches, and news of the servers."""
        while self._playing:
            changed = f"map{self.news}"
            self.launcher.send(login.UpdateServer(structs.replace(SERVER, map=changed)))
            begun = time.monotonic()
            self.alice.send(login.FindMatch(game="fourinarow", partner=BOB))
            self.alice.expect(login.MatchPending, timeout=5)
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.bob.send(login.FindMatch(game="fourinarow", partner=ALICE))
            (match_id,) = {client.expect(login.MatchFound, timeout=5).match_id for client in (self.alice, self.bob)}
            self.launcher.send(login.MatchStarted(match_id=match_id, players=[ALICE, BOB], server_id="home/one"))
            self.matches.append(match_id)
            self.end_match(match_id)
            while all(server.map != changed for server in self.bob.expect(login.ServersChanged, timeout=5).changed):
                pass
            self.news += 1

    def _launch(self) -> None:
        """What the launcher is told of its results."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                match self.launcher.receive(timeout=60):
                    case login.MatchRecorded(match_id=match_id):
                        self.recorded.add(match_id)
                    case Refused(code="database_away", about="match_ended"):
                        self.results_refused += 1
                    case Refused() as refused:
                        raise AssertionError(refused)

    def end_match(self, match_id: str) -> None:
        self.launcher.send(
            login.MatchEnded(match_id=match_id, players=[ALICE, BOB], result=RESULT, server_id="home/one")
        )

    def stop_playing(self) -> None:
        self._playing = False
        self._players.get(timeout=30)

    def end(self) -> int:
        """All leave, and then the program ends; return its exit status."""
        for client in (self.alice, self.bob, self.launcher):
            client.close()
        return self.program.end()


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[Callable[[str], House]]:
    with contextlib.ExitStack() as stack:

        def make(database_url: str) -> House:
            names = [f"player{number}" for number in range(1_000)]
            key = make_accounts(database_url, [ALICE, BOB, *names])
            return House(stack.enter_context(LoginProgram(tmp_path, database_url)), database_url, names, key)

        yield make


LOCKS = {
    "writing": "base = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10); base.execute('BEGIN EXCLUSIVE')",
    # All the locks of the write-ahead log (https://sqlite.org/walformat.html, 2.3.1), those of readers among them.
    "everything": "log = open(sys.argv[1] + '-shm', 'r+b'); fcntl.lockf(log, fcntl.LOCK_EX, 8, 120)",
}


class FileLock:
    """Another process that keeps a SQLite file to itself."""

    def __init__(self, file: Path, lock: str) -> None:
        program = f"import fcntl, sqlite3, sys; {LOCKS[lock]}; print('locked', flush=True); sys.stdin.read()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"locked\n"

    def release(self) -> None:
        self._process.communicate(timeout=10)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("postgresql", "frozen"),
        pytest.param("postgresql", "stopped", marks=pytest.mark.slow),
        pytest.param("mariadb", "frozen", marks=pytest.mark.slow),
        ("mariadb", "stopped"),
    ],
)
def test_a_server_that_is_away(
    kind: str, fault: str, request: pytest.FixtureRequest, make_house: Callable[[str], House]
) -> None:
    server: DatabaseServer = request.getfixturevalue(kind)
    house = make_house(server.new_database())
    go, come = (server.freeze, server.thaw) if fault == "frozen" else (server.stop, server.start)
    check(house, f"{kind} {fault}", go, come)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("lock", ["writing", pytest.param("everything", marks=pytest.mark.slow)])
def test_a_sqlite_file_that_another_process_keeps_to_itself(
    tmp_path: Path, make_house: Callable[[str], House], lock: str
) -> None:
    """Where others can still read, logins go on until somebody needs to write: then all are told."""
    file = tmp_path / "database.sqlite"
    house = make_house(f"sqlite:///{file}")
    locks: list[FileLock] = []
    check(house, f"sqlite locked for {lock}", lambda: locks.append(FileLock(file, lock)), lambda: locks[0].release())


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="limits of a running process are set on Linux only")
def test_a_disk_that_takes_nothing_more(tmp_path: Path) -> None:
    """Who needs to write is refused; all others, who log in among them, notice nothing."""
    url = f"sqlite:///{tmp_path}/database.sqlite"
    make_accounts(url, [ALICE, BOB])
    with LoginProgram(tmp_path, url) as program, program.enter(ALICE) as alice:
        process = psutil.Process(program.process.pid)
        _, most = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (1, most))
        with program.connect() as carol, program.enter(BOB):
            for _ in range(2):
                carol.send(login.Register(name="carol", password=PASSWORD))
                refused = carol.receive()
                assert (refused.code, refused.message) == ("database_failed", "the database failed, try again later")
            process.rlimit(psutil.RLIMIT_FSIZE, (most, most))
            carol.send(login.Register(name="carol", password=PASSWORD))
            assert carol.receive() == login.Registered(name="carol")
        alice.send(login.CancelMatch())
        assert alice.expect(Refused).code == "not_waiting"
        alice.close()
        assert program.end() == 0
    assert len(program.said("the database failed: OperationalError: ")) == 2
    assert not program.said("away")


def check(house: House, name: str, go: Callable[[], object], come: Callable[[], object]) -> None:
    """Let the database go and come back, and see that all is as promised."""
    crowd, program = house.crowd, house.program
    for _ in range(20):
        crowd.wait_for("logins", lambda attempt: attempt.code == "in")
    matches, news = len(house.matches), house.news
    program.worst_stall()
    go()
    gone = time.monotonic()
    first = crowd.wait_for("the first refusal", lambda attempt: attempt.code == "database_away", 5)
    while time.monotonic() < gone + AWAY_SECONDS:
        crowd.wait_for("more refusals", lambda attempt: attempt.code == "database_away", 5)
    stall = program.worst_stall()
    played, told = len(house.matches) - matches, house.news - news
    come()
    back = time.monotonic()
    recovered = crowd.wait_for("the first login", lambda attempt: attempt.code == "in", BACK_WITHIN_SECONDS + 5)
    for _ in range(20):
        crowd.wait_for("logins", lambda attempt: attempt.code == "in")
    crowd.stop()
    house.stop_playing()

    away = [attempt for attempt in crowd.attempts if attempt.begun > gone and attempt.ended < back]
    refusals = [attempt for attempt in away if attempt.code != "in"]
    longest = max(attempt.ended - attempt.begun for attempt in crowd.attempts if attempt.code != "in")
    print(
        f"{name} for {back - gone:.1f} s under load: first refusal after {first.ended - gone:.2f} s, "
        f"{len(refusals)} refused, the slowest within {longest:.2f} s; {played} matches and {told} news meanwhile, "
        f"answers within {house.slowest * 1000:.0f} ms, the hub's worst stall {stall * 1000:.0f} ms; first login "
        f"{recovered.ended - back:.2f} s after its return; {len(crowd.attempts)} attempts in all"
    )
    assert longest < REFUSED_WITHIN_SECONDS
    assert Counter(attempt.code for attempt in crowd.attempts).keys() == {"in", "database_away"}
    assert {attempt.words for attempt in refusals} == {"the database does not answer, try again in a moment"}
    assert not [attempt for attempt in away if attempt.code == "in" and attempt.begun > first.ended]
    assert recovered.ended - back < BACK_WITHIN_SECONDS
    assert played >= 3
    assert told >= 3
    assert house.slowest < ANSWERED_WITHIN_SECONDS

    # The launcher says a result again until it is told that it is recorded; then it is so once.
    assert house.results_refused >= 2
    for match_id in [*house.matches, *house.matches[-3:]]:
        house.end_match(match_id)
    program.wait_for("all results are recorded", lambda: house.recorded.issuperset(house.matches))
    assert house.end() == 0
    assert len(program.said("the database is away")) == len(program.said("the database is back")) == 1
    assert not program.said("Traceback")
    database = Database(house.database_url)
    assert sorted(match.match_id for match in Results(database).recent(10_000)) == sorted(house.matches)
    database.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["postgresql", pytest.param("mariadb", marks=pytest.mark.slow)])
def test_connections_that_are_ended_by_the_server_again_and_again(
    kind: str, request: pytest.FixtureRequest, make_house: Callable[[str], House]
) -> None:
    server: DatabaseServer = request.getfixturevalue(kind)
    house = make_house(server.new_database())
    crowd = house.crowd
    crowd.wait_for("logins", lambda attempt: attempt.code == "in")
    ended = 0
    for _ in range(60):
        ended += server.terminate_backends()
        gevent.sleep(0.02)
    over = time.monotonic()
    recovered = crowd.wait_for("a login", lambda attempt: attempt.code == "in", BACK_WITHIN_SECONDS)
    for _ in range(20):
        crowd.wait_for("logins", lambda attempt: attempt.code == "in")
    crowd.stop()
    house.stop_playing()
    codes = Counter(attempt.code for attempt in crowd.attempts)
    longest = max(attempt.ended - attempt.begun for attempt in crowd.attempts if attempt.code != "in")
    print(
        f"{kind}, {ended} connections ended under load: {dict(codes)}, refused within {longest:.2f} s, "
        f"answers within {house.slowest * 1000:.0f} ms, a login {recovered.ended - over:.2f} s after the last"
    )
    assert codes.keys() <= {"in", "database_away"}
    assert longest < REFUSED_WITHIN_SECONDS
    assert house.slowest < ANSWERED_WITHIN_SECONDS
    assert house.end() == 0
    assert not house.program.said("Traceback")
