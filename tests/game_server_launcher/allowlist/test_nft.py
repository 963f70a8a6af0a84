"""Running `nft`: what it is given and how it fails, with other programs in its place."""

from pathlib import Path

import pytest

from game_server_launcher.allowlist import nft, ruleset
from game_server_launcher.allowlist.nft import Nft, NftFailed


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that does what is written into it."""
    file = tmp_path / "nft"
    file.write_text("")
    file.chmod(0o700)
    return file


def script(file: Path, text: str) -> Nft:
    file.write_text(f"#!/bin/sh\n{text}\n")
    return Nft(str(file))


def test_it_is_given_json(program: Path, tmp_path: Path) -> None:
    script(program, f'echo "$@" > {tmp_path}/arguments; cat > {tmp_path}/input').apply(ruleset.protect(7000))
    assert (tmp_path / "arguments").read_text() == "-j -f -\n"
    assert (tmp_path / "input").read_bytes() == ruleset.document(ruleset.protect(7000))


def test_a_failure_is_one_line(program: Path) -> None:
    failing = script(program, 'echo "internal:0:0-0: Error: Could not" >&2; echo process >&2; exit 1')
    for function in (lambda: failing.apply([]), failing.gates):
        with pytest.raises(NftFailed, match=r"^internal:0:0-0: Error: Could not process$"):
            function()


def test_a_table_that_is_not_there_has_no_gates(program: Path) -> None:
    assert script(program, 'echo "Error: No such file or directory" >&2; exit 1').gates() == {}


def test_a_table_of_somebody_else_is_a_failure(program: Path) -> None:
    with pytest.raises(NftFailed, match="none of ours"):
        script(program, "echo '{\"nftables\": []}'").gates()


def test_one_that_hangs_is_given_up(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nft, "SECONDS", 0.1)
    with pytest.raises(NftFailed, match="timed out"):
        script(program, "exec sleep 60").apply([])


def test_no_such_program(tmp_path: Path) -> None:
    with pytest.raises(NftFailed, match=f"{tmp_path}/none: "):
        Nft(f"{tmp_path}/none").gates()
