"""Guess the number, a game over lines of text that knows nothing of this framework but one file.

A player connects, says a name, and guesses numbers from 1 to 100; who is right first wins the match that the launcher
has announced. Its game file is `examples/embedded_game.toml`; with a launcher running, `nc 127.0.0.1 PORT` plays.
"""

import random
import socketserver
import sys
import threading

from game_server_launcher.embed import Controller


class Match:
    """A match, from the moment when its players are expected."""

    def __init__(self, match_id: str, players: list[str]) -> None:
        self.match_id = match_id
        self.players = players
        self.number = random.randint(1, 100)
        self.guesses = dict.fromkeys(players, 0)


class Game:
    """All matches. The lock is there because every player has a thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.matches: dict[str, Match] = {}
        self.ended: set[str] = set()
        self.online = 0
        self.over = threading.Event()
        self.controller = Controller(
            on_stop=lambda seconds: self.over.set(), on_players_expected=self.expect, program="guess"
        )

    def expect(self, match_id: str, players: list[str], until: float) -> None:
        with self.lock:
            if match_id not in self.matches and match_id not in self.ended:
                self.matches[match_id] = Match(match_id, players)
                self.controller.match_started(match_id, players)

    def match_of(self, player: str) -> Match | None:
        with self.lock:
            return next((match for match in self.matches.values() if player in match.players), None)

    def count(self, change: int) -> None:
        with self.lock:
            self.online += change
            self.controller.player_count_changed(self.online)

    def guess(self, match: Match, player: str, number: int) -> str:
        with self.lock:
            if match.match_id in self.ended:
                return "too late: somebody else was right"
            match.guesses[player] += 1
            if number != match.number:
                return "higher" if number < match.number else "lower"
            self.ended.add(match.match_id)
            del self.matches[match.match_id]
            self.controller.match_ended(match.match_id, match.players, winner=player, scores=match.guesses)
            return "right"


class Player(socketserver.StreamRequestHandler):
    """One connection."""

    game: Game

    def handle(self) -> None:
        player = self.ask("Who are you?")
        match = self.game.match_of(player)
        if match is None:
            self.say("Nobody of this name is expected here.")
            return
        self.game.count(+1)
        self.game.controller.player_joined(match.match_id, player)
        try:
            answer = "Guess a number from 1 to 100."
            while answer != "right" and (line := self.ask(answer)):
                answer = self.game.guess(match, player, int(line)) if line.isdecimal() else "That is no number."
            self.say(answer)
        finally:
            self.game.controller.player_left(match.match_id, player)
            self.game.count(-1)

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\n")

    def ask(self, text: str) -> str:
        self.say(text)
        return self.rfile.readline(1000).decode(errors="replace").strip()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main() -> int:
    game = Game()
    Player.game = game
    with Server(("127.0.0.1", game.controller.port or 7100), Player) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        game.controller.start()
        game.controller.ready(version="1")
        game.over.wait()
        game.controller.wait_recorded(5.0)
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
