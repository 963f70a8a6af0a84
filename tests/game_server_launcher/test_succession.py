"""A server changes its map by a second process: scripted, without processes."""

from collections.abc import Callable
from typing import Any

import pytest

from connhandler.jsonmessage import Hello
from game_server_launcher.gametables import MapChange, ReadyByController, StopByController
from game_server_launcher.protocol import (
    CancelHandOver,
    ControllerLogIn,
    HandOver,
    HandOverContext,
    HandOverFailed,
    MovePlayers,
    PlayersMoved,
    ServerReady,
    StopServer,
    TakeOver,
    TakeOverFailed,
    TookOver,
)
from game_server_launcher.servers import GameServer, Role, SavedServer, State, find
from game_server_launcher.succession import HAND_OVER_SECONDS, MAX_CONTEXT_CHARACTERS, who_is_current
from game_server_launcher.supervision import LAST_WORDS_SECONDS
from login_server.protocol import (
    MatchEnded,
    MatchRecorded,
    MatchResult,
    MatchStarted,
    PlayersExpected,
    RegisterServer,
    SeatReserved,
    UnregisterServer,
    UpdateServer,
)

Make = Callable[..., Any]

OLD, NEW = 1000, 2000
MATCH = MatchStarted(match_id="m1", players=["ann", "bob"])
RESULT = MatchResult(winner="ann", scores={}, reason="won", ended_at=1.0)


@pytest.fixture
def world(make_world: Make, chess_with: Make) -> Any:
    return make_world(chess_with(map="small", address="127.0.0.1", map_change=MapChange(by="successor", seconds=10)))


def change(world: Any, name: str = "large", server: str = "four") -> None:
    world.launcher.maps.change(find(world.launcher.servers, server), name)
    world.settle()


def the_server(world: Any) -> GameServer:
    """The one that others know as `four`."""
    server = find(world.launcher.servers, "four")
    assert server is not None
    return server


def ends(world: Any, server: str, status: int = 0) -> None:
    """A process ends, and its controller's connection with it."""
    world.process_exited(status, server)
    world.advance(LAST_WORDS_SECONDS)


def begin(world: Any) -> tuple[Any, Any]:
    """A change that has come as far as the hand-over: the controllers before and after."""
    before = world.ready(pid=OLD)
    change(world)
    after = world.ready("four.2", pid=NEW, port=7001)
    assert before.take() == [HandOver()]
    return before, after


def hand_over(world: Any, before: Any, after: Any) -> None:
    before.receives(world.launcher, HandOverContext(part=1, last=True, data="all games"))
    assert after.take() == [TakeOver(part=1, last=True, data="all games")]
    after.receives(world.launcher, TookOver())
    world.settle()


def test_the_successor_takes_the_place_and_the_one_before_ends(world: Any) -> None:
    login_server = world.login_server()
    before, after = begin(world)
    assert world.runner.runs["four.2"].game.map == "large"
    (registered,) = login_server.take()
    assert registered.server.map == "small"
    hand_over(world, before, after)
    assert before.take() == [MovePlayers(address="127.0.0.1", port=7001)]
    (moved,) = login_server.take()
    assert isinstance(moved, RegisterServer)
    assert (moved.server.server_id, moved.server.name) == ("home/four", "four")
    assert (moved.server.map, moved.server.port, moved.server.state) == ("large", 7001, "ready")
    before.receives(world.launcher, PlayersMoved())
    assert [type(one) for one in before.take()] == [StopServer]
    ends(world, "four", 0)
    world.settle()
    assert set(world.launcher.servers) == {"four.2"}
    assert not (world.path / "four.json").exists()
    assert world.saved("four.2")["role"] == "current"
    world.advance(60)
    assert not any(isinstance(one, UnregisterServer | UpdateServer) for one in login_server.take())


def test_the_next_change_goes_back_to_the_first_place(world: Any) -> None:
    before, after = begin(world)
    hand_over(world, before, after)
    before.receives(world.launcher, PlayersMoved())
    ends(world, "four", 0)
    change(world, "small")
    third = world.ready("four", pid=3000, port=7002)
    assert [type(one) for one in after.take()] == [HandOver]
    after.receives(world.launcher, HandOverContext(part=1, last=True, data="again"))
    assert third.take() == [TakeOver(part=1, last=True, data="again")]
    third.receives(world.launcher, TookOver())
    world.settle()
    assert the_server(world).name == "four"


