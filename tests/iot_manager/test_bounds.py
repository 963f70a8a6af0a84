"""Queues of commands, the guard against flapping, the register: pure, by a clock of the test."""

import pytest

from iot_manager import Data, Limits
from iot_manager.commandqueue import OVERHEAD_BYTES, CommandQueue
from iot_manager.devicehandler import DevicePeer
from iot_manager.flapping import FlappingGuard
from iot_manager.register import DeviceRegister


def test_commands_come_out_in_order_and_once() -> None:
    commands = CommandQueue(Limits())
    assert all(commands.put("a", data, 0, 10) for data in (b"1", b"2", b"3"))
    assert commands.put("b", b"4", 0, 10)
    assert commands.count("a", 5) == 3
    assert commands.take("a", 5) == [b"1", b"2", b"3"]
    assert commands.take("a", 5) == []
    assert commands.size == 1


def test_commands_expire_each_by_its_own_time() -> None:
    commands = CommandQueue(Limits(max_queue_seconds=100))
    for data, seconds in ((b"1", 30), (b"2", 10), (b"3", 1e9)):
        assert commands.put("a", data, 0, seconds)
    assert commands.count("a", 10) == 2
    assert commands.take("a", 40) == [b"3"]
    assert commands.put("a", b"4", 0, 1e9)
    assert commands.count("a", 100) == 0 and commands.size == 0


def test_commands_for_one_device_are_bounded() -> None:
    commands = CommandQueue(Limits(queued_per_device=2, queued_bytes_per_device=2 * OVERHEAD_BYTES + 5))
    assert commands.put("a", b"12345", 0, 10)
    assert not commands.put("a", b"1", 0, 10)
    assert commands.put("a", b"", 0, 10)
    assert not commands.put("a", b"", 0, 10)
    assert commands.put("b", b"12345", 0, 10)


def test_commands_in_all_are_bounded_and_make_room_by_expiring() -> None:
    for limits in (Limits(queued_in_all=2), Limits(queued_bytes_in_all=2 * OVERHEAD_BYTES + 10)):
        commands = CommandQueue(limits)
        assert commands.put("a", b"12345", 0, 10)
        assert commands.put("b", b"12345", 0, 20)
        assert not commands.put("c", b"1", 9, 10)
        assert commands.put("c", b"1", 10, 10)
        assert commands.take("b", 10) == [b"12345"]


def test_a_uuid_is_refused_after_five_replacements_in_a_minute_for_a_minute() -> None:
    guard = FlappingGuard(5, 60, 60)
    assert [guard.may_replace("a", second) for second in range(6)] == [True] * 5 + [False]
    assert guard.may_replace("b", 6)
    assert not guard.may_replace("a", 64.9)
    assert guard.may_replace("a", 65.1)


def test_seldom_replacements_are_no_flapping() -> None:
    guard = FlappingGuard(5, 60, 60)
    assert all(guard.may_replace("a", 13 * number) for number in range(1000))


def test_the_guard_forgets_what_is_over() -> None:
    guard = FlappingGuard(1, 60, 60)
    for number in range(1000):
        guard.may_replace(f"a{number}", number)
        guard.may_replace(f"a{number}", number)
    assert len(guard._replaced_at) + len(guard._refused_until) < 200


def test_who_was_away_for_longest_is_forgotten_first() -> None:
    register = DeviceRegister(3, 1000)
    devices = [register.arrive(Data(str(number), "light", {}), DevicePeer(), 100.0 + number, 9) for number in range(3)]
    register.leave(devices[1])
    register.leave(devices[0])
    register.arrive(Data("3", "light", {}), DevicePeer(), 104.0, 9)
    assert [device.data.uuid for device in register] == ["2", "3", "0"]
    assert register.peer("0") is None and register.peer("2") is not None
    again = register.arrive(Data("0", "lock", {}), DevicePeer(), 105.0, 9)
    assert again is devices[0] and again.data.type == "lock"


def test_those_who_are_away_have_a_bound_in_bytes() -> None:
    register = DeviceRegister(100, 1000)
    devices = [register.arrive(Data(str(number), "light", {}), DevicePeer(), 100.0, 400) for number in range(5)]
    assert len(register) == 5
    for device in devices[:3]:
        register.leave(device)
    assert [device.data.uuid for device in register] == ["3", "4", "1", "2"]
    register.arrive(Data("1", "light", {}), DevicePeer(), 101.0, 900)
    register.leave(devices[3])
    assert [device.data.uuid for device in register] == ["4", "1", "2", "3"]


def test_limits_are_checked() -> None:
    with pytest.raises(ValueError, match="max_connections must be 1 or more"):
        Limits(max_connections=0)
    with pytest.raises(ValueError, match="backlog_bytes"):
        Limits(backlog_bytes=1)
