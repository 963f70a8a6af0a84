"""The one way to spawn a task: it has a name, and if it crashes, that is logged."""

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

import gevent
from gevent import Greenlet

logger = logging.getLogger(__name__)

Task: TypeAlias = "Greenlet[..., Any]"


def wait_at_most(seconds: float) -> gevent.Timeout:
    """Return a context manager that ends its block after `seconds`, without an exception."""
    return gevent.Timeout(max(seconds, 0.0), False)  # type: ignore[arg-type]


def spawn(name: str, function: Callable[..., Any], *args: Any) -> Task:
    """Run `function(*args)` in a task of its own.

    Args:
        name: the string in every log line of this task, such as `launcher[7].reader`.

    Returns:
        the started task; `.get()` it for its result or exception.
    """
    task: Task = Greenlet(_run, name, function, args)
    task.name = name
    task.start()
    return task


def let_the_loop_turn() -> None:
    """Let the event loop take one whole turn: timers, signals and sockets, and every task that waits for them.

    `gevent.sleep(0)` lets other tasks run, but tasks that take turns with it have the loop stand still for many turns.
    """
    hub = gevent.get_hub()
    timer = hub.loop.timer(0)
    try:
        hub.wait(timer)
    finally:
        timer.close()


def _run(name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return function(*args)
    except Exception:
        logger.exception("%s: task crashed", name)
        raise
