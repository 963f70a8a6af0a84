"""Where tasks wait until another task lets them on: what `gevent.event.Event` does, at a fraction of its cost."""

from gevent import get_hub
from gevent.hub import Waiter


class Gate:
    """Tasks wait; whoever opens the gate lets all on that wait at that moment. It does not stay open."""

    __slots__ = ("waiters",)

    def __init__(self) -> None:
        self.waiters: list[Waiter[None]] = []

    def wait(self) -> None:
        """Wait until `open` is called. May return early; the caller looks again at what it waits for."""
        waiter: Waiter[None] = Waiter()
        self.waiters.append(waiter)
        try:
            waiter.get()
        finally:
            if waiter in self.waiters:
                self.waiters.remove(waiter)

    def open(self) -> None:
        """Let every waiting task on, each when the hub comes to it. Returns at once."""
        if self.waiters:
            waiters, self.waiters = self.waiters, []
            run_callback = get_hub().loop.run_callback
            for waiter in waiters:
                run_callback(waiter.switch, None)
