"""Which processes use more than their game file lets them. Runs in the central task."""

from collections.abc import Callable

import msgspec

from game_server_launcher.figures import Sample
from game_server_launcher.servers import GameServer


class Use(msgspec.Struct):
    """What one process group has used since a moment: `cpu` in seconds of one processor."""

    group: int
    seconds: float = 0.0
    cpu: float = 0.0


class Runaways:
    """Ends the processes that use too much.

    The mean use of processors is taken of `cpu_seconds` after `cpu_seconds`: one that begins to use too much is found
    after once to twice that time.

    Args:
        end: called with a server and what is wrong with it, in words.
    """

    def __init__(self, end: Callable[[GameServer, str], None]) -> None:
        self._end = end
        self._used: dict[str, Use] = {}

    def measured(self, server: GameServer, sample: Sample) -> None:
        """Judge by what was measured just now."""
        limits = server.game.limits
        if limits.rss_bytes and sample.rss_bytes > limits.rss_bytes:
            what = f"its processes have {sample.rss_bytes} bytes of memory"
            self._end(server, f"runaway: {what}, more than the {limits.rss_bytes} of `limits.rss_bytes`")
        if not limits.cpu_percent:
            return
        used = self._used.get(server.name)
        if used is None or used.group != server.group:
            used = self._used[server.name] = Use(server.group)
        used.seconds += sample.seconds
        used.cpu += sample.cpu_percent / 100 * sample.seconds
        if used.seconds < limits.cpu_seconds or not used.seconds:
            return
        percent = 100 * used.cpu / used.seconds
        del self._used[server.name]
        if percent > limits.cpu_percent:
            what = f"its processes have used {percent:.0f} % of a processor for {used.seconds:.0f} s"
            self._end(server, f"runaway: {what}, more than the {limits.cpu_percent:g} % of `limits.cpu_percent`")
