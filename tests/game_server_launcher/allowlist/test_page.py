"""What docs/allowlist.md shows is true and complete."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from connhandler.configuration import load_configuration
from game_server_launcher.allowlist.__main__ import main
from game_server_launcher.allowlist.config import ENVIRONMENT_PREFIX, AllowlistConfig
from game_server_launcher.allowlist.protocol import FromLauncher
from tests.test_program_docs import (
    COMMON,
    blocks,
    codes_in,
    flag_of,
    message_sections,
    page_of,
    same_value,
    section,
    table,
    tag_of,
    words,
)

PAGE = page_of("allowlist")


def test_every_option_is_in_the_table_with_its_default() -> None:
    rows = table(section(PAGE, "Options"), "flag")
    defaults = msgspec.to_builtins(AllowlistConfig(), enc_hook=str)
    assert [words(row[0]) + words(row[1]) for row in rows] == [
        [flag_of(name), ENVIRONMENT_PREFIX + name.upper()] for name in defaults
    ]
    assert all(same_value(row[2], default) for row, default in zip(rows, defaults.values(), strict=True))


def test_the_file_holds_the_defaults(tmp_path: Path) -> None:
    (text,) = blocks(section(PAGE, "Options"), "toml")
    (tmp_path / "settings.toml").write_text(text)
    loaded = load_configuration(
        AllowlistConfig,
        program="test",
        description="",
        argv=["--config", str(tmp_path / "settings.toml")],
        environ={},
        environment_prefix=ENVIRONMENT_PREFIX,
    )
    assert loaded == AllowlistConfig()
    assert [line.partition(" = ")[0] for line in text.splitlines()] == list(AllowlistConfig.__struct_fields__)


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(re.search(rf"^ +{flag_of(name)}\b", shown, re.M) for name in AllowlistConfig.__struct_fields__)


def test_every_message_is_there_with_all_its_fields() -> None:
    messages = {tag_of(one): one for one in get_args(FromLauncher) if tag_of(one) not in COMMON}
    sections = message_sections(PAGE, "From launchers")
    assert set(sections) == set(messages)
    for tag, text in sections.items():
        assert set(messages[tag].__struct_fields__) <= set(words(text))


def test_every_code_is_in_the_table() -> None:
    codes = codes_in(["game_server_launcher/allowlist/*.py"])
    assert {code for row in table(section(PAGE, "Messages"), "code") for code in words(row[0])} == codes
