"""What was there a moment ago: a program that still speaks of it has made no mistake."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Departed(Generic[Key, Value]):
    """The last clients that have gone, or games that have ended, and what is worth keeping of each. Of more than
    `most`, the oldest are forgotten.

    The central task adds and removes; any thread may ask.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._keys: OrderedDict[Key, Value] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def get(self, key: Key) -> Value | None:
        return self._keys.get(key)

    def add(self, key: Key, value: Value) -> None:
        self._keys[key] = value
        self._keys.move_to_end(key)
        if len(self._keys) > self._most:
            self._keys.popitem(last=False)

    def discard(self, key: Key) -> None:
        self._keys.pop(key, None)
