"""Which port a game server gets."""

import socket

import pytest

from game_server_launcher.ports import NoFreePort, PortPicker, is_free

LOOPBACK = "127.0.0.1"


def free_range(count: int) -> range:
    """A range of ports that were free a moment ago."""
    for first in range(20_000, 32_000, count):
        ports = range(first, first + count)
        if all(is_free(port, LOOPBACK) for port in ports):
            return ports
    raise AssertionError("no free range of ports on this machine")


def test_any_free_port_is_not_given_out_again_at_once() -> None:
    picker = PortPicker()
    picked = [picker.pick(range(0), LOOPBACK) for _ in range(100)]
    assert len(set(picked)) == 100


def test_a_range_is_used_in_turn() -> None:
    ports = free_range(3)
    picker = PortPicker()
    assert [picker.pick(ports, LOOPBACK) for _ in range(4)] == [*ports, ports[0]]


def test_a_port_given_to_an_adopted_process_comes_last() -> None:
    ports = free_range(3)
    picker = PortPicker()
    picker.given(ports[0])
    assert [picker.pick(ports, LOOPBACK) for _ in range(3)] == [ports[1], ports[2], ports[0]]


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_in_use_is_passed_over(kind: socket.SocketKind) -> None:
    ports = free_range(2)
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((LOOPBACK, ports[0]))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        assert not is_free(ports[0], LOOPBACK)
        assert PortPicker().pick(ports, LOOPBACK) == ports[1]
        with pytest.raises(NoFreePort, match=f"port {ports[0]} is in use on 127.0.0.1"):
            PortPicker().pick(ports[:1], LOOPBACK)


def test_a_range_that_is_all_in_use_says_so() -> None:
    ports = free_range(2)
    with socket.socket() as first, socket.socket() as second:
        for sock, port in ((first, ports[0]), (second, ports[1])):
            sock.bind((LOOPBACK, port))
            sock.listen()
        with pytest.raises(NoFreePort, match=f"ports {ports[0]}-{ports[1]} are all in use"):
            PortPicker().pick(ports, LOOPBACK)


def test_an_address_of_another_machine_is_not_a_port_in_use() -> None:
    with pytest.raises(OSError, match="Cannot assign requested address"):
        PortPicker().pick(range(0), "192.0.2.1")
