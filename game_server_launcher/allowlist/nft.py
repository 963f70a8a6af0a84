"""Runs `nft`. Called in a task of the helper's pool: it waits."""

from gevent import subprocess

from game_server_launcher.allowlist import ruleset

SECONDS = 10.0
"""A kernel that takes longer for a change does not do it at all."""

NO_SUCH_TABLE = "Error: No such file or directory"
"""How nft begins when it is asked for a table that is not there."""


class NftFailed(Exception):
    """`nft` did not do it; the text says why, in one line."""


class NothingThere(NftFailed):
    """There is no such table."""


class Nft:
    """The program `nft`.

    Args:
        program: its name or path.
    """

    def __init__(self, program: str = "nft") -> None:
        self._program = program

    def apply(self, commands: list[ruleset.Command]) -> None:
        """Do all of it or nothing.

        Raises:
            NftFailed: nothing was done.
        """
        self._run(["-j", "-f", "-"], ruleset.document(commands))

    def gates(self) -> dict[int, dict[str, float]]:
        """What an earlier process has left in force; nothing if there is no table.

        Raises:
            NftFailed: it cannot be found out.
        """
        try:
            return ruleset.read(self._run(["-j", "list", "table", ruleset.FAMILY, ruleset.TABLE], b""))
        except NothingThere:
            return {}
        except ValueError as error:
            raise NftFailed(str(error)) from error

    def _run(self, arguments: list[str], data: bytes) -> bytes:
        try:
            done = subprocess.run(
                [self._program, *arguments], input=data, capture_output=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NftFailed(f"{self._program}: {error}") from error
        if done.returncode:
            why = " ".join(done.stderr.decode(errors="replace").split())[:500] or f"exit status {done.returncode}"
            raise NothingThere(why) if why.startswith(NO_SUCH_TABLE) else NftFailed(why)
        output: bytes = done.stdout
        return output
