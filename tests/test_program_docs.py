"""The pages of the programs name every option, message, code and key that there is, and none that there is not."""

import ast
import importlib
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, get_args

import gevent
import gevent.socket
import msgspec
import pytest

from connhandler import jsonmessage
from connhandler.configuration import load_configuration
from connhandler.errors import DisconnectReason
from connhandler.jsonmessage import Hello, JsonServerMessageWriter, Welcome
from connhandler.testing import JsonClient
from connman.config import Config as ConnManConfig
from game_server import protocol as game_protocol
from game_server.config import VARIABLES, Configuration
from game_server.model import FourInARow
from game_server_launcher import gamefile, gametables
from game_server_launcher import protocol as launcher_protocol
from game_server_launcher.commands import COMMANDS
from game_server_launcher.config import LauncherConfig
from game_server_launcher.doordesk import STATUSES
from game_server_launcher.servers import State
from login_server import protocol as login_protocol
from login_server.config import Config
from login_server.matches import Match
from turn_server.config import Configuration as TurnServerConfiguration

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

COMMON = {"hello", "welcome", "ping", "pong", "refused", "shutting_down"}
"""Messages that every protocol has; they are on the page of the protocols."""

NEVER_SAID = {
    DisconnectReason.CLOSED_BY_PEER,
    DisconnectReason.CONNECTION_LOST,
    DisconnectReason.SLOW_READER,
    DisconnectReason.HANDSHAKE_TIMEOUT,
    DisconnectReason.SWITCHED_PROTOCOLS,
}
"""Ends after which nobody is there to read why, or nobody who speaks this protocol."""


class Program(NamedTuple):
    name: str
    settings: type[msgspec.Struct]
    prefix: str
    unions: dict[str, Any]
    """What can be said, by the heading under which it stands."""
    sources: list[str]
    """Where its codes of refusals come from."""
    over_websocket: bool = False
    """Whether its connections end with a close code, and not with a code of the JSON messages' own."""


PROGRAMS = [
    Program(
        "login_server",
        Config,
        "LOGIN_SERVER_",
        {
            "From players": login_protocol.FromPlayer,
            "To players": login_protocol.ToPlayer,
            "From launchers": login_protocol.FromLauncher,
            "To launchers": login_protocol.ToLauncher,
        },
        # What `launcherkeys` refuses is printed by a command, and tickets are checked by games.
        [f"login_server/{name}" for name in ("[!lt]*.py", "launcherdesk.py", "accounts/*.py")],
    ),
    Program(
        "game_server_launcher",
        LauncherConfig,
        "LAUNCHER_",
        {
            "From controllers": launcher_protocol.FromController,
            "To controllers": launcher_protocol.ToController,
        },
        ["game_server_launcher/*.py"],
    ),
    Program(
        "game_server",
        Configuration,
        "GAME_SERVER_",
        {
            "From players": game_protocol.FromPlayer,
            "To players": game_protocol.ToPlayer,
        },
        ["game_server/*.py", "game_server/model/*.py", "login_server/tickets.py"],
        over_websocket=True,
    ),
]

TURN_SERVER = Program("turn_server", TurnServerConfiguration, "TURN_SERVER_", {}, [])
"""It speaks no messages of the kind that the others do; `tests/turn_server/test_page.py` checks what it speaks."""

CONNMAN = Program("connman", ConnManConfig, "CONNMAN_", {}, [])
"""Its messages are flat dicts; `tests/connman/test_page.py` checks them."""

each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
each_with_options = pytest.mark.parametrize(
    "program", [*PROGRAMS, TURN_SERVER, CONNMAN], ids=lambda program: program.name
)


# --- reading a page ---------------------------------------------------------------------------------


def page_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    begin = re.search(rf"^(#+) {re.escape(heading)}$", without_code(text), re.MULTILINE)
    assert begin, f"there is no heading {heading!r}"
    end = re.compile(rf"^#{{1,{len(begin[1])}}} ", re.MULTILINE).search(without_code(text), begin.end())
    return text[begin.end() : end.start() if end else len(text)]


