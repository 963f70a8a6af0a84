"""What the open pages are told: who is there, and what is said. Fed and followed by ordinary threads."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

KEPT: Final = 100
"""So many of the latest sayings are kept, and told to a page that is opened."""

PAUSE_SECONDS: Final = 0.2
"""However much happens, each page is told of it no more often."""

LOOK_SECONDS: Final = 2.0
"""The devices are told anew so often, at least: when one was last seen changes without an event. This also finds out
that a page has been closed."""

Event = tuple[str, Any]


class Feed:
    """Args:
    devices: returns all devices, as `Manager.get_devices`.
    """

    def __init__(self, devices: Callable[[], list[dict[str, Any]]]) -> None:
        self._devices = devices
        self._changed = threading.Condition()
        self._changes = 0
        self._said: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)

    def devices_changed(self) -> None:
        """Tell every page of the devices soon."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def say(self, by: str, device: str, text: str) -> None:
        """Tell every page what was said.

        Args:
            by: `"device"` or `"page"`.
            device: its uuid; for the page, also a type or `"all"`.
        """
        with self._changed:
            self._said.append(
                {"number": next(self._numbers), "by": by, "device": device, "text": text, "at": time.time()}
            )
            self._changes += 1
            self._changed.notify_all()

    def follow(self) -> Iterator[Event]:
        """Give what one page is to be told, for ever."""
        heard = 0
        while True:
            with self._changed:
                changes = self._changes
                news = [saying for saying in self._said if saying["number"] > heard]
            yield "devices", self._devices()
            for saying in news:
                yield "said", saying
                heard = saying["number"]
            with self._changed:
                self._changed.wait_for(lambda seen=changes: self._changes != seen, LOOK_SECONDS)  # type: ignore[misc]
            time.sleep(PAUSE_SECONDS)
