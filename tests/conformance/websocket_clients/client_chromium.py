"""A page in Chromium, without a window.

python -m tests.conformance.websocket_clients.client_chromium URL COMPRESSED CERTIFICATE

A browser asks for compression always, so what it got is told and not chosen; it cannot see the status of a refusal
(it sees 1006), nor ping.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.conformance.websocket_clients.conversation import HEARTBEATS_SECONDS, LARGE

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
SCRIPT = Path(__file__).with_name("client_chromium.js")


def talk(url: str, certificate: str) -> dict[str, Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page(ignore_https_errors=bool(certificate))
        page.goto(url.replace("ws", "http", 1).removesuffix("/socket") + "/")
        arguments = {"url": url, "large": LARGE, "seconds": HEARTBEATS_SECONDS}
        result: dict[str, Any] = page.evaluate(SCRIPT.read_text(encoding="utf-8"), arguments)
        other = browser.new_page()
        other.goto("data:text/html,<title>of nobody</title>")
        result["from another page"] = other.evaluate(
            "url => new Promise(done => { new WebSocket(url).onclose = event => done(event.code); })", url
        )
        browser.close()
        return result


if __name__ == "__main__":
    print(json.dumps(talk(sys.argv[1], sys.argv[3])))
