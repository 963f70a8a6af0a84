"""The web application: Flask, with ordinary threads, around a `Manager`.

    browser ⇄ Flask (a thread for each request) ⇄ Manager ⇄ devices

What the devices say of themselves is strangers' text: it goes to the page as JSON, and the page makes text of it, never
HTML. Whoever can open the page can command the devices, so only pages of this very address may.
"""

from collections.abc import Collection, Iterator
from typing import Any, Final

from flask import Flask, Response, abort, json, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from examples.iot_web.feed import Feed
from iot_manager import Client, Manager

MAX_TEXT: Final = 500
"""The longest command, in characters; and so much is shown of what a device says."""

MAX_QUEUE_SECONDS: Final = 3600
ANSWER_SECONDS: Final = 5.0
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def create_app(manager: Manager, types: Collection[str], hosts: Collection[str]) -> Flask:
    """Return the application.

    Args:
        manager: whose devices the page is about. Its events are used up by this.
        types: of the manager.
        hosts: what the page may be called, as `localhost:8080`. A name that somebody else has pointed to this machine
            is none of them.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
    feed = Feed(manager.get_devices)

    @manager.event
    def on_connect(client: Client) -> None:
        feed.devices_changed()

    @manager.event
    def on_disconnect(client: Client) -> None:
        feed.devices_changed()

    @manager.event
    def on_message(client: Client, message: bytearray) -> None:
        feed.say("device", client.data.uuid, bytes(message).decode(errors="replace")[:MAX_TEXT])

    @app.before_request
    def check_address() -> None:
        if request.host not in hosts:
            abort(421, f"this page is not called {request.host!r} here")
        if request.method == "POST" and request.headers.get("Origin") != f"{request.scheme}://{request.host}":
            abort(403, "only the page itself may do this")

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    @app.errorhandler(HTTPException)
    def tell_error(error: HTTPException) -> tuple[Response, int]:
        return jsonify(error=error.description), error.code or 500

    @app.get("/")
    def show_page() -> str:
        return render_template("page.html", types=types, max_text=MAX_TEXT)

    @app.get("/events")
    def tell_events() -> Response:
        """Server-sent events: `devices`, all of them, and `said`, one after the other."""

        def events() -> Iterator[str]:
            for name, content in feed.follow():
                yield f"event: {name}\ndata: {json.dumps(content)}\n\n"

        return Response(events(), content_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @app.post("/send")
    def send() -> Response:
        """`{"to": "device" | "type" | "all", "target": …, "text": …, "queue_seconds": …}`"""
        order = _order("to", "target", "text")
        text = order["text"][:MAX_TEXT]
        if not text:
            abort(400, "there is nothing to send")
        if order["to"] == "all":
            told = f"sent to {_count(manager.send_all_string(text))}"
        elif order["to"] == "device":
            told = _send_to_one(order["target"], text, order.get("queue_seconds"))
        elif order["target"] in types:
            told = f"sent to {_count(manager.send_type_string(order['target'], text))}"
        else:
            abort(400, f"there is no type {order['target']!r}")
        feed.say("page", "all" if order["to"] == "all" else order["target"], text)
        feed.devices_changed()
        return jsonify(told=told)

    def _send_to_one(uuid: str, text: str, queue_seconds: Any) -> str:
        if not isinstance(queue_seconds, int | float) or not 0 <= queue_seconds <= MAX_QUEUE_SECONDS:
            abort(400, "queue_seconds is not a number of seconds")
        is_here = any(device["uuid"] == uuid and device["connected"] for device in manager.get_devices())
        try:
            taken = manager.send(uuid, text, queue_seconds=queue_seconds or None)
        except ValueError as error:
            abort(400, str(error))
        if taken is None:
            return "too much waits for it already" if queue_seconds else "it is away, and has missed this"
        return "sent" if is_here else f"it is away; the command waits for it, at most {queue_seconds:g} s"

    @app.post("/ask")
    def ask() -> Response:
        """`{"target": uuid, "text": …}`: the device's answer to the request `{"ask": text}`."""
        order = _order("target", "text")
        try:
            answer = manager.request(order["target"], {"ask": order["text"][:MAX_TEXT]}, timeout=ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person who asked is to know
            abort(504, f"no answer: {error or type(error).__name__}")
        feed.say("page", order["target"], f"? {order['text'][:MAX_TEXT]}")
        feed.say("device", order["target"], json.dumps(answer, ensure_ascii=False)[:MAX_TEXT])
        return jsonify(told="it has answered")

    return app


def _order(*names: str) -> dict[str, Any]:
    """Return what was posted, in which each of these is a text."""
    order = request.get_json()
    if not isinstance(order, dict) or any(not isinstance(order.get(name), str) for name in names):
        abort(400, f"expected a JSON object with {', '.join(names)}")
    return order


def _count(devices: int) -> str:
    return f"{devices} device{'' if devices == 1 else 's'}"
