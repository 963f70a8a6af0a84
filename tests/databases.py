"""Real PostgreSQL and MariaDB servers for tests: each with a data folder and a port of its own, on loopback only.

A server starts when a test first asks for it, serves all tests of the run, and is ended after them. A test takes a
database of its own with `new_database`. Whoever stops or freezes a server brings it back, also when the test fails:
`start` and `thaw` do nothing to one that runs.

Needs Debian's packages `postgresql` and `mariadb-server`, or the same programs elsewhere; a service of the system is
neither needed nor touched. Without them, tests are skipped, except in CI, where that is a failure.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psutil
import psycopg
import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

START_SECONDS = 30.0
USER = "connhandler"


class ServerMissing(Exception):
    """Its programs are not on this machine. The text is a sentence for people."""


class DatabaseServer(ABC):
    """One server, which is running from the beginning until `close`, unless it is stopped meanwhile.

    Attributes:
        url: of a database that is there from the beginning, for SQLAlchemy.
        process: the server; it may have children.

    Raises:
        ServerMissing: its programs are not here.
    """

    scheme: str
    system_user: str
    """Whom it runs as when root starts it, which it would refuse."""

    def __init__(self) -> None:
        self._programs = self._find_programs()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self._numbers = itertools.count(1)
        self.process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        try:
            if os.geteuid() == 0:
                if self.system_user not in {user.pw_name for user in pwd.getpwall()}:
                    self.system_user = "nobody"  # Debian's package of the programs alone makes no user.
                user = pwd.getpwnam(self.system_user)
                os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._make_data_folder()
            self.start()
            self.url = self.new_database()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on port {self.port}>"

    def start(self) -> None:
        """Start it, with the data that it had and on the same port; return when it serves."""
        if self.process is not None:
            return
        log = self._folder / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self._as_system_user("--pdeathsig=KILL", *self._command()),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
                return
            except (psycopg.Error, pymysql.Error) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self} does not start: {log.read_text()[-4000:]}") from error
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in order, connections and all; nobody listens on its port then."""
        if self.process is None:
            return
        self.thaw()
        self.process.send_signal(signal.SIGINT if self.scheme.startswith("postgresql") else signal.SIGTERM)
        try:
            self.process.wait(START_SECONDS)
        finally:
            self._kill()

    def freeze(self) -> None:
        """Let all its processes stand still. Connections stay open; none is served."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        for process in reversed(self._processes()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    @abstractmethod
    def terminate_backends(self) -> int:
        """End all other connections from the server's side; return how many there were."""

    @abstractmethod
    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement as the administrator, in a database that holds nothing, and return the rows.

        Raises:
            psycopg.Error, pymysql.Error: it fails.
        """

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"{self.scheme}://{USER}@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        """End it at once and remove its data."""
        self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @abstractmethod
    def _find_programs(self) -> tuple[str, str]:
        """The program that makes a data folder, and the server.

        Raises:
            ServerMissing: they are not here.
        """

    @abstractmethod
    def _make_data_folder(self) -> None:
        """Called once, as whoever runs the tests."""

    @abstractmethod
    def _command(self) -> list[str]:
        """What starts the server."""

    def _processes(self) -> list[psutil.Process]:
        """Those of the server, the first one first."""
        if self.process is None or self.process.poll() is not None:
            return []
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def _kill(self) -> None:
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process is not None:
            self.process.wait()
            self.process = None

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            self._as_system_user(*command),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

    def _as_system_user(self, *command: str) -> list[str]:
        """By `setpriv`, because it becomes the program; its first arguments may be options of `setpriv` itself."""
        options = [part for part in command if part.startswith("--pdeathsig")]
        if os.geteuid() == 0:
            user = pwd.getpwnam(self.system_user)
            options += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        return ["setpriv", *options, "--", *command[command[0].startswith("--pdeathsig") :]] if options else [*command]


class PostgreSQL(DatabaseServer):
    scheme = "postgresql+psycopg"
    system_user = "postgres"

    def terminate_backends(self) -> int:
        others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
        return len(self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname="postgres", autocommit=True, connect_timeout=5
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _find_programs(self) -> tuple[str, str]:
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
        where = os.pathsep.join([*map(str, reversed(folders)), os.environ.get("PATH", "")])
        return _find("initdb", where), _find("postgres", where)

    def _make_data_folder(self) -> None:
        self._run(
            self._programs[0],
            f"--pgdata={self._folder}/data",
            f"--username={USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            # A test may kill the server, but not the machine.
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": 50,
            "autovacuum": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self._programs[1], "-D", f"{self._folder}/data", *options]


class MariaDB(DatabaseServer):
    """It speaks TLS with whoever wants to, as newer versions do by themselves.

    Attributes:
        socket_file: where it listens too.
        certificate_file: its own, which no authority has signed.
    """

    scheme = "mysql+pymysql"
    system_user = "mysql"

    @property
    def socket_file(self) -> Path:
        return self._folder / "socket"

    @property
    def certificate_file(self) -> Path:
        return self._folder / "certificate.pem"

    def terminate_backends(self) -> int:
        rows = self.execute(
            "SELECT id FROM information_schema.processlist "
            f"WHERE user = '{USER}' AND id <> connection_id() AND command <> 'Killed'"
        )
        for (number,) in rows:
            with contextlib.suppress(pymysql.Error):  # It may have gone by itself meanwhile.
                self.execute(f"KILL CONNECTION {number}")
        return len(rows)

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        with (
            pymysql.connect(
                host="127.0.0.1", port=self.port, user=USER, autocommit=True, connect_timeout=5, ssl_disabled=True
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return list(cursor.fetchall())

    def _find_programs(self) -> tuple[str, str]:
        where = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
        return _find("mariadb-install-db", where), _find("mariadbd", where)

    def _make_data_folder(self) -> None:
        self._run(
            self._programs[0],
            "--no-defaults",
            f"--datadir={self._folder}/data",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *self._storage(),
        )
        make_certificate(self.certificate_file, self._folder / "key.pem")
        (self._folder / "init.sql").write_text(
            "".join(
                f"CREATE USER IF NOT EXISTS {USER}@'{host}';\nGRANT ALL ON *.* TO {USER}@'{host}';\n"
                for host in ("127.0.0.1", "localhost")
            )
        )

    def _command(self) -> list[str]:
        return [
            self._programs[1],
            "--no-defaults",
            f"--datadir={self._folder}/data",
            f"--init-file={self._folder}/init.sql",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            f"--socket={self.socket_file}",
            f"--pid-file={self._folder}/pid",
            f"--ssl-cert={self.certificate_file}",
            f"--ssl-key={self._folder}/key.pem",
            "--skip-name-resolve",
            "--max-connections=50",
            *self._storage(),
        ]

    @staticmethod
    def _storage() -> list[str]:
        return [
            # A test may kill the server, but not the machine.
            "--innodb-flush-method=nosync",
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-log-file-size=8M",
            "--innodb-buffer-pool-size=16M",
            "--skip-log-bin",
        ]


_servers: dict[type[DatabaseServer], DatabaseServer] = {}


def running(kind: type[DatabaseServer]) -> DatabaseServer:
    """The one server of this kind for the whole run, started now if it was not; else the test is skipped."""
    if kind not in _servers:
        try:
            _servers[kind] = kind()
        except ServerMissing as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(missing))
    return _servers[kind]


@pytest.fixture(scope="session")
def _database_servers() -> Iterator[None]:
    yield
    while _servers:
        _servers.popitem()[1].close()


@pytest.fixture
def postgresql(_database_servers: None) -> Iterator[DatabaseServer]:
    """The running PostgreSQL server; it runs again after the test whatever that did to it."""
    server = running(PostgreSQL)
    yield server
    server.thaw()
    server.start()


@pytest.fixture
def mariadb(_database_servers: None) -> Iterator[DatabaseServer]:
    """The running MariaDB server; it runs again after the test whatever that did to it."""
    server = running(MariaDB)
    yield server
    server.thaw()
    server.start()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: the test runs with each of the three kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/database.sqlite"
    server: DatabaseServer = request.getfixturevalue(request.param)
    return server.new_database()


def make_certificate(certificate_file: Path, key_file: Path) -> None:
    """A certificate of 127.0.0.1 for an hour, and its key, readable by whoever a server runs as."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.now(UTC) - timedelta(minutes=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _find(program: str, where: str) -> str:
    found = shutil.which(program, path=where)
    if found is None:
        raise ServerMissing(f"{program} is not here: install Debian's packages postgresql and mariadb-server")
    return found


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
