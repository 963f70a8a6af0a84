"""The exceptions of seed document 003."""


class ConnectionEnd(Exception):
    """The connection with the device has ended: the device failed to answer, or `Client.end` was called."""


class InvalidInfo(Exception):
    """What the device says about itself is not what the protocol asks for. The text says what is wrong."""
