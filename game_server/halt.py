"""Where the controllers of all games stop when the games are to stand still."""

from connhandler.gate import Gate


class Halt:
    """A gate on the way of every command: open, closed for a while, or closed for good.

    The central task opens and closes it; the controllers, each in a task of its own, go through it between receiving a
    command and carrying it out. Nothing waits in the middle of a command: once it is closed, nothing changes any more.

    Attributes:
        closed: whether commands are kept.
    """

    def __init__(self) -> None:
        self.closed = False
        self._for_good = False
        self._gate = Gate()

    def close(self) -> None:
        """Let no command through."""
        self.closed = True

    def open(self) -> None:
        """Let commands through again, those first that were kept."""
        self.closed = False
        self._gate.open()

    def close_for_good(self) -> None:
        """Send those away who wait: their commands are not carried out."""
        self.closed = self._for_good = True
        self._gate.open()

    def pass_through(self) -> bool:
        """Wait while it is closed.

        Returns:
            Whether the command may be carried out; else never.
        """
        while self.closed and not self._for_good:
            self._gate.wait()
        return not self._for_good
