"""A client that writes as fast as the far end takes it and never reads, in a process of its own.

    python flooding_client.py PORT CONNECTIONS SECONDS HANDSHAKE < BLOCK

Repeats BLOCK on every connection for SECONDS, or until it is killed or has lost all of them. The first HANDSHAKE bytes
of BLOCK are not repeated: when there are any, an answer that ends with an empty line is read after them.
"""

import selectors
import socket
import sys
import time

BLOCK_BYTES = 4 * 1024 * 1024
"""Are repeated: the larger, the faster it floods."""


def flood(port: int, connections: int, seconds: float, handshake: bytes, block: bytes) -> None:
    """Args:
    port: on 127.0.0.1.
    connections: so many at the same time.
    seconds: for so long.
    handshake: what is written once, and answered.
    block: what is written again and again.
    """
    blocks = memoryview(block * (BLOCK_BYTES // len(block) + 1))
    until = time.monotonic() + seconds
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port))
        if handshake:
            sock.sendall(handshake)
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += sock.recv(1)
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_WRITE, [0])
    while selector.get_map() and time.monotonic() < until:
        for key, _ in selector.select(0.1):
            assert isinstance(key.fileobj, socket.socket)
            try:
                key.data[0] = (key.data[0] + key.fileobj.send(blocks[key.data[0] :])) % len(blocks)
            except BlockingIOError:
                continue
            except OSError:
                selector.unregister(key.fileobj)


if __name__ == "__main__":
    begin, data = int(sys.argv[4]), sys.stdin.buffer.read()
    flood(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), data[:begin], data[begin:])
