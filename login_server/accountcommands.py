"""`login-server account …`: players' accounts. They work on the database, whether a login server runs on it or not."""

import getpass
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from tqdm import tqdm

from login_server.accounts import AccountRecord, AccountStore, Passwords, Refusal, check_name, check_new_password, fold
from login_server.accounts.store import ROWS_AT_A_TIME, check_hash, check_rank
from login_server.commandline import Action, CommandFailed, UsageError, open_database, run_action
from login_server.config import Config

MAX_LINE_BYTES = 64 * 1024
BARS_FROM = 2_000
"""So many accounts take long enough for a progress bar."""


def manage_accounts(arguments: Sequence[str]) -> int:
    """Carry out one of `ACCOUNT_ACTIONS`."""
    description = "Manages players' accounts."
    hint = (
        "A password is asked for at the terminal, or else read as one line from standard input; it is never taken from "
        "the command line. Put -- before words that begin with a dash, such as a rank below 0."
    )
    return run_action("account", description, ACCOUNT_ACTIONS, arguments, hint)


@contextmanager
def _store(config: Config) -> Iterator[AccountStore]:
    database = open_database(config)
    try:
        yield AccountStore(database)
    finally:
        database.close()


def _add(config: Config, name: str) -> None:
    check_name(name)
    with _store(config) as store:
        if store.find(name) is not None:  # before anybody types a password
            raise Refusal("name_taken", f"the name {name} is taken")
        account_id = store.add(name, _new_password_hash(), time.time())
    print(f"{name} can log in, account {account_id}")


def _set_password(config: Config, name: str) -> None:
    with _store(config) as store:
        account = store.find(name)
        if account is None:
            raise CommandFailed(f"there is no account {name}")
        store.set_password_hash(account.account_id, _new_password_hash(), time.time())
    print(f"{account.name} has a new password")


def _disable(config: Config, name: str) -> None:
    with _store(config) as store:
        store.set_disabled(name, True, time.time())
    print(f"{name} can log in no more, and the day passes are void; a connection that is open stays")


def _enable(config: Config, name: str) -> None:
    with _store(config) as store:
        store.set_disabled(name, False, time.time())
    print(f"{name} can log in")


def _revoke_passes(config: Config, name: str) -> None:
    with _store(config) as store:
        store.revoke_passes(name, time.time())
    print(f"the day passes that {name} has are void; the next log-in gives a new one")


def _set_rank(config: Config, name: str, rank: str) -> None:
    try:
        number = int(rank)
        check_rank(number)
    except ValueError:
        raise UsageError(f"account set-rank: {rank!r} is no rank: a whole number, of 32 bits at most") from None
    with _store(config) as store:
        store.set_rank(name, number)
    print(f"{name} has rank {number}")


def _list(config: Config) -> None:
    with _store(config) as store:
        for record in store.all():
            disabled = "\tdisabled" if record.disabled else ""
            created = datetime.fromtimestamp(record.created_at, UTC)
            print(f"{record.name}\trank {record.rank}\tadded {created:%Y-%m-%d %H:%M} UTC{disabled}")


def _export(config: Config, file: str) -> None:
    with _store(config) as store:
        if file == "-":
            _write_records(store, sys.stdout.buffer)
            return
        try:
            path = Path(file)
            path.touch(mode=0o600, exist_ok=True)  # hashes are nobody else's business
            if path.is_file():  # and no pipe or device
                path.chmod(0o600)  # it may have been there already
            with path.open("wb") as out:
                count = _write_records(store, out)
        except OSError as error:
            raise CommandFailed(f"cannot write {file}: {error.strerror}") from error
    print(f"{count} accounts are in {file}, each with its password's hash: keep it to yourself")


def _write_records(store: AccountStore, out: BinaryIO) -> int:
    """Write a line for each account, and return how many there are."""
    count = 0
    with _progress_bar("exporting", store.count()) as bar:
        for record in store.all():
            out.write(msgspec.json.encode(record) + b"\n")
            bar.update()
            count += 1
    out.flush()
    return count


