"""Game files: what is read from a right one, and what is said about each wrong one."""

from pathlib import Path

import pytest

from game_server_launcher import gamefile
from game_server_launcher.gamefile import GameFile, GameFileError, expand, load_game_file, load_games
from game_server_launcher.gametables import (
    Admission,
    Console,
    ReadyByController,
    ReadyByOutput,
    StopByCommand,
    StopByController,
    StopByInput,
    StopBySignal,
)

MINIMAL = 'game = "chess"\ncapacity = 10\ncommand = ["chess-server", "{port}"]\n'

EVERYTHING = """
name = "arena"
servers = ["red", "blue"]
game = "chess"
region = "eu"
capacity = 16
match_players = 4
map = "classic"
version = "1.2"
command = ["./bin/server", "{port}", "{controller_address}:{controller_port}", "{server}", "{run_dir}"]
folder = "data"
port = "7000-7009"
address = "play.example.org"
listen_address = "127.0.0.1"

[environment]
TOKEN = "{token}"
SHELL_LINE = "echo ${port} {JSON}"

[ready]
by = "output"
pattern = "listening on \\\\d+"
seconds = 5

[stop]
by = "command"
command = ["kill", "{pid}"]
seconds = 3
term_seconds = 2

[restart]
policy = "on-failure"
first_seconds = 0.5
max_seconds = 30
crashes = 3
within_seconds = 20

[output]
max_bytes = 100000
files = 2
"""


def load(tmp_path: Path, text: str) -> GameFile:
    path = tmp_path / "chess.toml"
    path.write_text(text)
    return load_game_file(path)


def test_a_minimal_file_has_sensible_defaults(tmp_path: Path) -> None:
    game = load(tmp_path, MINIMAL)
    assert game.server_names == ["chess"]
    assert game.match_players == 2
    assert game.command == ["chess-server", "{port}"]
    assert game.folder == "{run_dir}"
    assert game.address == game.listen_address == "127.0.0.1"
    assert game.ports == range(0)
    assert game.ready == ReadyByController(seconds=30)
    assert game.stop == StopByController(seconds=10, term_seconds=10)
    assert game.admission.by == "open"
    assert (game.idle.action, game.idle.after_seconds, game.idle.start) == ("run", 300, "at-once")
    assert game.restart.policy == "always"
    assert (game.restart.first_seconds, game.restart.max_seconds) == (1, 60)
    assert (game.restart.crashes, game.restart.within_seconds) == (5, 60)


def test_every_key_is_read(tmp_path: Path) -> None:
    game = load(tmp_path, EVERYTHING)
    assert game.server_names == ["red", "blue"]
    assert (game.capacity, game.match_players) == (16, 4)
    assert game.command[0] == str(tmp_path / "bin/server")
    assert game.folder == str(tmp_path / "data")
    assert game.ports == range(7000, 7010)
    assert game.address == "play.example.org"
    assert game.ready == ReadyByOutput(pattern=r"listening on \d+", seconds=5)
    assert game.stop == StopByCommand(command=["kill", "{pid}"], seconds=3, term_seconds=2)
    assert game.restart.policy == "on-failure"
    assert game.output.files == 2


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ('by = "stdin"\ntext = "quit"', StopByInput(text="quit")),
        ('by = "signal"', StopBySignal(signal="TERM")),
        ('by = "signal"\nsignal = "INT"', StopBySignal(signal="INT")),
    ],
)
def test_ways_to_stop(tmp_path: Path, stop: str, expected: object) -> None:
    assert load(tmp_path, f"{MINIMAL}[stop]\n{stop}\n").stop == expected


def test_a_console_and_files(tmp_path: Path) -> None:
    text = '[files]\n"a.cfg" = "{console_port} {console_password}"\n[console]\nkind = "econ"\n'
    text += '[admission]\nby = "address"\n'
    game = load(tmp_path, MINIMAL + text)
    assert game.console == Console("econ")
    assert game.admission == Admission(by="address")
    assert game.files == {"a.cfg": "{console_port} {console_password}"}


def test_several_servers_are_numbered(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL + "servers = 3\n").server_names == ["chess-1", "chess-2", "chess-3"]


