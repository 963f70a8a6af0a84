"""How any part of the login server says no to the one who asked."""


class Refusal(Exception):
    """What was asked is not done. It reaches the asker as a `Refused`, and costs nothing else.

    Attributes:
        code: for programs, like `name_taken`.
        message: for people, a whole sentence without its full stop.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
