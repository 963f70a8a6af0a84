"""Whether a server that has crashed is restarted, and after how long, as its game file wants it. Plain state."""

import msgspec

from game_server_launcher.servers import MAX_CRASHES, GameServer

MAX_BACKOFFS = 32


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a server after a crash.

    Attributes:
        seconds: so long the restart waits.
        given_up: why it is not restarted, in a sentence for the log; empty if it is.
        reason: the same, for the server's state.
    """

    seconds: float = 0.0
    given_up: str = ""
    reason: str = ""


def after_crash(server: GameServer, how: str, now: float, ran_for: float) -> Verdict:
    """Count a crash, and decide.

    Args:
        server: whose crashes are counted.
        how: it ended, in words.
        now: unix time.
        ran_for: so many seconds.
    """
    restart = server.game.restart
    if restart.policy == "never":
        return Verdict(given_up=f"crashed: {how}; it is not to be restarted", reason=how)
    recent = [at for at in server.crashes if at > now - restart.within_seconds]
    server.crashes = [*recent[-MAX_CRASHES:], now]
    if len(server.crashes) >= restart.crashes:
        why = f"crashed {len(server.crashes)} times in {restart.within_seconds:g} s, last: {how}"
        return Verdict(given_up=f"given up: {why}", reason=why)
    if ran_for > restart.within_seconds:
        server.backoffs = 0
    seconds = min(restart.first_seconds * 2**server.backoffs, restart.max_seconds)
    server.backoffs = min(server.backoffs + 1, MAX_BACKOFFS)
    return Verdict(seconds)
