"""The command line: settings, keys and launchers; each in this process, without serving."""

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from login_server.config import Config
from login_server.database import Database
from login_server.launcherkeys import LauncherKeys

if TYPE_CHECKING:
    from tests.login_server.conftest import Run


def test_a_launcher_is_added_once(run: "Run") -> None:
    status, key, errors = run("launcher", "add", "home")
    assert (status, errors) == (0, "")
    database = Database("sqlite:///login_server.sqlite")
    assert LauncherKeys(database).check("home", key.strip())
    database.close()
    assert run("launcher", "add", "home") == (1, "", "login-server: there is a launcher home already\n")


def test_launchers_are_listed_rotated_and_removed(run: "Run") -> None:
    _, old, _ = run("launcher", "add", "home")
    run("launcher", "add", "away")
    status, listed, _ = run("launcher", "list")
    assert status == 0
    assert [line.split("\t")[0] for line in listed.splitlines()] == ["away", "home"]
    status, new, _ = run("launcher", "rotate", "home")
    assert (status, new == old) == (0, False)
    assert run("launcher", "remove", "home") == (0, "the launcher home can log in no more\n", "")
    assert run("launcher", "remove", "home") == (1, "", "login-server: there is no launcher home\n")
    assert run("launcher", "rotate", "home") == (1, "", "login-server: there is no launcher home\n")


def test_a_launchers_name_is_plain(run: "Run") -> None:
    status, output, errors = run("launcher", "add", "a/b")
    assert (status, output) == (1, "")
    assert errors.startswith("login-server: a launcher's name has 1 to 32 letters")


