"""`recv_all`: one object, and not a byte of the next, on plain sockets, TLS and gevent's."""

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent.socket
import pytest
from gevent.monkey import get_original
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connhandler import ConnectionClosed, ProtocolError
from connhandler.testing import loopback_pair
from connman import ConnMan, recv_all
from tests.connhandler.certificates import make_certificate, presenting, trusting
from tests.connman.support import Waiting

Pair = tuple[Any, Any]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["plain", "tls"])
def pair(request: pytest.FixtureRequest, certificate: Path) -> Iterator[Pair]:
    here, there = loopback_pair()
    if request.param == "tls":
        server = Waiting(lambda: presenting(certificate).wrap_socket(there, server_side=True))
        here = trusting(certificate).wrap_socket(here, server_hostname="localhost")
        there = server.join()
        assert isinstance(there, ssl.SSLSocket)
    for sock in (here, there):
        sock.settimeout(20)
    with here, there:
        yield here, there


def test_it_returns_text(pair: Pair) -> None:
    here, there = pair
    here.sendall('{"a": "ä}"}'.encode())
    assert recv_all(there) == '{"a": "ä}"}'


def test_it_is_a_method_as_well(pair: Pair) -> None:
    here, there = pair
    here.sendall(b"{}")
    assert ConnMan.recv_all(there) == "{}"


def test_tls_of_gevent_in_a_program_that_is_not_patched(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near, far = loopback_pair()
    server = Waiting(lambda: presenting(certificate).wrap_socket(far, server_side=True))
    with trusting(certificate).wrap_socket(near, server_hostname="localhost") as here, server.join() as there:
        here.sendall(b"{}{}")
        monkeypatch.setattr("ssl.SSLSocket", get_original("ssl", "SSLSocket"))
        assert recv_all(there) == "{}"
        monkeypatch.undo()


def test_not_a_byte_of_what_follows_is_taken(pair: Pair) -> None:
    here, there = pair
    here.sendall(b' {"a":{"b":"\\"}"}}\n{"c":[]}{"d":1}and the rest')
    assert recv_all(there) == '{"a":{"b":"\\"}"}}'
    assert recv_all(there) == '{"c":[]}'
    assert recv_all(there) == '{"d":1}'
    assert there.recv(100) == b"and the rest"


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.lists(st.dictionaries(st.text('{}[]"\\a'), st.text('{}[]"\\a') | st.lists(st.integers())), max_size=4),
    places=st.lists(st.integers(0, 1000), max_size=6),
)
def test_however_it_is_cut(pair: Pair, sent: list[dict[str, Any]], places: list[int]) -> None:
    here, there = pair
    wire = b" ".join(json.dumps(packet).encode() for packet in sent)
    receiving = Waiting(lambda: [json.loads(recv_all(there)) for _ in sent])
    start = 0
    for end in [*sorted(place % (len(wire) + 1) for place in places), len(wire)]:
        here.sendall(wire[start:end]) if end > start else None
        start = end
        gevent.sleep(0)
    assert receiving.join() == sent


def test_a_large_object_among_others(pair: Pair) -> None:
    here, there = pair
    large = json.dumps({"a": '}{"\\' * 40_000, "b": [{}] * 10_000})
    sending = Waiting(lambda: here.sendall((large + '{"next":1}').encode()))
    assert recv_all(there) == large
    assert recv_all(there) == '{"next":1}'
    sending.join()


@pytest.mark.parametrize("end", [lambda sock: sock.close(), lambda sock: sock.shutdown(gevent.socket.SHUT_WR)])
def test_the_far_end_closes(end: Callable[[Any], None]) -> None:
    for begun in (b"", b"  \n", b'{"a":1', b' {"a":'):
        here, there = loopback_pair()
        with here, there:
            here.sendall(begun)
            end(here)
            with pytest.raises(ConnectionClosed) as caught:
                recv_all(there)
            assert caught.value.mid_message == (b"{" in begun)


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (b"nonsense", "b'n' where '{' was expected, at byte 0"),
        (b'  {"a":1]', "b']' where '}' was expected, at byte 8"),
        (b'{"a":' + b"[" * 200, "nested more than 100 deep"),
        (b'{"a":"\xff"}', "an object that is not UTF-8"),
        (b'{"a":"%s"}' % (b"x" * 1000), "an object of more than 100 bytes"),
    ],
)
def test_what_is_no_object(pair: Pair, wire: bytes, error: str) -> None:
    here, there = pair
    here.sendall(wire)
    with pytest.raises(ProtocolError) as caught:
        recv_all(there, max_message_bytes=100 if len(wire) > 500 else 1000)
    assert str(caught.value).startswith(error)


def test_a_timeout(pair: Pair) -> None:
    here, there = pair
    there.settimeout(0.05)
    here.sendall(b'{"a":')
    with pytest.raises(TimeoutError):
        recv_all(there)
