"""Players of Minetest and Freeciv, as far as a server takes them for players; no picture, no thoughts.

Minetest 5.6: `src/network/connection.h`, `networkprotocol.h`. Freeciv 3.0: `common/networking/packets.def`.
"""

import struct

import gevent
import gevent.socket

_PATIENCE = 15.0


class MinetestBot:
    """Enters, says something, leaves. The server makes an account for a name that it does not know.

    Args:
        name: of the player.
        port: of the server.
    """

    PROTOCOL = 0x4F457403
    INIT, INIT_2, CHAT, CLIENT_READY, FIRST_SRP = 0x02, 0x11, 0x32, 0x43, 0x50
    HELLO, AUTH_ACCEPT, ANNOUNCE_MEDIA = 0x02, 0x03, 0x3C

    def __init__(self, name: str, port: int) -> None:
        self._socket = gevent.socket.socket(type=gevent.socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._peer = 0
        self._sequence = 65500
        with gevent.Timeout(_PATIENCE, AssertionError("the server does not let the bot in")):
            self._send(b"\x01")
            hello = struct.pack(">HBHHH", self.INIT, 28, 0, 37, 41) + _short(name.encode())
            while self._receive(0.5) != self.HELLO:
                self._send(b"\x01" + hello, channel=1)
            self._send_reliably(struct.pack(">H", self.FIRST_SRP) + _short(b"salt") + _short(b"v" * 32) + b"\0")
            while self._receive() != self.AUTH_ACCEPT:
                pass
            self._send_reliably(struct.pack(">H", self.INIT_2) + _short(b""))
            while self._receive(1.0) is not None:
                pass  # What there is in the world.
            ready = struct.pack(">HBBBB", self.CLIENT_READY, 5, 6, 1, 0) + _short(b"bot") + struct.pack(">H", 4)
            self._send_reliably(ready)

    def say(self, text: str) -> None:
        data = text.encode("utf-16-be")
        self._send_reliably(struct.pack(">HH", self.CHAT, len(data) // 2) + data)

    def close(self) -> None:
        self._send(b"\x00\x03")
        self._socket.close()

    def _send(self, data: bytes, channel: int = 0) -> None:
        self._socket.send(struct.pack(">IHB", self.PROTOCOL, self._peer, channel) + data)

    def _send_reliably(self, data: bytes) -> None:
        self._send(b"\x03" + struct.pack(">H", self._sequence) + b"\x01" + data)
        self._sequence = (self._sequence + 1) % 65536

    def _receive(self, seconds: float = _PATIENCE) -> int | None:
        """Return which message came, 0 for part of one; None if none did. Acknowledges what wants that."""
        self._socket.settimeout(seconds)
        try:
            packet = self._socket.recv(65536)
        except TimeoutError:
            return None
        channel, data = packet[6], packet[7:]
        if data[0] == 3:
            sequence, data = data[1:3], data[3:]
            if data[:2] == b"\x00\x01":
                (self._peer,) = struct.unpack(">H", data[2:4])
            self._send(b"\x00\x00" + sequence, channel)
        return int.from_bytes(data[1:3], "big") if data[0] == 1 else 0


class FreecivBot:
    """Joins, and reads.

    Args:
        name: of the player.
        port: of the server.
    """

    CAPABILITY = b"+Freeciv-3.0-network year32 plrculture32 pingfix researchclr cityculture32"
    JOIN = 4

    def __init__(self, name: str, port: int) -> None:
        self._socket = gevent.socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        body = name.encode() + b"\0" + self.CAPABILITY + b"\0" + b"\0" + struct.pack(">III", 3, 0, 6)
        self._socket.sendall(struct.pack(">HB", 3 + len(body), self.JOIN) + body)

    def expect(self, text: bytes) -> None:
        """Read until this was said."""
        read = b""
        while text not in read:
            data = self._socket.recv(65536)
            assert data, "the server has closed the connection"
            read = read[-1000:] + data

    def expect_end(self) -> None:
        while self._socket.recv(65536):
            pass

    def close(self) -> None:
        self._socket.close()


def _short(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
