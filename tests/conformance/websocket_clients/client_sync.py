"""The synchronous client of `websockets`.

python -m tests.conformance.websocket_clients.client_sync URL COMPRESSED CERTIFICATE
"""

import json
import sys
import time
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.conformance.websocket_clients.conversation import HEARTBEATS_SECONDS, LARGE, client_context


def talk(url: str, compressed: bool, certificate: str) -> dict[str, Any]:
    how: dict[str, Any] = {"ssl": client_context(certificate), "compression": "deflate" if compressed else None}
    result: dict[str, Any] = {}
    with connect(url, subprotocols=["echo.v3", "echo.v1", "echo.v2"], **how) as client:  # type: ignore[list-item]
        result["subprotocol"] = client.subprotocol
        result["compressed"] = bool(client.protocol.extensions)
        result["texts"] = []
        for text in ("", "grüß dich"):
            client.send(text)
            result["texts"].append(client.recv())
        client.send([LARGE[:1000], LARGE[1000:]])
        result["texts"].append(client.recv())
        result["binaries"] = []
        for data in (b"", bytes(range(256))):
            client.send(data)
            result["binaries"].append(client.recv(decode=False).hex())
        client.send("count 500")
        result["counted"] = [client.recv() for _ in range(500)]
        client.send("size 1000000")
        result["size"] = len(client.recv())
        assert client.ping("are you there").wait(10)
        time.sleep(HEARTBEATS_SECONDS)
        client.send("still there")
        result["still"] = client.recv()
        client.send("close 4001 as asked")
        try:
            client.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            result["closed by server"] = [closed.rcvd.code, closed.rcvd.reason]
    with connect(url, **how) as client:
        client.close()
        result["closed by client"] = [client.close_code, client.close_reason]
    result["refused"] = []
    for status in (401, 403, 429):
        try:
            connect(f"{url}?refuse={status}", **how)
        except InvalidStatus as refused:
            assert refused.response.body == b"as asked\n"
            result["refused"].append(refused.response.status_code)
    with connect(url, **how) as client:
        try:
            client.send(b"x" * 1_100_000)
            client.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            result["too big"] = closed.rcvd.code
    return result


if __name__ == "__main__":
    print(json.dumps(talk(sys.argv[1], bool(sys.argv[2]), sys.argv[3])))