def _import(config: Config, file: str) -> None:
    records = _read_records(file)
    with _store(config) as store:
        new: list[AccountRecord] = []
        others = 0
        for begin in range(0, len(records), ROWS_AT_A_TIME):
            some = records[begin : begin + ROWS_AT_A_TIME]
            found = store.find_records([record.name for record in some])
            new += [record for record in some if fold(record.name) not in found]
            others += sum(found.get(fold(record.name), record).password_hash != record.password_hash for record in some)
        written = 0
        with _progress_bar("importing", len(new)) as bar:
            for count in store.add_all(new):
                bar.update(count - written)
                written = count
    print(f"{len(new)} accounts imported, {len(records) - len(new)} were here already and stay as they are")
    if others:
        print(f"{others} of those have another password here: is it the same person?")


def _read_records(file: str) -> list[AccountRecord]:
    """Raises:
    CommandFailed: it cannot be read, or a line of it is wrong: the text says which.
    """
    try:
        if file == "-":
            return _parse("standard input", sys.stdin.buffer)
        with Path(file).open("rb") as lines:
            return _parse(file, lines)
    except OSError as error:
        raise CommandFailed(f"cannot read {file}: {error.strerror}") from error


def _parse(file: str, lines: BinaryIO) -> list[AccountRecord]:
    decoder = msgspec.json.Decoder(AccountRecord)
    records: dict[str, AccountRecord] = {}
    for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE_BYTES + 1), b""), 1):
        if not line.strip():
            continue
        try:
            if len(line) > MAX_LINE_BYTES:
                raise ValueError("too long")
            record = decoder.decode(line)
            check_name(record.name)
            check_hash(record.password_hash)
            check_rank(record.rank)
            if fold(record.name) in records:
                raise ValueError(f"{record.name} comes twice")
        except (ValueError, msgspec.MsgspecError, Refusal) as error:
            raise CommandFailed(f"{file}, line {number}: {error}; nothing was imported") from error
        records[fold(record.name)] = record
    return list(records.values())


def _progress_bar(what: str, count: int) -> "tqdm[Any]":
    """On stderr, if that is a terminal and it takes long enough."""
    return tqdm(desc=what, total=count, unit=" accounts", disable=None if count >= BARS_FROM else True)


def _new_password_hash() -> str:
    """Raises:
    CommandFailed: there is none, or it was typed in two ways.
    Refusal: it is too short or too long.
    """
    if sys.stdin.isatty():
        try:
            password = getpass.getpass("Password: ")
            check_new_password(password)
            again = getpass.getpass("Again: ")
        except (EOFError, KeyboardInterrupt) as error:
            print(file=sys.stderr)  # ends the line of the prompt
            raise CommandFailed("no password was typed, nothing has changed") from error
        if again != password:
            raise CommandFailed("these are two different passwords")
    else:
        line = sys.stdin.readline()
        if not line:
            raise CommandFailed("no password came from standard input")
        password = line.removesuffix("\n").removesuffix("\r")
        check_new_password(password)
    return Passwords().hash(password)


ACCOUNT_ACTIONS = {
    "add": Action("create an account", ("NAME",), _add),
    "set-password": Action("give an account a new password", ("NAME",), _set_password),
    "disable": Action("let nobody log in with an account", ("NAME",), _disable),
    "enable": Action("take that back", ("NAME",), _enable),
    "revoke-passes": Action("make the day passes void that a player has", ("NAME",), _revoke_passes),
    "set-rank": Action("set the number that games may know a player by", ("NAME", "RANK"), _set_rank),
    "list": Action("print every account", (), _list),
    "export": Action("write every account to a file, a line of JSON each; - is standard output", ("FILE",), _export),
    "import": Action("add the accounts of such a file, all or none; those here already stay", ("FILE",), _import),
}
