"""How a launcher and its servers stand, as text for a terminal."""

from collections.abc import Iterable, Sequence

from game_server_launcher.control import LauncherStatus, ServerStatus
from game_server_launcher.servers import Role, SavedServer

TITLES = ("SERVER", "STATE", "PLAYERS", "MAP", "PORT", "PID", "CPU", "MEMORY", "UP", "RESTARTS")
RIGHT = {"PLAYERS", "PORT", "PID", "CPU", "MEMORY", "UP", "RESTARTS"}
MEBIBYTE = 1024 * 1024


def describe(status: LauncherStatus) -> str:
    """Return what `status` prints of a launcher that is running."""
    waiting = f", {status.results_waiting} results wait for it" if status.results_waiting else ""
    lines = [f"launcher {status.name} (process {status.pid}), login server {status.login_server}{waiting}"]
    if status.page:
        lines.append(f"page: {status.page}")
    lines += ["", *_table([TITLES, *(_row(server, status.at) for server in status.servers)])]
    details = [line for server in status.servers for line in _details(server)]
    return "\n".join([*lines, *([""] if details else []), *details])


def describe_saved(servers: Iterable[SavedServer]) -> str:
    """Return what `status` prints of the state files that a launcher has left."""
    lines = []
    for server in servers:
        role = "" if server.role is Role.CURRENT else f" ({server.role.value})"
        parts = [server.public_name + role, server.state.value]
        if server.pid:
            count = len(server.matches)
            matches = "1 match" if count == 1 else f"{count} matches"
            parts.append(f"process {server.pid}, port {server.port}, {matches}")
        lines.append(": ".join([*parts, *([server.reason] if server.reason else [])]))
    return "".join(f"{line}\n" for line in lines)


def _row(server: ServerStatus, now: float) -> Sequence[str]:
    here = server.pid != 0
    measured = here and server.rss_bytes > 0
    return (
        server.name,
        server.state,
        f"{server.players}/{server.capacity}",
        server.map or "-",
        str(server.port) if here else "-",
        str(server.pid) if here else "-",
        f"{server.cpu_percent:.0f} %" if measured else "-",
        f"{server.rss_bytes / MEBIBYTE:.0f} MiB" if measured else "-",
        duration(now - server.started_at) if here else "-",
        str(server.restarts),
    )


def _details(server: ServerStatus) -> Iterable[str]:
    if server.reason:
        yield f"{server.name}: {server.reason}"
    if server.changing:
        yield f"{server.name}: its map is being changed: {server.changing}"
    if server.names:
        yield f"{server.name}: {', '.join(server.names)}"


def duration(seconds: float) -> str:
    """Return a time in its two largest units, such as `3 h 20 min`."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if title in RIGHT else cell.ljust(width)
            for cell, width, title in zip(row, widths, TITLES, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
