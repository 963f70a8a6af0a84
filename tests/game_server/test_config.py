"""Where the settings come from."""

from pathlib import Path

import pytest

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


def test_the_token_and_the_key_file_have_variables_of_their_own() -> None:
    configuration = load([], {"GAME_CONTROLLER_TOKEN": "secret", "PUBLIC_KEY_FILE": "key.pem"})
    assert (configuration.token, configuration.public_key_file) == ("secret", "key.pem")
    assert load([], {"GAME_CONTROLLER_TOKEN": "a", "GAME_SERVER_TOKEN": "b"}).token == "b"


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
