"""What `turn-stress` does, command by command: run, merge."""

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import gevent

from connhandler.configuration import (
    load_configuration,
    require_command,
    require_extra,
    set_up_logging,
    split_arguments,
)
from turn_server.stresstest import results as results_module
from turn_server.stresstest import summary
from turn_server.stresstest.config import ENVIRONMENT_PREFIX, StressConfig
from turn_server.stresstest.cputime import CpuClock
from turn_server.stresstest.fleet import Fleet, WorkerFailed
from turn_server.stresstest.meter import Meter
from turn_server.stresstest.results import Results, ResultsUnreadable

PROGRAM = "turn-stress"
DESCRIPTION = "Plays on a turn server with thousands of simulated players, and tells how well it did."
EPILOG = """Commands: 'turn-stress [run] [option ...]' plays; 'turn-stress merge FILE ... [--output FOLDER]' adds up the
results.json of several machines. The exit status is 0 if all went well, 1 if there were errors or violations, 2 for a
wrong option."""


class CommandFailed(Exception):
    """The command cannot be carried out; the text is the sentence to print."""


class UsageError(CommandFailed):
    """The command line is wrong."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line, without the program's name; return the exit status.

    Raises:
        SystemExit: with status 2 for a wrong command or option, after one sentence on stderr; with 0 after `--help`.
    """
    command, *rest = ["run", *arguments] if not arguments or arguments[0].startswith("-") else arguments
    commands: dict[str, Callable[[Sequence[str]], int]] = {"run": play, "merge": merge}
    require_command(PROGRAM, command, commands)
    set_up_logging("warning")
    try:
        return commands[command](rest)
    except (CommandFailed, WorkerFailed) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def play(arguments: Sequence[str]) -> int:
    """Play, and tell how it went."""
    config = _configuration(arguments)
    _check_report(config)
    clock = _clock(config)
    start_at = config.start_time()
    with Meter(start_at, config.seconds) as meter, Fleet(config, start_at, meter.take) as fleet:
        watchers = [gevent.signal_handler(number, fleet.stop) for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            results = fleet.wait()
        finally:
            for watcher in watchers:
                watcher.cancel()
    if clock is not None:
        results.server_cpu_milliseconds = clock.milliseconds()
    return _tell(results, config)


def merge(arguments: Sequence[str]) -> int:
    """Add up results, and tell what they are together."""
    names, options = split_arguments(StressConfig, arguments)
    config = _configuration(options)
    if not names:
        raise UsageError("merge: expected the results.json of one or more machines")
    _check_report(config)
    try:
        parts = [results_module.load(Path(name)) for name in names]
    except ResultsUnreadable as error:
        raise UsageError(str(error)) from error
    return _tell(results_module.merge(parts), config)


def _tell(results: Results, config: StressConfig) -> int:
    """Print the figures and write the files."""
    print(summary.text(results))
    folder = config.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
        results_module.save(results, folder / "results.json", summary.figures(results))
        written = "results.json"
        if config.report and results.request_count:
            # Not before they are needed: they take a second to import, and machines that only play need not have them.
            from turn_server.stresstest import webpage

            written = webpage.write(results, folder)
    except OSError as error:
        raise CommandFailed(f"cannot write to {folder}: {error.strerror or error}") from error
    print(f"Written: {folder / written}")
    return 0 if results.passed else 1


def _clock(config: StressConfig) -> CpuClock | None:
    """Raises:
    UsageError: there is no such process.
    """
    try:
        return CpuClock(config.server_pid) if config.server_pid else None
    except OSError as error:
        raise UsageError(f"--server-pid: there is no process {config.server_pid}") from error


def _check_report(config: StressConfig) -> None:
    """Say before the test, not after it, that there can be no plots.

    Raises:
        SystemExit: with status 2.
    """
    if config.report:
        require_extra(PROGRAM, "turn-stress", "matplotlib")


def _configuration(arguments: Sequence[str]) -> StressConfig:
    return load_configuration(
        StressConfig,
        program=PROGRAM,
        description=DESCRIPTION,
        argv=arguments,
        environment_prefix=ENVIRONMENT_PREFIX,
        epilog=EPILOG,
    )
