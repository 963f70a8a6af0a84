"""The page about the programs: its code runs, and it names every setting and every command."""

import queue
import re
import threading
from typing import Any

import pytest

from iot_manager import Manager
from iot_manager.config import Configuration
from iot_manager.console import HELP
from iot_manager.simulate.config import Configuration as SimulateConfiguration
from tests.iot_manager.programs import ROOT, SECONDS

PAGE = (ROOT / "docs" / "iot_programs.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LAMP = "1862cfe1-5dab-4d8e-a946-50d6728f830f"
THERMOSTAT = "2862cfe1-5dab-4d8e-a946-50d6728f830f"


@pytest.fixture
def manager() -> Any:
    with Manager(["light", "thermostat"], connection_port=0) as manager:
        yield manager


def with_port(code: str, manager: Manager) -> str:
    assert 'dialect="framed"' in code
    return code.replace('dialect="framed"', f'dialect="framed", port={manager.port}')


def test_the_first_device_on_the_page(manager: Manager) -> None:
    came: queue.Queue[Any] = queue.Queue()
    said: queue.Queue[bytes] = queue.Queue()
    manager.add_handler("on_connect", came.put)
    manager.add_handler("on_message", lambda client, message: said.put(bytes(message)))
    names: dict[str, Any] = {}
    thread = threading.Thread(target=exec, args=(with_port(CODE[0], manager), names))
    thread.start()
    assert came.get(timeout=SECONDS).data.get() == {"uuid": LAMP, "type": "light", "data": {"room": "kitchen"}}
    manager.send(LAMP, "on")
    assert said.get(timeout=SECONDS) == b"done: on"
    names["device"].close()
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_the_device_that_answers(manager: Manager) -> None:
    came: queue.Queue[Any] = queue.Queue()
    manager.add_handler("on_connect", came.put)
    names: dict[str, Any] = {}
    exec(CODE[0].splitlines()[0] + "\n" + with_port(CODE[1], manager), names)
    with names["device"]:
        came.get(timeout=SECONDS)
        assert manager.request(THERMOSTAT, {"a": 1}) == {"temperature": 21.5, "asked": {"a": 1}}


@pytest.mark.parametrize(
    ("heading", "settings"), [("## `iot-manager`", Configuration), ("## `iot-simulate`", SimulateConfiguration)]
)
def test_every_setting_with_its_default(heading: str, settings: Any) -> None:
    section = PAGE[PAGE.index(heading) :].split("\n## ")[0]
    table = section[section.index("| setting |") :].split("\n\n")[0]
    named: dict[str, str] = {}
    for row in table.splitlines()[2:]:
        names, defaults = (re.findall(r"`([^`]*)`", cell) for cell in row.split(" | ")[:2])
        # One default may be that of several settings; an empty text and a switch have none between backticks.
        named |= dict(zip(names, defaults if len(defaults) == len(names) else (defaults or [""]) * len(names)))  # noqa: B905
    named |= {"allow_remote": ""} if "--allow-remote" in section else {}
    assert set(named) == set(settings.__struct_fields__)
    for name, said in named.items():
        default = getattr(settings(), name)
        if isinstance(default, list):
            assert said == ",".join(default)
        elif not isinstance(default, bool):
            assert said in (str(default), f"{default:g}" if isinstance(default, float) else ""), name


def test_every_command() -> None:
    for word in re.findall(r"^(\w+)", HELP, re.MULTILINE):
        assert f"`{word}" in PAGE
