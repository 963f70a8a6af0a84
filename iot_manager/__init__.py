"""Connections of devices: a manager that knows which are here, and talks to them.

from iot_manager import Manager

manager = Manager(["light", "lock"])

@manager.event
def on_connect_light(client):
    client.send("on")
"""

from iot_manager.client import Client
from iot_manager.data import Data
from iot_manager.errors import ConnectionEnd, InvalidInfo
from iot_manager.limits import Limits
from iot_manager.manager import Manager

__all__ = ["Client", "ConnectionEnd", "Data", "InvalidInfo", "Limits", "Manager"]
