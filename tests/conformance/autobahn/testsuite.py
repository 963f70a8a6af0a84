"""Where the suite is, or how it gets there: it runs on Python 2.7 only."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[3] / ".venv-autobahn"
INSTALL_SECONDS = 900
LAST_VIRTUALENV = "virtualenv<20.22"
"""The last ones that make environments of Python 2.7."""


class Missing(Exception):
    """The suite cannot be run here; says why."""


def find_or_install() -> Path:
    """Return the `wstest` program, installed first if this is the first time.

    Raises:
        Missing: there is no Python 2.7.
        RuntimeError: there is, but the suite could not be installed.
    """
    program = FOLDER / "python2.7" / "bin" / "wstest"
    if not program.exists():
        python = find_python27()
        print(f"Installing Autobahn's test suite into {FOLDER} (once) ...", flush=True)
        try:
            _install(python)
        except BaseException:
            shutil.rmtree(FOLDER, ignore_errors=True)
            raise
    return program


def find_python27() -> Path:
    """Return a Python 2.7 that runs.

    Raises:
        Missing: there is none.
    """
    for candidate in _candidates():
        # A shim of pyenv may be there for a version that is not.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            code = "import sys; sys.exit(sys.version_info[:2] != (2, 7))"
            subprocess.run([candidate, "-c", code], check=True, capture_output=True, timeout=20)
            return candidate
    raise Missing("Autobahn's test suite needs Python 2.7, which is neither on PATH nor among pyenv's versions")


def _candidates() -> Iterator[Path]:
    for name in ("python2.7", "python2"):
        if found := shutil.which(name):
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/2.7*/bin/python2.7"))


def _install(python27: Path) -> None:
    tools, environment = FOLDER / "tools", FOLDER / "python2.7"
    _run(sys.executable, "-m", "venv", tools)
    _run(tools / "bin" / "pip", "install", "--quiet", LAST_VIRTUALENV)
    _run(tools / "bin" / "virtualenv", "--quiet", "--python", python27, environment)
    _run(environment / "bin" / "pip", "install", "--quiet", "autobahntestsuite")


def _run(*command: str | Path) -> None:
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{result.stdout}")
