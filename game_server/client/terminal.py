"""The view for a person: a screen that shows how things stand, and a line to type on."""

from collections import deque
from collections.abc import Callable, Sequence

from game_server.client.board import describe, draw_board, draw_players
from game_server.client.screen import Screen
from game_server.client.servertable import draw_servers, in_order
from game_server.client.view import View
from game_server.client.visit import Visit
from game_server.model import COLUMNS, PieceDropped
from game_server.protocol import PlayerGone, PlayerReturned
from login_server.protocol import JoinPending, MapVote, MatchPending, MatchRequest, MatchRunning, ServerInfo

NEWS = 4
"""So many lines of the last messages are shown."""

NEWS_WIDTH = 76

MAX_NOTICES = 3
"""So many of those who want to play are shown."""


class Terminal(View):
    """Knows one mode at a time: what is drawn, and what a typed line means.

    Args:
        screen: to draw on.
        game: the game that a match is looked for in.
        title: the first line, such as where the login server is.

    Attributes:
        typed: gives what was typed of the next line so far.
        last_words: what to say when the program ends: how the last game ended, unless another was begun.
    """

    def __init__(self, screen: Screen, game: str, title: str) -> None:
        self.typed: Callable[[], str] = lambda: ""
        self.last_words = ""
        self._screen = screen
        self.style = screen.style
        self._game = game
        self._title = title
        self._mode: Mode = Connecting(self)
        self._news: deque[str] = deque(maxlen=NEWS)
        self._servers: list[ServerInfo] = []
        self._visit: Visit | None = None
        self._missed: MatchRunning | None = None
        self._requests: Sequence[MatchRequest] = []

    # --- what the client tells ----------------------------------------------------------------------

    def started(self) -> None:
        self.draw()

    def said(self, text: str) -> None:
        self._news.extend(self.style.wrap(text, NEWS_WIDTH, NEWS))
        self.draw()

    def troubled(self, text: str) -> None:
        self._news.extend(self.style.paint(line, "red") for line in self.style.wrap(text, NEWS_WIDTH, NEWS))
        self.draw()

    def shut_out(self, text: str) -> None:
        self.left_outside()
        self.troubled(text)

    def left_outside(self) -> None:
        if not isinstance(self._mode, Connecting | GameOver):
            self._visit = None
            self._switch(Lobby(self))

    def in_lobby(self) -> None:
        if not isinstance(self._mode, GameOver):
            self._visit = None
            self._switch(Lobby(self))

    def servers_changed(self, servers: Sequence[ServerInfo]) -> None:
        self._servers = in_order(servers)
        if isinstance(self._mode, Lobby):
            self.draw()

    def waiting(self, pending: MatchPending) -> None:
        text = f"waiting for a match: {pending.waiting} of {pending.players} players are here"
        self.said(text + (f"; {pending.reason}" if pending.reason else ""))

    def waking(self, pending: JoinPending) -> None:
        self.said(f"waiting for {pending.server_id}: {pending.reason}")

    def missed(self, match: MatchRunning | None) -> None:
        self._missed = match
        self.draw()

    def wanted(self, requests: Sequence[MatchRequest]) -> None:
        self._requests = [request for request in requests if request.game == self._game]
        self.draw()

    def map_voted(self, vote: MapVote) -> None:
        if vote.outcome:
            self.said(f"The vote for the map has ended: {vote.outcome}.")
        else:
            counts = ", ".join(f"{name} {count}" for name, count in vote.votes.items())
            self.said(f"Vote for the next map: {counts}; {vote.needed} needed. Type v MAP.")

    def joining(self, visit: Visit) -> None:
        self.last_words = ""
        self._news.clear()
        self._visit = visit
        self._switch(Playing(self))

    def game_changed(self, visit: Visit) -> None:
        match visit.last:
            case None:
                self._news.append("You have taken your seat.")
            case PieceDropped(player=player, column=column):
                who = "You" if player == visit.me else self.style.clean(player, 24)
                self._news.append(f"{who} dropped into column {column + 1}.")
            case PlayerGone(player=player) if not visit.over:
                self._news.append(f"{self.style.clean(player, 24)} is gone; the game waits a while.")
            case PlayerReturned(player=player):
                self._news.append(f"{self.style.clean(player, 24)} is back.")
        self.draw()

    def came_along(self, visit: Visit) -> None:
        self.said("The game goes on there.")

    def game_over(self, visit: Visit) -> None:
        self.last_words = describe(visit, self.style)
        self._switch(GameOver(self))

    # --- what the player types ----------------------------------------------------------------------

    def line_typed(self, line: str | None) -> None:
        """Args:
        line: what was typed; None when nothing can be typed any more.
        """
        if line is None:
            self.quit()
        else:
            self._mode.typed(line.strip())

    def quit(self) -> None:
        self.client.end("the player quits")

    def draw(self) -> None:
        """Draw all of it anew, with what is being typed."""
        paint = self.style.paint
        news = [f" {line}" for line in self._news]
        title = paint(f" {self.style.clean(self._title, 78)}", "bold")
        hint = paint(f" {self._mode.hint.format(width=self.width)}", "dim")
        notices = [f" {paint(line, 'yellow')}" for line in self._mode.notices()]
        self._screen.show([title, "", *self._mode.lines(), "", *notices, *news, hint], " > ", self.typed())

    # --- what the modes do --------------------------------------------------------------------------

    def show_lobby(self) -> None:
        self._visit = None
        self._news.clear()
        self._switch(Lobby(self))

    def ask_to_resign(self) -> None:
        self._switch(Resigning(self))

    def go_on_playing(self) -> None:
        self._switch(Playing(self))

    def resign(self) -> None:
        visit = self._visit
        self._switch(Playing(self))
        if visit is not None and visit.begun:
            self.client.resign()
        else:
            self.client.leave_game()

    def vote(self, name: str) -> None:
        server_id = "" if self._visit is None else self._visit.server_id
        maps = next((server.maps for server in self._servers if server.server_id == server_id), [])
        if name:
            self.client.vote_map(server_id, name)
        elif maps:
            self.said(f"say which map is to be the next one: v MAP, one of {', '.join(maps)}")
        else:
            self.troubled("the map of this server is not voted for")

    def drop(self, column: int) -> None:
        self.client.drop(column - 1)

    def find_match(self, partner: str = "") -> None:
        self._visit = None
        self._news.clear()
        self._switch(Waiting(self))
        self.client.find_match(self._game, partner)

    def join(self, number: int) -> None:
        if not 1 <= number <= len(self._servers):
            self.troubled(f"there is no server {number} in the list")
            return
        server = self._servers[number - 1]
        if server.game != self._game:
            self.troubled(f"{server.server_id} is a server of {server.game}, which is not played here")
            return
        self._switch(Waiting(self))
        self.client.join_server(server.server_id)

    def go_back(self) -> None:
        if self._missed is None:
            self.troubled("there is no game that you could go back to")
            return
        self._switch(Waiting(self))
        self.client.join_server(self._missed.server_id)

    def cancel(self) -> None:
        self.client.cancel_wish()

    def server_lines(self) -> list[str]:
        return draw_servers(self._servers, self.style)

    def missed_lines(self) -> list[str]:
        """The game that goes on without the player."""
        if self._missed is None:
            return []
        others = " and ".join(name for name in self._missed.players if name != self.client.credentials.name)
        text = f"You are in a game with {others or 'nobody yet'}. Type b to go back."
        return self.style.wrap(text, NEWS_WIDTH, 2)

    def wanted_lines(self) -> list[str]:
        """Who wants to play."""
        names = [self.style.clean(request.player, 24) for request in self._requests]
        lines = [f"{name} wants to play you. Type p {name}" for name in names[:MAX_NOTICES]]
        return [*lines, *([f"and {len(names) - MAX_NOTICES} more"] if len(names) > MAX_NOTICES else [])]

    @property
    def width(self) -> int:
        """Of the board, in columns."""
        game = self._visit.game if self._visit is not None else None
        return COLUMNS if game is None else game.width

    def board_lines(self) -> list[str]:
        visit = self._visit
        if visit is None:
            return []
        where = self.style.paint(f"   {self.style.clean(visit.server_id, 60)}", "dim")
        board = draw_board(visit.game, self.style)
        stand = self.style.paint(f"   {describe(visit, self.style)}", "bold")
        return [where, *board, "", draw_players(visit, self.style), "", stand]

    def _switch(self, mode: "Mode") -> None:
        self._mode = mode
        self.draw()


