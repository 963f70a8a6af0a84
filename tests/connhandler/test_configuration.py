import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from connhandler.configuration import (
    load_configuration,
    require_command,
    require_extra,
    set_up_logging,
    split_arguments,
)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    port: Annotated[int, Meta(ge=0, le=65535, description="port to listen on, 100% yours")] = 9000
    wait_seconds: Annotated[float, Meta(gt=0, description="how long to wait")] = 2.5
    name: Annotated[str, Meta(min_length=1, max_length=5, description="what it is called")] = "main"
    folder: Annotated[Path, Meta(description="where things are")] = Path("run")
    enable_auth: Annotated[bool, Meta(description="ask for a token")] = True
    origins: Annotated[list[str], Meta(description="allowed origins")] = msgspec.field(default_factory=list)
    colour: Annotated[str, Meta(pattern="^#[0-9a-f]{6}$", description="of the page")] = "#ffffff"
    log_level: Annotated[Literal["info", "debug"], Meta(description="how much to log")] = "info"
    mode: Literal["slow", "fast"] = "slow"
    api_key: Annotated[str, Meta(min_length=8, extra={"secret": True}, description="the key")] = "default-key"

    def __post_init__(self) -> None:
        if self.name == self.log_level:
            raise ValueError("name and log_level must differ")


def load(*argv: str, **environ: str) -> Config:
    return load_configuration(
        Config,
        program="prog",
        description="It serves.",
        epilog="See the manual.",
        argv=argv,
        environ=environ,
        environment_prefix="PROG_",
    )


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "prog.toml"


def failure(capsys: pytest.CaptureFixture[str], *argv: str, **environ: str) -> str:
    """The one sentence that a wrong setting ends the program with."""
    with pytest.raises(SystemExit) as exit_:
        load(*argv, **environ)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.rstrip("\n")


def test_defaults() -> None:
    assert load() == Config()


def test_each_source_wins_over_the_one_before(toml: Path) -> None:
    toml.write_text('port = 1\nwait_seconds = 1\nname = "file"\n')
    config = load("--config", str(toml), "--port", "3", PROG_PORT="2", PROG_WAIT_SECONDS="2")
    assert (config.port, config.wait_seconds, config.name, config.folder) == (3, 2.0, "file", Path("run"))


def test_every_type_from_toml(toml: Path) -> None:
    toml.write_text(
        'port = 1\nwait_seconds = 1\nname = "n"\nfolder = "/f"\nenable_auth = false\n'
        'origins = ["a,b", "c"]\nlog_level = "debug"\napi_key = "long enough"\n'
    )
    assert load("--config", str(toml)) == Config(
        port=1,
        wait_seconds=1.0,
        name="n",
        folder=Path("/f"),
        enable_auth=False,
        origins=["a,b", "c"],
        log_level="debug",
        api_key="long enough",
    )


def test_every_type_from_flags() -> None:
    config = load(
        *("--port", "1", "--wait-seconds=1e1", "--name", "n", "--folder", "/f", "--no-enable-auth"),
        *("--origins", "a, b", "--origins=c", "--log-level", "debug", "--api-key", "long enough"),
    )
    assert config == Config(
        port=1,
        wait_seconds=10.0,
        name="n",
        folder=Path("/f"),
        enable_auth=False,
        origins=["a", "b", "c"],
        log_level="debug",
        api_key="long enough",
    )


class WithShortFlags(msgspec.Struct, frozen=True, kw_only=True):
    port: Annotated[int, Meta(description="to listen on", extra={"short": "-p"})] = 9000
    verbose: Annotated[bool, Meta(description="tell more", extra={"short": "-v"})] = False


@pytest.mark.parametrize("argv", [["-v", "-p", "80"], ["-vp80"], ["--verbose", "--port=80"]])
def test_short_flags(argv: list[str]) -> None:
    config = load_configuration(
        WithShortFlags, program="prog", description="", argv=argv, environ={}, environment_prefix="PROG_"
    )
    assert config == WithShortFlags(port=80, verbose=True)


def test_short_flags_among_words() -> None:
    assert split_arguments(WithShortFlags, ["a", "-v", "b", "-p", "80", "c"]) == (["a", "b", "c"], ["-v", "-p", "80"])


def test_every_type_from_the_environment() -> None:
    config = load(PROG_PORT=" 1 ", PROG_FOLDER="~/f", PROG_ORIGINS="a, b,", PROG_LOG_LEVEL="debug", PORT="7")
    assert (config.port, config.origins, config.log_level) == (1, ["a", "b"], "debug")
    assert config.folder == Path("~/f").expanduser() != Path("~/f")
    assert load(PROG_ORIGINS="").origins == []


def test_the_file_can_be_named_in_the_environment(toml: Path) -> None:
    toml.write_text("port = 1")
    assert load(PROG_CONFIG=str(toml)).port == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [(text, True) for text in ("true", "YES", "On", "1")] + [(text, False) for text in ("false", "No", "off", " 0 ")],
)
def test_booleans_from_the_environment(text: str, value: bool) -> None:
    assert load(PROG_ENABLE_AUTH=text).enable_auth is value


