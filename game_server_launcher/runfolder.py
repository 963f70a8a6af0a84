"""What a launcher keeps on disk, so that the next one can go on where it ended.

    launcher.lock       one launcher at a time (flock: it ends with the process, however that ends)
    launcher.page       the secret part of the dashboard's address
    launcher.issuer     whose tickets are good, for games that start while the login server is away
    launcher.seat_key   what signs the seats that the launcher gives away itself (PEM)
    launcher.revoked    whose day passes are void, for an outage of the login server
    launcher.builds     which builds of the games are accepted, and which is tried (`builds.py`)
    launcher.results    match results that the login server has not recorded yet (`journal.py`)
    SERVER.json         one server: its process, its running matches, its used tickets
    SERVER/             its working folder, unless the game file names another
    SERVER/output.log   what it prints (`output.py`)

Reading happens before the hub has anything else to do; writing goes through a worker pool.
"""

import contextlib
import fcntl
import logging
import os
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from game_server_launcher.servers import SavedServer
from login_server.keys import generate_key_pair, load_private_key

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class RunFolderError(Exception):
    """The run folder cannot be used; the text says why."""


class Issuer(msgspec.Struct, frozen=True):
    """Who signs tickets, as the login server said. Both empty until it has been reached once."""

    issuer: str = ""
    public_key: str = ""


class PageKey(msgspec.Struct, frozen=True):
    """What the dashboard's paths begin with."""

    key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-zA-Z]{16,128}$")]


class RunFolder:
    """One launcher's folder. Locked from construction until `close` or the end of the process.

    Attributes:
        seat_key: an Ed25519 private key (PEM); made when the folder was first used.

    Raises:
        RunFolderError: another launcher has it, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "launcher.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RunFolderError(f"the run folder {self.path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            raise RunFolderError(
                f"another launcher (pid {owner}) is running on the run folder {self.path}; "
                "stop it, or give this one a folder of its own with --run-dir"
            ) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        try:
            self.seat_key = self._load_seat_key(self.path / "launcher.seat_key")
        except RunFolderError:
            self.close()
            raise

    def close(self) -> None:
        """Let the next launcher have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def journal(self) -> Path:
        return self.path / "launcher.results"

    def server_folder(self, name: str) -> Path:
        return self.path / name

    def save_server(self, server: bytes, name: str) -> None:
        """Replace `SERVER.json` by `server`, an encoded `SavedServer`."""
        write_whole(self.path / f"{name}.json", server)

    def forget_server(self, name: str) -> None:
        (self.path / f"{name}.json").unlink(missing_ok=True)

    def load_issuer(self) -> Issuer:
        return _load(self.path / "launcher.issuer", Issuer) or Issuer()

    def save_issuer(self, issuer: Issuer) -> None:
        write_whole(self.path / "launcher.issuer", msgspec.json.encode(issuer))

    @staticmethod
    def _load_seat_key(path: Path) -> str:
        """Raises:
        RunFolderError: it can be neither read nor made.
        """
        try:
            if not path.exists():
                write_whole(path, generate_key_pair()[0].encode(), sync=True)
            pem = path.read_text(encoding="ascii")
            load_private_key(pem)
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f"{path} cannot be used: {error}; without it, the seats that were given away are void"
            ) from error
        return pem

    def load_builds(self) -> bytes:
        """What `save_builds` was given; empty if nothing."""
        path = self.path / "launcher.builds"
        return path.read_bytes() if path.exists() else b""

    def save_builds(self, builds: bytes) -> None:
        write_whole(self.path / "launcher.builds", builds)

    def page_key(self, new: str) -> str:
        """The secret part of the dashboard's address: the one that is kept here, else `new`, which is kept from now on.

        Raises:
            OSError: it cannot be kept.
        """
        path = self.path / "launcher.page"
        kept = _load(path, PageKey)
        if kept is None:
            write_whole(path, msgspec.json.encode(PageKey(new)))
        return kept.key if kept is not None else new

    def load_revoked(self) -> dict[str, float]:
        """By player, before when (Unix time) day passes were issued that are void."""
        return _load(self.path / "launcher.revoked", dict[str, float]) or {}

    def save_revoked(self, revoked: dict[str, float]) -> None:
        write_whole(self.path / "launcher.revoked", msgspec.json.encode(revoked))


def load_servers(folder: Path) -> dict[str, SavedServer]:
    """Read every `SERVER.json` of a run folder; one that makes no sense is left out, with a log line."""
    saved = {}
    for path in sorted(folder.glob("*.json")):
        server = _load(path, SavedServer)
        if server is not None:
            saved[server.name] = server
    return saved


def _load(path: Path, wanted: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=wanted)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        logger.warning("%s makes no sense and is left out: %s", path, error)
        return None


def write_whole(path: Path, data: bytes, sync: bool = False) -> None:
    """Write a file so that a reader, now or after a crash of this process, finds the old or the new content.

    Args:
        sync: a crash of the machine may not lose it either.

    Raises:
        OSError: it was not written; the old content is still there.
    """
    new = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(descriptor)
        new.replace(path)
        if sync:
            _sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def _sync_folder(path: Path) -> None:
    """The new name of a file is content of its folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
