"""The launcher's settings that name something outside of them: the key, and the authority behind TLS."""

from pathlib import Path

import gevent.ssl
import pytest

from connhandler.configuration import load_configuration
from game_server_launcher.config import ENVIRONMENT_PREFIX, LauncherConfig, SettingError, read_key, tls_context


def settings(*argv: str, **environ: str) -> LauncherConfig:
    return load_configuration(
        LauncherConfig,
        program="game-server-launcher",
        description="",
        argv=argv,
        environ=environ,
        environment_prefix=ENVIRONMENT_PREFIX,
    )


def test_the_defaults_are_those_of_the_protocols() -> None:
    config = settings()
    assert (config.login_address, config.login_port) == ("127.0.0.1", 9001)
    assert (config.controller_address, config.controller_port) == ("127.0.0.1", 9002)
    assert config.games == ["games"]


def test_settings_come_from_flags_and_environment() -> None:
    config = settings("--games", "a.toml", "--games=b.toml", "--leave-running", LAUNCHER_LOGIN_PORT="9")
    assert (config.games, config.leave_running, config.login_port) == (["a.toml", "b.toml"], True, 9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "a/b"], "--name: 'a/b' is not text that matches"),
        (["--controller-port", "70000"], "--controller-port: '70000' is not a whole number from 0 to 65535"),
        (["--login-port", "0"], "--login-port: '0' is not a whole number from 1 to 65535"),
        (["--contoller-port", "1"], "there is no option --contoller-port; did you mean --controller-port?"),
        (["--log-level", "loud"], "--log-level: 'loud' is not one of "),
    ],
)
def test_a_wrong_setting_is_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        settings(*arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_the_key_is_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings("--help", LAUNCHER_KEY="very secret")
    assert "very secret" not in capsys.readouterr().out


def test_the_key_of_the_settings_goes_before_the_file() -> None:
    assert read_key(settings("--key", "k")) == "k"
    assert read_key(settings(LAUNCHER_KEY="k")) == "k"


def test_tls_checks_the_certificate_unless_there_is_no_tls() -> None:
    assert tls_context(settings()) is None
    context = tls_context(settings("--login-tls"))
    assert isinstance(context, gevent.ssl.SSLContext)
    assert context.verify_mode is gevent.ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_authority_that_cannot_be_used(tmp_path: Path) -> None:
    no_certificate = tmp_path / "notes.txt"
    no_certificate.write_text("not a certificate")
    for file in (tmp_path / "none.pem", no_certificate):
        with pytest.raises(SettingError, match=f"--login-ca-file: cannot use {file}: "):
            tls_context(settings("--login-tls", "--login-ca-file", str(file)))
