"""The database servers that tests use: that they can be stopped, frozen and ended, and come back."""

from urllib.parse import urlsplit

import gevent
import psycopg
import pymysql
import pytest

from tests.databases import DatabaseServer, PostgreSQL, ServerMissing, running


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


def test_it_keeps_its_data_and_its_port_when_it_is_stopped(server: DatabaseServer) -> None:
    url = server.new_database()
    name = urlsplit(url).path[1:]
    assert urlsplit(url).port == server.port
    server.stop()
    with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
        server.execute("SELECT 1")
    server.start()
    names = "SELECT datname FROM pg_database" if "postgresql" in url else "SHOW DATABASES"
    assert (name,) in server.execute(names)
    assert server.new_database() != url


def test_a_frozen_server_answers_nobody_until_it_is_thawed(server: DatabaseServer) -> None:
    server.freeze()
    waiting = gevent.spawn(server.execute, "SELECT 1")  # noqa: TID251 - a test's own
    assert not gevent.wait([waiting], timeout=0.3)
    server.thaw()
    assert waiting.get(timeout=10) in ([(1,)],)


def test_terminated_backends_are_counted(server: DatabaseServer) -> None:
    assert server.terminate_backends() == 0
    url = urlsplit(server.url)
    connection = (
        psycopg.connect(host="127.0.0.1", port=server.port, user=url.username, dbname=url.path[1:])
        if "postgresql" in server.url
        else pymysql.connect(host="127.0.0.1", port=server.port, user=url.username, ssl_disabled=True)
    )
    assert server.terminate_backends() == 1
    with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
        connection.cursor().execute("SELECT 1")
    connection.close()


class NotHere(PostgreSQL):
    def _find_programs(self) -> tuple[str, str]:
        raise ServerMissing("initdb is not here")


def test_without_the_programs_tests_are_skipped_and_in_ci_they_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="initdb is not here"):
        running(NotHere)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ServerMissing):
        running(NotHere)
