"""Why a program cannot be run, in words; running one, and how the kernel sees it, is in `test_runner.py`."""

import errno
from pathlib import Path

import pytest

from game_server_launcher.programs import check_program, why_not


@pytest.mark.parametrize(
    ("error", "words", "for_good"),
    [
        (FileNotFoundError(errno.ENOENT, "", "/opt/none"), "there is no program /opt/none", True),
        (FileNotFoundError(errno.ENOENT, "", "none"), "there is no program none on the search path", True),
        (FileNotFoundError(errno.ENOENT, "", "/"), "/: the interpreter in its first line does not exist", True),
        (NotADirectoryError(errno.ENOTDIR, "", "/opt/none"), "the working folder /opt/none does not exist", True),
        (PermissionError(errno.EACCES, "", "chess"), "chess may not be run by this user", True),
        (OSError(errno.ENOEXEC, "Exec format error"), "chess: [Errno 8] Exec format error", True),
        (ValueError("embedded null byte"), "chess: embedded null byte", True),
        (OSError(errno.EAGAIN, "too many processes"), "too many processes", False),
        (RuntimeError("something else"), "something else", False),
    ],
)
def test_why_not(error: Exception, words: str, for_good: bool) -> None:
    assert why_not("chess", error) == (words, for_good)


def program(path: Path, content: bytes, mode: int = 0o755) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_programs_that_can_be_run(tmp_path: Path) -> None:
    check_program("/bin/sh", tmp_path, {})
    check_program("sh", tmp_path, {})
    check_program("sh", tmp_path, {"PATH": "/opt/none:/bin"})
    program(tmp_path / "script", b"#! /bin/sh -e\nexit\n")
    check_program("./script", tmp_path, {})
    check_program("script", tmp_path, {"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "content", "mode", "kind"),
    [
        ("none", b"", 0o755, FileNotFoundError),
        ("chess", b"#!/opt/none/python\n", 0o755, FileNotFoundError),
        ("chess", b"#!\n", 0o755, FileNotFoundError),
        ("chess", b"\0\1", 0o755, OSError),
        ("chess", b"", 0o755, OSError),
        ("chess", b"#!/bin/sh\n", 0o644, PermissionError),
    ],
)
def test_programs_that_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, mode: int, kind: type[OSError]
) -> None:
    monkeypatch.setattr("game_server_launcher.programs._other_formats", lambda: False)
    program(tmp_path / "chess", content, mode)
    for one, path in ((f"./{name}", ""), (name, str(tmp_path))):
        with pytest.raises(kind):
            check_program(one, tmp_path, {"PATH": path})


def test_a_machine_that_knows_other_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("game_server_launcher.programs._other_formats", lambda: True)
    check_program(program(tmp_path / "chess.exe", b"MZ"), tmp_path, {})
