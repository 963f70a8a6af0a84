"""What a program is told that imports a connection type whose library is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from connhandler.extras import extra

ROOT = Path(__file__).parents[2]

WITHOUT = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import connhandler
__import__(sys.argv[2])
"""


@pytest.mark.parametrize(
    ("library", "module", "name"),
    [
        ("httptools", "connhandler.http", "http"),
        ("websockets", "connhandler.websocket", "websocket"),
        ("websockets", "connhandler.websocketclient", "websocket"),
        ("websockets", "connhandler.websocketjson", "websocket"),
        ("websockets", "connhandler.websocketmessage", "websocket"),
    ],
)
def test_the_extra_is_named(library: str, module: str, name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT, library, module], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: No module named '{library}")
    assert last.endswith(f": this needs the extra '{name}', which pip install 'connhandler[{name}]' brings")


@pytest.mark.parametrize("library", ["httptools", "websockets"])
def test_the_rest_needs_none(library: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT, library, "connhandler.staticfiles"], cwd=ROOT, capture_output=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, b"")


def test_one_that_is_too_old_counts_as_missing() -> None:
    says = pytest.raises(ImportError, match=r"cannot import name 'nothing' .*: this needs the extra 'http'")
    with says as caught, extra("http"):
        from json import nothing  # type: ignore[attr-defined]  # noqa: F401
    assert caught.value.name == "json"


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), extra("http"):
        raise ZeroDivisionError
