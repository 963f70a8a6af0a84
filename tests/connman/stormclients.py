"""Many clients that log in at the same instant: a process of its own, which never heard of gevent.

    python -m tests.connman.stormclients PORT NUMBER

Client N is the user `userN`, with the password `storm password`. When all have their answer, prints a line of JSON: how
many got which, and after how many seconds; then waits for a line, and prints how many connections are still open.
"""

import json
import resource
import selectors
import socket
import sys
import time
from collections import Counter

PASSWORD = "storm password"
SECONDS = 120.0


class StormClient:
    """One login, without a wait of its own."""

    def __init__(self, number: int, address: tuple[str, int]) -> None:
        self.answer = ""
        self.answered_at = 0.0
        self._user = f"user{number}"
        self._received = b""
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(address)

    def readable(self, now: float) -> None:
        try:
            data = self.sock.recv(4096)
        except OSError as error:
            data, self.answer = b"", type(error).__name__
        if not data:
            self.answer, self.answered_at = self.answer or "closed", now
            return
        self._received += data
        if self._received.endswith(b'"loginRequest"}'):
            self._received = b""
            self.sock.sendall(json.dumps({"user": self._user, "pass": PASSWORD}).encode())
        elif self._received.endswith(b"}"):
            packet, _ = json.JSONDecoder().raw_decode(self._received.decode())  # The program may have gone on at once.
            self.answer, self.answered_at = packet.get("code") or packet["subtype"], now

    def is_open(self) -> bool:
        try:
            return bool(self.sock.recv(1))
        except BlockingIOError:
            return True
        except OSError:
            return False


def main() -> None:
    port, number = map(int, sys.argv[1:])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    selector = selectors.DefaultSelector()
    began = time.monotonic()
    clients = [StormClient(n, ("127.0.0.1", port)) for n in range(1, number + 1)]
    for client in clients:
        selector.register(client.sock, selectors.EVENT_READ, client)
    waiting = number
    while waiting and time.monotonic() - began < SECONDS:
        for key, _ in selector.select(1):
            key.data.readable(time.monotonic())
            if key.data.answer:
                selector.unregister(key.fileobj)
                waiting -= 1
    seconds = sorted(client.answered_at - began for client in clients if client.answer)
    answers = Counter(client.answer or "none" for client in clients)
    print(json.dumps({"answers": answers, "seconds": seconds}), flush=True)
    sys.stdin.readline()
    print(sum(client.is_open() for client in clients), flush=True)


if __name__ == "__main__":
    main()
