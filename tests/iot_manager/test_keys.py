"""Devices that must prove who they are, over real sockets; and TLS, one-sided and mutual."""

import hashlib
import hmac
import threading
from pathlib import Path
from typing import Any

import pytest

from iot_manager import Limits, Manager
from iot_manager.devicehandler import DevicePeer
from iot_manager.keys import is_signed, sign
from tests.connhandler.certificates import make_certificate, presenting, trusting
from tests.iot_manager.manageddevices import (
    TIMEOUT,
    FramedDevice,
    Heard,
    RawDevice,
    connected,
    info,
    managed,
    until,
    uuid,
)

KEY = b"correct horse battery staple"


def prove(device: RawDevice, number: int = 0, key: bytes = KEY) -> bytes:
    """Say who it is, read the challenge and answer it; return the answer."""
    device.identify(number)
    challenge = device.receive()
    assert len(challenge) == 5 + 32 and challenge.startswith(b"auth ")
    digest = hmac.new(key, challenge[5:] + uuid(number).encode(), hashlib.sha256).hexdigest()
    answer = f"auth {digest}".encode()
    device.send(answer)
    return answer


def test_the_answer_to_a_challenge_is_what_the_page_says() -> None:
    digest = sign("Jefe", "what do ya want ", "for nothing?")  # RFC 4231, test case 2
    assert digest == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert is_signed(digest.upper().encode(), b"Jefe", "what do ya want ", "for nothing?")
    assert not is_signed(b"", b"Jefe", "what do ya want ", "for nothing?")
    with pytest.raises(ValueError, match="empty"):
        sign(b"", "", "")
    with pytest.raises(TypeError):
        sign(7, "", "")  # type: ignore[arg-type]


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("keys", [{uuid(): KEY}, {uuid(): KEY.decode()}, {uuid(): KEY}.get])
def test_who_has_the_key_is_accepted(framed: bool, keys: Any) -> None:
    with managed(dialect="framed" if framed else "raw", device_keys=keys) as manager:
        heard = Heard(manager)
        device = (FramedDevice if framed else RawDevice)(manager.port)
        prove(device)
        client = heard.client()
        client.send("welcome")
        assert device.receive() == b"welcome"
        device.close()


def test_a_proof_in_two_pieces() -> None:
    with managed(device_keys={uuid(): KEY}) as manager:
        heard = Heard(manager)
        device = RawDevice(manager.port).identify()
        nonce = device.receive()[5:]
        answer = b"auth " + sign(KEY, nonce.decode(), uuid()).encode()
        device.send(answer[:20])
        (peer,) = (connection.peer for connection in manager._handler._connections)
        assert isinstance(peer, DevicePeer)
        until(lambda: peer.dialect is not None and peer.dialect.is_holding)
        device.send(answer[20:])
        heard.client()
        device.close()


def test_who_has_not_the_key_is_rejected_and_evicts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with managed(device_keys={uuid(): KEY}) as manager:
        heard = Heard(manager)
        owner = RawDevice(manager.port)
        recorded = prove(owner)
        heard.client()
        for said in ("another key", "a recorded answer", "something else"):
            thief = RawDevice(manager.port)
            if said == "another key":
                prove(thief, key=b"guess")
            else:
                thief.identify()
                thief.receive()
                thief.send(recorded if said == "a recorded answer" else b"let me in")
            assert thief.expect_end() == b"end\n"
            thief.close()
        assert heard.nothing()
        assert manager.send(uuid(), b"x") == 1
        assert owner.receive() == b"x"
        assert any("has not proven its key" in line for line in caplog.messages)
        assert not any(KEY.decode() in line for line in caplog.messages)
        owner.close()


def test_devices_without_a_key_work_as_ever_unless_keys_are_required() -> None:
    with managed(device_keys={uuid(): KEY}) as manager, connected(manager, 1):
        until(lambda: manager.get_client_data())
    with managed(device_keys={uuid(): KEY}, keys_required=True) as manager, connected(manager, 1) as device:
        assert device.expect_end() == b"end\n"


def test_a_function_for_keys_may_wait_and_what_came_meanwhile_is_not_lost() -> None:
    let_go = threading.Event()

    def slow_key(device_uuid: str) -> bytes | None:
        let_go.wait(TIMEOUT)
        return None

    with managed(device_keys=slow_key) as manager:
        heard = Heard(manager)
        device = RawDevice(manager.port)
        device.expect(b"\x01")
        device.send(info() + b"one")
        device.send(b"two")
        until(lambda: manager._server.work_outstanding)
        let_go.set()
        heard.client()
        received = heard.message()
        while len(received) < 6:
            received += heard.message()
        assert received == b"onetwo"
        device.close()


def test_a_function_for_keys_that_fails_rejects_the_device(caplog: pytest.LogCaptureFixture) -> None:
    def broken(device_uuid: str) -> bytes | None:
        raise LookupError("no database")

    with managed(device_keys=broken) as manager:
        device = RawDevice(manager.port).identify()
        assert device.expect_end() == b"end\n"
        assert any(record.exc_info and "could not be looked for" in record.getMessage() for record in caplog.records)
        device.close()


def test_a_silent_device_is_not_waited_for_between_challenge_and_proof() -> None:
    limits = Limits(handshake_seconds=0.3, linger_seconds=0.1)
    with managed(device_keys={uuid(): KEY}, limits=limits) as manager:
        device = RawDevice(manager.port).identify()
        assert device.receive().startswith(b"auth ")
        assert device.expect_end() == b"end\n"
        device.close()


def test_tls(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with managed(ssl_context=presenting(certificate)) as manager:
        heard = Heard(manager)
        plain = RawDevice(manager.port)
        plain.send(b"this is no handshake")
        with connected(manager, context=trusting(certificate)) as device:
            client = heard.client()
            device.send(b"hello")
            assert heard.message() == b"hello"
            client.send("x" * 100_000)
            device.expect(b"x" * 100_000)
            client.end()
            assert device.expect_end() == b"end\n"
        plain.close()


def test_mutual_tls(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "device").mkdir()
    server, of_device = make_certificate(tmp_path / "server"), make_certificate(tmp_path / "device")
    context = presenting(server)
    context.verify_mode = context.verify_mode.__class__.CERT_REQUIRED
    context.load_verify_locations(of_device)
    with managed(ssl_context=context) as manager:
        known, stranger = trusting(server), trusting(server)
        known.load_cert_chain(of_device)
        with connected(manager, context=known) as device:
            until(lambda: manager.get_client_data())
            device.send(b"x")
        with pytest.raises(OSError), connected(manager, 1, context=stranger):
            pass
        assert isinstance(manager, Manager)
