"""Launcher keys: shown once, kept as a hash."""

import pytest
from sqlalchemy import text

from login_server.database import Database
from login_server.launcherkeys import LauncherEntry, LauncherKeys
from login_server.refusal import Refusal


@pytest.fixture
def keys(database: Database) -> LauncherKeys:
    return LauncherKeys(database)


def test_a_launcher_gets_in_with_its_key_alone(keys: LauncherKeys) -> None:
    home, away = keys.add("home", 1.0), keys.add("away", 2.0)
    assert len(home) >= 43  # 256 bits
    assert keys.check("home", home)
    assert not keys.check("home", away)
    assert not keys.check("home", "")
    assert not keys.check("home", home + " ")
    assert not keys.check("Home", home)
    assert not keys.check("nobody", home)
    assert not keys.check("nobody", "")


def test_the_key_itself_is_not_kept(keys: LauncherKeys, database: Database) -> None:
    key = keys.add("home", 1.0)
    with database.transaction() as connection:
        (row,) = connection.execute(text("SELECT * FROM launchers"))
    assert key not in map(str, row)


def test_a_name_is_given_once(keys: LauncherKeys) -> None:
    key = keys.add("home", 1.0)
    with pytest.raises(Refusal, match="there is a launcher home already"):
        keys.add("home", 2.0)
    assert keys.check("home", key)


@pytest.mark.parametrize("name", ["", "a/b", "two words", "a" * 33, "ä"])
def test_a_name_begins_server_ids(keys: LauncherKeys, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        keys.add(name, 1.0)
    assert caught.value.code == "name_invalid"


def test_a_new_key_ends_the_old_one(keys: LauncherKeys) -> None:
    old = keys.add("home", 1.0)
    new = keys.rotate("home")
    assert keys.check("home", new)
    assert not keys.check("home", old)


def test_a_removed_launcher(keys: LauncherKeys) -> None:
    key = keys.add("home", 1.0)
    keys.add("away", 2.0)
    assert keys.all() == [LauncherEntry("away", 2.0), LauncherEntry("home", 1.0)]
    keys.remove("home")
    assert not keys.check("home", key)
    assert keys.all() == [LauncherEntry("away", 2.0)]
    assert keys.add("home", 3.0) != key


def test_a_launcher_that_does_not_exist(keys: LauncherKeys) -> None:
    for refuse in (keys.remove, keys.rotate):
        with pytest.raises(Refusal, match="there is no launcher home"):
            refuse("home")