def test_matches_players_and_seats_go_along(world: Any) -> None:
    login_server = world.login_server()
    before, after = begin(world)
    before.receives(world.launcher, MATCH)
    expected = PlayersExpected("home/four", "m2", ["eve", "joe"], world.clock.now + 60)
    login_server.receives(world.launcher, expected, SeatReserved("home/four", "eve", "", "m2", world.clock.now + 60))
    login_server.take()
    hand_over(world, before, after)
    told = login_server.take()
    assert [type(one) for one in told] == [RegisterServer, MatchStarted]
    assert after.take() == [expected], "it was told of after the context"
    server = the_server(world)
    assert (set(server.matches), set(server.seats)) == ({"m1"}, {"eve"})
    before.receives(world.launcher, PlayersMoved())
    ends(world, "four", 0)
    world.settle()
    assert not any(isinstance(one, MatchEnded) for one in login_server.take()), "m1 goes on"


def test_a_result_that_the_process_before_has_told_is_told_to_be_safe_there(world: Any) -> None:
    before, after = begin(world)
    hand_over(world, before, after)
    before.take()
    before.receives(world.launcher, MatchEnded(match_id="m0", players=["ann", "bob"], result=RESULT))
    world.settle()
    assert before.take() == [MatchRecorded(match_id="m0")]


