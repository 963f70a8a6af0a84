"""A command's end of the control socket, with a launcher that says what the test wants."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connhandler.framing.chunks import ChunkDecoder, encode_chunks
from connhandler.jsonmessage import Hello, Ping, Pong, Refused, ShuttingDown, Welcome
from connhandler.messages import Message
from game_server_launcher import control
from game_server_launcher.controlclient import ControlClient, ControlFailed, NoLauncher
from game_server_launcher.controlhandler import socket_path

SECONDS = 10.0
WELCOME = Welcome(version=1)

Serve = Callable[..., list[Any]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Answers each message with the next of these messages, or with several, or ends; returns what it hears."""
    threads: list[threading.Thread] = []
    listener = socket.socket(socket.AF_UNIX)

    def serve(*answers: Message | list[Message]) -> list[Any]:
        heard: list[Any] = []
        listener.bind(socket_path(tmp_path))
        listener.listen()
        threads.append(threading.Thread(target=answer, args=(answers, heard)))
        threads[0].start()
        return heard

    def answer(answers: tuple[Message | list[Message], ...], heard: list[Any]) -> None:
        sock, _ = listener.accept()
        framing, decoder = ChunkDecoder(), msgspec.json.Decoder(control.FromOperator)
        with sock:
            sock.settimeout(SECONDS)
            for one in answers:
                data = sock.recv(65536)
                if not data:
                    return
                heard.extend(map(decoder.decode, framing.receive_data(data)))
                messages = one if isinstance(one, list) else [one]
                sock.sendall(b"".join(encode_chunks(msgspec.json.encode(message)) for message in messages))
            if not answers:
                sock.recv(65536)

    yield serve
    for thread in threads:
        thread.join(SECONDS)
    listener.close()


def failure(function: Callable[..., Any], *args: Any) -> str:
    with pytest.raises(ControlFailed) as raised:
        function(*args)
    return str(raised.value)


def test_without_a_launcher(tmp_path: Path) -> None:
    with pytest.raises(NoLauncher, match="no launcher is running on the run folder"):
        ControlClient(tmp_path)
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(socket_path(tmp_path))
    with pytest.raises(NoLauncher):
        ControlClient(tmp_path)


def test_an_order_that_is_carried_out_while_the_launcher_asks_for_signs_of_life(tmp_path: Path, serve: Serve) -> None:
    heard = serve(WELCOME, Ping(), [Ping(), control.Done(True, "four: stopped")], [])
    with ControlClient(tmp_path) as client:
        assert client.carry_out(control.Stop("four"), SECONDS) == "four: stopped"
    assert [type(message) for message in heard[:3]] == [Hello, control.Stop, Pong]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (control.Done(False, "four: failed"), "four: failed"),
        (Refused("not_possible", "there is no server fore"), "there is no server fore"),
        (ShuttingDown(), "the launcher is ending"),
        (Welcome(version=1), "the launcher has answered Welcome"),
    ],
)
def test_what_does_not_become_true_is_told(tmp_path: Path, serve: Serve, answer: Message, sentence: str) -> None:
    serve(WELCOME, answer)
    with ControlClient(tmp_path) as client:
        assert failure(client.carry_out, control.Stop("four"), SECONDS) == sentence


def test_a_status_that_is_none(tmp_path: Path, serve: Serve) -> None:
    serve(WELCOME, Refused("x", "not now"))
    with ControlClient(tmp_path) as client:
        assert failure(client.status) == "not now"


def test_another_version(tmp_path: Path, serve: Serve) -> None:
    serve(Refused("incompatible_version", "speaks versions [2]"))
    assert failure(ControlClient, tmp_path) == "speaks versions [2]"


def test_a_launcher_that_ends(tmp_path: Path, serve: Serve) -> None:
    serve()
    assert failure(ControlClient, tmp_path) == "the launcher has ended before it answered"


def test_a_launcher_that_does_not_answer(tmp_path: Path, serve: Serve) -> None:
    serve(WELCOME, [], [])
    with ControlClient(tmp_path) as client:
        assert failure(client.carry_out, control.Stop("four"), 0.1) == "the launcher has not answered within 0.1 s"