def test_an_absolute_program_and_folder_stay_as_they_are(tmp_path: Path) -> None:
    game = load(tmp_path, 'game = "x"\ncapacity = 1\ncommand = ["/usr/bin/x"]\nfolder = "/srv/x"\n')
    assert (game.command, game.folder) == (["/usr/bin/x"], "/srv/x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('command = ["x"]\ncapacity = 1', "game is missing; Expected the game's name"),
        ('game = "x"\ncapacity = 1', "command is missing; Expected the program to start, and its arguments"),
        ('game = "x"\ncommand = ["x"]', "capacity is missing; Expected how many players one server takes, 1 or more"),
        ('game = "x"\ncapacity = 1\ncommand = []', "Expected `array` of length >= 1 - at `command`"),
        ('game = "x"\ncapacity = 1\ncommand = [""]', "command is empty; Expected a program - at `command[0]`"),
        ('game = 3\ncapacity = 1\ncommand = ["x"]', "Expected `str`, got `int` - at `game`"),
        (
            MINIMAL + "capacty = 3",
            "unknown key 'capacty'; did you mean 'capacity'? Expected one of: address, admission, allowlist, capacity,",
        ),
        ('game = "x"\ncommand = ["x"]\ncapacity = "3"', "Expected `int`, got `str` - at `capacity`"),
        ('game = "x"\ncommand = ["x"]\ncapacity = 0', "Expected `int` >= 1 - at `capacity`"),
        (MINIMAL + "match_players = 1", "Expected `int` >= 2 - at `match_players`"),
        (MINIMAL + "match_players = 17", "Expected `int` <= 16 - at `match_players`"),
        (MINIMAL + "servers = -1", "at `servers`"),
        (MINIMAL + 'servers = ["a", "a"]', "Expected names that differ, got ['a', 'a'] - at `servers`"),
        (MINIMAL + 'servers = ["a b"]', "Expected `str` matching regex"),
        (MINIMAL + 'name = "../x"', "Expected `str` matching regex '^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$' - at `name`"),
        (MINIMAL + "port = 70000", "Expected `int` <= 65535 - at `port`"),
        (MINIMAL + 'port = "many"', "Expected `str` matching regex '^\\\\d{1,5}-\\\\d{1,5}$' - at `port`"),
        (MINIMAL + 'port = "7009-7000"', "Expected a range of ports, lowest first, got '7009-7000' - at `port`"),
        (MINIMAL + "port = 7000\nservers = 2", "Expected at least 2 ports for 2 servers - at `port`"),
        (MINIMAL + '[console]\nkind = "telnet"', "console.kind is 'telnet'; Expected one of: econ"),
        (MINIMAL + "[console]", "Object missing required field `kind` - at `console`"),
        (MINIMAL + '[console]\nkind = "econ"\nport = 1', "unknown key 'console.port'; Expected one of: kind"),
        (MINIMAL + '[admission]\nby = "ticket"', "admission.by is 'ticket'; Expected one of: open, name, address"),
        (MINIMAL + '[admission]\nby = "name"', "'name' needs a [console], to kick others - at `admission.by`"),
        (MINIMAL + '[idle]\naction = "sleep"', "idle.action is 'sleep'; Expected one of: run, freeze, stop"),
        (MINIMAL + '[idle]\nstart = "later"', "idle.start is 'later'; Expected one of: at-once, on-demand"),
        (MINIMAL + "[idle]\nafter_seconds = 0", "Expected `float` > 0.0 - at `idle.after_seconds`"),
        (MINIMAL + '[files]\nx = "{console_port}"', "unknown placeholder {console_port}; Expected one of:"),
        (MINIMAL + '[files]\nx = "{console_password}"', "unknown placeholder {console_password}; Expected one of:"),
        (MINIMAL + '[files]\n"../x" = ""', "Expected `str` matching regex"),
        (MINIMAL + '[files]\n"output.log.1" = ""', "'output.log.1' is where the game's output goes - at `files`"),
        (
            'game = "x"\ncapacity = 1\ncommand = ["x", "{console_password}"]\n[console]\nkind = "econ"',
            "unknown placeholder {console_password}; Expected one of:",
        ),
        (MINIMAL + '[map_change]\nby = "magic"', "is 'magic'; Expected one of: console, commands, successor"),
        (MINIMAL + '[ready]\nby = "prayer"', "ready.by is 'prayer'; Expected one of: controller, output, port, status"),
        (MINIMAL + "[ready]\nseconds = 3", "ready.by is None; Expected one of: controller, output, port, status"),
        (MINIMAL + '[ready]\nby = "output"', "Object missing required field `pattern` - at `ready`"),
        (MINIMAL + '[ready]\nby = "output"\npattern = "("', "Expected a regular expression"),
        (MINIMAL + '[ready]\nby = "port"\npattern = "x"', "unknown key 'ready.pattern'; Expected one of: seconds"),
        (
            MINIMAL + '[commands]\nsay = "say {txt}"',
            "unknown placeholder {txt}; Expected one of: {text} - at",
        ),
        (MINIMAL + '[commands]\nsay = "say"', "Expected {text} in it - at `commands.say`"),
        (MINIMAL + '[commands]\nkick = "kick {reason}"', "Expected {player} or {id} in it - at `commands.kick`"),
        (MINIMAL + '[commands]\nmap = "{map}"', "begins with the game's own word for it - at `commands.map`"),
        (MINIMAL + '[commands]\nmap = "a\\n {map}"', "Expected one line that begins with"),
        (MINIMAL + '[commands]\n[map_change]\nby = "commands"', "'commands' needs commands.map - at `map_change.by`"),
        (MINIMAL + '[log]\njoined = "joins"', "a group is missing; Expected (?P<player>…) in it - at `log.joined`"),
        (
            MINIMAL + '[ready]\nby = "status"',
            "'status' needs a [status], which says how the game is asked - at `ready.by`",
        ),
        (MINIMAL + '[status]\nkind = "quake4"', "status.kind is 'quake4'; Expected one of: quake3, teeworlds"),
        (MINIMAL + '[log]\njoins = ""', "unknown key 'log.joins'; did you mean 'joined'? Expected one of: chat, "),
        (MINIMAL + '[stop]\nby = "signal"\nsignal = "KILL"', "stop.signal is 'KILL'; Expected one of: HUP, INT, "),
        (MINIMAL + '[stop]\nby = "signal"\nseconds = "3"', "Expected `float`, got `str` - at `stop.seconds`"),
        (MINIMAL + '[restart]\npolicy = "often"', "restart.policy is 'often'; Expected one of: always, "),
        (MINIMAL + "[restart]\ntimes = 3", "unknown key 'restart.times'; Expected one of: crashes, "),
        (MINIMAL + "[output]\nmax_bytes = 1", "Expected `int` >= 4096 - at `output.max_bytes`"),
        (MINIMAL + "[environment]\nA = 1", "Expected `str`, got `int` - at `environment"),
        (MINIMAL + '[environment]\n"A=B" = "1"', "'A=B' cannot be the name of a variable - at `environment`"),
        (MINIMAL + '[environment]\nA = "{prot}"', "unknown placeholder {prot}; Expected one of: "),
        ('game = "x"\ncapacity = 1\ncommand = ["x", "{pid}"]', "unknown placeholder {pid}; Expected one of: "),
        (MINIMAL + 'folder = "/x/{port}"', "unknown placeholder {port}; Expected one of: {run_dir} - at `folder`"),
        ('game = "x', "not TOML: "),
    ],
)
def test_a_wrong_file_is_named_with_key_and_expectation(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(GameFileError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'chess.toml'}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(GameFileError, match="cannot be read: No such file"):
        load_game_file(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'game = "\xff"')
    with pytest.raises(GameFileError, match=r"latin\.toml: cannot be read: .*utf-8"):
        load_game_file(tmp_path / "latin.toml")


def test_a_folder_stands_for_the_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(MINIMAL)
    (tmp_path / "a.toml").write_text(MINIMAL)
    (tmp_path / "notes.txt").write_text("no game")
    assert [game.name for game in load_games([tmp_path])] == ["a", "b"]


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(GameFileError, match="no game file"):
        load_games([tmp_path])


def test_two_servers_cannot_have_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(MINIMAL + 'servers = ["x"]\n')
    (tmp_path / "b.toml").write_text(MINIMAL + 'servers = ["x"]\n')
    with pytest.raises(GameFileError, match=r"b\.toml: servers: a server called 'x' is in .*a\.toml already"):
        load_games([tmp_path / "a.toml", tmp_path / "b.toml"])


def test_placeholders() -> None:
    values = {"port": 7000, "server": "four"}
    assert expand("--port={port} {server}/{port}", values) == "--port=7000 four/7000"
    assert expand('${port} {} {PORT} {"port": 1}', values) == '${port} {} {PORT} {"port": 1}'
    with pytest.raises(KeyError):
        expand("{token}", values)


def test_the_ready_made_files_are_right() -> None:
    games = load_games([Path(gamefile.__file__).parent / "games"])
    assert [game.name for game in games] == ["freeciv", "minetest", "openarena", "teeworlds"]
    assert all(game.listen_address == "127.0.0.1" for game in games)
