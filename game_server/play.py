"""`python -m game_server.play`: four in a row in a terminal."""

from gevent import monkey

monkey.patch_all()

from connhandler.configuration import require_extra, set_up_logging

if __name__ == "__main__":
    # What follows needs the extra.
    require_extra("play", "game-server", "websockets")

import argparse
import getpass
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import gevent
import gevent.ssl

from connhandler import Limits, Service, tasks
from game_server.client.door import Door, DoorClosed
from game_server.client.gameserverhandler import GameServerHandler
from game_server.client.keyboard import Keyboard
from game_server.client.loginserverhandler import LoginServerHandler
from game_server.client.playclient import Credentials, PlayClient
from game_server.client.screen import Screen
from game_server.client.story import Story
from game_server.client.style import style_of
from game_server.client.terminal import Terminal
from game_server.client.view import View
from game_server.client.visit import Visit
from game_server.protocol import GAME
from game_server_launcher.protocol import DOOR_PORT
from login_server.protocol import PLAYER_PORT

PASSWORD_VARIABLE = "PLAY_PASSWORD"

LIMITS = Limits(max_retry_seconds=5)
"""A person waits for the connection."""

LOOK_SECONDS = 5.0
"""A login server that cannot be connected to in so long is not there."""


def main(argv: Sequence[str] | None = None) -> int:
    """Play; return the exit status: 0; 1 if the login server cannot be trusted or was not there when a password was to
    be asked for, or with `--auto` if no game was played to its end."""
    arguments = parse(argv)
    set_up_logging("error")
    try:
        return play_by_itself(arguments) if arguments.auto else play_in_terminal(arguments)
    except (KeyboardInterrupt, EOFError):
        print("\nbye")
        return 1 if arguments.auto else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Raises:
    SystemExit: with status 2 for a wrong option, after a sentence on stderr; with 0 after `--help`.
    """
    parser = argparse.ArgumentParser(
        prog="play",
        description="Play four in a row in a terminal: log in, choose a server or be matched, play.",
        epilog=f"The password is asked for, unless it is in the environment ({PASSWORD_VARIABLE}) or in a file.",
    )
    parser.add_argument("--address", default="127.0.0.1", help="of the login server (default: %(default)s)")
    parser.add_argument("--port", type=int, default=PLAYER_PORT, help="of the login server (default: %(default)s)")
    parser.add_argument("--tls", action="store_true", help="the login server speaks TLS")
    parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="PEM file to check its certificate with")
    parser.add_argument("--name", default="", help="who plays (default: ask)")
    parser.add_argument("--register", action="store_true", help="make an account of that name first")
    parser.add_argument("--password-file", type=Path, help="its first line is the password")
    parser.add_argument(
        "--door", default="", metavar="HOST:PORT", help="of a launcher, to come in by while the login server is away"
    )
    parser.add_argument(
        "--pass-file", type=Path, metavar="FILE", help="keeps the day pass of the last log-in, to show at the door"
    )
    parser.add_argument("--game", default=GAME, help="what a match is looked for in (default: %(default)s)")
    auto = parser.add_argument_group("playing by itself")
    auto.add_argument("--auto", action="store_true", help="play one game without a person, a line for each event")
    wish = auto.add_mutually_exclusive_group()
    wish.add_argument("--match", action="store_true", help="be matched with anybody (the default)")
    wish.add_argument("--partner", default="", help="be matched with this player")
    wish.add_argument("--join", default="", metavar="SERVER_ID", help="join this server without a match")
    auto.add_argument("--seed", type=int, help="of the moves (default: others each time)")
    auto.add_argument("--pace", type=float, default=0.2, metavar="SECONDS", help="thinking time (default: %(default)s)")
    auto.add_argument(
        "--timeout", type=float, default=300, metavar="SECONDS", help="for the whole game (default: %(default)s)"
    )
    arguments = parser.parse_args(argv)
    host, _, port = arguments.door.rpartition(":")
    if arguments.door and not (host and port.isdecimal() and 0 < int(port) < 65536):
        parser.error(f"--door: expected HOST:PORT, such as play.example.org:{DOOR_PORT}, not {arguments.door!r}")
    if arguments.auto and not arguments.name:
        parser.error("--auto needs --name")
    if arguments.tls_ca is not None:
        arguments.tls = True
        if not arguments.tls_ca.is_file():
            parser.error(f"--tls-ca: there is no file {arguments.tls_ca}")
    return arguments


def play_by_itself(arguments: argparse.Namespace) -> int:
    password = given_password(arguments)
    if password is None:
        print(f"play: --auto needs a password: {PASSWORD_VARIABLE} or --password-file", file=sys.stderr)
        return 1

    def wish() -> None:
        if arguments.join:
            client.join_server(arguments.join)
        else:
            client.find_match(arguments.game, arguments.partner)

    generator = random.Random(arguments.seed)
    story = Story(arguments.name, lambda line: print(line, flush=True), wish, generator, arguments.pace)
    client, service = make_client(arguments, Credentials(arguments.name, password, arguments.register), story)
    why: list[str] = []

    def end(reason: str) -> None:
        why.append(reason)
        service.end(reason)

    client.end = end
    client.call_later(arguments.timeout, end, f"no game was played in {arguments.timeout:g} s")
    service.run()
    if story.finished:
        return 0
    reason = why[0] if why else "interrupted"
    trouble = f" ({story.trouble})" if story.trouble not in ("", reason) else ""
    print(f"play: {arguments.name} played no game: {reason}{trouble}", file=sys.stderr)
    return 1


def play_in_terminal(arguments: argparse.Namespace) -> int:
    print("Four in a row. Ctrl-C leaves at any time.")
    password = given_password(arguments)
    if not arguments.name or password is None:
        problem = "" if arguments.door and kept_pass(arguments) else look_for_login_server(arguments)
        if problem:
            print(f"play: {problem}", file=sys.stderr)
            return 1
    credentials = ask_credentials(arguments, password)
    while True:
        client = visit_lobby(arguments, credentials)
        if client.untrusted:
            print(f"play: {client.untrusted}", file=sys.stderr)
            return 1
        if not client.rejected:
            return 0
        print(f"The login server says: {client.rejected}.")
        if not sys.stdin.isatty():
            return 1
        arguments.name = ""
        credentials = ask_credentials(arguments, None)


def visit_lobby(arguments: argparse.Namespace, credentials: Credentials) -> PlayClient:
    """Play until the player quits, or the login server cannot be used; the client says which."""
    style = style_of(sys.stdout, os.environ)
    movable = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    screen = Screen(sys.stdout, style, replace=movable)
    terminal = Terminal(
        screen, arguments.game, f"{credentials.name} at {arguments.address}:{arguments.port} - four in a row"
    )
    client, service = make_client(arguments, credentials, terminal)
    keyboard = Keyboard(
        sys.stdin.fileno(),
        movable,
        lambda line: client.post(terminal.line_typed, line),
        lambda: client.post(terminal.draw),
    )
    terminal.typed = lambda: keyboard.buffer

    def resumed() -> None:
        """After Ctrl-Z and `fg`: the shell has set the terminal to its own liking."""
        keyboard.take_terminal()
        client.post(terminal.draw)

    watcher = gevent.signal_handler(signal.SIGCONT, resumed)
    keyboard.start()
    try:
        service.run()
    finally:
        watcher.cancel()
        keyboard.close()
        screen.finish(terminal.last_words)
    return client


def make_client(arguments: argparse.Namespace, credentials: Credentials, view: View) -> tuple[PlayClient, Service]:
    def connect(visit: Visit) -> GameServerHandler:
        handler = GameServerHandler(
            "game_server",
            visit.address,
            visit.port,
            client.queue,
            visit=visit,
            refused=lambda *refusal: client.post(client.game_server_refused, *refusal),
            limits=LIMITS,
        )
        handler.start()
        return handler

    context = gevent.ssl.create_default_context(cafile=arguments.tls_ca) if arguments.tls else None
    client = PlayClient(credentials, view, connect)
    client.day_pass = kept_pass(arguments)
    client.keep_pass = lambda day_pass: keep_pass(arguments, day_pass)
    if arguments.door:
        client.ask_door = lambda *wish: ask_door(client, arguments, *wish)
    handler = LoginServerHandler(
        "login_server",
        arguments.address,
        arguments.port,
        client.queue,
        limits=LIMITS,
        ssl_context=context,
        untrusted=lambda why: client.post(client.certificate_not_trusted, why),
    )
    service = Service(client, [handler])
    client.end = service.end
    return client, service


def ask_door(client: PlayClient, arguments: argparse.Namespace, day_pass: str, server_id: str) -> None:
    """Ask a launcher for a seat, in a task of its own, which tells the client what came of it. Returns at once."""
    host, _, port = arguments.door.rpartition(":")
    door = Door(host.strip("[]"), int(port), arguments.game)

    def ask() -> None:
        try:
            client.post(client.door_opened, door.ask(day_pass, server_id or arguments.join))
        except DoorClosed as closed:
            client.post(client.door_closed, str(closed))

    tasks.spawn("door", ask)


def kept_pass(arguments: argparse.Namespace) -> str:
    """The day pass of the last log-in; empty if there is none."""
    try:
        return "" if arguments.pass_file is None else str(arguments.pass_file.read_text().strip())
    except (OSError, UnicodeDecodeError):
        return ""


def keep_pass(arguments: argparse.Namespace, day_pass: str) -> None:
    """Write a day pass down, where nobody else can read it."""
    if arguments.pass_file is None or not day_pass:
        return
    try:
        arguments.pass_file.touch(mode=0o600)
        arguments.pass_file.write_text(day_pass + "\n")
    except OSError as error:
        print(f"play: --pass-file: cannot write {arguments.pass_file}: {error.strerror}", file=sys.stderr)


def given_password(arguments: argparse.Namespace) -> str | None:
    """The password, if it need not be asked for.

    Raises:
        SystemExit: with status 2 if the file cannot be read, after a sentence on stderr.
    """
    if arguments.password_file is None:
        return os.environ.get(PASSWORD_VARIABLE)
    try:
        return str(arguments.password_file.read_text().partition("\n")[0])
    except OSError as error:
        print(f"play: --password-file: cannot read {arguments.password_file}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from error


def look_for_login_server(arguments: argparse.Namespace) -> str:
    """Why nobody can log in there; empty if somebody listens. To be known before anybody types a password."""
    try:
        socket.create_connection((arguments.address, arguments.port), LOOK_SECONDS).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return f"the login server at {arguments.address}:{arguments.port} cannot be reached: {why}"
    return ""


def ask_yes_or_no(question: str) -> bool:
    """Ask until the answer is one; yes if it is empty."""
    while True:
        answer = input(f"{question} [Y/n] ").strip().lower()
        if answer in ("", "y", "yes", "n", "no"):
            return answer not in ("n", "no")
        print("Please type y or n.")


def ask_credentials(arguments: argparse.Namespace, password: str | None) -> Credentials:
    """Ask for what the command line and the environment do not say."""
    name = arguments.name
    register = arguments.register
    if not name:
        name = input("Name: ").strip()
        if not register:
            register = not ask_yes_or_no("Do you have an account already?")
    while password is None:
        password = getpass.getpass("Password: ")
        if register and getpass.getpass("Password again: ") != password:
            print("These are two different passwords.")
            password = None
    return Credentials(name, password, register)


if __name__ == "__main__":
    logging.raiseExceptions = False
    sys.exit(main())
