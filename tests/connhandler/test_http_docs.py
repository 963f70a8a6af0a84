"""What the page on protocols says about HTTP is what is sent and refused."""

import re
from pathlib import Path

from connhandler.framing.http import RequestParser
from connhandler.framing.httphead import MAX_HEADER_BYTES, MAX_HEADERS, MAX_LINE_BYTES
from connhandler.framing.httprequest import MAX_QUERY_FIELDS
from connhandler.framing.httpresponse import HttpResponse, encode_response, http_date

PAGE = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")


def said(block: str, mark: str) -> bytes:
    lines = [line[2:] for line in block.splitlines() if line.startswith(mark)]
    return "\r\n".join(lines).encode()


def test_the_example() -> None:
    (block,) = re.findall(r"^```http\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (request,) = RequestParser(1000).receive_data(said(block, ">"))
    assert (request.method, request.path, request.query) == ("POST", "/echo", {"a": "1"})
    assert encode_response(HttpResponse(body=request.body), date=http_date(784111777)) == said(block, "<")


def test_the_bounds() -> None:
    assert f"a request line of more than {MAX_LINE_BYTES // 1024} KiB" in PAGE
    assert f"headers of more than {MAX_HEADER_BYTES // 1024} KiB together, or more than {MAX_HEADERS} of them" in PAGE
    assert f"more than {MAX_QUERY_FIELDS} query fields" in PAGE


def test_the_statuses_are_those_that_are_sent() -> None:
    folder = Path(__file__).parents[2] / "connhandler"
    files = [folder / "http.py", *(folder / "framing").glob("http*.py")]
    sent = {
        int(status)
        for file in files
        for status in re.findall(r"(?:(?<!`)HttpError|HttpResponse\.error)\((\d{3})", file.read_text(encoding="utf-8"))
    }
    (section,) = re.findall(r"^## HTTP$(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    assert sent == {int(status) for status in re.findall(r"^\| (\d{3}) \|", section, re.MULTILINE)}
