"""What was said last, for the report of a crash: bounded, and without secrets."""

from typing import Any

from connhandler import DisconnectReason, PeerDisconnected
from connhandler.jsonmessage import Pong
from game_server_launcher import gameconsolehandler as console
from game_server_launcher import protocol
from game_server_launcher.gamecontrollerhandler import ControllerPeer
from game_server_launcher.talk import MAX_CHARACTERS, MAX_MESSAGES, Talks, show, without_secrets


def test_messages_are_shown_without_secrets() -> None:
    shown = show(protocol.ControllerLogIn(server="four", token="very secret", pid=7))
    assert shown == 'ControllerLogIn {"server":"four","token":"…","pid":7,"handed_over":false}'
    assert show(console.Password("very secret")) == "Password …"
    assert show(console.ChangeMap("dm1")) == 'ChangeMap {"map":"dm1"}'
    accepted = protocol.ControllerAccepted(
        server_id="home/four", issuer="me", public_key="PEM", used_tickets=[protocol.TicketUsed("abc", 5.0)]
    )
    assert "PEM" not in show(accepted)
    assert "abc" not in show(accepted)
    assert show(protocol.TookOver()) == "TookOver {}"


def test_a_long_message_is_cut() -> None:
    assert len(show(console.Say("x" * 10_000))) == MAX_CHARACTERS


def test_an_end_is_shown_with_its_reason() -> None:
    assert show(PeerDisconnected(ControllerPeer(), DisconnectReason.IDLE_TIMEOUT, "gone")).startswith(
        "PeerDisconnected gone"
    )


def test_a_command_line_without_secrets() -> None:
    command = ["./game", "--port", "7", "--token", "abc", "--rcon_password=def", "+password", "ghi", "{token}", "x"]
    assert without_secrets(command) == [
        *["./game", "--port", "7", "--token", "…", "--rcon_password=…", "+password", "…", "{token}", "x"]
    ]


def test_talk_is_bounded_and_taken_once() -> None:
    talks = Talks()
    peer = ControllerPeer()
    message: Any = protocol.PlayerCountChanged(players=1)
    talks.heard(peer, [message])
    assert talks.take("four") == [], "nobody knows whose it is"
    peer.server = "four"
    talks.heard(peer, [message, Pong()] * 100)
    peer.send(protocol.StopServer(grace_seconds=1))
    lines = talks.take("four")
    assert len(lines) == MAX_MESSAGES
    assert lines[-2:] == ['game: PlayerCountChanged {"players":1}', 'launcher: StopServer {"grace_seconds":1}']
    assert talks.take("four") == []
