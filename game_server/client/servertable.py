"""The list of servers as a table. Pure: servers in, lines out."""

from collections.abc import Sequence

from game_server.client.style import WIDTH, Style
from login_server.protocol import ServerInfo

_COLUMNS = (("#", 3), ("server", 22), ("game", 15), ("map", 8), ("players", 9), ("region", 8), ("state", 9))
"""Titles and widths; with a space between them they fill 80 columns."""

MAX_ROWS = 15
MAX_NAME_LINES = 2

_INDENT = " " * 4


def in_order(servers: Sequence[ServerInfo]) -> list[ServerInfo]:
    """The servers in the order in which the table numbers them, from 1."""
    return sorted(servers, key=lambda server: server.server_id)


def draw_servers(servers: Sequence[ServerInfo], style: Style) -> list[str]:
    """At most `MAX_ROWS` servers, with who is there where that is known, and how many more there are."""
    lines = [style.paint(_row([title for title, _ in _COLUMNS]), "bold")]
    rows = in_order(servers)
    for number, server in enumerate(rows[:MAX_ROWS], 1):
        players = f"{server.players}/{server.capacity}" if server.capacity else str(server.players)
        texts = [str(number), server.server_id, server.game, server.map, players, server.region, server.state]
        shown = [style.clean(text, width) for text, (_, width) in zip(texts, _COLUMNS, strict=True)]
        line = _row(shown)
        lines.append(line if server.state == "ready" else style.paint(line, "dim"))
        names = style.wrap(", ".join(server.names), WIDTH - len(_INDENT), MAX_NAME_LINES)
        lines += [style.paint(_INDENT + text, "dim") for text in names]
    if not rows:
        lines.append("    no server is running")
    if len(rows) > MAX_ROWS:
        lines.append(f"    and {len(rows) - MAX_ROWS} more")
    return lines


def _row(texts: Sequence[str]) -> str:
    cells = (text.ljust(width) for text, (_, width) in zip(texts, _COLUMNS, strict=True))
    return " ".join(cells).rstrip()
