"""Where the settings come from."""

from pathlib import Path

import pytest

from game_server import config
from game_server.config import Configuration, load
from game_server.server import Patience


def test_defaults() -> None:
    configuration = load([], {})
    assert configuration == Configuration()
    assert (configuration.address, configuration.port, configuration.launcher_port) == ("127.0.0.1", 10020, 0)
    assert configuration.patience == Patience(forfeit_seconds=60, abandon_seconds=60, keep_seconds=120)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "game.toml"
    file.write_text('port = 1\nmax_games = 2\nserver_id = "from/file"\n')
    environ = {"GAME_SERVER_CONFIG": str(file), "GAME_SERVER_PORT": "3", "GAME_SERVER_MAX_GAMES": "4"}
    configuration = load(["--max-games", "5"], environ)
    assert (configuration.server_id, configuration.port, configuration.max_games) == ("from/file", 3, 5)


def test_the_token_has_a_variable_of_its_own() -> None:
    assert load([], {"GAME_CONTROLLER_TOKEN": "secret"}).token == "secret"
    assert load([], {"GAME_CONTROLLER_TOKEN": "a", "GAME_SERVER_TOKEN": "b"}).token == "b"


# --- the properties by which programs of this kind are configured ---------------------------------------


@pytest.fixture
def unused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration is in use, and the environment says nothing."""
    monkeypatch.setattr(config, "_in_use", [])
    for name in config.PROPERTIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(config.VARIABLES[name], raising=False)


PROPERTIES = {
    "LOCAL_IP": ("127.0.0.1", "127.0.0.2", "127.0.0.2"),
    "WS_LISTENER_PORT": (10020, "12345", 12345),
    "ENABLE_AUTH": (True, "false", False),
    "TOKEN_ISSUER_URI": ("urn:ece4564:token-issuer", "urn:other", "urn:other"),
    "PUBLIC_KEY_FILE": ("public_key.pem", "/etc/key.pem", "/etc/key.pem"),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_property_has_a_default_and_a_variable_of_its_name(
    unused: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    default, text, value = PROPERTIES[name]
    assert getattr(config, name) == default
    monkeypatch.setenv(name, text)
    assert getattr(config, name) == value
    assert getattr(load([]), config.PROPERTIES[name]) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("false", False), ("False", False), ("0", False), ("off", False), ("no", False), ("true", True), ("1", True)],
)
def test_a_boolean_is_parsed(unused: None, monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("ENABLE_AUTH", text)
    assert config.ENABLE_AUTH is value


def test_the_file_loses_and_the_flag_wins_over_a_property_of_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "game.toml"
    file.write_text('port = 1\nissuer = "urn:file"\nenable_auth = true\n')
    environ = {"GAME_SERVER_CONFIG": str(file), "WS_LISTENER_PORT": "2", "ENABLE_AUTH": "off"}
    configuration = load(["--port", "3"], environ)
    assert (configuration.port, configuration.issuer, configuration.enable_auth) == (3, "urn:file", False)


def test_the_properties_are_those_of_the_configuration_in_use(unused: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_LISTENER_PORT", "2")
    config.use(load(["--port", "3", "--no-enable-auth"]))
    assert (config.WS_LISTENER_PORT, config.ENABLE_AUTH, config.LOCAL_IP) == (3, False, "127.0.0.1")


def test_there_are_no_other_properties() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'WS_LISTENER_PROT'"):
        config.WS_LISTENER_PROT  # noqa: B018


def test_a_wrong_property_is_a_sentence(
    unused: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENABLE_AUTH", "perhaps")
    with pytest.raises(SystemExit):
        load([])
    assert capsys.readouterr().err == "game-server: GAME_SERVER_ENABLE_AUTH: 'perhaps' is not true or false\n"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--port", "70000"], "--port: '70000' is not a whole number from 0 to 65535"),
        (["--max-games", "0"], "--max-games: '0' is not a whole number from 1 to 100000"),
        (["--prot", "1"], "there is no option --prot; did you mean --port?"),
    ],
)
def test_a_wrong_setting_is_a_sentence(argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        load(argv, {})
    assert raised.value.code == 2
    assert capsys.readouterr().err == f"game-server: {sentence}\n"


def test_a_secret_is_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(["--token", "hush" * 1000], {})
    assert "hush" not in capsys.readouterr().err
