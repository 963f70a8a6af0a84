"""What a launcher keeps on disk."""

from pathlib import Path

import msgspec
import pytest

from game_server_launcher.runfolder import Issuer, RunFolder, RunFolderError, load_servers, write_whole
from game_server_launcher.servers import RunningMatch, SavedServer, State
from login_server.keys import load_private_key


def test_one_launcher_at_a_time(tmp_path: Path) -> None:
    first = RunFolder(tmp_path / "run")
    with pytest.raises(RunFolderError, match=r"another launcher \(pid \d+\) is running on the run folder"):
        RunFolder(tmp_path / "run")
    first.close()
    RunFolder(tmp_path / "run").close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match=r"the run folder .*file/run cannot be used: Not a directory"):
        RunFolder(tmp_path / "file" / "run")


def test_servers_are_kept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    saved = SavedServer(
        name="four",
        state=State.READY,
        pid=12,
        created_at=5.5,
        port=7000,
        token="secret",
        matches={"m1": RunningMatch(players=["ann", "bob"], scores={"ann": 2})},
        used_tickets={"t1": 99.0},
    )
    folder.save_server(msgspec.json.encode(saved), "four")
    assert load_servers(tmp_path) == {"four": saved}
    assert (tmp_path / "four.json").stat().st_mode & 0o077 == 0, "it holds the token"
    folder.forget_server("four")
    folder.forget_server("four")
    assert load_servers(tmp_path) == {}
    folder.close()


def test_a_state_file_that_makes_no_sense_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, content in {
        "a": b"{",
        "b": b'{"name": 1}',
        "c": b"\xff",
        "d": b'{"name":"d","state":"dreaming"}',
    }.items():
        (tmp_path / f"{name}.json").write_bytes(content)
    assert load_servers(tmp_path) == {}
    assert caplog.text.count("makes no sense and is left out") == 4


def test_the_issuer_is_kept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.load_issuer() == Issuer()
    folder.save_issuer(Issuer("login", "PEM"))
    assert folder.load_issuer() == Issuer("login", "PEM")
    assert load_servers(tmp_path) == {}
    folder.close()


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old", sync=True)
    (tmp_path / "file.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"


def test_the_key_that_signs_seats_is_made_once_and_is_nobody_elses_business(tmp_path: Path) -> None:
    keys = set()
    for _ in range(2):
        folder = RunFolder(tmp_path / "run")
        keys.add(folder.seat_key)
        folder.close()
    assert len(keys) == 1
    load_private_key(keys.pop())
    assert (tmp_path / "run" / "launcher.seat_key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_none_is_said_and_not_replaced(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").close()
    (tmp_path / "run" / "launcher.seat_key").write_text("no key")
    for _ in range(2):
        with pytest.raises(RunFolderError, match=r"launcher\.seat_key cannot be used: not a private key"):
            RunFolder(tmp_path / "run")
    (tmp_path / "run" / "launcher.seat_key").unlink()
    RunFolder(tmp_path / "run").close()
