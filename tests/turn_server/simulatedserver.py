"""A simulated turn server, for tests of what talks to one: the good path of the protocol, and faults on demand.

`python simulatedserver.py` serves on a free port of the loopback interface, and prints the port.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.socket
from gevent.server import StreamServer

Fault = Callable[[int, str], "bytes | None"]
"""Called with the number of each request and its body; returns what goes out instead of the answer, `b""` to close the
connection before it, or None to answer."""


class Seat:
    """One player."""

    def __init__(self, name: str, wanted: str) -> None:
        self.name = name
        self.wanted = wanted
        self.partner: Seat | None = None
        self.number = 0
        self.ready = False
        self.counter = -1
        self.waiting: list[str] = []
        self.shown: list[str] = []
        self.gone = False
        self.game: str | None = None


class SimulatedServer:
    """Serves from the moment it is made, until `stop`.

    Args:
        fault: what to do wrong.
    """

    def __init__(self, fault: Fault = lambda number, body: None) -> None:
        self.requests: list[str] = []
        """The bodies that came."""
        self.connections = 0
        self.fault = fault
        self._seats: dict[str, Seat] = {}
        self._games: dict[str, list[Seat]] = {}
        self._waiting: list[Seat] = []
        self._open: set[gevent.socket.socket] = set()
        self._arrived = gevent.event.Event()
        self._flows = gevent.event.Event()
        self._flows.set()
        self._stall: tuple[int, float] | None = None
        self._server = StreamServer(("127.0.0.1", 0), self._serve, backlog=1024)
        self._server.start()
        port = self._server.server_port
        assert port is not None
        self.port = port

    def stop(self) -> None:
        self._server.stop(timeout=0)
        self.close_connections()

    def stall_after(self, requests: int, seconds: float) -> None:
        """Answer nobody for a while, once so many requests have come."""
        self._stall = (requests, seconds)

    def close_connections(self) -> None:
        for sock in list(self._open):
            sock.shutdown(gevent.socket.SHUT_RDWR)

    def wait_for_requests(self, count: int) -> None:
        """Wait until so many have come."""
        while len(self.requests) < count:
            self._arrived.clear()
            assert self._arrived.wait(timeout=10), f"only {len(self.requests)} of {count} requests came"

    def __enter__(self) -> SimulatedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self, sock: gevent.socket.socket, _: Any) -> None:
        self.connections += 1
        self._open.add(sock)
        try:
            self._converse(sock)
        except OSError:
            pass  # the client has gone
        finally:
            self._open.remove(sock)

    def _converse(self, sock: gevent.socket.socket) -> None:
        received = b""
        with sock:
            while True:
                while b"\r\n\r\n" not in received:
                    if not (data := sock.recv(65536)):
                        return
                    received += data
                head, _, received = received.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                while len(received) < length:
                    received += sock.recv(65536)
                body, received = received[:length].decode(), received[length:]
                self._flows.wait()
                if self._stall is not None and len(self.requests) >= self._stall[0]:
                    seconds, self._stall = self._stall[1], None
                    self._flows.clear()
                    gevent.sleep(seconds)
                    self._flows.set()
                answer = b"0.000123" if head.startswith(b"GET") else self.answer(body).encode()
                instead = self.fault(len(self.requests), body)
                self.requests.append(body)
                self._arrived.set()
                if instead == b"":
                    return
                status = b"200 OK" if answer.startswith(b"0") else b"400 Bad Request"
                whole = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(answer), answer)
                sock.sendall(whole if instead is None else instead)
                if b"connection: close" in head.lower():
                    return

    def answer(self, body: str) -> str:
        """Return the answer to one request."""
        symbol, _, rest = body.partition(",")
        data, key, player, counter = rest.rsplit(",", 3)
        if symbol == "0":
            self._seats[key := str(len(self._seats))] = Seat(data, player)
            return f"0/0/{key}"
        if key not in (self._games if symbol in "56" else self._seats):
            return "5/*/*"
        seat = self._games[key][int(player)] if symbol in "56" else self._seats[key]
        return getattr(self, f"_answer_{symbol}")(key, seat, data, counter)  # type: ignore[no-any-return]

    def _answer_1(self, key: str, seat: Seat, data: str, counter: str) -> str:
        seat.gone = True
        if seat in self._waiting:
            self._waiting.remove(seat)
        return "0/1/*"

    _answer_5 = _answer_1

    def _answer_2(self, key: str, seat: Seat, data: str, counter: str) -> str:
        if seat.partner is None and seat not in self._waiting:
            fitting = [one for one in self._waiting if {seat.wanted, one.wanted} in ({"*"}, {seat.name, one.name})]
            if fitting:
                self._waiting.remove(other := fitting[0])
                seat.partner, other.partner = other, seat
                seat.number = 1
            else:
                self._waiting.append(seat)
        if seat.partner is None:
            return "0/2/*"
        return f"0/{3 + seat.number}/{seat.partner.name}"

    def _answer_3(self, key: str, seat: Seat, data: str, counter: str) -> str:
        return f"0/{5 + seat.number}/"

    def _answer_4(self, key: str, seat: Seat, data: str, counter: str) -> str:
        seat.ready = True
        assert seat.partner is not None
        if not seat.partner.ready:
            return "0/7/*"
        if seat.game is None:
            seat.game = seat.partner.game = str(1_000_000 + len(self._games))
            self._games[seat.game] = [seat, seat.partner] if seat.number == 0 else [seat.partner, seat]
        return f"0/8/{seat.game}|{seat.number}"

    def _answer_6(self, key: str, seat: Seat, data: str, counter: str) -> str:
        partner = seat.partner
        assert partner is not None
        if int(counter) == seat.counter + 1:
            seat.counter += 1
            del seat.waiting[: len(seat.shown)]
            if data != "*":
                partner.waiting.append(data)
        elif int(counter) != seat.counter:
            return f"{18 if int(counter) < seat.counter else 19}/*/*"
        seat.shown = list(seat.waiting)
        if seat.shown:
            return f"0/9/{'|'.join(seat.shown)}"
        return "15/*/*" if partner.gone else "0/10/*"


if __name__ == "__main__":
    server = SimulatedServer()
    print(server.port, flush=True)
    gevent.wait()
