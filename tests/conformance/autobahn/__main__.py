"""Autobahn's WebSocket test suite against both sides of this framework, each through a central task.

    python -m tests.conformance.autobahn [--cases '1.*,2.*'] [--sides server,client] [--reports FOLDER]

Its fuzzing client asks our echo server, its fuzzing server is asked by our echo client; both offer and agree to
permessage-deflate, which the suite makes use of in the cases 12.* and 13.* alone. It exits 0 if the figures of
`tests.conformance.autobahn.verdict` are held, and also, with the word "skipped", where there is no Python 2.7: the
suite runs on no other. The first run makes a virtual environment of it in `.venv-autobahn`. The whole takes half an
hour on two cores, nearly all of it in 12.* and 13.*; `--cases '1.*,2.*,3.*,4.*,5.*,6.*,7.*,10.*'` takes half a minute.

Judgements that stand behind it:

* 6.4.*: text that can no more become UTF-8 is to fail the connection at once, inside an unfinished frame too
  (6.4.3, 6.4.4). The framing does it, so these are strictly OK.
* 7.1.5: a Close between the fragments of a message. RFC 6455, 5.4, lets control frames stand there, a Close is one, and
  5.5.1 asks for a Close in answer, which "typically echos the status code": so it is echoed, and the message is never
  whole. `websockets` alone fails the connection with 1002.
* 3.2, 4.1.3 and their like: messages before a fault are echoed before the Close, which is what is called strict.
* 7.1.6, 7.13.1 and 7.13.2 have no right answer (a Close behind a long message; close codes beyond 4999): the suite says
  INFORMATIONAL whatever happens. That is why 298 of the 301 cases 1 to 11 is all there is.
* Compressed text is checked when its frame is whole; the suite does not ask for more.
"""

from gevent import monkey

monkey.patch_all()

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import gevent
from gevent import subprocess

from tests.conformance.autobahn import runs, testsuite, verdict

SIDES = {"server": runs.try_our_server, "client": runs.try_our_client}


def main() -> int:
    """Run the suite; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.autobahn")
    parser.add_argument("--cases", default="*", help="which, as the suite writes them: '1.*,6.4.*' (default: all)")
    parser.add_argument("--sides", default="server,client", help="which of ours to test (default: %(default)s)")
    parser.add_argument("--reports", type=Path, help="keep the suite's reports in this folder")
    parser.add_argument("--seconds", type=float, default=3000.0, help="for each side at most (default: %(default)g)")
    arguments = parser.parse_args()
    # So that the suite's own processes are ended, too.
    gevent.signal_handler(signal.SIGTERM, gevent.kill, gevent.getcurrent(), SystemExit(143))
    try:
        wstest = testsuite.find_or_install()
    except testsuite.Missing as missing:
        print(f"conformance: skipped: {missing}")
        return 0
    sides = arguments.sides.split(",")
    with contextlib.ExitStack() as stack:
        folder = arguments.reports or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autobahn-")))
        if len(sides) > 1:
            return run_at_once(sides, folder.absolute(), arguments.cases, arguments.seconds)
        return run(sides[0], wstest, folder.absolute(), arguments.cases.split(","), arguments.seconds)


def run(side: str, wstest: Path, folder: Path, cases: Sequence[str], seconds: float) -> int:
    """Test one side; return the exit status."""
    outcome = verdict.read(SIDES[side](wstest, folder / side, cases, seconds))
    print(f"\nOur {side}:\n{outcome.table()}")
    problems = list(outcome.problems(whole=list(cases) == ["*"]))
    for problem in problems:
        print(f"NOT GOOD ENOUGH: {problem}")
    return 1 if problems else 0


def run_at_once(sides: Sequence[str], folder: Path, cases: str, seconds: float) -> int:
    """Test sides at the same time, in processes of their own: each waits for the suite half of the time."""
    command = [
        sys.executable,
        "-m",
        "tests.conformance.autobahn",
        "--cases",
        cases,
        "--reports",
        str(folder),
        "--seconds",
        f"{seconds}",
    ]
    processes = [subprocess.Popen([*command, "--sides", side]) for side in sides]
    try:
        return max(process.wait() for process in processes)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    sys.exit(main())
