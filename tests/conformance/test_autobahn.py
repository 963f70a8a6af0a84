"""The suite of `tests.conformance.autobahn` as a test, and what its verdict rests on."""

import json
from pathlib import Path

import pytest

from tests.conformance.autobahn import testsuite, verdict

ROOT = Path(__file__).parents[2]
STRICT = {"behavior": "OK", "behaviorClose": "OK"}


def outcome_of(folder: Path, **changed: dict[str, str]) -> verdict.Outcome:
    """What is read from the index of a run in which every case was strictly OK, but for these."""
    cases = {f"1.{number}": STRICT for number in range(301)}
    cases |= {f"12.{number}": STRICT for number in range(90)} | {f"13.{number}": STRICT for number in range(126)}
    cases |= {name.replace("_", "."): how for name, how in changed.items()}
    index = folder / "index.json"
    index.write_text(json.dumps({"connhandler": cases}))
    return verdict.read(index)


def how(behaviour: str, close: str = "OK") -> dict[str, str]:
    return {"behavior": behaviour, "behaviorClose": close}


def test_verdict_good(tmp_path: Path) -> None:
    informational = {f"1_{number}": how("INFORMATIONAL", "INFORMATIONAL") for number in range(3)}
    outcome = outcome_of(tmp_path, **informational)
    assert list(outcome.problems(whole=True)) == []
    assert "1.0: INFORMATIONAL" in outcome.table()


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({f"1_{number}": how("NON-STRICT") for number in range(4)}, "297 of 301 cases 1 to 11 are strictly OK"),
        ({"1_7": how("FAILED")}, "failed: 1.7"),
        ({"1_7": how("OK", "WRONG CODE")}, "failed: 1.7"),
        ({"12_7": how("NON-STRICT")}, "89 of 90 cases of group 12 are OK"),
        ({"13_7": how("UNIMPLEMENTED")}, "125 of 126 cases of group 13 are OK"),
    ],
)
def test_verdict_not_good_enough(tmp_path: Path, changed: dict[str, dict[str, str]], problem: str) -> None:
    problems = list(outcome_of(tmp_path, **changed).problems(whole=True))
    assert len(problems) == 1
    assert problem in problems[0]


def test_verdict_without_a_report(tmp_path: Path) -> None:
    assert "no case was run" in list(verdict.read(tmp_path / "index.json").problems(whole=False))


def test_verdict_on_half_a_run(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path)
    for case in ("1.5", "12.5"):
        del outcome.behaviours[case]
    assert len(list(outcome.problems(whole=True))) == 2
    assert list(outcome.problems(whole=False)) == []


def test_no_python27(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python2.7"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(testsuite, "FOLDER", tmp_path / "environment")
    with pytest.raises(testsuite.Missing, match=r"needs Python 2\.7"):
        testsuite.find_or_install()
