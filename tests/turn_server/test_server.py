"""What is looked at before a request's own meaning; what GET says; the tables of symbols; determinism; the log."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler.http import HttpRequest
from tests.turn_server.conftest import ADDRESS, MakeTable, Table
from turn_server.symbols import ERROR_TEXTS, MAX_BODY_BYTES, ErrorSymbol, IncomingSymbol, OutgoingSymbol


def test_the_symbols_are_those_of_the_seed() -> None:
    assert [symbol.name for symbol in IncomingSymbol] == [
        "NOTIFY_REGISTER",
        "NOTIFY_UNREGISTER",
        "NOTIFY_REQUEST_PAIR",
        "NOTIFY_MAP_INIT",
        "NOTIFY_MAP_READY",
        "NOTIFY_GAME_QUIT",
        "NOTIFY_GAME_UPDATE",
    ]
    assert list(IncomingSymbol) == list(range(7))
    assert list(OutgoingSymbol) == list(range(11))
    assert OutgoingSymbol.C_MSG_START_PLAY.value == 8
    assert list(ErrorSymbol) == list(range(1, 22)) == list(ERROR_TEXTS)


def test_1_a_post_without_a_length(table: Table) -> None:
    response = table.request(HttpRequest(method="POST", path="/"))
    assert (response.status, response.body) == (400, b"1/*/*")


@pytest.mark.parametrize("headers", [{"content-length": "0"}, {"transfer-encoding": "chunked"}])
def test_2_no_data(table: Table, headers: dict[str, str]) -> None:
    response = table.request(HttpRequest(method="POST", path="/", headers=headers))
    assert (response.status, response.body) == (400, b"2/*/*")


@pytest.mark.parametrize("address", [None, ""])
def test_3_no_address(table: Table, address: str | None) -> None:
    response = table.request(HttpRequest(method="POST", path="/", body=b"0,Ann,*,*,*"), address)
    assert (response.status, response.body) == (400, b"3/*/*")


@pytest.mark.parametrize(
    "body",
    ["x", "0", "0,Ann", "0,Ann,*", "0,Ann,*,*", ",Ann,*,*,*", "7,*,1,*,*", "-1,*,1,*,*", "00,Ann,*,*,*", "six,a,1,0,0"],
)
def test_4_0_no_symbol_or_too_few_fields(table: Table, body: str) -> None:
    assert table.post(body) == "4/0/*"


def test_20_one_byte_too_many(table: Table) -> None:
    game = table.play()
    room = MAX_BODY_BYTES - len(f"6,,{game},0,0")
    assert table.update(game, 0, 0, "x" * (room + 1)) == "20/*/*"
    assert table.update(game, 0, 0, "x" * room) == "0/10/*"
    assert table.update(game, 1, 0) == "0/9/" + "x" * room


@pytest.mark.parametrize("path", ["/", "/any/path", "/index.html"])
def test_get_says_how_long_the_last_post_took(table: Table, path: str) -> None:
    def ask() -> float:
        response = table.request(HttpRequest(method="GET", path=path))
        assert response.status == 200
        return float(response.body)

    assert ask() == 0
    table.post("no request")
    assert ask() == 0.25


@pytest.mark.parametrize("path", ["/", "/any/path"])
def test_post_to_any_path_with_any_content_type(table: Table, path: str) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "content-length": "11"}
    response = table.request(HttpRequest(method="POST", path=path, headers=headers, body=b"0,Ann,*,*,*"))
    assert response.body.startswith(b"0/0/")


def test_only_the_key_says_who_it_is(table: Table) -> None:
    key = table.register()
    request = HttpRequest(method="POST", path="/", body=f"2,*,{key},*,*".encode())
    assert table.request(request, ("127.0.0.2", 1)).body == b"0/2/*"
    assert table.request(request, ADDRESS).body == b"0/2/*"


def test_fields_that_are_not_used_may_be_anything(table: Table) -> None:
    keys = [table.post(f"0,{name},*,*,any counter").removeprefix("0/0/") for name in ("Ann", "Bob")]
    replies = [
        table.post(f"{symbol},any, data,{key},any player,any counter") for symbol in (2, 2, 3, 4) for key in keys
    ]
    assert replies[:7] == ["0/2/*", "0/4/Ann", "0/3/Bob", "0/4/Ann", "0/5/", "0/6/", "0/7/*"]
    game = replies[7].removeprefix("0/8/").removesuffix("|1")
    assert table.post(f"5,any, data,{game},1,any counter") == "0/1/*"


@given(
    st.one_of(
        st.binary(min_size=1, max_size=40),
        st.tuples(
            st.sampled_from("012345678*"),
            st.text("ab,|*", max_size=6),
            st.sampled_from(["*", "bibbybabbis", "30", "", "key", "game"]),
            st.sampled_from(["*", "0", "1", "2", "", "a"]),
            st.sampled_from(["*", "0", "1", "9", "-1", ""]),
        ).map(lambda fields: ",".join(fields).encode()),
    )
)
def test_every_body_gets_one_reply_of_the_protocol(body: bytes) -> None:
    table = Table()
    key, game = table.register("Eve"), table.play()
    reply = table.post(body.replace(b",key,", f",{key},".encode()).replace(b",game,", f",{game},".encode()))
    first, second, rest = reply.split("/", 2)
    if first == "0":
        assert int(second) in list(OutgoingSymbol)
    else:
        assert int(first) in list(ErrorSymbol)
        assert rest == "*"
    table.close()


def test_the_same_requests_give_the_same_state(make_table: MakeTable) -> None:
    def talk(table: Table) -> object:
        game = table.play()
        table.update(game, 0, 0, "a")
        table.register("Carol", wish="Dave")
        table.pass_time(5)
        table.update(game, 1, 0, "b")
        table.post(f"5,*,{game},0,*")
        return table.server.state()

    assert talk(make_table()) == talk(make_table())


def test_the_log_tells_a_story_and_no_keys(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "turn_server")
    ann, bob = table.pair()
    game = table.load((ann, bob))
    table.update(game, 0, 7)
    table.post(f"5,*,{game},0,*")
    table.register("Eve\nroot: all is well", key="bibbybabbis", wish="Dave")
    table.pass_time(20)
    table.pass_time(10)
    story = [message for message in caplog.messages if "refused" not in message]
    assert story == [
        "player 1 'Ann' has registered",
        "player 2 'Bob' has registered",
        "player 1 'Ann' and player 2 'Bob' are paired",
        "player 1 'Ann' and player 2 'Bob' play",
        "player 1 'Ann' quits the game",
        "player 3 'Eve\\nroot: all is well' has registered, for 'Dave' alone, with the long wait",
        "the game of player 1 'Ann' and player 2 'Bob' is over",
    ]
    (refusal,) = [message for message in caplog.messages if "refused" in message]
    assert refusal.endswith(": NOTIFY_GAME_UPDATE is refused: 19 counter ahead")
    assert not any(key in message for message in caplog.messages for key in (ann, bob, game))


def test_the_log_says_who_is_dropped_and_for_how_long_a_silence(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "turn_server")
    table.register("Ann")
    table.pass_time(10)
    assert caplog.messages[-1] == "player 1 'Ann' is dropped: not heard for 10 s (registered)"


def test_nothing_is_logged_of_requests_unless_asked_for(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    table.play()
    table.post("nonsense")
    table.pass_time(60)
    assert caplog.messages == []
