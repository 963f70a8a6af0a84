"""Simulated devices by the thousand, to measure a manager with: `python -m iot_manager.simulate N`."""
