"""The player's connection to the login server."""

import ssl
from collections.abc import Callable
from typing import Any

import gevent.socket

from connhandler import OutgoingConnectionHandler, Peer
from connhandler.connection import Address
from connhandler.jsonmessage import JsonMessageReader, JsonMessageWriter
from login_server.protocol import ToPlayer


class LoginServerPeer(Peer):
    """The login server."""


class LoginServerReader(JsonMessageReader):
    message_type = ToPlayer


WRONG_NAME = (62, 64)
"""What OpenSSL calls `X509_V_ERR_HOSTNAME_MISMATCH` and `X509_V_ERR_IP_ADDRESS_MISMATCH`."""

WRONG_TIME = (9, 10)
"""`X509_V_ERR_CERT_NOT_YET_VALID` and `X509_V_ERR_CERT_HAS_EXPIRED`."""


class LoginServerHandler(OutgoingConnectionHandler):
    """One connection, for as long as the client runs. Arguments as for the base.

    Args:
        untrusted: called, in the connection's task, with why the login server's certificate was not accepted.
    """

    def __init__(self, *args: Any, untrusted: Callable[[str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._untrusted = untrusted

    def shake_hands(self, sock: gevent.socket.socket, address: Address) -> gevent.socket.socket:
        try:
            return super().shake_hands(sock, address)
        except ssl.SSLCertVerificationError as error:
            self._untrusted(reason_of(error))
            raise

    def create_connection_instances(
        self, sock: gevent.socket.socket, address: Address
    ) -> tuple[LoginServerReader, JsonMessageWriter, LoginServerPeer]:
        return LoginServerReader(sock), JsonMessageWriter(sock), LoginServerPeer()


def reason_of(error: ssl.SSLCertVerificationError) -> str:
    """Why a certificate was not accepted, and what the player can do about it."""
    reason = f"the login server's certificate is not trusted: {error.verify_message}"
    if error.verify_code in WRONG_NAME:
        return f"{reason}; give --address the name that it is for"
    if error.verify_code in WRONG_TIME:
        return reason
    return f"{reason}; if it is the right one, give the certificate of who signed it with --tls-ca FILE"
