"""Simulated devices against a real manager, each a process of its own."""

import random
import re
import signal
import sys
from pathlib import Path

import pytest

from iot_manager.simulate.__main__ import make_identities
from iot_manager.simulate.config import Configuration, load
from iot_manager.simulate.figures import Figures, Times
from tests.iot_manager.programs import Program, figure, port_of, start_manager


def simulate(port: str, count: int, *options: str) -> Program:
    return Program(
        [sys.executable, "-m", "iot_manager.simulate", str(count), "--port", port, "--no-progress", *options]
    )


def test_two_hundred_devices_and_twenty_that_fall_silent() -> None:
    """The small form of `tests/iot_manager/test_ten_thousand.py`."""
    rate, timeout = 1.0, 1.5
    with start_manager(f"--heartbeat-rate={rate}", f"--heartbeat-timeout={timeout}") as manager:
        port = port_of(manager)
        options = ("--dialect=mixed", "--silent=20", "--after=0.5", "--silent-over=1", "--seconds=5.5", "--rate=2")
        with simulate(port, 200, *options) as devices:
            assert devices.wait() == 0, devices.said + manager.said
        said = devices.said
        assert figure(said, "devices", "(200), connected 200 at most, 180 at the end") == "200"
        assert figure(said, "dropped wrongly", "(.*)") == "none"
        assert figure(said, "fell silent", "(20), noticed 20") == "20"
        assert float(figure(said, "noticed after", r".*most ([\d.]+) s")) <= rate + timeout + 1
        assert int(figure(said, "beats answered", "([0-9,]+)").replace(",", "")) > 400
        assert 1500 < int(figure(said, "messages sent", "([0-9,]+)").replace(",", "")) < 2500
        assert manager.end() == 0, manager.said
        assert "Traceback" not in manager.said


def test_devices_that_flap_from_many_addresses_lose_nobody_else() -> None:
    with start_manager("--heartbeat-rate=1") as manager:
        port = port_of(manager)
        options = ("--flap=5", "--flap-seconds=0.3", "--seconds=2", "--source-addresses=7", "--dialect=framed")
        with simulate(port, 20, *options) as devices:
            assert devices.wait() == 0, devices.said
        assert int(figure(devices.said, "flapped", "([0-9]+) times")) >= 5
        assert figure(devices.said, "dropped wrongly", "(.*)") == "none"
        assert manager.end() == 0, manager.said
        assert set(re.findall(r"127\.1\.0\.\d+", manager.said)) == {f"127.1.0.{last}" for last in range(1, 8)}


def test_a_manager_that_ends_is_a_problem() -> None:
    with start_manager() as manager:
        port = port_of(manager)
        with simulate(port, 3, "--seconds=60", "--log-level=debug") as devices:
            devices.wait_for("3 of 3 have been connected")
            for _ in range(3):
                manager.wait_for("connected from")
            assert manager.end() == 0
            devices.wait_for("no connection to")
            assert devices.end(signal.SIGINT) == 1, devices.said
        assert "PROBLEM: 3 connections ended that should have stayed" in devices.said


def test_nobody_there() -> None:
    with simulate("1", 2, "--seconds=1", "--log-level=debug") as devices:
        devices.wait_for("no connection to 127.0.0.1:1")
        assert devices.end() == 1
    assert "PROBLEM: 2 devices were never connected" in devices.said


def test_devices_with_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    identities = list(make_identities(3, Configuration()))
    keys.write_text("".join(f'"{one.uuid}" = "key {number}"\n' for number, one in enumerate(identities)))
    with start_manager(f"--keys-file={keys}") as manager:
        port = port_of(manager)
        with simulate(port, 3, "--seconds=0.2", f"--keys-file={keys}", "--dialect=mixed") as devices:
            assert devices.wait() == 0, devices.said + manager.said
        with simulate(port, 4, f"--keys-file={keys}") as devices:
            assert devices.wait() == 2
        assert "has 3 keys, which is not enough for 4 devices" in devices.said
        assert manager.end() == 0


def test_the_same_seed_gives_the_same_devices() -> None:
    first, again, other = (list(make_identities(4, Configuration(seed=seed, types=["a", "b"]))) for seed in (1, 1, 2))
    assert first == again
    assert {one.uuid for one in first}.isdisjoint(one.uuid for one in other)
    assert [one.type for one in first] == ["a", "b", "a", "b"]
    assert all(len(one.uuid) == 36 for one in first)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected how many devices to simulate"),
        (["1", "2"], "expected how many devices to simulate"),
        (["0"], "'0' is not a number of devices from 1 to"),
        (["many"], "'many' is not a number of devices"),
        (["5", "--host", "192.0.2.1"], "'192.0.2.1' is not this machine"),
        (["5", "--host", "localhost.example.org"], "is not this machine"),
        (["5", "--silent", "6"], "--silent: there are only 5 devices"),
        (["5", "--silent", "3", "--flap", "3"], "together they are more than the 5 devices"),
        (["5", "--silent", "1", "--after", "60"], "after and silent_over (60 s) must be less than seconds (60)"),
        (["5", "--tls-key", "k"], "tls_certificate and tls_key go together"),
        (["5", "--tls-key", "k", "--tls-certificate", "c"], "tls_certificate needs tls_ca"),
        (["5", "--keys-file", "/nowhere"], "there is no file /nowhere"),
        (["5", "--source-addresses", "9", "--host", "::1"], "only devices of a manager at 127.0.0.1"),
        (["5", "--types", "a##b"], "no type has '##' in it"),
        (["5", "--dialekt", "raw"], "--dialekt"),
    ],
)
def test_a_mistyped_option_is_a_sentence_and_exit_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        load(arguments, {})
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


def test_other_machines_only_when_asked_for() -> None:
    assert load(["5", "--host", "192.0.2.1", "--allow-remote"], {})[1].host == "192.0.2.1"
    for host in ("127.0.0.1", "::1", "127.9.9.9", "localhost"):
        assert load(["5", "--host", host], {})[0] == 5


def test_times() -> None:
    times = Times()
    assert (str(times), times.at(0.5)) == ("-", 0.0)
    seconds = [number / 100 for number in range(1, 101)]
    random.Random(1).shuffle(seconds)
    for one in seconds:
        times.add(one)
    assert str(times) == "least 10.0 ms, median 510.0 ms, 99 % 1.00 s, most 1.00 s"


def test_what_did_not_go_well_is_said() -> None:
    figures = Figures(3)
    figures.ever_connected, figures.silent = 2, 1
    figures.drops["closed by peer"] = 4
    assert figures.problems == [
        "1 devices were never connected",
        "4 connections ended that should have stayed",
        "1 silent devices were not noticed",
    ]
    assert "dropped wrongly   4 (closed by peer: 4)" in list(figures.lines())
