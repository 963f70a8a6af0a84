"""The asyncio client of `websockets`.

python -m tests.conformance.websocket_clients.client_asyncio URL COMPRESSED CERTIFICATE
"""

import asyncio
import json
import sys
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.conformance.websocket_clients.conversation import HEARTBEATS_SECONDS, LARGE, client_context


async def talk(url: str, compressed: bool, certificate: str) -> dict[str, Any]:
    how: dict[str, Any] = {"ssl": client_context(certificate), "compression": "deflate" if compressed else None}
    result: dict[str, Any] = {}
    async with connect(url, subprotocols=["echo.v3", "echo.v1", "echo.v2"], **how) as client:  # type: ignore[list-item]
        result["subprotocol"] = client.subprotocol
        result["compressed"] = bool(client.protocol.extensions)
        result["texts"] = []
        for text in ("", "grüß dich"):
            await client.send(text)
            result["texts"].append(await client.recv())
        await client.send([LARGE[:1000], LARGE[1000:]])
        result["texts"].append(await client.recv())
        result["binaries"] = []
        for data in (b"", bytes(range(256))):
            await client.send(data)
            result["binaries"].append((await client.recv(decode=False)).hex())
        await client.send("count 500")
        result["counted"] = [await client.recv() for _ in range(500)]
        await client.send("size 1000000")
        result["size"] = len(await client.recv())
        await asyncio.wait_for(await client.ping("are you there"), 10)
        await asyncio.sleep(HEARTBEATS_SECONDS)
        await client.send("still there")
        result["still"] = await client.recv()
        await client.send("close 4001 as asked")
        try:
            await client.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            result["closed by server"] = [closed.rcvd.code, closed.rcvd.reason]
    async with connect(url, **how) as client:
        await client.close()
        result["closed by client"] = [client.close_code, client.close_reason]
    result["refused"] = []
    for status in (401, 403, 429):
        try:
            await connect(f"{url}?refuse={status}", **how)
        except InvalidStatus as refused:
            assert refused.response.body == b"as asked\n"
            result["refused"].append(refused.response.status_code)
    async with connect(url, **how) as client:
        try:
            await client.send(b"x" * 1_100_000)
            await client.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            result["too big"] = closed.rcvd.code
    return result


if __name__ == "__main__":
    print(json.dumps(asyncio.run(talk(sys.argv[1], bool(sys.argv[2]), sys.argv[3]))))
