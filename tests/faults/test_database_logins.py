"""Everybody logs in at the same instant: the classic that made a database close connections."""

from pathlib import Path
from statistics import quantiles
from time import perf_counter

import gevent
import pytest
from gevent.event import Event

from connhandler import tasks
from connhandler.jsonmessage import Hello, Welcome
from connhandler.testing import JsonClient
from login_server import protocol as login
from tests.faults.loginprogram import PASSWORD, LoginProgram, make_accounts

LONGEST_STALL_SECONDS = 0.25


@pytest.mark.timeout(180)
@pytest.mark.parametrize("players", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_all_who_log_in_at_the_same_instant_are_let_in(players: int, database_url: str, tmp_path: Path) -> None:
    """From the connection on, without a pause; nobody is refused, nobody is disconnected, and the hub goes on."""
    names = [f"player{number}" for number in range(players)]
    make_accounts(database_url, names)
    starting_gun = Event()
    seconds: list[float] = []
    clients: list[JsonClient] = []

    def log_in(program: LoginProgram, name: str) -> None:
        starting_gun.wait()
        begun = perf_counter()
        client = JsonClient("127.0.0.1", program.ports["players"], login.ToPlayer, timeout=60)
        clients.append(client)
        client.send(Hello(versions=[1]), login.LogIn(name=name, password=PASSWORD))
        assert isinstance(client.receive(), Welcome)
        assert client.expect(login.LoggedIn).name == name
        seconds.append(perf_counter() - begun)

    with LoginProgram(tmp_path, database_url) as program:
        crowd = [tasks.spawn(name, log_in, program, name) for name in names]
        gevent.sleep(0)  # Now all wait.
        program.worst_stall()
        begun = perf_counter()
        starting_gun.set()
        gevent.joinall(crowd, raise_error=True)
        whole = perf_counter() - begun
        stall = program.worst_stall()
        assert sorted(program.status()["players"]) == sorted(names)
        for client in clients:
            assert isinstance(client.receive(), login.ServerList)
            client.send(login.CancelMatch())  # It is still connected.
        for client in clients:
            assert client.receive().code == "not_waiting"
            client.close()
        assert program.end() == 0
    percentiles = quantiles(seconds, n=100)
    kind = database_url.partition(":")[0]
    print(
        f"{players} players on {kind}: all in after {whole:.2f} s, p50 {percentiles[49]:.2f} s, "
        f"p99 {percentiles[98]:.2f} s, the hub's worst stall {stall * 1000:.0f} ms"
    )
    assert stall < LONGEST_STALL_SECONDS
    assert program.said("ERROR") == program.said("WARNING") == []
