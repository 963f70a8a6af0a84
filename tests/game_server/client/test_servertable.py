"""The table of servers, line by line."""

from typing import Any

from game_server.client.servertable import MAX_NAME_LINES, MAX_ROWS, draw_servers, in_order
from game_server.client.style import WIDTH, Style
from login_server.protocol import ServerInfo


def server(server_id: str, **other: Any) -> ServerInfo:
    values: dict[str, Any] = {
        "name": "four", "game": "four_in_a_row", "map": "7x6", "players": 3, "capacity": 10, "region": "eu",
        "address": "127.0.0.1", "port": 1, "ping_address": "127.0.0.1:1", "version": "1",
    }  # fmt: skip
    return ServerInfo(server_id=server_id, **{**values, **other})


def test_servers_are_numbered_in_order_of_their_ids() -> None:
    servers = [server("b/one", capacity=0), server("a/two", state="starting")]
    assert [one.server_id for one in in_order(servers)] == ["a/two", "b/one"]
    assert draw_servers(servers, Style()) == [
        "#   server                 game            map      players   region   state",
        "1   a/two                  four_in_a_row   7x6      3/10      eu       starting",
        "2   b/one                  four_in_a_row   7x6      3         eu       ready",
    ]


def test_who_is_there_is_shown_below_the_server_where_it_is_known() -> None:
    lines = draw_servers([server("a/one", names=["anna", "\x1bbertha"]), server("a/two")], Style(unicode=True))
    assert [line[:20].rstrip() for line in lines[1:]] == ["1   a/one", "    anna, ?bertha", "2   a/two"]
    (_, _, *shown) = draw_servers([server("a/one", names=[f"player {number}" for number in range(64)])], Style())
    assert len(shown) == MAX_NAME_LINES
    assert shown[0].startswith("    player 0, player 1,") and shown[-1].endswith("~")


def test_no_server_and_too_many_are_said() -> None:
    assert draw_servers([], Style())[1:] == ["    no server is running"]
    lines = draw_servers([server(f"s/{number:03}") for number in range(40)], Style())
    assert len(lines) == MAX_ROWS + 2
    assert lines[-1] == f"    and {40 - MAX_ROWS} more"


def test_whatever_a_server_is_called_the_table_is_80_columns_wide() -> None:
    long = "\x1b]0;owned\x07" + "x" * 120
    texts = dict.fromkeys(("game", "map", "region", "state"), long)
    names = [long] * 64
    for line in draw_servers(
        [server(long, names=names, players=1_000_000, capacity=1_000_000, **texts)], Style(unicode=True)
    ):
        assert len(line) <= WIDTH
        assert line.isprintable()