@pytest.mark.parametrize(
    ("argv", "environ", "sentence"),
    [
        (["--port", "x"], {}, "prog: --port: 'x' is not a whole number from 0 to 65535"),
        (["--port", "65536"], {}, "prog: --port: '65536' is not a whole number from 0 to 65535"),
        (["--port", "1.5"], {}, "prog: --port: '1.5' is not a whole number from 0 to 65535"),
        (["--port", ""], {}, "prog: --port: '' is not a whole number from 0 to 65535"),
        (["--wait-seconds", "0"], {}, "prog: --wait-seconds: '0' is not a number greater than 0"),
        (["--wait-seconds", "nan"], {}, "prog: --wait-seconds: 'nan' is not a number greater than 0"),
        (["--wait-seconds", "inf"], {}, "prog: --wait-seconds: 'inf' is not a number greater than 0"),
        (["--name", "longer"], {}, "prog: --name: 'longer' is not text of 1 to 5 characters"),
        (["--colour", "red"], {}, "prog: --colour: 'red' is not text that matches ^#[0-9a-f]{6}$"),
        (["--folder", ""], {}, "prog: --folder: '' is not a path"),
        (["--log-level", "loud"], {}, "prog: --log-level: 'loud' is not one of info, debug"),
        (["--mode", "odd"], {}, "prog: --mode: 'odd' is not one of slow, fast"),
        ([], {"PROG_PORT": "-1"}, "prog: PROG_PORT: '-1' is not a whole number from 0 to 65535"),
        ([], {"PROG_ENABLE_AUTH": "maybe"}, "prog: PROG_ENABLE_AUTH: 'maybe' is not true or false"),
        ([], {"PROG_ENABLE_AUTH": ""}, "prog: PROG_ENABLE_AUTH: '' is not true or false"),
        (["--name", "info"], {}, "prog: name and log_level must differ"),
        (["--prot", "1"], {}, "prog: there is no option --prot; did you mean --port?"),
        (["--enable-aut"], {}, "prog: there is no option --enable-aut; did you mean --enable-auth?"),
        (["--no-enable-aut"], {}, "prog: there is no option --no-enable-aut; did you mean --no-enable-auth?"),
        (["--wait", "1"], {}, "prog: there is no option --wait; did you mean --wait-seconds?"),
        (["--port"], {}, "prog: argument --port: expected one argument"),
        (["--config", "/no/file"], {}, "prog: --config: cannot read /no/file: No such file or directory"),
    ],
)
def test_wrong_settings(
    argv: list[str], environ: dict[str, str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failure(capsys, *argv, **environ) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('port = "9000"', "port: '9000' is not a whole number from 0 to 65535"),
        ("port = true", "port: True is not a whole number from 0 to 65535"),
        ("port = [1]", "port: [1] is not a whole number from 0 to 65535"),
        ('wait_seconds = "1"', "wait_seconds: '1' is not a number greater than 0"),
        ("wait_seconds = inf", "wait_seconds: inf is not a number greater than 0"),
        ('enable_auth = "false"', "enable_auth: 'false' is not true or false"),
        ("enable_auth = 0", "enable_auth: 0 is not true or false"),
        ("folder = 1", "folder: 1 is not a path"),
        ('origins = "a"', "origins: 'a' is not a list of texts"),
        ("origins = [1]", "origins: [1] is not a list of texts"),
        ("log_level = 1", "log_level: 1 is not one of info, debug"),
        ("prot = 1", "there is no setting prot; did you mean port?"),
        ("enable-auth = true", "there is no setting enable-auth; did you mean enable_auth?"),
        ("[zzz]", "there is no setting zzz"),
        ("port 1", "is not TOML: Expected '=' after a key in a key/value pair (at line 1, column 6)"),
    ],
)
def test_wrong_toml(text: str, sentence: str, toml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml.write_text(text)
    assert failure(capsys, "--config", str(toml)) == f"prog: {toml}: {sentence}"


def test_toml_that_is_not_utf8(toml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml.write_bytes(b'name = "\xff"')
    assert failure(capsys, "--config", str(toml)) == f"prog: {toml}: is not UTF-8 text"


def test_a_secret_that_is_given_is_never_printed(toml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml.write_text('api_key = "hunter2"')
    wrong = "the value (a secret, not shown) is not text of at least 8 characters"
    assert failure(capsys, "--config", str(toml)) == f"prog: {toml}: api_key: {wrong}"
    assert failure(capsys, "--api-key", "hunter2") == f"prog: --api-key: {wrong}"
    assert failure(capsys, PROG_API_KEY="hunter2") == f"prog: PROG_API_KEY: {wrong}"
    unknown = "prog: there is no option --api-kye; did you mean --api-key?"
    assert failure(capsys, "--api-kye=hunter2") == unknown
    assert failure(capsys, "--api-kye", "hunter2") == unknown
    assert "hunter2" not in failure(capsys, "hunter2")
    with pytest.raises(SystemExit):
        load("--help", PROG_API_KEY="hunter2 is long")
    assert "hunter2" not in capsys.readouterr().out


def test_help_shows_every_option_and_its_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as exit_:
        load("--help")
    assert exit_.value.code == 0
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    for part in (
        "usage: prog [--config FILE] [option ...] It serves.",
        "--config FILE TOML file with settings (or PROG_CONFIG)",
        "--port NUMBER port to listen on, 100% yours (default: 9000)",
        "--wait-seconds NUMBER how long to wait (default: 2.5)",
        "--name TEXT what it is called (default: main)",
        "--folder PATH where things are (default: run)",
        "--enable-auth, --no-enable-auth ask for a token (default: yes)",
        "--origins TEXT,… allowed origins (default: none)",
        "--log-level info|debug how much to log (default: info)",
        "--api-key TEXT the key (default: default-key)",
        "in the TOML file too (port = …) and in the environment (PROG_PORT=…)",
        "See the manual.",
    ):
        assert part in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        load("--version")
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith("prog ")


NAMES = st.text("abc=-' ", min_size=1, max_size=5).filter(lambda name: name != "--")  # which argparse swallows


@given(st.integers(0, 65535), st.floats(1e-9, 1e9), NAMES, st.booleans())
def test_what_flags_set_is_what_the_program_gets(port: int, wait: float, name: str, auth: bool) -> None:
    flags = [
        f"--port={port}",
        f"--wait-seconds={wait!r}",
        f"--name={name}",
        f"--{'' if auth else 'no-'}enable-auth",
    ]
    assert load(*flags) == Config(port=port, wait_seconds=wait, name=name, enable_auth=auth)
    variables = {
        "PROG_PORT": str(port),
        "PROG_WAIT_SECONDS": repr(wait),
        "PROG_NAME": name,
        "PROG_ENABLE_AUTH": str(auth),
    }
    assert load(**variables) == load(*flags)


def test_the_process_supplies_argv_and_environment_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["prog", "--port", "1"])
    monkeypatch.setenv("PROG_NAME", "env")
    config = load_configuration(Config, program="prog", description="", environment_prefix="PROG_")
    assert config == Config(port=1, name="env")


class WithoutDefault(msgspec.Struct):
    port: int


class WithUnsupportedType(msgspec.Struct):
    ports: dict[str, int] = {}


@pytest.mark.parametrize(
    ("struct", "message"),
    [
        (WithoutDefault, "port: a setting needs a default"),
        (WithUnsupportedType, "ports: a setting cannot be of type"),
    ],
)
def test_a_struct_that_cannot_be_settings(struct: type[msgspec.Struct], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        load_configuration(struct, program="p", description="", argv=[], environ={}, environment_prefix="P_")


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    require_extra("login-server", "login-server", "msgspec", "gevent.queue")
    with pytest.raises(SystemExit) as exit_:
        require_extra("login-server", "login-server", "msgspec", "no_such_module.part")
    assert exit_.value.code == 2
    sentence = "login-server needs the extra 'login-server': pip install 'connhandler[login-server]'\n"
    assert capsys.readouterr().err == sentence


def test_a_command_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    require_command("prog", "serve", ["serve", "keys"])
    for word, hint in (("sevre", ", did you mean 'serve'?"), ("dance", "; expected one of serve, keys")):
        with pytest.raises(SystemExit) as exit_:
            require_command("prog", word, ["serve", "keys"])
        assert exit_.value.code == 2
        assert capsys.readouterr().err == f"prog: unknown command {word!r}{hint}\n"


@pytest.mark.parametrize(
    ("argv", "words", "options"),
    [
        ("", "", ""),
        ("add x", "add x", ""),
        ("--name n add --port 1 x --folder /f", "add x", "--name n --port 1 --folder /f"),
        ("add --config prog.toml x", "add x", "--config prog.toml"),
        ("add --port=1 x", "add x", "--port=1"),
        ("--enable-auth add --no-enable-auth x", "add x", "--enable-auth --no-enable-auth"),
        ("add --help x", "add x", "--help"),
        ("add --prot 1", "add 1", "--prot"),
        ("add --port", "add", "--port"),
        ("add --port 1 -- --x --port", "add --x --port", "--port 1"),
    ],
)
def test_words_and_options_in_whatever_order(argv: str, words: str, options: str) -> None:
    assert split_arguments(Config, argv.split()) == (words.split(), options.split())


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_logging_goes_to_stderr(root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("warning")
    logging.getLogger("players[7]").info("unseen")
    logging.getLogger("players[7]").warning("seen")
    line = capsys.readouterr().err
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} WARNING players\[7\]: seen\n", line)


def test_a_level_that_does_not_exist(root_logger: logging.Logger) -> None:
    with pytest.raises(ValueError, match="LOUD"):
        set_up_logging("loud")
