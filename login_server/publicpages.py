"""The pages that the HTTP port shows to people, and what each may do in a browser."""

import base64
import hashlib
import importlib.resources
import re

from connhandler.http import HttpRequest, HttpResponse
from connhandler.staticfiles import StaticFiles

PLAY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        # Game servers are at ports, and perhaps at addresses, of their own.
        "connect-src 'self' ws: wss:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
"""What the page for players may do: nothing inline, nothing from elsewhere, no text as markup (CSP level 3)."""

_HTML = "text/html; charset=utf-8"


class PublicPages:
    """The page for players at `/`, what it is made of below `/play/`, and the page of the status at `/monitor`."""

    def __init__(self) -> None:
        folder = importlib.resources.files("login_server").joinpath("pages")
        monitor = folder.joinpath("status.html").read_bytes()
        self._pages = {
            "/": (folder.joinpath("play.html").read_bytes(), PLAY_POLICY),
            "/monitor": (monitor, _policy_by_hashes(monitor.decode())),
        }
        self._files = StaticFiles(folder.joinpath("play"), prefix="/play/")

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Return the response, or None when there is no such page."""
        page = self._pages.get(request.path)
        if page is None:
            return self._files.answer(request)
        body, policy = page
        return HttpResponse(200, body, _HTML, {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})


def _policy_by_hashes(page: str) -> str:
    """Allow a page its one script and its one style, by their hashes, and nothing else."""
    hashes = {}
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[tag] = f"{tag}-src 'sha256-{digest}'"
    return "; ".join(
        [
            "default-src 'none'",
            hashes["script"],
            hashes["style"],
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
