"""What docs/turn_stress.md shows is true: options, files, the example client, and the other commands."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from connhandler.configuration import load_configuration
from tests.test_program_docs import blocks, defaults_of, flag_of, help_of, page_of, same_value, section, table, words
from tests.turn_server.simulatedserver import SimulatedServer
from turn_server.stresstest.commands import DESCRIPTION
from turn_server.stresstest.config import ENVIRONMENT_PREFIX, StressConfig

PAGE = page_of("turn_stress")


def load(*argv: str) -> StressConfig:
    return load_configuration(
        StressConfig,
        program="turn-stress",
        description=DESCRIPTION,
        argv=argv,
        environ={},
        environment_prefix=ENVIRONMENT_PREFIX,
    )


def test_the_table_of_options_is_complete_and_right() -> None:
    rows = table(section(PAGE, "Options"), "flag")
    defaults = defaults_of(StressConfig)
    assert [words(row[0]) for row in rows] == [[flag_of(name)] for name in defaults]
    for (_, variable, default, meaning), name in zip(rows, defaults, strict=True):
        assert words(variable) == [ENVIRONMENT_PREFIX + name.upper()]
        assert same_value(default, defaults[name]), f"{name} is {defaults[name]!r} by default, not {default}"
        assert meaning


def test_the_file_with_every_key_holds_the_defaults(tmp_path: Path) -> None:
    (text,) = blocks(section(PAGE, "Options"), "toml")
    (tmp_path / "settings.toml").write_text(text)
    assert [line.partition(" = ")[0] for line in text.splitlines()] == list(StressConfig.__struct_fields__)
    assert load("--config", str(tmp_path / "settings.toml")) == StressConfig()


def test_help_names_every_option() -> None:
    shown = help_of("turn_server.stresstest")
    for name in StressConfig.__struct_fields__:
        assert re.search(rf"^ +{flag_of(name)}\b", shown, re.MULTILINE), f"{flag_of(name)} is not in --help"


def command_lines() -> list[str]:
    lines = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
    return [line.partition("turn-stress ")[2] for line in lines if "turn-stress --" in line]


@pytest.mark.parametrize("line", command_lines())
def test_the_commands_that_are_shown_have_right_options(line: str) -> None:
    arguments = shlex.split(line.replace("$!", "1").removesuffix("&"), comments=True)
    assert load(*arguments).port == 8090


def test_the_example_client_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    part = section(PAGE, "A client of your own")
    (program,) = blocks(part, "python")
    (shown,) = re.findall(r"^```\n(\['.*?)^```$", part, re.MULTILINE | re.DOTALL)
    with SimulatedServer() as server:
        exec(program.replace("8090", str(server.port)), {})
    assert capsys.readouterr().out == shown
    assert all(len(ast.literal_eval(line)) == 2 for line in shown.splitlines())


def test_the_files_that_are_named_are_those_that_are_written() -> None:
    rows = table(section(PAGE, "Quick start"), "file")
    assert [word for row in rows for word in words(row[0])] == [
        "report.html",
        "percentiles.png",
        "types.png",
        "timeline.png",
        "results.json",
    ]
