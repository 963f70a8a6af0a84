"""Other people's WebSocket servers: `websockets`, synchronous and asyncio, and `aiohttp`.

    python -m tests.conformance.websocket_clients.far_servers KIND

The first line on stdout is the port. Every message comes back, but for `close CODE REASON`, which closes. The path
`/refuse` is refused with 403. They offer to compress, and ping every half a second.
"""

import asyncio
import sys
from http import HTTPStatus
from typing import Any

import websockets.asyncio.server
import websockets.sync.server
from aiohttp import WSMsgType, web
from websockets.typing import Subprotocol

PING_SECONDS = 0.5
SUBPROTOCOLS = [Subprotocol("echo")]


def refuse(connection: Any, request: Any) -> Any:
    return connection.respond(HTTPStatus.FORBIDDEN, "not here\n") if request.path == "/refuse" else None


def serve_sync() -> None:
    def echo(connection: websockets.sync.server.ServerConnection) -> None:
        for message in connection:
            if isinstance(message, str) and message.startswith("close "):
                _, code, reason = message.split(" ", 2)
                connection.close(int(code), reason)
            else:
                connection.send(message)

    server = websockets.sync.server.serve(
        echo,
        "127.0.0.1",
        0,
        process_request=refuse,
        subprotocols=SUBPROTOCOLS,
        ping_interval=PING_SECONDS,
    )
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()


async def serve_asyncio() -> None:
    async def echo(connection: websockets.asyncio.server.ServerConnection) -> None:
        async for message in connection:
            if isinstance(message, str) and message.startswith("close "):
                _, code, reason = message.split(" ", 2)
                await connection.close(int(code), reason)
            else:
                await connection.send(message)

    server = await websockets.asyncio.server.serve(
        echo,
        "127.0.0.1",
        0,
        process_request=refuse,
        subprotocols=SUBPROTOCOLS,
        ping_interval=PING_SECONDS,
    )
    print(next(iter(server.sockets)).getsockname()[1], flush=True)
    await server.serve_forever()


async def serve_aiohttp() -> None:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(protocols=["echo"], heartbeat=PING_SECONDS)
        await connection.prepare(request)
        async for message in connection:
            if message.type is WSMsgType.TEXT and message.data.startswith("close "):
                _, code, reason = message.data.split(" ", 2)
                await connection.close(code=int(code), message=reason.encode())
            elif message.type is WSMsgType.TEXT:
                await connection.send_str(message.data)
            else:
                await connection.send_bytes(message.data)
        return connection

    async def forbid(request: web.Request) -> web.Response:
        return web.Response(status=403, text="not here\n")

    application = web.Application()
    application.add_routes([web.get("/refuse", forbid), web.get("/{tail:.*}", echo)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "sync":
        serve_sync()
    else:
        asyncio.run({"asyncio": serve_asyncio, "aiohttp": serve_aiohttp}[sys.argv[1]]())
