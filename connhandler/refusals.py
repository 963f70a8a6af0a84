"""Refused connections: counted each, logged at most once a second for each reason, so that a flood of them cannot
become a flood of log lines."""

import logging
import time
from collections import Counter
from typing import Any

from connhandler.errors import RefusalReason

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 1.0


class RefusalLog:
    """Args:
    name: of the handler.
    counters: where each refusal is counted, under its reason's text.
    """

    def __init__(self, name: str, counters: Counter[str]) -> None:
        self._name = name
        self._counters = counters
        self._logged_at: dict[RefusalReason, float] = {}
        self._unlogged: Counter[RefusalReason] = Counter()

    def add(self, address: Any, reason: RefusalReason, detail: str = "") -> None:
        """Count a refusal; log it, or let the next line for this reason tell how many there were."""
        self._counters[reason.value] += 1
        now = time.monotonic()
        if now - self._logged_at.get(reason, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES:
            self._unlogged[reason] += 1
            return
        self._logged_at[reason] = now
        more = self._unlogged.pop(reason, 0)
        logger.info(
            "%s: refused %s: %s%s%s",
            self._name,
            address,
            reason.value,
            f" ({detail})" if detail else "",
            f"; and {more} more since the last such line" if more else "",
        )