class Mode:
    """What the screen shows in one situation, and what a typed line means there.

    Attributes:
        hint: what can be typed; `{width}` stands for the number of columns.
    """

    hint: str

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def lines(self) -> list[str]:
        return self.terminal.board_lines()

    def notices(self) -> list[str]:
        """What there is to know of other players."""
        return []

    def typed(self, line: str) -> None:
        raise NotImplementedError


class Connecting(Mode):
    hint = "q: quit"

    def lines(self) -> list[str]:
        return [" Connecting …" if self.terminal.style.unicode else " Connecting ..."]

    def typed(self, line: str) -> None:
        if line == "q":
            self.terminal.quit()


class Lobby(Mode):
    hint = "NUMBER: join   m: be matched   p NAME: match with NAME   r: refresh   q: quit"

    def lines(self) -> list[str]:
        return self.terminal.server_lines()

    def notices(self) -> list[str]:
        return [*self.terminal.missed_lines(), *self.terminal.wanted_lines()]

    def typed(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word.isascii() and word.isdigit():
            self.terminal.join(int(word))
        elif word == "m":
            self.terminal.find_match()
        elif word == "p" and rest.strip():
            self.terminal.find_match(rest.strip())
        elif word == "p":
            self.terminal.troubled("say with whom: p NAME")
        elif word == "b":
            self.terminal.go_back()
        elif word == "q":
            self.terminal.quit()
        elif word in ("r", ""):
            self.terminal.show_lobby()
        else:
            self.terminal.troubled(f"{line!r} is none of these")


class Waiting(Mode):
    hint = "c: cancel   q: quit"

    def lines(self) -> list[str]:
        return self.terminal.server_lines()

    def notices(self) -> list[str]:
        lines = self.terminal.wanted_lines()
        return ["Cancel first, to play somebody who wants to play you:", *lines] if lines else []

    def typed(self, line: str) -> None:
        if line == "c":
            self.terminal.cancel()
        elif line == "q":
            self.terminal.quit()


class Playing(Mode):
    hint = "1-{width}: drop a piece   v MAP: vote for the next map   q: give up"

    def typed(self, line: str) -> None:
        word, _, name = line.partition(" ")
        if line == "q":
            self.terminal.ask_to_resign()
        elif line.isascii() and line.isdigit() and 1 <= int(line) <= self.terminal.width:
            self.terminal.drop(int(line))
        elif word == "v":
            self.terminal.vote(name.strip())
        elif line:
            self.terminal.troubled(f"type a column from 1 to {self.terminal.width}, or q")


class Resigning(Mode):
    hint = "Really give up?   y: yes   n: no"

    def typed(self, line: str) -> None:
        if line.lower() in ("y", "yes"):
            self.terminal.resign()
        else:
            self.terminal.go_on_playing()


class GameOver(Mode):
    hint = "m: another match   p NAME: match with NAME   Enter: back to servers   q: quit"

    def notices(self) -> list[str]:
        return self.terminal.wanted_lines()

    def typed(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if line == "m":
            self.terminal.find_match()
        elif word == "p" and rest.strip():
            self.terminal.find_match(rest.strip())
        elif line == "q":
            self.terminal.quit()
        else:
            self.terminal.show_lobby()
