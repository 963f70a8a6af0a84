"""A chat room in one file: a page, and its WebSocket on the same port.

    python -m examples.page_and_socket

Then open http://127.0.0.1:9997/ in two windows.
"""

import argparse
import json
import logging
import sys

from connhandler import CentralTask, PeerConnected, PeerDisconnected, Service
from connhandler.http import HttpConnectionHandler, HttpPeer, HttpRequest, HttpResponse
from connhandler.websocket import WebSocketConnectionHandler, WebSocketMessage, WebSocketPeer

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Chat</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<style>
  body { margin: 0 auto; max-width: 40rem; height: 100dvh; display: flex; flex-direction: column; background: #f0ece3;
         font: 16px/1.4 system-ui, sans-serif; color: #234 }
  header, form { padding: .8rem 1rem; background: #fff }
  ol { flex: 1; margin: 0; padding: 1rem; overflow-y: auto; list-style: none; overflow-wrap: anywhere }
  li { width: fit-content; max-width: 80%; margin-bottom: .6rem; padding: .4rem 1rem; border-radius: 1rem;
       background: #fff }
  li.mine { margin-left: auto; background: #cfe8d6 } small { display: block; color: #567 }
  input { width: 100%; box-sizing: border-box; padding: .6rem 1rem; border: 1px solid #9ab; border-radius: 2rem;
          font: inherit }
</style>
<header>Connecting …</header><ol></ol><form><input placeholder="Say something" maxlength="500" autofocus></form>
<script>
  const [header, list, form, input] = ["header", "ol", "form", "input"].map(name => document.querySelector(name))
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/chat")
  socket.onmessage = event => {
    const {you, here, name, text} = JSON.parse(event.data)
    if (here) return header.textContent = `You are ${you}. In the room: ${here.join(", ")}.`
    const item = list.appendChild(document.createElement("li"))
    item.className = name === you ? "mine" : ""
    item.appendChild(document.createElement("small")).textContent = name
    item.append(text)
    item.scrollIntoView()
  }
  socket.onclose = () => header.textContent = "The connection has ended. Reload the page to come back."
  form.onsubmit = event => {
    event.preventDefault()
    if (input.value && socket.readyState === WebSocket.OPEN) socket.send(input.value), form.reset()
  }
</script></html>
"""


class GuestPeer(WebSocketPeer):
    nickname: str


class GuestHandler(WebSocketConnectionHandler):
    peer_class = GuestPeer


class ChatRoom(CentralTask):
    def __init__(self) -> None:
        super().__init__("chat_room")
        self.guests: list[GuestPeer] = []
        self.dispatch = {
            (HttpPeer, HttpRequest): self.page_requested,
            (GuestPeer, PeerConnected): self.guest_came,
            (GuestPeer, WebSocketMessage): self.guest_said,
            (GuestPeer, PeerDisconnected): self.guest_left,
        }

    def page_requested(self, peer: HttpPeer, request: HttpRequest) -> None:
        peer.send(HttpResponse.html(PAGE) if request.path == "/" else HttpResponse.error(404, "there is no such page"))

    def guest_came(self, peer: GuestPeer, message: PeerConnected) -> None:
        peer.nickname = f"{self.random.choice(['Badger', 'Heron', 'Lynx', 'Otter', 'Owl', 'Toad'])} {peer.serial}"
        self.guests.append(peer)
        self.tell_all(here=[guest.nickname for guest in self.guests])

    def guest_said(self, peer: GuestPeer, message: WebSocketMessage) -> None:
        self.tell_all(name=peer.nickname, text=str(message.data)[:500])

    def guest_left(self, peer: GuestPeer, message: PeerDisconnected) -> None:
        self.guests.remove(peer)
        self.tell_all(here=[guest.nickname for guest in self.guests])

    def tell_all(self, **what: object) -> None:
        for guest in self.guests:
            guest.send(json.dumps({"you": guest.nickname, **what}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=9997, help="port to listen on (default: %(default)s)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    room = ChatRoom()
    guests = GuestHandler("guests", "127.0.0.1", 0, room.queue, origins=["same"])
    pages = HttpConnectionHandler("pages", "127.0.0.1", arguments.port, room.queue, upgrades={"/chat": guests})
    sys.exit(Service(room, [pages]).run())
