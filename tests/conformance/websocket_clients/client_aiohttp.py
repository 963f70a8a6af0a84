"""The client of `aiohttp`.

python -m tests.conformance.websocket_clients.client_aiohttp URL COMPRESSED CERTIFICATE
"""

import asyncio
import json
import sys
from typing import Any

from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from tests.conformance.websocket_clients.conversation import HEARTBEATS_SECONDS, LARGE, client_context


async def talk(url: str, compressed: bool, certificate: str) -> dict[str, Any]:
    how: dict[str, Any] = {"ssl": client_context(certificate) or True, "compress": 12 if compressed else 0}
    result: dict[str, Any] = {}
    async with ClientSession() as session:
        async with session.ws_connect(url, protocols=["echo.v3", "echo.v1", "echo.v2"], **how) as client:
            result["subprotocol"] = client.protocol
            result["compressed"] = bool(client.compress)
            result["texts"] = []
            for text in ("", "grüß dich", LARGE):
                await client.send_str(text)
                result["texts"].append(await client.receive_str())
            result["binaries"] = []
            for data in (b"", bytes(range(256))):
                await client.send_bytes(data)
                result["binaries"].append((await client.receive_bytes()).hex())
            await client.send_str("count 500")
            result["counted"] = [await client.receive_str() for _ in range(500)]
            await client.send_str("size 1000000")
            result["size"] = len(await client.receive_bytes())
            await client.ping(b"are you there")
            waiting = asyncio.create_task(client.receive_str())  # it answers pings only while it receives
            await asyncio.sleep(HEARTBEATS_SECONDS)
            await client.send_str("still there")
            result["still"] = await waiting
            await client.send_str("close 4001 as asked")
            message = await client.receive()
            assert message.type is WSMsgType.CLOSE
            result["closed by server"] = [message.data, message.extra]
        async with session.ws_connect(url, **how) as client:
            await client.close()
            result["closed by client"] = [client.close_code, ""]
        result["refused"] = []
        for status in (401, 403, 429):
            try:
                await session.ws_connect(f"{url}?refuse={status}", **how)
            except WSServerHandshakeError as refused:
                result["refused"].append(refused.status)
        async with session.ws_connect(url, **how) as client:
            await client.send_bytes(b"x" * 1_100_000)
            message = await client.receive()
            assert message.type is WSMsgType.CLOSE
            result["too big"] = message.data
    return result


if __name__ == "__main__":
    print(json.dumps(asyncio.run(talk(sys.argv[1], bool(sys.argv[2]), sys.argv[3]))))
