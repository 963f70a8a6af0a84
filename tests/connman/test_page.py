"""The page shows what there is: its programs run, its packets are those on the wire, its codes are all there are."""

import ast
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

import connman
from connman import protocol
from connman.config import Config, PlayConfig
from connman.switchboard import QueueLimits
from tests.connman.support import Players, TableConnMan

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "connman.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def section(heading: str) -> str:
    _, text = re.split(rf"^#+ {heading}$", PAGE, maxsplit=1, flags=re.MULTILINE)
    return re.split(r"^#", text, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    return [
        word
        for line in text.splitlines()
        if line.startswith("|")
        for word in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]


def test_the_program_of_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connman, "ConnMan", TableConnMan)
    names: dict[str, Any] = {"__name__": "page"}
    exec(blocks("python")[0], names)
    connman.start()
    matchmaking = threading.Thread(target=names["matchmaking"])
    matchmaking.start()
    players = Players(connman.running())
    clients = []
    for name in ("ann", "bob"):
        client = players.connect()
        client.receive()
        client.send({"user": name, "pass": "pw"}, {"Queue": "any"})
        assert client.receive()["subtype"] == "loginAccept"
        clients.append(client)
    ann, bob = clients
    assert ann.receive() == bob.receive() == {"type": "START", "game_id": 1}
    ann.send({"game_id": 1, "number": 5})
    bob.send({"game_id": 1, "number": 9})
    assert ann.receive() == bob.receive() == {"type": "BROADCAST", "game_id": 1, "winner": 2}
    players.close()
    assert connman.stop(20)
    matchmaking.join(20)
    assert not matchmaking.is_alive()


def test_every_function_is_in_the_table_and_every_argument() -> None:
    shown = [cell.partition("(")[0] for cell in first_cells(section("The functions"))]
    functions = {name for name in connman.__all__ if callable(getattr(connman, name)) and name[0].islower()}
    assert set(shown) | {"get_game_messsage"} == functions
    for name in functions - {"running", "add_user"}:
        assert hasattr(connman.ConnMan, name)


def test_the_packets_are_those_on_the_wire() -> None:
    cells = first_cells(section("From ConnMan to a client"))
    packets = [
        protocol.login_request(),
        protocol.login_accept(1),
        protocol.login_deny("wrong_login", "wrong name or password"),
        protocol.error("not_in_game", "you are not in this game", 1, 8),
        protocol.farewell(1),
    ]
    assert [cell.encode() for cell in cells] == [protocol.encode(packet) for packet in packets]
    told = [ast.literal_eval(cell) for cell in first_cells(section("To the program"))[:2]]
    assert told == [(1, protocol.connected(1, 1000)), (1, protocol.disconnected(1))]


def test_every_code_is_on_the_page() -> None:
    calls = [
        node
        for file in (ROOT / "connman").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("Refused", "_refusal")
    ]
    found = {str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)}
    assert found
    assert found <= set(first_cells(section("Codes")))


def test_the_bounds_that_the_page_names() -> None:
    text = " ".join(section("What bounds what").split())
    limits, queues = connman.LIMITS, QueueLimits()
    for words, value in [
        ("1,000 messages, or 4 MiB", (queues.game_messages, queues.game_bytes) == (1_000, 4 << 20)),
        ("with 10,000 messages", queues.match_messages == 10_000),
        ("256 KiB wait for 10 s, or more than 1 MiB", limits.outgoing_soft_bytes == 256 << 10),
        ("2 minutes to log in", limits.login_seconds == 120),
        ("a message may have 1 MiB", limits.max_message_bytes == 1 << 20),
        (
            "10,000 connections, and 4,000",
            (limits.max_connections, limits.max_connections_per_address) == (10_000, 4_000),
        ),
    ]:
        assert words in text
        assert value, words


def test_the_commands_options_are_there() -> None:
    assert all(f"--{name.replace('_', '-')}" in section("Options") for name in PlayConfig.__struct_fields__)
    assert "port = 3001" in section("Options")
    assert len(Config.__struct_fields__) > 10


def test_the_conversation_is_json() -> None:
    (conversation,) = (block for block in blocks("") if block.startswith("S {"))
    for line in conversation.splitlines():
        assert isinstance(json.loads(line[2:]), dict)
