"""Why a program cannot be run, in words; running one is in `test_runner.py`."""

import errno

import pytest

from game_server_launcher.programs import why_not


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
