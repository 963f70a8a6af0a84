"""`python -m iot_manager.simulate N`, `iot-simulate N`.

Not monkey-patched: all that waits here waits in gevent by itself.
"""

import random
import sys
import time
import uuid
from collections.abc import Iterator, Sequence

from connhandler import IncomingQueue, Limits, Service
from connhandler.configuration import require_extra, set_up_logging
from iot_manager.files import KeysUnreadable, client_context, read_keys, sentence
from iot_manager.identity import Identity
from iot_manager.managerhandler import Dialect
from iot_manager.simulate.config import PROGRAM, Configuration, load
from iot_manager.simulate.fleet import SimulatedDevice, SimulatedFleet

LIMITS = Limits(first_message_seconds=0, idle_seconds=0, connect_seconds=30.0, linger_seconds=10.0, retry_seconds=0.5)
"""A simulated device waits as long as it must: it is the manager that is measured."""


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate; return the exit status: 0 if all went well, 1 if not.

    Raises:
        SystemExit: with status 2 for a wrong setting, after one sentence on stderr.
    """
    count, configuration = load(sys.argv[1:] if argv is None else argv)
    require_extra(PROGRAM, "iot", "tqdm")
    import tqdm

    set_up_logging(configuration.log_level)
    try:
        identities = list(make_identities(count, configuration))
        context = client_context(configuration.tls_ca, configuration.tls_certificate, configuration.tls_key)
    except (OSError, ValueError) as error:
        print(f"{PROGRAM}: {sentence(error)}", file=sys.stderr)
        return 2

    def create(queue: IncomingQueue) -> list[SimulatedDevice]:
        return [
            SimulatedDevice(
                f"device[{number}]",
                configuration.host,
                configuration.port,
                queue,
                identity,
                dialect=_dialect(configuration, number),
                limits=LIMITS,
                ssl_context=context,
                source_address=_source(configuration, number),
            )
            for number, identity in enumerate(identities)
        ]

    with tqdm.tqdm(total=count, desc="connected", unit="", leave=False, disable=not configuration.progress) as bar:

        def watch(connected: int) -> None:
            bar.update(connected - bar.n)
            if connected == count:
                bar.close()

        fleet = SimulatedFleet(create, configuration, lambda: service.end("the time is up"), watch)
        service = Service(fleet, [])
        began = time.process_time()
        status = service.run()
    fleet.figures.processor_seconds = time.process_time() - began
    fleet.figures.failures += sum(device.counters["failed"] for device in fleet.devices)
    print("\n".join(fleet.figures.lines()))
    return status or bool(fleet.figures.problems)


def make_identities(count: int, configuration: Configuration) -> Iterator[Identity]:
    """Give each device an id, a type in turn and some data; with the same seed always the same.

    Raises:
        KeysUnreadable: the file of keys is none, or has fewer than these.
        OSError: it cannot be read.
    """
    generator = random.Random(configuration.seed)
    types = configuration.types
    if configuration.keys_file:
        keys = list(read_keys(configuration.keys_file).items())
        if len(keys) < count:
            raise KeysUnreadable(
                f"{configuration.keys_file} has {len(keys)} keys, which is not enough for {count} devices"
            )
    for number in range(count):
        name = str(uuid.UUID(int=generator.getrandbits(128), version=4))
        key = None
        if configuration.keys_file:
            name, key = keys[number]
        yield Identity(uuid=name, type=types[number % len(types)], data={"simulated": True, "number": number}, key=key)


def _dialect(configuration: Configuration, number: int) -> Dialect:
    if configuration.dialect == "mixed":
        return "framed" if number % 2 else "raw"
    return configuration.dialect


def _source(configuration: Configuration, number: int) -> str | None:
    """An address of 127.0.0.0/8, as if the devices were as many machines."""
    if not configuration.source_addresses:
        return None
    third, last = divmod(number % configuration.source_addresses, 254)
    return f"127.1.{third}.{last + 1}"


if __name__ == "__main__":
    sys.exit(main())
