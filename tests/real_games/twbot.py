"""A Teeworlds 0.7 client without a screen: it joins, chats, follows changes of the map, and does nothing else.

What the packets look like is `twnet_parser`'s; that what must arrive (vital chunks) does so, in order, is seen to here.
"""

import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket
from gevent.queue import Queue
from twnet_parser.constants import NET_MAX_PACKETSIZE, NET_MAX_SEQUENCE
from twnet_parser.messages7.control.close import CtrlClose
from twnet_parser.messages7.control.connect import CtrlConnect
from twnet_parser.messages7.control.keep_alive import CtrlKeepAlive
from twnet_parser.messages7.control.token import CtrlToken
from twnet_parser.messages7.game.cl_say import MsgClSay
from twnet_parser.messages7.game.cl_start_info import MsgClStartInfo
from twnet_parser.messages7.system.enter_game import MsgEnterGame
from twnet_parser.messages7.system.info import MsgInfo
from twnet_parser.messages7.system.ready import MsgReady
from twnet_parser.packet import TwPacket7, parse7

from connhandler import tasks

AGAIN_SECONDS = 0.25
"""So long after the last packet it is said again what was not acknowledged, or that we are still there."""

TO_ALL = 1

NO_TOKEN = b"\xff" * 4
OUR_TOKEN = b"\x01\x02\x03\x04"
CONTENTS = ("message", "name", "reason")
"""What is kept of a message: the attributes that hold its text, map or reason."""


class TeeworldsBot:
    """One player, who begins to join at once; whatever ends the connection does so for good.

    Args:
        name: of the player.
        port: of the server.
        address: of the server and of ours: this machine's.

    Attributes:
        heard: the messages of the server by name, with the text, map or reason that was in them.
    """

    def __init__(self, name: str, port: int, address: str = "127.0.0.1") -> None:
        self.name = name
        self.heard: Queue[tuple[str, str]] = Queue()
        self._socket = gevent.socket.socket(gevent.socket.AF_INET, gevent.socket.SOCK_DGRAM)
        self._socket.bind((address, 0))
        self._socket.connect((address, port))
        self._socket.settimeout(AGAIN_SECONDS)
        self._token = NO_TOKEN
        self._again_at = 0.0
        self._greeting: Any = CtrlToken(response_token=OUR_TOKEN)
        self._received = 0
        self._sent = 0
        self._unacknowledged: list[Any] = []
        self._answers: dict[str, Callable[[Any], None]] = {
            "token": self._answer_token,
            "accept": self._answer_accept,
            "map_change": lambda message: self._send_vital(MsgReady()),
            "con_ready": lambda message: self._send_vital(MsgClStartInfo(name=self.name, clan="")),
            "sv_ready_to_enter": lambda message: self._send_vital(MsgEnterGame()),
        }
        self._send(self._greeting)
        self._task = tasks.spawn(f"bot.{name}", self._run)

    def say(self, text: str) -> None:
        """Say something to everybody."""
        self._send_vital(MsgClSay(mode=TO_ALL, target=-1, message=text))

    def expect(self, name: str, content: str = "", seconds: float = 10.0) -> str:
        """Pass over what was heard up to a message of this name with this in it, and return what was in it.

        Raises:
            AssertionError: it was not heard in time, or the server ended the connection before.
        """
        passed = []
        with gevent.Timeout(seconds, AssertionError(f"{self.name} did not hear {name} {content!r} in {seconds:g} s")):
            while True:
                heard = self.heard.get()
                if heard[0] == name and content in heard[1]:
                    return heard[1]
                passed.append(heard)
                assert heard[0] != "close", f"{self.name} waited for {name} {content!r}, and heard {passed}"

    def close(self) -> None:
        """Leave."""
        if not self._task.dead:
            self._send(CtrlClose())
            self._task.kill()
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                packet = parse7(self._socket.recv(NET_MAX_PACKETSIZE))
            except TimeoutError:
                self._say_again()
            except OSError as error:  # Nobody is at that port any more.
                self.heard.put(("close", str(error)))
                return
            else:
                self._forget_acknowledged(packet.header.ack)
                for message in filter(self._is_next, packet.messages):
                    self._take(message)
                    if message.message_name == "close":
                        return
                if time.monotonic() >= self._again_at:
                    self._say_again()

    def _say_again(self) -> None:
        """What may be lost, or that we are still there, and how much has come: nobody may be silent for long."""
        self._send(self._greeting, *self._unacknowledged)

    def _take(self, message: Any) -> None:
        name: str = message.message_name
        if name in self._answers:
            self._answers[name](message)
        if not name.startswith("snap"):
            content = next((getattr(message, key) for key in CONTENTS if hasattr(message, key)), "")
            self.heard.put((name, str(content or "")))

    def _answer_token(self, message: Any) -> None:
        self._token = message.response_token
        self._greeting = CtrlConnect(response_token=OUR_TOKEN)
        self._send(self._greeting)

    def _answer_accept(self, message: Any) -> None:
        if isinstance(self._greeting, CtrlConnect):
            self._greeting = CtrlKeepAlive()
            self._send_vital(MsgInfo())

    def _is_next(self, message: Any) -> bool:
        """Whether a message is to be taken now: one that must arrive is only when those before it have."""
        header = getattr(message, "header", None)
        if header is None or not header.flags.vital:
            return True
        if header.seq != (self._received + 1) % NET_MAX_SEQUENCE:
            return False
        self._received = header.seq
        return True

    def _send_vital(self, message: Any) -> None:
        self._sent = (self._sent + 1) % NET_MAX_SEQUENCE
        message.header.flags.vital = True
        message.header.seq = self._sent
        self._unacknowledged.append(message)
        self._send(message)

    def _forget_acknowledged(self, acknowledged: int) -> None:
        if acknowledged in [message.header.seq for message in self._unacknowledged]:
            while self._unacknowledged.pop(0).header.seq != acknowledged:
                pass

    def _send(self, *messages: Any) -> None:
        """Each in a packet of its own: control messages cannot share one."""
        self._again_at = time.monotonic() + AGAIN_SECONDS
        for message in messages:
            packet = TwPacket7()
            packet.header.token = self._token
            packet.header.ack = self._received
            packet.messages.append(message)
            self._socket.send(packet.pack())
