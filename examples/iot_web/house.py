"""A simulated house, so that there is something to see: a few devices, each with a thread of its own.

Real connections over loopback, by `iot_manager.device`. A real device's program looks like `Simulated.live`.
"""

import threading
import time
import uuid
from typing import Any, Final

from iot_manager.device import Device

AWAY_SECONDS: Final = 25.0
HERE_SECONDS: Final = 35.0

NAMESPACE: Final = uuid.UUID("9b1f6c1e-0d5c-4d2b-9a64-6f1d7a1f0c55")


class Simulated:
    """One device of the house.

    Args:
        name: what people call it.
        type: one of the manager's types.
        port: of the manager on this machine.
        states: what it can be told to be; the first is what it is.
        comes_and_goes: whether it is switched off every now and then.
    """

    def __init__(self, name: str, type: str, port: int, states: list[str], *, comes_and_goes: bool = False) -> None:
        self.name = name
        self.state = states[0]
        self._type, self._port, self._states = type, port, states
        self._comes_and_goes = comes_and_goes
        self._uuid = str(uuid.uuid5(NAMESPACE, name))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def switch_off(self) -> None:
        """Have it end soon; `wait` waits for that."""
        self._ended.set()

    def wait(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self.live(time.monotonic() + HERE_SECONDS if self._comes_and_goes else float("inf"))
            self._ended.wait(AWAY_SECONDS)

    def live(self, until: float) -> None:
        """Be connected, and do what the manager says."""
        data = {"name": self.name, "understands": self._states, "simulated": True}
        with Device(self._uuid, self._type, data, port=self._port, dialect="framed", answer=self._answer) as device:
            while not self._ended.is_set() and time.monotonic() < until:
                try:
                    command = device.receive(timeout=0.5).decode(errors="replace")
                except TimeoutError:
                    continue
                device.send(self._obey(command).encode())

    def _obey(self, command: str) -> str:
        if command not in self._states:
            return f"I do not know how to {command!r}; I understand {', '.join(self._states)}"
        self.state = command
        return f"{self.name}: {command}"

    def _answer(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"state": self.state, "asked": payload.get("ask")}


def build(port: int) -> list[Simulated]:
    """Return the devices of a house, not yet switched on."""
    return [
        Simulated("Kitchen lamp", "light", port, ["off", "on", "dim"]),
        Simulated("Garden lamp", "light", port, ["off", "on"], comes_and_goes=True),
        Simulated("Front door", "lock", port, ["locked", "unlocked"]),
        Simulated("Bedroom", "thermostat", port, ["18 °C", "20 °C", "22 °C"]),
    ]
