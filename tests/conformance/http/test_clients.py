"""Other people's HTTP clients, against a program in a process of its own."""

import http.client
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

CURL = shutil.which("curl") or ""
WRK = shutil.which("wrk") or ""
WAIT_SECONDS = 20
BODY = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def port(start_program: Callable[..., int]) -> int:
    return start_program(idle_seconds=10)


@pytest.fixture
def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def accepted(url: str) -> int:
    """How many connections the program has accepted so far, with the one that asks."""
    told: dict[str, int] = requests.get(url + "/counts", timeout=WAIT_SECONDS).json()
    return told["accepted"]


@pytest.fixture
def body_file(tmp_path: Path) -> Path:
    (tmp_path / "body").write_bytes(BODY)
    return tmp_path / "body"


# --- curl -------------------------------------------------------------------------------------------------------------


def curl(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    command = [CURL, "--silent", "--show-error", "--max-time", str(WAIT_SECONDS), "--noproxy", "*", *arguments]
    return subprocess.run(command, capture_output=True, check=True)


needs_curl = pytest.mark.skipif(not CURL, reason="curl is not installed")


@needs_curl
@pytest.mark.parametrize(
    ("arguments", "connections"),
    [
        (["--http1.0"], 20),
        (["--http1.0", "--header", "Connection: keep-alive"], 1),
        (["--http1.1"], 1),
        (["--http1.1", "--header", "Connection: close"], 20),
        (["--http2"], 1),
    ],
)
def test_curl_keeps_a_connection(url: str, arguments: list[str], connections: int) -> None:
    before = accepted(url)
    got = curl(*arguments, "--write-out", " %{http_code}\n", *(f"{url}/page/{number}" for number in range(20)))
    assert got.stdout.decode() == "".join(f"/page/{number} 200\n" for number in range(20))
    assert accepted(url) - before - 1 == connections


@needs_curl
def test_curl_posts_with_expect(url: str, body_file: Path) -> None:
    got = curl("--verbose", "--header", "Expect: 100-continue", "--data-binary", f"@{body_file}", url + "/body")
    assert got.stdout == BODY
    assert b"< HTTP/1.1 100 Continue" in got.stderr
    assert b"< HTTP/1.1 200 OK" in got.stderr


@needs_curl
def test_curl_does_not_send_a_body_that_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(bytes(500_001))
    arguments = ["--header", "Expect: 100-continue", "--data-binary", f"@{tmp_path / 'long'}"]
    got = curl("--verbose", *arguments, "--write-out", "%{size_upload}", url + "/body")
    assert got.stdout == b"413 Request Entity Too Large: a body of more than 500000 bytes\n0"
    assert b"100 Continue" not in got.stderr


@needs_curl
@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
def test_curl_posts(url: str, body_file: Path, version: str) -> None:
    got = curl(version, "--data-binary", f"@{body_file}", "--header", "Content-Type: image/png", url + "/body")
    assert got.stdout == BODY


@needs_curl
def test_curl_uploads_in_chunks(url: str, body_file: Path) -> None:
    arguments = ["--header", "Transfer-Encoding: chunked", "--upload-file", str(body_file)]
    got = curl("--verbose", *arguments, url + "/body")
    assert got.stdout == BODY
    assert b"> Transfer-Encoding: chunked" in got.stderr


@needs_curl
def test_curl_asks_for_the_head(url: str) -> None:
    got = curl("--head", url + "/large", url + "/page")
    heads = got.stdout.decode().split("\r\n\r\n")
    assert [re.findall(r"Content-Length: (\d+)", head) for head in heads] == [["500000"], ["5"], []]


@needs_curl
def test_curl_hears_what_was_wrong(url: str) -> None:
    got = curl("--write-out", " %{http_code}", "--request", "DELETE", url + "/page")
    assert got.stdout == b"405 Method Not Allowed: DELETE is not served here\n 405"
    got = curl("--write-out", " %{http_code}", url + "/missing")
    assert got.stdout == b"404 Not Found: there is no such page\n 404"


# --- http.client ------------------------------------------------------------------------------------------------------


def test_http_client(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    sock = None
    for number in range(5):
        connection.request("GET", f"/page/{number}")
        assert connection.getresponse().read() == f"/page/{number}".encode()
        assert connection.sock is (sock := sock or connection.sock)
    connection.request("POST", "/body", BODY)
    assert connection.getresponse().read() == BODY
    connection.request("PUT", "/body", iter([b"in ", b"chunks"]), encode_chunked=True)
    assert connection.getresponse().read() == b"in chunks"
    connection.request("HEAD", "/large")
    response = connection.getresponse()
    assert (response.read(), response.headers["Content-Length"]) == (b"", "500000")
    assert connection.sock is sock
    connection.close()


# --- requests ---------------------------------------------------------------------------------------------------------


def test_requests(url: str) -> None:
    before = accepted(url)
    with requests.Session() as session:
        session.trust_env = False
        for number in range(5):
            assert session.get(f"{url}/page/{number}", timeout=WAIT_SECONDS).text == f"/page/{number}"
        shown = session.get(url + "/request", params={"a": "\xe9 &"}, timeout=WAIT_SECONDS).json()
        assert (shown["method"], shown["query"]) == ("GET", {"a": "\xe9 &"})
        answer = session.post(url + "/body", json={"a": [1]}, timeout=WAIT_SECONDS)
        assert (answer.json(), answer.headers["Content-Type"]) == ({"a": [1]}, "application/json")
        assert session.post(url + "/body", data=iter([b"in ", b"chunks"]), timeout=WAIT_SECONDS).content == b"in chunks"
        assert session.head(url + "/large", timeout=WAIT_SECONDS).headers["Content-Length"] == "500000"
        assert session.get(url + "/missing", timeout=WAIT_SECONDS).status_code == 404
        assert session.get(url + "/large", timeout=WAIT_SECONDS).content == b"x" * 500_000
    assert accepted(url) - before == 2, "the session and that which asks"


# --- aiohttp ----------------------------------------------------------------------------------------------------------

AIOHTTP_CLIENT = """
import asyncio, json, sys
import aiohttp

async def main(url):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=4)) as session:
        async def text(number):
            async with session.get(f"{url}/page/{number}") as answer:
                return await answer.text()
        pages = await asyncio.gather(*(text(number) for number in range(100)))
        async def pieces():
            yield b"in "
            yield b"chunks"
        async with session.post(url + "/body", data=pieces(), expect100=True) as answer:
            chunks = await answer.text()
        async with session.post(url + "/body", json={"a": [1]}) as answer:
            posted = await answer.json()
        async with session.head(url + "/large") as answer:
            length = answer.headers["Content-Length"]
        async with session.get(url + "/large") as answer:
            large = len(await answer.read())
        async with session.get(url + "/missing") as answer:
            status = answer.status
    print(json.dumps([pages, chunks, posted, length, large, status]))

asyncio.run(main(sys.argv[1]))
"""


def test_aiohttp(url: str) -> None:
    before = accepted(url)
    command = [sys.executable, "-c", AIOHTTP_CLIENT, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)
    assert done.returncode == 0, done.stderr
    pages, *rest = json.loads(done.stdout)
    assert pages == [f"/page/{number}" for number in range(100)]
    assert rest == ["in chunks", {"a": [1]}, "500000", 500_000, 404]
    assert accepted(url) - before - 1 <= 4


# --- wrk --------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not WRK, reason="wrk is not installed (Debian: apt-get install wrk)")
@pytest.mark.parametrize("path", ["/page", "/large"])
def test_wrk(url: str, path: str) -> None:
    command = [WRK, "--threads", "1", "--connections", "50", "--duration", "1s", "--timeout", "5s", url + path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_SECONDS)
    print(done.stdout)
    (count,) = re.findall(r"(\d+) requests in", done.stdout)
    assert int(count) > 100
    assert not re.search("Socket errors|Non-2xx|out of order", done.stdout)


WRK_PIPELINE = """
-- Sixteen requests at a time on one connection: their answers must come in order.
init = function(args)
    local requests = {}
    for number = 1, 16 do requests[number] = wrk.format("POST", "/body", nil, "request " .. number) end
    all = table.concat(requests)
end
request = function() return all end
response = function(status, headers, body)
    count = (count or 0) % 16 + 1
    if status ~= 200 or body ~= "request " .. count then print("out of order: " .. body) end
end
"""


@pytest.mark.skipif(not WRK, reason="wrk is not installed (Debian: apt-get install wrk)")
def test_wrk_pipelines(url: str, tmp_path: Path) -> None:
    (tmp_path / "pipeline.lua").write_text(WRK_PIPELINE)
    command = [WRK, "--threads", "1", "--connections", "1", "--duration", "1s", "--script"]
    command += [str(tmp_path / "pipeline.lua"), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_SECONDS)
    print(done.stdout)
    (count,) = re.findall(r"(\d+) requests in", done.stdout)
    assert int(count) > 100
    assert not re.search("Socket errors|Non-2xx|out of order", done.stdout)