@pytest.mark.parametrize(
    "how", ["exits", "refuses", "hands nothing over", "is silent", "loses its controller", "says too much"]
)
def test_a_hand_over_that_fails_leaves_everything_as_it_was(
    world: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    login_server = world.login_server()
    before, after = begin(world)
    login_server.take()
    if how == "exits":
        after.disconnects(world.launcher)
        ends(world, "four.2", 1)
    elif how == "refuses":
        after.receives(world.launcher, TakeOverFailed(reason="another version"))
    elif how == "hands nothing over":
        before.receives(world.launcher, HandOverFailed(reason="too much"))
    elif how == "is silent":
        world.advance(HAND_OVER_SECONDS)
    elif how == "loses its controller":
        after.disconnects(world.launcher)
    else:
        part = HandOverContext(part=1, last=False, data="x" * 256 * 1024)
        for _ in range(MAX_CONTEXT_CHARACTERS // len(part.data) + 1):
            before.receives(world.launcher, part)
    world.settle()
    assert before.take() == [CancelHandOver()]
    if how != "exits":
        ends(world, "four.2", 0)
        world.settle()
    assert set(world.launcher.servers) == {"four"}
    assert world.state()["state"] == "ready"
    assert login_server.take() == []
    assert "four: the change to map large failed" in caplog.text
    assert not (world.path / "four.2.json").exists()
    change(world)
    assert "four.2" in world.launcher.servers, "it can be tried again"


def test_a_successor_that_is_not_ready_in_time(make_world: Make, chess_with: Make) -> None:
    game = chess_with(
        map_change=MapChange(by="successor"), ready=ReadyByController(seconds=5), stop=StopByController(seconds=1)
    )
    world = make_world(game)
    before = world.ready()
    change(world)
    world.process_started("four.2", NEW, 7001)
    world.advance(5)
    ends(world, "four.2", -15)
    world.settle()
    assert before.take() == [], "it never stood still"
    assert set(world.launcher.servers) == {"four"}


def test_a_successor_that_cannot_be_started(world: Any) -> None:
    world.ready()
    change(world)
    world.happens("process_not_started", "four.2", 1, "no such program", True)
    world.settle()
    assert set(world.launcher.servers) == {"four"}


def test_the_process_before_crashes_while_it_hands_over(world: Any) -> None:
    before, _ = begin(world)
    before.receives(world.launcher, MATCH)
    before.disconnects(world.launcher)
    world.process_exited(-9)
    assert world.state()["state"] == "waiting to be restarted"
    ends(world, "four.2", 0)
    world.settle()
    assert set(world.launcher.servers) == {"four"}


def test_the_process_before_goes_on_though_its_successor_has_taken_over(world: Any) -> None:
    login_server = world.login_server()
    before, after = begin(world)
    before.receives(world.launcher, MATCH)
    hand_over(world, before, after)
    before.receives(world.launcher, HandOverFailed(reason="no successor after 30 s"))
    ends(world, "four.2")
    world.settle()
    assert set(world.launcher.servers) == {"four"}
    assert set(the_server(world).matches) == {"m1"}
    assert [one.server.port for one in login_server.take() if isinstance(one, RegisterServer)] == [7000, 7001, 7000]


def test_who_does_not_move_in_time_is_not_waited_for(world: Any) -> None:
    before, after = begin(world)
    hand_over(world, before, after)
    before.take()
    world.advance(10)
    assert [type(one) for one in before.take()] == [StopServer]


def test_the_new_process_crashes_after_the_change_and_is_restarted_on_its_map(world: Any) -> None:
    before, after = begin(world)
    hand_over(world, before, after)
    before.receives(world.launcher, PlayersMoved())
    ends(world, "four", 0)
    after.disconnects(world.launcher)
    ends(world, "four.2", -11)
    world.advance(1)
    assert world.runner.runs["four.2"].number == 2
    assert world.runner.runs["four.2"].game.map == "large"


@pytest.mark.parametrize(
    ("name", "why"),
    [("no/map", "cannot be the name of a map"), ("x" * 65, "cannot be the name"), ("", "cannot be the name")],
)
def test_a_map_that_is_none(world: Any, name: str, why: str) -> None:
    world.ready()
    with pytest.raises(ValueError, match=why):
        change(world, name)


def test_maps_of_the_file_alone(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(maps=["small", "large"], map_change=MapChange(by="successor")))
    world.ready()
    with pytest.raises(ValueError, match="there is no map 'huge'; its maps are: small, large"):
        change(world, "huge")


def test_a_server_that_cannot_be_changed_now(world: Any) -> None:
    with pytest.raises(ValueError, match="it is starting"):
        change(world)
    world.ready()
    change(world)
    with pytest.raises(ValueError, match="being changed already"):
        change(world)


def test_a_file_that_does_not_say_how(make_world: Make) -> None:
    world = make_world()
    world.ready()
    with pytest.raises(ValueError, match="does not say how"):
        change(world)


# --- the launcher is killed in the middle -----------------------------------------------------------


def controller_again(world: Any, server: str, handed_over: bool = False) -> Any:
    """The controller of a process that was adopted logs in again."""
    fake = world.connect()
    token = world.runner.runs[server].token
    log_in = ControllerLogIn(server=server, token=token, pid=1, handed_over=handed_over)
    fake.receives(world.launcher, Hello(versions=[1]), log_in)
    fake.take()
    fake.receives(world.launcher, ServerReady(port=world.launcher.servers[server].port))
    world.settle()
    return fake


def next_launcher(make_world: Make, chess_with: Make) -> Any:
    world = make_world(chess_with(map="small", map_change=MapChange(by="successor", seconds=10)))
    for name, pid, port in (("four", OLD, 7000), ("four.2", NEW, 7001)):
        if name in world.runner.runs:
            world.process_started(name, pid, port)
    return world


def test_killed_while_the_successor_starts(world: Any, make_world: Make, chess_with: Make) -> None:
    begin(world)
    world = next_launcher(make_world, chess_with)
    controller_again(world, "four")
    assert world.state()["state"] == "ready"
    ends(world, "four.2", 0)
    world.settle()
    assert set(world.launcher.servers) == {"four"}


@pytest.mark.parametrize("moved", [False, True])
def test_killed_after_the_places_have_changed(world: Any, make_world: Make, chess_with: Make, moved: bool) -> None:
    before, after = begin(world)
    before.receives(world.launcher, MATCH)
    hand_over(world, before, after)
    world.advance(1)
    world = next_launcher(make_world, chess_with)
    controller_again(world, "four.2")
    login_server = world.login_server()
    controller_again(world, "four", handed_over=moved)
    stays, goes = ("four.2", "four") if moved else ("four", "four.2")
    assert the_server(world).name == stays
    assert set(the_server(world).matches) == {"m1"}
    ends(world, goes, 0)
    world.settle()
    assert set(world.launcher.servers) == {stays}
    registered = [one for one in login_server.take() if isinstance(one, RegisterServer)]
    assert registered[-1].server.port == (7001 if moved else 7000)


def test_the_process_before_has_ended_while_no_launcher_was_there(
    world: Any, make_world: Make, chess_with: Make
) -> None:
    hand_over(world, *begin(world))
    world = make_world(chess_with(map="small", map_change=MapChange(by="successor")))
    world.happens("process_not_found", "four", 1)
    world.process_started("four.2", NEW, 7001)
    controller_again(world, "four.2")
    assert set(world.launcher.servers) == {"four.2"}
    assert world.launcher.servers["four.2"].game.map == "large"


def saved(name: str, role: Role, pid: int = 1) -> SavedServer:
    return SavedServer(name=name, state=State.READY, role=role, pid=pid)


@pytest.mark.parametrize(
    ("roles", "current", "other"),
    [
        ({}, None, None),
        ({"a": Role.CURRENT}, "a", None),
        ({"a.2": Role.CURRENT}, "a.2", None),
        ({"a": Role.CURRENT, "a.2": Role.SUCCESSOR}, "a", "a.2"),
        ({"a": Role.PREDECESSOR, "a.2": Role.SUCCESSOR}, "a", "a.2"),
        ({"a": Role.PREDECESSOR, "a.2": Role.CURRENT}, "a.2", "a"),
        ({"a.2": Role.SUCCESSOR}, "a.2", None),
    ],
)
def test_who_is_current(roles: dict[str, Role], current: str | None, other: str | None) -> None:
    left = {name: saved(name, role) for name, role in roles.items()} | {"b": saved("b", Role.CURRENT)}
    found = who_is_current("a", left)
    assert [one.name if one else None for one in found] == [current, other]
    assert set(left) == {"b"}
