"""Password hashes: argon2id at OWASP's parameters. Runs in a worker pool of its own, never in the central task.

One hash takes some 20 to 40 ms of processor and 19 MiB, on purpose. The threads that hash compete with the hub's
thread for the processor only (argon2-cffi gives up the interpreter lock while it hashes).
"""

import logging
import unicodedata

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerifyMismatchError

logger = logging.getLogger(__name__)

MIN_LENGTH = 8
MAX_LENGTH = 1024

# OWASP Password Storage Cheat Sheet, argon2id, second of its equivalent settings.
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1


class Passwords:
    """Hashes and verifies. Safe to call from several threads at once.

    Args:
        memory_kib: how much memory one hash fills.
        passes: how often.
    """

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=LANES, type=Type.ID)
        self._nobodys_hash = self._hasher.hash("a password that nobody has")

    def hash(self, password: str) -> str:
        """A salted hash in the PHC string format, parameters included."""
        return self._hasher.hash(_canonical(password))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed.

        With None, for an account that does not exist, it takes as long as a wrong password, so that the time
        does not tell which names are taken; and so it does with a hash that is none, which nobody's password has.
        """
        try:
            self._hasher.verify(password_hash or self._nobodys_hash, _canonical(password))
            return password_hash is not None
        except VerifyMismatchError:
            return False
        except InvalidHashError:
            logger.error("a password hash in the database is none: nobody can log in with that account")
            return self.verify(None, password)


def _canonical(password: str) -> bytes:
    """The same characters typed on another system may come composed differently (NIST SP 800-63B, 5.1.1.2).

    JSON can hold half a surrogate pair, which is no character, but no reason to fail either.
    """
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
