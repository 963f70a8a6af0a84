"""What the programs read from files: certificates, and the keys of devices."""

import ssl
import tomllib
from pathlib import Path

import msgspec

from iot_manager.data import UUID_CHARACTERS


class KeysUnreadable(ValueError):
    """A file of keys is not what it should be; the text is the sentence to print."""


def read_keys(path: str) -> dict[str, bytes]:
    """Return the devices' keys by uuid, from a TOML file of lines `"UUID" = "the key"`.

    Raises:
        KeysUnreadable: it is no such file. What it says is never in the text.
        OSError: it cannot be read.
    """
    try:
        table = msgspec.convert(tomllib.loads(Path(path).read_text(encoding="utf-8")), dict[str, str])
    except UnicodeDecodeError:
        raise KeysUnreadable(f"{path}: not a text file in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise KeysUnreadable(f'{path}: {error}; expected lines such as "UUID" = "the key"') from None
    except msgspec.ValidationError:
        raise KeysUnreadable(f'{path}: expected nothing but lines such as "UUID" = "the key"') from None
    for uuid, key in table.items():
        if len(uuid) != UUID_CHARACTERS:
            raise KeysUnreadable(f"{path}: {uuid!r} is not a UUID, which has {UUID_CHARACTERS} characters")
        if not key:
            raise KeysUnreadable(f"{path}: the key of {uuid} is empty")
    return {uuid: key.encode() for uuid, key in table.items()}


def server_context(certificate: str, key: str, client_ca: str = "") -> ssl.SSLContext | None:
    """Return how a manager speaks TLS: with a certificate of its own and, given a `client_ca`, only to devices whose
    certificates that CA has signed. None without a certificate.

    Raises:
        OSError: a file cannot be read, or is no such file (`ssl.SSLError`).
    """
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context.load_cert_chain, certificate, key)
    if client_ca:
        _load(context.load_verify_locations, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(ca: str, certificate: str = "", key: str = "") -> ssl.SSLContext | None:
    """Return how a device speaks TLS: with managers whose certificates this CA has signed, and with a certificate of
    its own if there is one. None without a CA.

    Raises:
        OSError: as `server_context`.
    """
    if not ca:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _load(context.load_verify_locations, ca)
    if certificate:
        _load(context.load_cert_chain, certificate, key)
    return context


def sentence(error: Exception) -> str:
    """What went wrong, and with which file, without the number of the error."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _load(function, *files: str) -> None:  # type: ignore[no-untyped-def]
    """The standard library does not say which file it was."""
    try:
        function(*files)
    except OSError as error:
        raise OSError(f"{' and '.join(files)}: {error.strerror or error}") from error
