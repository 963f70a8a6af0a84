"""Who comes: what a player's request shows, checked with whoever knows whose tickets are good."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connhandler.framing.httprequest import HttpRequest
from game_server.admission import Admission, Denial, admit_by_name, admit_with_ticket, read_request
from login_server.tickets import TicketError

if TYPE_CHECKING:
    from game_server.departure import Departure
    from game_server.launcherlink import LauncherLink

logger = logging.getLogger(__name__)


class Door:
    """Called by the tasks of the players' connections, each before its upgrade, with the listener's lock held.

    Args:
        enable_auth: whether players must show a ticket.
        launcher: knows whose tickets are taken.
        departure: knows whether anybody is let in at all.
        post: calls a function in the central task.
    """

    def __init__(
        self, enable_auth: bool, launcher: "LauncherLink", departure: "Departure", post: Callable[..., Any]
    ) -> None:
        self._enable_auth = enable_auth
        self._launcher = launcher
        self._departure = departure
        self._post = post
        self._guests = 0

    def admit(self, request: HttpRequest, now: float) -> Admission:
        """Find out who comes.

        Raises:
            Denial: nobody who may.
        """
        presented = read_request(request)
        self._departure.check_door(presented)
        if presented.resume_key:
            return Admission("", presented.game_id, resume_key=presented.resume_key)
        if not self._enable_auth:
            self._guests += not presented.name
            return admit_by_name(presented, self._guests)
        if not presented.token:
            raise Denial("no_ticket", "show a ticket: ?token=… or Authorization: Bearer …", 401)
        try:
            ticket = self._launcher.check(presented.token, presented.game_id, now)
        except TicketError as error:
            if error.detail:
                logger.info("a ticket is not good, %s: %s", error.code, error.detail)
            raise Denial(error.code, error.message, 401) from error
        if ticket.once:
            self._post(self._launcher.ticket_used, ticket)
        return admit_with_ticket(ticket)
