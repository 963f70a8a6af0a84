"""The commands and the code on the page about TLS, as they stand there."""

import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.iot_manager.programs import ROOT, SECONDS, Program, port_of

PAGE = (ROOT / "docs" / "iot_tls.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)\n```$", PAGE, re.MULTILINE)
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
MODULES = {"iot-manager": "iot_manager", "iot-simulate": "iot_manager.simulate"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the certificates are, made as the page says."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here, which makes the certificates: apt-get install openssl")
    folder = tmp_path_factory.mktemp("tls")
    (folder / "examples").symlink_to(ROOT / "examples")
    made = subprocess.run(shlex.split(COMMANDS[0]), cwd=folder, capture_output=True, text=True, timeout=30, check=True)
    assert f"```sh\n{COMMANDS[0]}\n```\n\n```\n{made.stdout}```" in PAGE
    return folder


def test_other_names_for_the_manager_and_what_is_refused(folder: Path, tmp_path: Path) -> None:
    script = str(ROOT / "examples" / "make_certificates.sh")

    def make(*arguments: str) -> tuple[int, str]:
        done = subprocess.run([script, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout + done.stderr

    assert make("new", "manager.local", "192.0.2.5") == (
        0,
        "in new: ca.pem, server.pem, client.pem, and a .key for each\n"
        "the server's certificate is for "
        "DNS:localhost,IP:127.0.0.1,IP:::1,DNS:manager.local,IP:192.0.2.5\n",
    )
    context = ssl.create_default_context(cafile=str(tmp_path / "new" / "ca.pem"))
    context.load_cert_chain(tmp_path / "new" / "client.pem", tmp_path / "new" / "client.key")
    assert (tmp_path / "new" / "ca.key").stat().st_mode & 0o077 == 0
    status, said = make("new")
    assert (status, "has certificates already" in said) == (1, True)
    status, said = make()
    assert (status, said.startswith("usage: ")) == (2, True)


def run(command: str, folder: Path, port: str) -> Program:
    name, *options = shlex.split(command)
    return Program([sys.executable, "-m", MODULES[name], *options, "--port", port], folder)


def test_the_page_has_the_commands_that_are_run_here() -> None:
    assert [shlex.split(command)[0] for command in COMMANDS] == [
        "examples/make_certificates.sh",
        "iot-manager",
        "iot-simulate",
        "iot-manager",
        "iot-simulate",
    ]


@pytest.mark.parametrize("position", [1, 3], ids=["TLS", "mutual TLS"])
def test_the_managers_and_the_devices_commands(folder: Path, position: int) -> None:
    with run(COMMANDS[position], folder, "0") as manager:
        port = port_of(manager)
        with run(COMMANDS[position + 1], folder, port) as devices:
            assert devices.wait() == 0, devices.said
            assert "3, connected 3 at most" in devices.said
        assert manager.end() == 0, manager.said
        assert "Traceback" not in manager.said


def test_who_does_not_speak_tls_gets_no_further_than_the_handshake(folder: Path) -> None:
    with run(COMMANDS[1], folder, "0") as manager:
        with socket.create_connection(("127.0.0.1", int(port_of(manager))), timeout=SECONDS) as device:
            device.sendall(b"not the beginning of a handshake")
            manager.wait_for("handshake failed")
        assert manager.end() == 0, manager.said


def test_who_has_no_certificate_of_ours_is_refused(folder: Path) -> None:
    with run(COMMANDS[3], folder, "0") as manager:
        port = port_of(manager)
        with run("iot-simulate 1 --seconds 1 --no-progress --tls-ca certificates/ca.pem", folder, port) as device:
            manager.wait_for("handshake failed")
            assert device.end() == 1, device.said
            assert "1 devices were never connected" in device.said
        assert manager.end() == 0, manager.said


def test_the_code_for_both_sides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    manager_code, device_code, more_of_manager, more_of_device = CODE
    before_manager, made = manager_code.split("manager = ")
    names: dict[str, object] = {}
    exec(
        before_manager + more_of_manager + "manager = " + made.replace("context)", "context, connection_port=0)"), names
    )
    manager = names["manager"]
    port = manager.port  # type: ignore[attr-defined]
    before_device, lived = device_code.split("with ")
    lived = lived.replace("ssl_context=context", f"ssl_context=context, port={port}").replace(
        "    for command in device:\n        print(command)", "    came = device.wait_connected(10)"
    )
    exec(before_device + more_of_device + "with " + lived, names)
    manager.close()  # type: ignore[attr-defined]
    assert names["came"] is True
