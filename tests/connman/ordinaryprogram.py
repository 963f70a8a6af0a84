"""An ordinary program, which never heard of gevent: its games and its matchmaking are threads.

    python -m tests.connman.ordinaryprogram SCENARIO

Prints what happened, a line for each thing; `test_ordinary_program.py` says what it should be.
"""

import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import connman
from tests.connman.support import Client, TableConnMan

connman.ConnMan = TableConnMan  # type: ignore[assignment, misc]  # with users that need no database


def log_in(name: str) -> Client:
    client = Client(socket.create_connection(("127.0.0.1", connman.running().port)))
    assert client.receive()["subtype"] == "loginRequest"
    client.send({"user": name, "pass": "pw"})
    client.client_id = client.receive()["id"]
    return client


def matchmaking() -> None:
    """Starts a game, and a thread for it, for every two who have asked."""
    waiting: list[int] = []
    games: list[threading.Thread] = []
    while (message := connman.get_match_message(blocking=True)) is not None:
        addr, packet = message
        if "Queue" in packet:
            waiting.append(addr)
        if len(waiting) == 2:
            game = threading.Thread(target=play, args=(len(games) + 1, waiting))
            game.start()
            games.append(game)
            waiting = []
    for game in games:
        game.join()


def play(game_id: int, clients: list[int]) -> None:
    """Passes on what they say until one of them leaves."""
    connman.start_game(game_id, clients)
    for addr in clients:
        connman.send_message(addr, {"type": "START", "game_id": game_id})
    while (message := connman.get_game_message(game_id, blocking=True)) is not None:
        addr, packet = message
        if packet.get("subtype") == "DC":
            break
        connman.send_message(0, {"type": "BROADCAST", "game_id": game_id, "from": addr, "n": packet["n"]})
    connman.end_game(game_id, clients)


def games() -> None:
    """Twenty games at the same time, a thread for each, and a thread for each client."""
    connman.start()
    matchmaker = threading.Thread(target=matchmaking)
    matchmaker.start()

    def live(number: int) -> tuple[int, int]:
        client = log_in(f"user{number}")
        client.send({"Queue": "Test"})
        game_id = client.receive()["game_id"]
        heard: dict[int, list[int]] = {}
        for n in range(50):
            client.send({"game_id": game_id, "n": n})
        for _ in range(100):
            packet = client.receive()
            heard.setdefault(packet["from"], []).append(packet["n"])
        assert [numbers == list(range(50)) for numbers in heard.values()] == [True, True]
        client.close()
        return game_id, len(heard)

    with ThreadPoolExecutor(40) as threads:
        played = list(threads.map(live, range(3, 43)))
    print("games", sorted({game_id for game_id, _ in played}) == list(range(1, 21)))
    print("gevent", "threading" in __import__("gevent.monkey").monkey.saved)
    print("stopped", connman.stop(20))
    matchmaker.join(20)
    print("matchmaking ended", not matchmaker.is_alive())


def eight_at_once() -> None:
    """Eight threads start it at the same moment: one does, the others are told."""
    ready, outcomes = threading.Barrier(8), list[str]()

    def start() -> None:
        ready.wait()
        try:
            connman.start()
            outcomes.append("started")
        except RuntimeError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sorted(outcomes).count("started"), sorted(outcomes).count("ConnMan was started already"))
    print("stopped", connman.stop(10))


def waiting_main_thread() -> None:
    """The main thread waits for messages; another ends it all."""
    connman.start()
    client = log_in("bob")
    closing: list[Any] = []

    def end() -> None:
        closing.append(connman.stop(20))

    for _ in range(2):
        message = connman.get_match_message(blocking=True)
        assert message is not None
        print(message.addr, message.packet["subtype"])
        if message.packet["subtype"] == "C":
            client.close()
    ending = threading.Timer(0.1, end)
    ending.start()
    print("main", connman.get_match_message(blocking=True))
    ending.join()
    print("stopped", closing)


if __name__ == "__main__":
    {f.__name__: f for f in (games, eight_at_once, waiting_main_thread)}[sys.argv[1]]()
