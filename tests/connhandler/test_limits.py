"""Bounds that bound nothing, or too much, are refused where they are made."""

import pytest
from msgspec.structs import replace

from connhandler import Limits


def test_the_defaults() -> None:
    limits = Limits()
    assert (limits.handshake_seconds, limits.first_message_seconds, limits.message_seconds) == (5, 5, 10)
    assert (limits.login_seconds, limits.idle_seconds) == (30, 60)
    assert (limits.heartbeat_seconds, limits.missed_heartbeats) == (20, 2)
    assert limits.max_message_bytes == limits.outgoing_hard_bytes == 1024 * 1024
    assert (limits.outgoing_soft_bytes, limits.outgoing_soft_seconds) == (256 * 1024, 10)
    assert (limits.in_flight_messages, limits.in_flight_bytes) == (16, 256 * 1024)
    assert limits.incoming_queue_messages == 10_000
    assert (limits.max_connections, limits.max_connections_per_address) == (10_000, 256)
    assert limits.max_not_logged_in == 1_000
    assert limits.accept_backlog == 4_096
    assert (limits.retry_seconds, limits.max_retry_seconds) == (1, 30)
    assert limits.drain_seconds == 10


@pytest.mark.parametrize("name", ["idle_seconds", "first_message_seconds", "retry_seconds"])
def test_times_may_be_0_and_not_less(name: str) -> None:
    assert getattr(replace(Limits(), **{name: 0}), name) == 0
    for value in (-1, float("nan")):
        with pytest.raises(ValueError, match=f"{name} must be 0 or more, not {value}"):
            replace(Limits(), **{name: value})


@pytest.mark.parametrize("name", ["max_connections", "max_message_bytes", "in_flight_messages", "accept_backlog"])
def test_numbers_must_be_1_or_more(name: str) -> None:
    assert getattr(Limits(**{name: 1}), name) == 1
    with pytest.raises(ValueError, match=f"{name} must be 1 or more, not 0"):
        Limits(**{name: 0})


def test_every_message_must_fit_into_what_may_wait() -> None:
    with pytest.raises(ValueError, match="no message of that size could be sent"):
        Limits(max_message_bytes=1001, outgoing_hard_bytes=1000)


def test_one_can_be_made_from_another() -> None:
    limits = replace(Limits(), max_connections=7)
    assert (limits.max_connections, limits.idle_seconds) == (7, 60)
    with pytest.raises(AttributeError):
        limits.max_connections = 8  # type: ignore[misc]