def test_the_database_is_a_setting(run: "Run", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("launcher", "add", "one", "--database-url", f"sqlite:///{tmp_path}/a.sqlite")
    (tmp_path / "b.toml").write_text(f'database_url = "sqlite:///{tmp_path}/b.sqlite"\n')
    run("launcher", "add", "two", "--config", "b.toml")
    monkeypatch.setenv("LOGIN_SERVER_DATABASE_URL", f"sqlite:///{tmp_path}/a.sqlite")
    assert run("launcher", "list")[1].startswith("one\t")
    assert run("launcher", "list", "--database-url", f"sqlite:///{tmp_path}/b.sqlite")[1].startswith("two\t")


@pytest.mark.parametrize("place", range(3))
def test_options_may_stand_before_between_and_after_the_words(run: "Run", tmp_path: Path, place: int) -> None:
    url = f"sqlite:///{tmp_path}/other.sqlite"
    (tmp_path / "other.toml").write_text(f'database_url = "{url}"\n')

    def launcher(option: tuple[str, ...], *words: str) -> tuple[int, str, str]:
        return run("launcher", *words[:place], *option, *words[place:])

    for option in (("--database-url", url), (f"--database-url={url}",), ("--config", "other.toml")):
        status, key, errors = launcher(option, "add", "home")
        assert (status, errors) == (0, "")
        status, new, errors = launcher(option, "rotate", "home")
        assert (status, errors) == (0, "")
        database = Database(url)
        assert LauncherKeys(database).check("home", new.strip())
        assert not LauncherKeys(database).check("home", key.strip())
        database.close()
        assert launcher(option, "list")[1].startswith("home\t")
        assert launcher(option, "remove", "home") == (0, "the launcher home can log in no more\n", "")
    assert not (tmp_path / "login_server.sqlite").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "launcher: say what to do: add, rotate, remove, list"),
        ("add", "launcher add: expected one name, got 0"),
        ("rotate home away", "launcher rotate: expected one name, got 2"),
        ("list home", "launcher list: expected no name, got 1"),
        ("add home --databse-url x", "there is no option --databse-url; did you mean --database-url?"),
        ("add home --database-url", "argument --database-url: expected one argument"),
    ],
)
def test_wrong_words_after_launcher(run: "Run", tmp_path: Path, arguments: str, sentence: str) -> None:
    assert run("launcher", *arguments.split()) == (2, "", f"login-server: {sentence}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_command_is_named(run: "Run") -> None:
    sentence = "login-server: unknown command 'lancher', did you mean 'launcher'?\n"
    assert run("lancher", "add", "x") == (2, "", sentence)
    sentence = "login-server launcher: unknown command 'rotat', did you mean 'rotate'?\n"
    assert run("launcher", "rotat", "x") == (2, "", sentence)
    assert run("--log-level", "info", "--help")[0] == 0


def test_a_database_that_cannot_be_used(run: "Run", tmp_path: Path) -> None:
    for url, words in (
        ("nonsense", "cannot open the database: cannot use this database URL"),
        ("sqlite:////proc/no/file.sqlite", "cannot open the database: "),
        (f"sqlite:///{tmp_path}", "cannot open the database: "),
    ):
        status, output, errors = run("launcher", "list", "--database-url", url)
        assert (status, output) == (1, "")
        assert errors.startswith(f"login-server: {words}")
        assert errors.count("\n") == 1


def test_keys_are_made_once(run: "Run", tmp_path: Path) -> None:
    status, output, _ = run("keys")
    assert status == 0
    assert output == "private key: login_server_private_key.pem\npublic key: login_server_public_key.pem\n"
    private = tmp_path / "login_server_private_key.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_text()
    assert run("keys")[0] == 0
    assert private.read_text() == before


def test_a_key_file_that_is_none(run: "Run", tmp_path: Path) -> None:
    (tmp_path / "wrong.pem").write_text("my shopping list")
    for command in ("keys", "serve"):
        status, _, errors = run(command, "--private-key-file", "wrong.pem")
        assert status == 1
        assert "login-server: cannot use the key file wrong.pem: not a private key" in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--player-port", "70000"], "--player-port: '70000' is not a whole number from 0 to 65535"),
        (["--log-level", "loud"], "--log-level: 'loud' is not one of"),
        (["--no-such-option"], "there is no option --no-such-option"),
        (["polka"], "unknown command 'polka'; expected one of serve, keys, launcher"),
        (["--log-level", "info", "dance"], "there are only options"),
        (["--tls-key", "key.pem"], "tls_certificate and tls_key go together"),
        (["--launcher-tls"], "launcher_tls needs a tls_certificate"),
        (["--browser-origins", "https://a.example,b.example"], "browser_origins: 'b.example' is no origin"),
        (["--browser-origins", "https://a.example/"], "browser_origins: 'https://a.example/' is no origin"),
        (["--browser-origins", "https://A.example"], "browser_origins: 'https://A.example' is no origin"),
    ],
)
def test_wrong_settings(run: "Run", arguments: list[str], words: str) -> None:
    status, output, errors = run(*arguments)
    assert (status, output) == (2, "")
    assert words in errors
    assert errors.count("\n") == 1


def test_a_wrong_key_in_the_file(run: "Run", tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("player_prot = 9000\n")
    status, _, errors = run("--config", "settings.toml")
    assert status == 2
    assert "there is no setting player_prot; did you mean player_port?" in errors


def test_a_wrong_certificate(run: "Run") -> None:
    status, _, errors = run("--tls-certificate", "none.pem", "--tls-key", "none.pem", "--player-port", "0")
    assert status == 1
    assert errors.splitlines()[-1].startswith("login-server: cannot use the certificate none.pem")


def test_help_answers(run: "Run") -> None:
    status, output, _ = run("--help")
    assert status == 0
    words = " ".join(output.split())
    for name in Config.__struct_fields__:
        assert "--" + name.replace("_", "-") in output
    assert "launcher add|rotate|remove NAME" in words
    assert "(default: sqlite:///login_server.sqlite)" in words
    assert "--log-level debug|info|warning|error" in words
    for arguments in (["launcher", "--help"], ["launcher", "add", "--help"], ["keys", "--help"]):
        status, output, _ = run(*arguments)
        assert status == 0
        assert output
    assert run("launcher")[0] == 2
    assert run("launcher", "add")[0] == 2


def test_ports_are_those_that_the_protocol_names() -> None:
    config = Config()
    assert (config.player_port, config.launcher_port, config.http_port) == (9000, 9001, 9080)
