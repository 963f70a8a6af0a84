"""The board as lines of text. Pure: a game in, lines out."""

from game_server.client.style import Style
from game_server.client.visit import Visit
from game_server.model import COLUMNS, ROWS, FourInARow

COLOURS = ("red", "yellow")
"""By seat."""

INDENT = "   "


def piece(seat: int, style: Style) -> str:
    """The sign of a seat's pieces; not every eye tells two signs apart by their colours alone."""
    return style.paint(("●○" if style.unicode else "XO")[seat], COLOURS[seat], "bold")


def draw_board(game: FourInARow | None, style: Style) -> list[str]:
    """The board, with the column numbers that a person types: from 1.

    The last piece stands in brackets, the pieces of the line that won stand between stars.
    """
    wall, corner, foot, cross = ("│", ("╰", "╯"), "───", "┴") if style.unicode else ("|", ("+", "+"), "---", "+")
    width, height = (game.width, game.height) if game else (COLUMNS, ROWS)
    columns = game.columns if game else [[] for _ in range(width)]
    edge = style.paint(wall, "dim")
    lines = [INDENT + " " + " ".join(f"{number:^3}" for number in range(1, width + 1))]
    for row in reversed(range(height)):
        cells = (_cell(game, columns, column, row, style) for column in range(width))
        lines.append(INDENT + edge + edge.join(cells) + edge)
    lines.append(INDENT + style.paint(corner[0] + cross.join([foot] * width) + corner[1], "dim"))
    return lines


def _cell(game: FourInARow | None, columns: list[list[int]], column: int, row: int, style: Style) -> str:
    if game is None or row >= len(columns[column]):
        return "   "
    sign = piece(columns[column][row], style)
    if (column, row) in game.line:
        star = style.paint("*", "green", "bold")
        return star + sign + star
    if (column, row) == game.last_cell:
        return style.paint("[", "bold") + sign + style.paint("]", "bold")
    return f" {sign} "


def draw_players(visit: Visit, style: Style) -> str:
    """Who plays with which pieces, and who is not there."""
    parts = []
    for seat, player in enumerate(visit.players):
        notes = ["you"] if player == visit.me else []
        if player not in visit.present:
            notes.append("not here")
        text = style.clean(player, 24) + (f" ({', '.join(notes)})" if notes else "")
        parts.append(f"{piece(seat, style)} {style.paint(text, 'bold') if player == visit.me else text}")
    return INDENT + "    ".join(parts)


def describe(visit: Visit, style: Style) -> str:
    """How the game stands, in a sentence, from the player's point of view."""
    game = visit.game
    if game is not None and game.over:
        return result_of(game, visit.me, style)
    if game is None or not visit.begun:
        who = style.clean(visit.opponent, 24) or "another player"
        return f"Waiting for {who} to come."
    if game.turn != visit.me:
        return f"It is {style.clean(game.turn, 24)}'s turn."
    return "It is your turn."


def result_of(game: FourInARow, me: str, style: Style) -> str:
    """How a game ended, in a sentence."""
    if not game.winner:
        return {
            "draw": "A draw: the board is full.",
            "abandoned": "The game was abandoned.",
            "server_stopped": "The game was broken off: the server stopped.",
        }.get(game.reason, f"The game ended: {style.clean(game.reason, 30)}.")
    won = game.winner == me
    loser = style.clean(game.opponent_of(game.winner), 24) if game.winner in game.players else "the other player"
    who = "You win" if won else f"{style.clean(game.winner, 24)} wins"
    how = {
        "won": "with four in a row",
        "resigned": f"because {loser if won else 'you'} gave up",
        "forfeit": f"because {loser if won else 'you'} stayed away",
    }.get(game.reason, f"({style.clean(game.reason, 30)})")
    return f"{who} {how} after {len(game.moves)} turns."