def without_code(text: str) -> str:
    """The same with its fenced blocks blanked, every place where it was."""
    return re.sub(r"^```.*?^```$", lambda block: re.sub(r"[^\n]", " ", block[0]), text, flags=re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def tables(text: str) -> Iterator[list[list[str]]]:
    """Each table as rows of cells, the titles first."""
    for table in re.findall(r"(?:^\|.*\n)+", without_code(text), re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        assert len({len(row) for row in rows}) == 1, f"rows of different lengths: {rows[0]}"
        yield [rows[0], *rows[2:]]


def table(text: str, title: str) -> list[list[str]]:
    """The rows of the one table whose first column has this title."""
    (found,) = (rows[1:] for rows in tables(text) if rows[0][0] == title)
    return found


def words(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`\n]+)`", text)


# --- options ----------------------------------------------------------------------------------------


def flag_of(name: str) -> str:
    return "--" + name.replace("_", "-")


def defaults_of(settings: type[msgspec.Struct]) -> dict[str, Any]:
    return msgspec.to_builtins(settings(), enc_hook=str)  # type: ignore[no-any-return]


def same_value(cell: str, default: Any) -> bool:
    """Whether a table's cell says this default."""
    if isinstance(default, bool):
        return cell == ("yes" if default else "no")
    if isinstance(default, int | float):
        return float(cell.strip("`")) == default
    text = ",".join(default) if isinstance(default, list) else str(default)
    return cell == (f"`{text}`" if text else "none")


@each_with_options
def test_the_table_of_options_is_complete_and_right(program: Program) -> None:
    rows = table(section(page_of(program.name), "Options"), "flag")
    defaults = defaults_of(program.settings)
    assert [words(row[0]) for row in rows] == [[flag_of(name)] for name in defaults]
    for (_, variables, default, meaning), name in zip(rows, defaults, strict=True):
        own = program.prefix + name.upper()
        others = [other for other, stands_for in VARIABLES.items() if stands_for == own]
        assert words(variables) == [own, *others]
        assert same_value(default, defaults[name]), f"{name} is {defaults[name]!r} by default, not {default}"
        assert meaning


@each_with_options
def test_the_file_with_every_key_holds_the_defaults(program: Program, tmp_path: Path) -> None:
    (text,) = blocks(section(page_of(program.name), "Options"), "toml")
    file = tmp_path / "settings.toml"
    file.write_text(text)
    assert [line.partition(" = ")[0] for line in text.splitlines()] == list(program.settings.__struct_fields__)
    loaded = load_configuration(
        program.settings,
        program="test",
        description="",
        argv=["--config", str(file)],
        environ={},
        environment_prefix=program.prefix,
    )
    assert loaded == program.settings()


def help_of(*command: str) -> str:
    result = subprocess.run([sys.executable, "-m", *command, "--help"], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result.stdout


@each_with_options
def test_help_names_every_option(program: Program) -> None:
    shown = help_of(program.name)
    for name in program.settings.__struct_fields__:
        assert re.search(rf"^ +(-\w( [A-Z]+)?, )?{flag_of(name)}\b", shown, re.MULTILINE), (
            f"{flag_of(name)} is not in --help"
        )


@pytest.mark.parametrize(
    "command",
    ["login_server keys", "login_server launcher", *(f"game_server_launcher {word}" for word in COMMANDS)],
)
def test_commands_have_help_and_are_on_the_page(command: str) -> None:
    module, word = command.split()
    assert word in help_of(module, word)
    program = module.replace("_", "-")
    assert any(f"{program} {word}" in row[0] for row in table(page_of(module), "command"))


def test_the_table_of_the_clients_options_is_complete() -> None:
    shown = set(re.findall(r"^ +(--[a-z-]+)", help_of("game_server.play"), re.MULTILINE))
    rows = table(section(page_of("game_server"), "The terminal client"), "option")
    assert {flag for row in rows for flag in words(row[0])} == shown


# --- messages ---------------------------------------------------------------------------------------


def tag_of(message: type[Any]) -> str:
    return str(message.__struct_config__.tag)


def message_sections(text: str, heading: str) -> dict[str, str]:
    """What is said about each message under a heading, by its type."""
    part = section(text, heading)
    tags = re.findall(r"^#### `(\w+)`$", without_code(part), re.MULTILINE)
    return {tag: section(part, f"`{tag}`") for tag in tags}


@each_program
def test_every_message_has_a_section_or_a_link_to_one(program: Program) -> None:
    page = section(page_of(program.name), "Messages")
    for heading, union in program.unions.items():
        here = set(message_sections(page, heading))
        elsewhere = set(re.findall(r"\[`(\w+)`\]\(login_server\.md#\1\)", section(page, heading)))
        all_tags = {tag_of(message) for message in get_args(union)} - COMMON
        assert here <= all_tags
        assert all_tags - here <= elsewhere


@each_program
def test_every_message_is_shown_with_all_its_fields(program: Program) -> None:
    page = section(page_of(program.name), "Messages")
    messages = {tag_of(message): message for union in program.unions.values() for message in get_args(union)}
    for heading in program.unions:
        for tag, text in message_sections(page, heading).items():
            message = messages[tag]
            shown = [example.partition("\n") for example in blocks(text, "json")]
            assert {name for name, _, _ in shown} == {f"{program.name}.protocol.{message.__name__}"}
            keys = {key for _, _, example in shown for key in json.loads(example)}
            fields = message.__struct_fields__
            assert keys == {message.__struct_config__.tag_field, *fields}
            missing = set(fields) - set(words(without_code(text)))
            assert not missing, f"{tag}: nothing is said about {missing}"


@pytest.mark.parametrize(
    ("page", "title", "struct"),
    [
        ("login_server", "field", login_protocol.ServerInfo),
        ("game_server", "field of `state`", game_protocol.GameState),
        ("game_server", "field of `game`", FourInARow),
    ],
)
def test_tables_of_fields_are_complete(page: str, title: str, struct: type[msgspec.Struct]) -> None:
    fields = [field for row in table(page_of(page), title) for field in words(row[0])]
    assert sorted(fields) == sorted(struct.__struct_fields__)


def test_a_result_is_explained_with_all_its_fields() -> None:
    text = message_sections(page_of("login_server"), "From launchers")["match_ended"]
    assert set(login_protocol.MatchResult.__struct_fields__) <= set(words(without_code(text)))


def test_every_event_is_in_the_table() -> None:
    rows = {row[0]: words(row[1]) for row in table(page_of("game_server"), "kind")}
    events = get_args(game_protocol.AnyEvent)
    assert rows == {f"`{tag_of(event)}`": list(event.__struct_fields__) for event in events}


# --- codes of refusals ------------------------------------------------------------------------------

CODE_AT = {
    "Refused": 0,
    "Refusal": 0,
    "Denial": 0,
    "IllegalMove": 0,
    "CommandRefused": 0,
    "TicketError": 0,
    "misunderstood": 1,
    "NotDone": 0,
}
"""What is called with a code, and which argument it is."""

PASSED_ON = {"answer.code", "why.code", "refusal.code", "denial.code", "error.code", "code"}
"""Codes that come from another of these calls."""

INTERNAL = {"no_server"}
"""Never answered: a player who waits is told its text as the `reason` of `match_pending`."""


def codes_in(patterns: list[str]) -> set[str]:
    """Every code that the sources name in a call that refuses something."""
    found = set()
    for file in sorted({file for pattern in patterns for file in ROOT.glob(pattern)}):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func).rpartition(".")[2]) in CODE_AT:
                named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
                code = named[0] if named else node.args[CODE_AT[name]]
                if isinstance(code, ast.Constant):
                    found.add(str(code.value))
                else:
                    assert ast.unparse(code) in PASSED_ON, f"{file.name}:{node.lineno}: which code is this?"
    return found - INTERNAL


def codes_of_every_protocol() -> set[str]:
    """Those of `connhandler`: why a connection ends, and that no version fits."""
    with gevent.socket.socket() as sock:
        writer = JsonServerMessageWriter(sock)
        goodbyes = [writer.encode_goodbye(reason, "", None) for reason in DisconnectReason if reason not in NEVER_SAID]
    said = [json.loads(goodbye) for goodbye in goodbyes if goodbye]
    codes = {goodbye["code"] for goodbye in said if goodbye["type"] == "refused"}
    refused = jsonmessage.agree_on_version(Hello(versions=[2]), (1,), "test")
    assert isinstance(refused, jsonmessage.Refused)
    return codes | {refused.code}


def codes_on(text: str) -> set[str]:
    """Those of the tables of codes, and of every paragraph that begins with `Refused`."""
    listed = {code for rows in tables(text) if rows[0][0] == "code" for row in rows[1:] for code in words(row[0])}
    paragraphs = re.findall(r"^Refused.*?(?=^\n)", without_code(text) + "\n", re.MULTILINE | re.DOTALL)
    return listed.union(*(words(re.sub(r"\([^)]*\)", "", paragraph)) for paragraph in paragraphs))


@each_program
def test_every_code_is_on_the_page(program: Program) -> None:
    expected = codes_in(program.sources)
    if not program.over_websocket:
        expected |= codes_of_every_protocol()
    assert codes_on(section(page_of(program.name), "Messages")) == expected


def test_every_code_at_the_door_is_on_the_page_with_its_status() -> None:
    text = section(page_of("game_server_launcher"), "The door")
    shown = {code: int(row[1]) for row in table(text, "code at the door") for code in words(row[0])}
    assert shown == STATUSES


def test_what_is_said_at_the_door_is_shown_with_all_its_fields() -> None:
    text = section(page_of("game_server_launcher"), "The door")
    structs = (launcher_protocol.DoorJoin, launcher_protocol.DoorSeat, launcher_protocol.DoorRefused)
    for example, struct in zip(blocks(text, "json"), structs, strict=True):
        assert set(json.loads(example)) == set(struct.__struct_fields__)
        assert set(struct.__struct_fields__) - set(words(without_code(text))) <= {"server_id"}
        msgspec.json.decode(example, type=struct)


def test_every_close_code_of_the_game_server_is_on_the_page() -> None:
    shown = [row[0].strip("`") for row in table(page_of("game_server"), "close code")]
    assert {str(code.value) for code in game_protocol.CloseCode} <= set(shown)


# --- the launcher's game files ----------------------------------------------------------------------

TABLES: dict[str, tuple[type[gametables.Table], ...]] = {
    "ready": (gametables.ReadyByController, gametables.ReadyByOutput, gametables.ReadyByPort, gametables.ReadyByStatus),
    "stop": (gametables.StopByController, gametables.StopByInput, gametables.StopByCommand, gametables.StopBySignal),
    "restart": (gametables.Restart,),
    "limits": (gametables.Limits,),
    "health": (gametables.Health,),
    "output": (gametables.Output,),
    "console": (gametables.Console,),
    "admission": (gametables.Admission,),
    "log": (gametables.Log,),
    "vote": (gametables.Vote,),
    "upgrade": (gametables.Upgrade,),
    "map_change": (gametables.MapChange,),
    "status": (gametables.Status,),
    "commands": (gametables.Commands,),
    "idle": (gametables.Idle,),
}


def game_file_keys() -> dict[str, Any]:
    """Every key with its default; NODEFAULT for one that is needed."""
    keys: dict[str, Any] = {}
    for field in msgspec.structs.fields(gamefile.GameFile):
        if field.encode_name not in TABLES:
            keys[field.encode_name] = field.default_factory() if callable(field.default_factory) else field.default
            continue
        for struct in TABLES[field.encode_name]:
            if struct.__struct_config__.tag_field:
                keys.setdefault(f"{field.encode_name}.by", str(tag_of(struct)))
            for one in msgspec.structs.fields(struct):
                keys[f"{field.encode_name}.{one.encode_name}"] = one.default
    return keys


def test_every_key_of_a_game_file_is_in_the_table_with_its_default() -> None:
    rows = table(section(page_of("game_server_launcher"), "The game file"), "key")
    shown = {key: row[1] for row in rows for key in words(row[0])}
    expected = game_file_keys()
    assert set(shown) == set(expected)
    for key, default in expected.items():
        if default is msgspec.NODEFAULT:
            assert shown[key].startswith("needed"), key
        elif not shown[key].startswith("`"):
            assert (key, shown[key]) == ("name", "the file's name")
        elif key == "address":
            assert shown[key] == "`listen_address`"
        else:
            assert msgspec.toml.decode(f"value = {shown[key].strip('`')}") == {"value": default}, key


def test_the_words_of_a_game_file_are_on_the_page() -> None:
    text = section(page_of("game_server_launcher"), "The game file")
    meaning = {key: row[2] for row in table(text, "key") for key in words(row[0])}
    for name in ("ready", "stop"):
        assert set(words(meaning[f"{name}.by"])) == {tag_of(struct) for struct in TABLES[name]}
    assert set(words(meaning["admission.by"])) == set(get_args(gametables.Admission.__annotations__["by"]))
    assert set(words(meaning["idle.action"])) == set(get_args(gametables.Idle.__annotations__["action"]))
    assert set(words(meaning["idle.start"])) == set(get_args(gametables.Idle.__annotations__["start"]))
    hints = {**gametables.Restart.__annotations__, **gametables.StopBySignal.__annotations__}
    assert set(words(meaning["restart.policy"])) == set(get_args(hints["policy"]))
    assert set(words(meaning["stop.signal"])) == {"signal", *get_args(hints["signal"])}
    placeholders = [word for row in table(text, "placeholder") for word in words(row[0])]
    assert sorted(placeholders) == sorted(f"{{{name}}}" for name in gamefile.PLACEHOLDERS)


@pytest.mark.parametrize("number", range(4))
def test_the_game_files_on_the_launchers_page_are_right(number: int, tmp_path: Path) -> None:
    page = page_of("game_server_launcher")
    files = blocks(section(page, "Quick start"), "toml") + blocks(section(page, "The game file"), "toml")
    file = tmp_path / "game.toml"
    file.write_text(files[number])
    gamefile.load_game_file(file)


def test_the_launchers_quick_start_shows_the_file_that_is_here(tmp_path: Path) -> None:
    (shown,) = blocks(section(page_of("game_server_launcher"), "Quick start"), "toml")
    file = tmp_path / "four_in_a_row.toml"
    file.write_text(shown)
    here = ROOT / "game_server" / "games" / "four_in_a_row.toml"
    assert gamefile.load_game_file(file) == gamefile.load_game_file(here)


def test_the_teeworlds_file_on_the_launchers_page_is_the_one_that_is_here(tmp_path: Path) -> None:
    *_, shown = blocks(section(page_of("game_server_launcher"), "Consoles"), "toml")
    file = tmp_path / "teeworlds.toml"
    file.write_text(shown)
    here = ROOT / "game_server_launcher" / "games" / "teeworlds.toml"
    assert gamefile.load_game_file(file) == gamefile.load_game_file(here)


def test_every_state_of_a_game_server_is_in_the_table() -> None:
    rows = table(page_of("game_server_launcher"), "state, as `status` shows it")
    assert {word for row in rows for word in words(row[0])} == {state.value for state in State}


# --- what the pages tell a reader to run --------------------------------------------------------------


class Running:
    """A program as a process of its own; what it logs is read as it comes."""

    def __init__(self, folder: Path, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=folder, stderr=subprocess.PIPE, text=True
        )

    def wait_for(self, *patterns: str) -> list[re.Match[str]]:
        """Read on until every pattern was found, in whatever order."""
        found: dict[str, re.Match[str]] = {}
        lines = []
        assert self._process.stderr is not None
        with gevent.Timeout(30, TimeoutError(f"{patterns} did not come")):
            while len(found) < len(patterns):
                line = self._process.stderr.readline()
                lines.append(line)
                assert line, f"it ended: {lines}"
                found |= {pattern: match for pattern in patterns if (match := re.search(pattern, line))}
        return [found[pattern] for pattern in patterns]

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.communicate(timeout=30)
        finally:
            self._process.kill()
        assert self._process.returncode == 0


def test_the_quick_starts_and_the_examples_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    game = section(page_of("game_server"), "A game of your own")
    (tmp_path / "games").mkdir()
    (tmp_path / "games" / "coin_toss.toml").write_text(blocks(game, "toml")[0])
    (tmp_path / "coin_toss.py").write_text(blocks(game, "python")[-1])
    (four,) = blocks(section(page_of("game_server_launcher"), "Quick start"), "toml")
    (tmp_path / "games" / "four_in_a_row.toml").write_text(four)
    key = run(tmp_path, "login_server", "launcher", "add", "local")
    (tmp_path / "launcher.key").write_text(key)
    free = [f"--{name}-port=0" for name in ("player", "launcher", "http")]
    with Running(tmp_path, "login_server", *free) as login_server:
        listening = login_server.wait_for(
            *(rf"{name}: listening on \S+:(\d+)" for name in ("players", "launchers", "visitors"))
        )
        player_port, launcher_port, http_port = (int(match[1]) for match in listening)
        options = ("--name", "local", f"--login-port={launcher_port}", "--controller-port=0")
        with Running(tmp_path, "game_server_launcher", *options) as launcher:
            launcher.wait_for("coin_toss: ready", "four: ready")
            shown = json.loads(run(tmp_path, "game_server_launcher", "status", "--json"))
            assert {one["name"]: one["state"] for one in shown["servers"]} == {"coin_toss": "ready", "four": "ready"}
            (client,) = blocks(page_of("login_server"), "python")
            names: dict[str, Any] = {}
            exec(client.replace("9000", str(player_port)), names)
            names["stream"].close()
            names["sock"].close()
            answers = [ast.literal_eval(line)["type"] for line in capsys.readouterr().out.splitlines()]
            assert answers == ["welcome", "registered", "logged_in", "server_list"]
            with player(player_port, "alice") as alice, player(player_port, "bob") as bob:
                for one in (alice, bob):
                    one.send(login_protocol.FindMatch(game="coin_toss"))
                alice.expect(login_protocol.MatchFound)
                login_server.wait_for("ended: won")
                status = ask_status(http_port)
                check_status(status)
                (match,) = status["matches"]
                assert match["result"]["winner"] in ("alice", "bob")


def run(folder: Path, *command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def player(port: int, name: str) -> JsonClient:
    client = JsonClient("127.0.0.1", port, login_protocol.ToPlayer)
    client.send(Hello(versions=[1]))
    client.expect(Welcome)
    client.send(login_protocol.Register(name=name, password="correct horse"))
    client.expect(login_protocol.Registered)
    client.send(login_protocol.LogIn(name=name, password="correct horse"))
    client.expect(login_protocol.LoggedIn)
    return client


def ask_status(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=10) as answer:
        status: dict[str, Any] = json.load(answer)
        return status


def check_status(status: dict[str, Any]) -> None:
    """What the program says is what its page says that it says."""
    page = section(page_of("login_server"), "Status")
    for_all, for_matches = (rows for rows in tables(page))
    assert [key for row in for_all[1:] for key in words(row[0])] == list(status)
    assert [key for row in for_matches[1:] for key in words(row[0])] == sorted_like(status["matches"][0], for_matches)
    assert set(status["matches"][0]) == set(Match.__struct_fields__)
    (shown,) = (json.loads(block) for block in blocks(page, "json"))
    assert list(shown) == list(status)
    assert list(shown["matches"][0]) == list(status["matches"][0])
    assert list(shown["servers"][0]) == list(status["servers"][0])
    assert list(shown["counts"]) == list(status["counts"])
    named = set(words(page))
    assert set(status["counters"]) - {"connections"} <= named


def sorted_like(keys: dict[str, Any], rows: list[list[str]]) -> list[str]:
    """The keys in the order of a table that may put those together which belong together."""
    order = [key for row in rows[1:] for key in words(row[0])]
    return sorted(keys, key=lambda key: order.index(key) if key in order else -1)


# --- the seed documents -------------------------------------------------------------------------------

SEEDS = {
    "seed_000": [*(f"S0-{number}" for number in range(1, 34)), "S0-x"],
    "seed_001": [*(f"S1-{number}" for number in range(1, 27)), "S1-x"],
    "seed_002": [*(f"S2-{number}" for number in range(1, 24)), "S2-x"],
    "seed_003": [*(f"S3-{number}" for number in range(1, 66)), "S3-x"],
    "seed_004": [*(f"S4-{number}" for number in range(1, 44)), *(f"S4-x{number}" for number in range(1, 5))],
}

each_seed = pytest.mark.parametrize("seed", SEEDS)


def seed_rows(seed: str) -> list[list[str]]:
    return [row for rows in tables(page_of(seed)) for row in rows[1:]]


@each_seed
def test_every_item_of_the_seed_document_has_its_rows(seed: str) -> None:
    numbers = [row[0] for row in seed_rows(seed)]
    assert list(dict.fromkeys(numbers)) == SEEDS[seed]
    assert all(len(row) == 4 and all(row) for row in seed_rows(seed))


@each_seed
def test_every_test_and_file_that_the_seed_table_names_exists(seed: str) -> None:
    names = [word for row in seed_rows(seed) for word in words(row[3])]
    assert len(names) >= len(SEEDS[seed])
    for name in names:
        file, _, test = name.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert test.startswith("test_"), name
        assert test in functions, f"there is no {name}"


@each_seed
def test_everything_that_the_seed_table_says_is_in_the_code_is_there(seed: str) -> None:
    for row in seed_rows(seed):
        for place in words(row[2]):
            path, _, attributes = place.partition("::")
            assert (ROOT / path).exists(), f"{row[0]}: there is no {path}"
            if attributes:
                thing: ModuleType | Any = importlib.import_module(path.removesuffix(".py").replace("/", "."))
                for attribute in attributes.split("."):
                    thing = getattr(thing, attribute)
