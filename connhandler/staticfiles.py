"""Files that a program's HTTP port serves as they are: pages, scripts, pictures.

    pages = StaticFiles(importlib.resources.files("login_server") / "pages", headers={"X-Frame-Options": "DENY"})

    # in the central task
    def page_requested(self, peer: PagePeer, request: HttpRequest) -> None:
        peer.send(pages.answer(request) or HttpResponse.error(404, "there is no such page"))

All are read once, when this is made, so that no answer waits for a disk, and no path leads anywhere but to a file that
was there then. Each has an entity tag, so that a browser that has a file already hears 304.
"""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from connhandler.framing.httprequest import HttpRequest
from connhandler.framing.httpresponse import HttpResponse

MAX_FILES: Final = 1_000
MAX_FILE_BYTES: Final = 1_000_000
"""As an answer, it is one message: `Limits.max_message_bytes` must have room for it."""
MAX_DEPTH: Final = 16

INDEX: Final = "index.html"
BINARY: Final = "application/octet-stream"
CONTENT_TYPES: Final = {
    ".avif": "image/avif",
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}


class File(NamedTuple):
    content: bytes
    content_type: str
    tag: str
    """As it stands in `ETag`, with its quotation marks."""


class StaticFiles:
    """The files of one folder and the folders in it, but for hidden ones.

    Args:
        folder: where they are read from.
        prefix: the path under which they are served. A folder's `index.html` is what its own path shows.
        headers: sent with each of them. They may set `Cache-Control`, which is `no-cache` else: a browser asks each
            time whether its copy is still right.

    Attributes:
        files: by request path.

    Raises:
        ValueError: there are more than `MAX_FILES`, one has more than `MAX_FILE_BYTES`, or they lie deeper than
            `MAX_DEPTH`.
        OSError: one cannot be read.
    """

    def __init__(self, folder: Traversable | Path, prefix: str = "/", headers: Mapping[str, str] | None = None) -> None:
        prefix = prefix.rstrip("/") + "/"
        self.files: dict[str, File] = {}
        self._headers = {"Cache-Control": "no-cache", **(headers or {}), "X-Content-Type-Options": "nosniff"}
        for name, content in _read(folder, MAX_DEPTH):
            self.files[prefix + name] = _file(name, content)
            if len(self.files) > MAX_FILES:
                raise ValueError(f"more than {MAX_FILES} files in {folder}")
        for path in [path for path in self.files if path.endswith("/" + INDEX)]:
            self.files[path.removesuffix(INDEX)] = self.files[path]

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer to a GET or HEAD of one of these files; None for any other request."""
        if request.method not in ("GET", "HEAD"):
            return None
        file = self.files.get(request.path)
        if file is None:
            return self._redirect(request) if request.path + "/" in self.files else None
        headers = {**self._headers, "ETag": file.tag}
        if _names(request.headers.get("if-none-match", ""), file.tag):
            return HttpResponse(304, headers=headers)
        return HttpResponse(200, file.content, file.content_type, headers)

    def _redirect(self, request: HttpRequest) -> HttpResponse:
        """A folder's path ends with a slash, else the relative links in its page would lead astray."""
        location = quote(request.path + "/")
        if request.query:
            location += "?" + urlencode(request.query)
        return HttpResponse(301, headers={**self._headers, "Location": location})


def _read(folder: Traversable, depth: int) -> Iterator[tuple[str, bytes]]:
    """Return relative paths and contents."""
    if not depth:
        raise ValueError(f"folders more than {MAX_DEPTH} deep at {folder}")
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            for name, content in _read(entry, depth - 1):
                yield f"{entry.name}/{name}", content
        else:
            content = entry.read_bytes()
            if len(content) > MAX_FILE_BYTES:
                raise ValueError(f"a file of more than {MAX_FILE_BYTES} bytes: {entry}")
            yield entry.name, content


def _file(name: str, content: bytes) -> File:
    content_type = CONTENT_TYPES.get(PurePosixPath(name).suffix.lower(), BINARY)
    return File(content, content_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _names(if_none_match: str, tag: str) -> bool:
    """Whether the client has this version (RFC 9110, 13.1.2; a weak tag counts as well)."""
    known = [known.strip().removeprefix("W/") for known in if_none_match.split(",")]
    return tag in known or known == ["*"]
