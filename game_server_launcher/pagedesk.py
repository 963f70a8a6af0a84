"""The dashboard: what browsers ask for, and who may ask. Part of the central task.

Whoever can see or send anything here has a key: it is part of every path, and so in no cookie, which a browser would
show to every other server on this machine. `/?key=KEY` leads to `/KEY/`. Nothing is answered that asks for a server of
another name, which a page elsewhere could let lead here, and no order is taken that comes from a page elsewhere.
"""

import hmac
import importlib.resources
import ipaddress
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from connhandler import Busy, CentralTask, WorkerPool
from connhandler.central import MessageHandler
from connhandler.http import HttpError, HttpRequest, HttpResponse
from connhandler.staticfiles import StaticFiles
from game_server_launcher.control import AnyOrder
from game_server_launcher.gamefile import OUTPUT_FILE
from game_server_launcher.history import History
from game_server_launcher.operations import OperationRefused
from game_server_launcher.orders import Orders
from game_server_launcher.outputtail import OutputTail
from game_server_launcher.overview import Overview
from game_server_launcher.pagehandler import PagePeer
from game_server_launcher.runfolder import RunFolder
from game_server_launcher.servers import GameServer, find

logger = logging.getLogger(__name__)

OUTPUT_LINES = 100
OUTPUT_BYTES = 64 * 1024

ORDER_SECONDS = 45.0
"""A page is told after so long that something still goes on, before the connection gives up."""

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    ),
}

_orders = msgspec.json.Decoder(AnyOrder)


class PageDesk:
    """Everything about the dashboard.

    Args:
        central: whose task this runs in.
        servers: by name; owned by the program.
        folder: where the key is kept, and what the games print.
        pool: where files are read.
        overview: how all stands.
        history: how it was.
        orders: carries orders out.

    Attributes:
        key: the secret part of every path.
        address: the host that the page is asked for by, besides this machine's addresses.
    """

    def __init__(
        self,
        central: CentralTask,
        servers: dict[str, GameServer],
        folder: RunFolder,
        pool: WorkerPool,
        overview: Overview,
        history: History,
        orders: Orders,
    ) -> None:
        self.key = folder.page_key(central.new_id() + central.new_id())
        self.address = ""
        self._central = central
        self._servers = servers
        self._folder = folder
        self._pool = pool
        self._overview = overview
        self._history = history
        self._orders = orders
        files = importlib.resources.files("game_server_launcher") / "page"
        self._files = StaticFiles(files, prefix=f"/{self.key}/", headers=HEADERS)
        self._answers: dict[tuple[str, str], Callable[[PagePeer, HttpRequest], None]] = {
            ("GET", "state"): self._state,
            ("GET", "output"): self._output,
            ("POST", "orders"): self._order,
        }

    def rows(self) -> dict[tuple[type[Any], type[Any]], MessageHandler]:
        """Of the dispatch table."""
        return {(PagePeer, HttpRequest): self.requested}

    def opened(self, address: str, port: int) -> str:
        """The page can be asked for there; return where a person finds it."""
        self.address = address
        host = "localhost" if address in ("0.0.0.0", "::") else f"[{address}]" if ":" in address else address
        self._overview.page = f"http://{host}:{port}/?key={self.key}"
        return self._overview.page

    def requested(self, peer: PagePeer, request: HttpRequest) -> None:
        """Raises:
        HttpError: it is not answered.
        """
        self._check_host(request)
        _, key, *rest = request.path.split("/", 2)
        if request.path == "/" and self._is_key(request.query.get("key", "")):
            peer.send(HttpResponse(303, headers={**HEADERS, "Location": f"/{self.key}/"}))
            return
        if not self._is_key(key):
            why = "this page needs its key: 'game-server-launcher status' shows the whole address"
            raise HttpError(403, why, HEADERS)
        answer = self._answers.get((request.method, "".join(rest)))
        if answer is not None:
            answer(peer, request)
        else:
            peer.send(self._files.answer(request) or HttpResponse.error(404, "there is no such page", HEADERS))

    def _state(self, peer: PagePeer, request: HttpRequest) -> None:
        since = _number(request.query.get("since", ""))
        servers = self._overview.current
        told = {
            "launcher": self._overview.status(),
            "samples": {server.public_name: self._history.samples(server, since) for server in servers},
            "events": {server.public_name: self._history.events(server, since) for server in servers},
        }
        _send_json(peer, told)

    def _output(self, peer: PagePeer, request: HttpRequest) -> None:
        name = request.query.get("server", "")
        server = find(self._servers, name)
        if server is None:
            raise HttpError(404, "there is no such server", HEADERS)
        tail = OutputTail(self._folder.server_folder(server.name) / OUTPUT_FILE)
        try:
            self._central.perform(
                self._pool,
                tail.last_lines,
                OUTPUT_LINES,
                OUTPUT_BYTES,
                then=lambda lines, error: _send_lines(peer, lines, error),
            )
        except Busy as error:
            raise HttpError(503, "the disk is slow; try again", HEADERS) from error

    def _order(self, peer: PagePeer, request: HttpRequest) -> None:
        if request.headers.get("origin", "").partition("://")[2] != request.headers["host"]:
            raise HttpError(403, "only the page itself may order something", HEADERS)
        if request.headers.get("content-type") != "application/json":
            raise HttpError(415, "expected JSON", HEADERS)
        try:
            order = _orders.decode(request.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise HttpError(400, f"not understood: {error}", HEADERS) from error
        try:
            self._orders.carry_out(
                order,
                lambda succeeded, text: _send_json(peer, {"succeeded": succeeded, "text": text}),
                ORDER_SECONDS,
            )
        except OperationRefused as refusal:
            _send_json(peer, {"succeeded": False, "text": str(refusal)})

    def _is_key(self, key: str) -> bool:
        return hmac.compare_digest(key.encode(), self.key.encode())

    def _check_host(self, request: HttpRequest) -> None:
        """Raises:
        HttpError: the page was asked for by a name that is none of this machine, as far as is known here.
        """
        host = request.headers.get("host", "").rpartition("@")[2]
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if name not in ("localhost", self.address) and not _is_address(name):
            raise HttpError(421, "this page is asked for by an address, or as localhost", HEADERS)


def _send_json(peer: PagePeer, value: object) -> None:
    peer.send(HttpResponse(200, msgspec.json.encode(value), "application/json", HEADERS))


def _send_lines(peer: PagePeer, lines: list[str] | None, error: BaseException | None) -> None:
    if error is not None and not isinstance(error, FileNotFoundError):
        peer.send(HttpResponse.error(500, f"the output cannot be read: {error}", HEADERS))
    else:
        _send_json(peer, {"lines": lines or []})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
