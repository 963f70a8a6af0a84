"""What docs/turn_server.md shows is true: the conversation is held, the tables have every symbol and every error."""

import re
import shlex

from tests.test_program_docs import blocks, page_of, section, table, words
from tests.turn_server.conftest import MakeTable
from turn_server.rules import Rules
from turn_server.symbols import ErrorSymbol, FormatDetail, IncomingSymbol, OutgoingSymbol

PAGE = page_of("turn_server")


def test_the_conversation_is_as_it_is_shown(make_table: MakeTable) -> None:
    server = make_table()
    lines = [line for block in blocks(section(PAGE, "A conversation"), "turns") for line in block.splitlines()]
    assert len(lines) > 15
    for line in lines:
        _, body, reply = re.split(r": | → ", line)
        assert server.post(body) == reply, line


def test_the_quick_start_registers_and_is_dropped(make_table: MakeTable) -> None:
    (line,) = [line for line in section(PAGE, "Quick start").splitlines() if line.startswith("curl")]
    _, option, body, _ = shlex.split(line)
    assert option == "-d"
    server = make_table()
    assert re.fullmatch(r"0/0/\d+", server.post(body))
    server.pass_time(10)
    assert server.server.state()["players"] == []


def test_every_symbol_is_in_the_tables() -> None:
    requests = section(PAGE, "Requests")
    asked = [[*words(row[0]), *words(row[1])] for row in table_of(requests, "symbol")]
    assert asked == [[str(symbol.value), symbol.name] for symbol in IncomingSymbol]
    told = [[words(row[0])[0].split("/")[1], *words(row[1])] for row in table_of(requests, "reply")]
    assert told == [[str(symbol.value), symbol.name] for symbol in OutgoingSymbol]


def test_every_error_is_in_the_table() -> None:
    rows = [(words(row[0])[0].split("/"), *words(row[1])) for row in table_of(section(PAGE, "Errors"), "error")]
    listed = [(int(text[0]), name) for text, name in rows]
    assert list(dict.fromkeys(listed)) == [(symbol.value, symbol.name) for symbol in ErrorSymbol]
    assert [text[1] for text, name in rows if name == "FORMAT"] == [str(detail.value) for detail in FormatDetail]
    assert all(text[2] == "*" for text, _ in rows)


def test_every_wait_is_in_the_table() -> None:
    rows = table(section(PAGE, "Who is dropped"), "where")
    rules = Rules()
    assert [float(row[1]) for row in rows] == [rules.pairing_seconds, rules.loading_seconds, rules.game_seconds]
    assert {float(row[2]) for row in rows} == {rules.long_seconds}


def table_of(text: str, title: str) -> list[list[str]]:
    """The rows of a table whose cells may have a `|`."""
    return table(text.replace(r"\|", "¦"), title)
