"""The page about the library: its code runs, and it names every parameter, method and bound of the wire as they are."""

import inspect
import re
from typing import Any

from iot_manager import Client, Limits, Manager
from iot_manager.dialects import PROBES, FramedDialect
from iot_manager.rawdialect import GOODBYE
from tests.iot_manager.manageddevices import RawDevice, until, uuid
from tests.iot_manager.programs import ROOT

PAGE = (ROOT / "docs" / "iot_manager.md").read_text(encoding="utf-8")


def test_the_quick_start(capsys: Any) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert "connection_port=8595" in code
    names: dict[str, Any] = {}
    exec(code.replace("connection_port=8595", "connection_port=0"), names)
    with names["manager"] as manager:
        device = RawDevice(manager.port).identify()
        until(lambda: manager.get_client_data())
        device.send(b"knock")
        assert device.receive() == b"how bright?"
        device.send(b"very")
        told = ""

        def is_told() -> bool:
            nonlocal told
            told += capsys.readouterr().out
            return "and then" in told

        until(is_told)
        assert told.splitlines() == [f"{uuid()} is a light", "a light says b'knock' and then very"]
        device.close()


def test_every_parameter_with_its_default() -> None:
    shown: dict[str, str] = {}
    table = PAGE.split("| parameter | default |")[1].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        names, defaults = (re.findall(r"`([^`]+)`", cell) for cell in row.split("|")[1:3])
        shown |= {name: (defaults or ["needed"])[min(number, len(defaults) - 1)] for number, name in enumerate(names)}
    parameters = inspect.signature(Manager).parameters
    assert list(shown) == list(parameters)
    special = {"valid_types": "needed", "logging_level": "logging.INFO", "limits": "Limits()"}
    for name, parameter in parameters.items():
        assert shown[name].strip('"') == special.get(name, str(parameter.default)), name


def test_every_method_is_named() -> None:
    for thing in (Manager, Client):
        for name in vars(thing):
            if not name.startswith("_") and name not in ("uuid", "type", "connection"):
                assert re.search(rf"\b{name}\b", PAGE), name


def test_the_probes_and_bounds_are_those_of_the_page() -> None:
    limits = Limits()
    times, at = [], 0.0
    for probe in PROBES:
        at += probe.after * limits.detection_seconds
        times.append(at)
    assert times == [0, 1, 2, 4, 8]
    assert PROBES[2].data == bytes.fromhex("00fc") + b" " * 252 + bytes.fromhex("000101")
    assert (limits.handshake_seconds, limits.raw_gap_seconds) == (15, 0.05)
    assert (limits.replacements, limits.replacement_seconds, limits.refusal_seconds) == (5, 60, 60)
    assert GOODBYE == b"end\n"
    assert FramedDialect.goodbye == b"\x00\x01\x03"
