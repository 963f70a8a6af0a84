"""A web page for an iot-manager: see which devices are there, tell them what to do. `python -m examples.iot_web`."""
