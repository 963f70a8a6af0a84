"""A changed game file is tried by one server before the others take it: scripted, without processes."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from connhandler import DisconnectReason
from game_server_launcher.builds import Build, BuildBook
from game_server_launcher.gamefile import GameFile, GameFileError
from game_server_launcher.gametables import MapChange, Upgrade
from game_server_launcher.protocol import HandOverContext, PlayersMoved, TookOver
from game_server_launcher.servers import find
from login_server.protocol import MatchEnded, MatchResult, MatchStarted

Make = Callable[..., Any]

NAMES = ["one", "two"]


def build(command: str, matches: int = 2, **keys: Any) -> GameFile:
    values: dict[str, Any] = {"servers": NAMES, "name": "chess", "map": "small"}
    values |= {"map_change": MapChange(by="successor"), "upgrade": Upgrade(canary_matches=matches)}
    return GameFile(game="chess", command=[command], capacity=10, **values | keys)


OLD, NEW = build("old"), build("new")


class Place:
    """A launcher with two servers of one game, both ready."""

    def __init__(self, make_world: Make) -> None:
        self.world = make_world(OLD)
        self.controllers = {name: self.world.ready(name, pid=1000 + number) for number, name in enumerate(NAMES)}
        self._matches = 0

    def reload(self, *games: GameFile) -> None:
        self.world.read_games = lambda: list(games)
        self.world.launcher.reload()
        self.world.settle()

    def command(self, name: str) -> str:
        """What a server was started with last."""
        return str(self.world.runner.runs[name].game.command[0])

    def change_map(self, name: str, after: str, answer: bool = True) -> None:
        """Change a map by a successor, which takes the games over or not."""
        server = find(self.world.launcher.servers, name)
        assert server is not None
        before = self.controllers[name]
        self.world.launcher.maps.change(server, "large")
        self.world.settle()
        if not answer:
            self.world.process_started(after, 2000, 7001)
            self.world.process_exited(1, after)
            return
        successor = self.world.ready(after, pid=2000, port=7001)
        before.receives(self.world.launcher, HandOverContext(part=1, last=True, data=""))
        successor.receives(self.world.launcher, TookOver())
        self.world.settle()
        before.receives(self.world.launcher, PlayersMoved())
        before.disconnects(self.world.launcher)
        self.world.process_exited(0, server.name)
        self.controllers[name] = successor

    def play_match(self, name: str) -> None:
        self._matches += 1
        match = f"m{self._matches}"
        result = MatchResult(winner="ann", scores={}, reason="won", ended_at=1.0)
        self.controllers[name].receives(
            self.world.launcher,
            MatchStarted(match_id=match, players=["ann", "bob"]),
            MatchEnded(match_id=match, players=["ann", "bob"], result=result),
        )
        self.world.settle()

    def crash(self, name: str, process: str) -> None:
        self.controllers[name].disconnects(self.world.launcher, DisconnectReason.CLOSED_BY_PEER)
        self.world.process_exited(-11, process)
        self.world.advance(1)

    def restart(self, name: str) -> None:
        self.world.launcher.operations.restart(name)
        self.world.settle()
        self.controllers[name].disconnects(self.world.launcher, DisconnectReason.CLOSED_BY_PEER)
        self.world.process_exited(0, name)
        self.world.settle()


@pytest.fixture
def place(make_world: Make) -> Place:
    return Place(make_world)


def test_one_server_tries_it_and_then_all_take_it(place: Place) -> None:
    place.reload(NEW)
    assert place.command("one") == "old", "nothing changes before a change of map"
    place.change_map("one", "one.2")
    assert place.command("one.2") == "new"
    place.restart("two")
    assert place.command("two") == "old", "another server tries it"
    place.play_match("one")
    place.play_match("one")
    assert "the new build is accepted" in [event.text for event in place.world.launcher.servers["one.2"].events]
    place.controllers["two"] = place.world.ready("two", pid=1003)
    place.restart("two")
    assert place.command("two") == "new"


def test_it_crashes_and_its_server_goes_back_by_itself(place: Place) -> None:
    place.reload(NEW)
    place.change_map("one", "one.2")
    place.play_match("one")
    place.crash("one", "one.2")
    assert place.command("one.2") == "old"
    assert place.world.runner.runs["one.2"].game.map == "large", "the map stays"
    place.restart("two")
    assert place.command("two") == "old"
    place.reload(NEW)
    place.controllers["two"] = place.world.ready("two", pid=1003)
    place.restart("two")
    assert place.command("two") == "old", "it is not tried again"
    place.reload(build("newer"))
    place.controllers["two"] = place.world.ready("two", pid=1004)
    place.restart("two")
    assert place.command("two") == "newer"


def test_a_build_that_does_not_take_the_games_over_is_tried_in_vain(place: Place) -> None:
    place.reload(NEW)
    place.change_map("one", "one.2", answer=False)
    place.world.settle()
    place.change_map("one", "one.2")
    assert place.command("one.2") == "old"


def test_a_build_that_cannot_be_started_goes_back(place: Place) -> None:
    place.reload(NEW)
    place.restart("one")
    assert place.command("one") == "new"
    run = place.world.runner.runs["one"]
    place.world.happens("process_not_started", "one", run.number, "no such program", True)
    place.world.advance(1)
    assert place.command("one") == "old"


def test_without_canary_every_server_takes_it_at_its_next_start(place: Place) -> None:
    place.reload(build("new", matches=0))
    place.restart("two")
    assert place.command("two") == "new"


def test_a_crash_of_a_server_that_is_not_on_trial_changes_nothing(place: Place) -> None:
    place.reload(NEW)
    place.change_map("one", "one.2")
    place.crash("two", "two")
    assert place.command("two") == "old"
    place.play_match("two")
    place.play_match("two")
    assert place.world.state("one.2")["on_trial"]


def test_the_next_launcher_goes_on_with_the_trial(place: Place, make_world: Make) -> None:
    place.reload(NEW)
    place.change_map("one", "one.2")
    place.play_match("one")
    world = make_world(NEW)
    assert world.launcher.servers["one.2"].game.command == ["new"]
    assert world.launcher.servers["two"].game.command == ["old"]
    world.happens("process_not_found", "two", 1)
    assert world.runner.runs["two"].game.command == ["old"]
    world.process_started("one.2", 2000, 7001)
    world.process_exited(-11, "one.2")
    world.advance(1)
    assert world.runner.runs["one.2"].game.command == ["old"]


def test_a_file_that_was_changed_while_no_launcher_ran_is_tried_too(place: Place, make_world: Make) -> None:
    world = make_world(NEW)
    world.happens("process_not_found", "one", 1)
    world.happens("process_not_found", "two", 1)
    assert [world.runner.runs[name].game.command for name in NAMES] == [["new"], ["old"]]


def test_files_that_are_wrong_change_nothing(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    def load() -> list[GameFile]:
        raise GameFileError("chess.toml: not TOML")

    place.world.read_games = load
    told: list[tuple[bool, str]] = []
    place.world.launcher.reload(lambda *outcome: told.append(outcome))
    place.world.settle()
    assert told == [(False, "the game files are not taken: chess.toml: not TOML")]
    assert "the game files are not taken: chess.toml: not TOML" in caplog.text


def test_a_new_file_is_for_the_next_start_of_the_launcher(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    place.reload(OLD, build("go", name="go"))
    assert "go is new: a launcher takes up new game files when it is started" in caplog.text


def test_what_is_kept_that_makes_no_sense_is_left_out(place: Place, make_world: Make) -> None:
    (place.world.path / "launcher.builds").write_bytes(b"{")
    world = make_world(OLD)
    assert world.launcher.servers["one"].game.command == ["old"]


def test_a_build_is_withdrawn() -> None:
    book = BuildBook({}, [OLD])
    assert "tries the new build for 2 matches" in book.offer(NEW)
    assert book.offer(NEW) == ""
    assert book.offer(OLD) == "chess: the new build is withdrawn"
    assert book.offer(OLD) == ""


def test_builds_go_to_json_and_back() -> None:
    builds = {"chess": Build(OLD, NEW, "one", 1, build("bad"))}
    assert msgspec.json.decode(msgspec.json.encode(builds), type=dict[str, Build]) == builds
