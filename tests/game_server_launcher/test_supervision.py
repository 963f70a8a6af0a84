"""The life of a game server, decided by the central task: scripted, without processes."""

import json
import os
import random
import signal
from collections.abc import Callable
from typing import Any

import pytest

from game_server_launcher.gametables import (
    ReadyByOutput,
    ReadyByPort,
    Restart,
    StopByCommand,
    StopByInput,
    StopBySignal,
)
from game_server_launcher.protocol import ServerReady, StopServer
from game_server_launcher.stopping import KILL_SECONDS

Make = Callable[..., Any]

TERM, KILL, INT = int(signal.SIGTERM), int(signal.SIGKILL), int(signal.SIGINT)

BY_OUTPUT = ReadyByOutput(pattern="ready")


def crash(world: Any, status: int = 1) -> None:
    world.process_started()
    world.process_exited(status)


def test_a_server_is_started_and_its_state_is_written_before(world: Any) -> None:
    assert world.runner.take() == [("start", "four", 1)]
    saved = world.saved()
    assert (saved["state"], saved["pid"]) == ("starting", 0)
    assert saved["token"] == world.runner.runs["four"].token
    world.process_started()
    assert (world.saved()["pid"], world.saved()["port"]) == (1000, 7000)


def test_ready_by_controller(world: Any) -> None:
    world.process_started()
    world.happens("process_ready", "four", 0)
    assert world.state()["state"] == "starting"
    world.controller().receives(world.launcher, ServerReady(port=7000))
    assert world.state()["state"] == "ready"


@pytest.mark.parametrize("ready", [BY_OUTPUT, ReadyByPort()])
def test_ready_by_output_or_port(make_world: Make, chess_with: Make, ready: Any) -> None:
    world = make_world(chess_with(ready=ready))
    world.process_started()
    world.controller().receives(world.launcher, ServerReady(port=7000))
    assert world.state()["state"] == "starting", "its file says that something else decides"
    world.happens("process_ready", "four", 1)
    assert world.state()["state"] == "ready"


def test_not_ready_in_time_is_a_crash(world: Any) -> None:
    world.process_started()
    world.runner.take()
    world.advance(29)
    assert world.runner.take() == []
    world.advance(1)
    assert world.runner.take() == [("signal", "four", TERM)]
    controller = world.controller()
    controller.receives(world.launcher, ServerReady(port=7000))
    assert world.state()["state"] == "starting", "too late"
    controller.disconnects(world.launcher)
    world.advance(10)
    assert world.runner.take() == [("signal", "four", KILL)]
    world.process_exited(-9)
    assert world.state()["state"] == "waiting to be restarted"
    assert world.state()["reason"] == "was not ready within 30 s"


def test_a_crash_is_followed_by_a_restart_with_its_last_output_in_the_log(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world.ready().disconnects(world.launcher)
    world.process_exited(3, last_lines=["Traceback", "KeyError: 'x'"])
    assert world.state()["state"] == "waiting to be restarted"
    assert world.state()["reason"] == "ended with exit status 3"
    assert "four: its last output: KeyError: 'x'" in caplog.text
    assert "four: crashed: ended with exit status 3; restarted in 1 s" in caplog.text
    first = world.runner.runs["four"]
    world.runner.take()
    world.advance(1)
    assert world.runner.take() == [("start", "four", 2)]
    assert world.runner.runs["four"].token != first.token
    world.ready()
    assert (world.state()["state"], world.state()["restarts"]) == ("ready", 1)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-9, "ended by signal SIGKILL"),
        (-99, "ended by signal 99"),
        (0, "ended with exit status 0"),
        (None, "ended, and nobody knows how"),
    ],
)
def test_how_it_ended_in_words(world: Any, status: int | None, words: str) -> None:
    world.process_started()
    world.process_exited(status)
    assert world.state()["reason"] == words


def test_the_wait_doubles_and_the_server_is_given_up(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    waits = []
    for _ in range(4):
        crash(world)
        [timer] = world.launcher._supervision._timers.values()
        waits.append(timer.at - world.clock.now)
        world.advance(waits[-1])
    assert waits == [1, 2, 4, 8]
    crash(world)
    assert world.state()["state"] == "failed"
    assert world.state()["reason"] == "crashed 5 times in 60 s, last: ended with exit status 1"
    assert "four: given up: crashed 5 times in 60 s" in caplog.text
    world.runner.take()
    world.advance(1000)
    assert world.runner.take() == []
    assert world.saved()["state"] == "failed"


def test_the_wait_has_a_longest_and_begins_anew_after_a_long_run(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(restart=Restart(crashes=100)))

    def wait_after(seconds: float) -> float:
        world.process_started()
        world.clock.advance(seconds)
        world.process_exited(1)
        [timer] = world.launcher._supervision._timers.values()
        wait: float = timer.at - world.clock.now
        world.advance(wait)
        return wait

    assert [wait_after(0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [wait_after(61), wait_after(0)] == [1, 2]


@pytest.mark.parametrize(
    ("policy", "status", "state"),
    [
        ("always", 0, "waiting to be restarted"),
        ("always", 1, "waiting to be restarted"),
        ("on-failure", 0, "stopped"),
        ("on-failure", 1, "waiting to be restarted"),
        ("on-failure", None, "waiting to be restarted"),
        ("never", 0, "stopped"),
        ("never", 1, "failed"),
    ],
)
def test_restart_policies(make_world: Make, chess_with: Make, policy: Any, status: int | None, state: str) -> None:
    world = make_world(chess_with(restart=Restart(policy=policy)))
    world.ready().disconnects(world.launcher)
    world.process_exited(status)
    assert world.state()["state"] == state


def test_a_game_that_ends_by_itself_is_not_counted_as_crashing(world: Any) -> None:
    for _ in range(10):
        world.ready().disconnects(world.launcher)
        world.process_exited(0)
        assert world.state()["reason"] == "ended by itself"
        world.advance(1)
    assert world.state()["crashes"] == []


def test_a_program_that_does_not_exist_fails_and_the_others_run(
    make_world: Make, chess_with: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(chess_with(servers=2))
    reason = "there is no program /opt/chess"
    world.happens("process_not_started", "four-1", 1, reason, True)
    world.settle()
    assert (world.state("four-1")["state"], world.state("four-1")["reason"]) == ("failed", reason)
    assert "four-1: cannot be started: there is no program /opt/chess" in caplog.text
    world.ready("four-2")
    assert world.state("four-2")["state"] == "ready"


def test_what_may_be_possible_later_is_tried_again(world: Any) -> None:
    world.happens("process_not_started", "four", 1, "port 7000 is in use", False)
    assert world.state()["state"] == "waiting to be restarted"
    assert world.state()["reason"] == "cannot be started: port 7000 is in use"
    world.advance(1)
    assert world.runner.take()[-1] == ("start", "four", 2)


def test_what_comes_late_from_an_earlier_run_is_ignored(world: Any) -> None:
    crash(world)
    world.advance(1)
    world.ready()
    world.happens("process_exited", "four", 1, 1, [])
    world.happens("process_started", "four", 1, 5, 5.0, 5, 0)
    world.happens("process_ready", "four", 1)
    world.happens("process_not_started", "four", 1, "", True)
    world.happens("process_not_found", "four", 1)
    world.happens("output_dropped", "four", 1, 5)
    world.happens("process_exited", "gone", 1, 1, [])
    world.settle()
    assert (world.state()["state"], world.state()["pid"]) == ("ready", 1000)
    assert world.state()["dropped_output_bytes"] == 0


def test_dropped_output_is_counted(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    world.process_started()
    world.happens("output_dropped", "four", 1, 5)
    world.happens("output_dropped", "four", 1, 6)
    assert world.state()["dropped_output_bytes"] == 11
    assert "the disk is full: 6 bytes of its output were dropped" in caplog.text


# --- stopping ---------------------------------------------------------------------------------------------


def stopped(world: Any) -> bool:
    return bool(world.launcher._all_stopped.is_set())


def test_stop_by_controller_then_term_then_kill(world: Any) -> None:
    controller = world.ready()
    world.runner.take()
    event = world.launcher.on_shutdown()
    assert controller.take()[-1] == StopServer(grace_seconds=10)
    assert world.state()["state"] == "stopping"
    world.advance(9.9)
    assert world.runner.take() == []
    world.advance(0.1)
    assert world.runner.take() == [("signal", "four", TERM)]
    world.advance(10)
    assert world.runner.take() == [("signal", "four", KILL)]
    assert not event.is_set()
    world.process_exited(-9)
    assert not event.is_set(), "what its controller has still to say is waited for"
    controller.disconnects(world.launcher)
    world.settle()
    assert event.is_set()
    assert (world.state()["state"], world.saved()["pid"]) == ("stopped", 0)


def test_a_connection_that_outlives_its_process_is_not_waited_for_for_ever(world: Any) -> None:
    controller = world.ready()
    world.launcher.on_shutdown()
    world.process_exited(0)
    world.advance(2)
    assert stopped(world)
    assert controller.disconnected


def test_a_server_without_controller_is_sent_term_at_once(world: Any) -> None:
    world.process_started()
    world.runner.take()
    world.launcher.on_shutdown()
    assert world.runner.take() == [("signal", "four", TERM)]


@pytest.mark.parametrize(
    ("stop", "asked"),
    [
        (StopByInput(text="quit"), ("input", "four", "quit")),
        (StopBySignal(signal="INT"), ("signal", "four", INT)),
        (StopByCommand(command=["bye", "{pid}"]), ("command", "four", ["bye", "{pid}"], 7000, 10.0)),
    ],
)
def test_other_ways_to_stop(make_world: Make, chess_with: Make, stop: Any, asked: Any) -> None:
    world = make_world(chess_with(ready=BY_OUTPUT, stop=stop))
    world.process_started()
    world.happens("process_ready", "four", 1)
    world.runner.take()
    world.launcher.on_shutdown()
    assert world.runner.take() == [asked]
    world.advance(10)
    assert world.runner.take() == [("signal", "four", TERM)]


def test_an_input_that_takes_nothing_leads_to_term_at_once(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(stop=StopByInput(text="quit")))
    world.process_started()
    world.runner.take()
    world.runner.refuses_input = True
    world.launcher.on_shutdown()
    assert world.runner.take() == [("signal", "four", TERM)]


def test_a_process_that_not_even_kill_ends_is_left_alone(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    world.process_started()
    world.launcher.on_shutdown()
    world.advance(10)
    world.advance(KILL_SECONDS)
    assert "four: process 1000 does not end, not even by KILL; it is left alone" in caplog.text
    assert stopped(world)


def test_a_server_is_stopped_while_it_is_being_started(world: Any) -> None:
    world.runner.take()
    world.launcher.on_shutdown()
    assert not stopped(world)
    world.process_started()
    assert world.runner.take() == [("signal", "four", TERM)]
    world.process_exited(-15)
    assert stopped(world)


def test_a_server_that_could_not_be_started_when_it_was_to_stop(world: Any) -> None:
    world.launcher.on_shutdown()
    world.happens("process_not_started", "four", 1, "no", True)
    world.settle()
    assert stopped(world)
    assert world.state()["state"] == "stopped"


def test_a_server_is_stopped_before_its_start_was_written_down(make_world: Make, world: Any) -> None:
    crash(world)
    world.runner.take()
    world.clock.advance(1)
    world.launcher.fire_timers()
    world.launcher.handle(world.launcher.queue.get())
    world.launcher.on_shutdown()
    world.settle()
    assert world.runner.take() == []
    assert stopped(world)


def test_a_server_that_waits_for_its_restart_is_stopped_at_once(world: Any) -> None:
    crash(world)
    world.runner.take()
    world.launcher.on_shutdown()
    world.settle()
    assert stopped(world)
    world.advance(100)
    assert world.runner.take() == []


def test_a_server_is_stopped_when_its_process_has_just_ended(world: Any) -> None:
    world.ready()
    world.process_exited(1)
    world.launcher.on_shutdown()
    world.settle()
    assert stopped(world)
    assert world.state()["state"] == "stopped"


def test_asking_twice_changes_nothing(world: Any) -> None:
    controller = world.ready()
    world.launcher.on_shutdown()
    world.runner.take()
    controller.take()
    world.launcher.on_shutdown()
    assert (world.runner.take(), controller.take()) == ([], [])
    world.advance(10)
    assert world.runner.take() == [("signal", "four", TERM)], "the time to obey goes on"


def test_without_servers_there_is_nothing_to_stop(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(servers=0))
    assert world.launcher.on_shutdown().is_set()


def test_in_a_hurry_everything_is_killed(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(servers=3))
    world.ready("four-1", 1001)
    world.process_started("four-2", 1002)
    world.runner.take()
    world.launcher.on_shutdown()
    world.runner.take()
    world.launcher.hurry()
    assert world.runner.take() == [("signal", "four-1", KILL), ("signal", "four-2", KILL)]


def test_the_program_waits_as_long_as_stopping_may_take(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(stop=StopBySignal(seconds=100, term_seconds=20)))
    assert world.launcher.shutdown_seconds > 120 + KILL_SECONDS


# --- launchers that come and go ---------------------------------------------------------------------------


def test_leaving_touches_no_process(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(servers=2), leave_running=True)
    controller = world.ready("four-1", 1001)
    crash_two = world.runner.runs["four-2"]
    world.process_started("four-2", 1002)
    world.process_exited(1, "four-2")
    world.runner.take()
    controller.take()
    assert world.launcher.on_shutdown().is_set()
    world.launcher.hurry()
    world.advance(100)
    assert world.runner.take() == []
    assert controller.take() == []
    world.launcher.on_stopped()
    world.pools[0].close()
    assert world.saved("four-1")["pid"] == 1001
    assert world.saved("four-2")["pid"] == 0
    assert crash_two.number == 1


def test_the_next_launcher_adopts_what_runs(world: Any, make_world: Make) -> None:
    world.ready()
    token = world.runner.runs["four"].token
    later = make_world()
    assert later.runner.take() == [("adopt", "four", 1000)]
    assert later.runner.found["four"].created_at == 5.0
    assert later.runner.runs["four"].token == token
    later.process_started()
    assert later.state()["state"] == "starting", "its controller will say once more that it is ready"
    assert later.state()["adopted"]
    later.controller().receives(later.launcher, ServerReady(port=7000))
    assert later.state()["state"] == "ready"
    assert later.saved()["token"] == token


def test_an_adopted_server_whose_controller_stays_away_is_not_ended(
    world: Any, make_world: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world.ready()
    later = make_world()
    later.process_started()
    later.runner.take()
    later.advance(1000)
    assert later.runner.take() == []
    assert "four: its process 1000 runs, but has not reported for 30 s" in caplog.text
    later.controller().receives(later.launcher, ServerReady(port=7000))
    assert later.state()["state"] == "ready"


def test_a_controller_may_be_back_before_its_process_was_found(world: Any, make_world: Make) -> None:
    world.ready()
    later = make_world()
    later.controller().receives(later.launcher, ServerReady(port=7000))
    later.process_started()
    later.advance(1000)
    assert later.state()["state"] == "ready"


def test_a_server_without_controller_is_ready_as_soon_as_it_is_adopted(make_world: Make, chess_with: Make) -> None:
    world = make_world(chess_with(ready=BY_OUTPUT))
    world.process_started()
    world.happens("process_ready", "four", 1)
    world.settle()
    later = make_world(chess_with(ready=BY_OUTPUT))
    assert later.runner.found["four"].was_ready


def test_a_process_that_may_have_been_started_is_looked_for(world: Any, make_world: Make) -> None:
    """The launcher was killed between the start and writing down the pid."""
    later = make_world()
    assert later.runner.take() == [("adopt", "four", 0)]
    later.happens("process_not_found", "four", later.runner.runs["four"].number)
    later.settle()
    assert later.runner.take() == [("start", "four", 2)]


def test_after_a_reboot_everything_is_started(world: Any, make_world: Make) -> None:
    world.ready()
    later = make_world()
    later.runner.take()
    later.happens("process_not_found", "four", later.runner.runs["four"].number)
    later.settle()
    [(verb, server, _)] = later.runner.take()
    assert (verb, server) == ("start", "four")


def test_a_server_that_failed_gets_a_new_chance_from_the_next_launcher(world: Any, make_world: Make) -> None:
    world.happens("process_not_started", "four", 1, "there is no program chess", True)
    world.settle()
    later = make_world()
    assert later.runner.take() == [("start", "four", 1)]


def test_a_server_in_no_game_file_any_more_is_ended_and_forgotten(
    world: Any, make_world: Make, chess_with: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world.ready()
    later = make_world(chess_with(name="other"))
    assert ("adopt", "four", 1000) in later.runner.take()
    assert "four: in no game file any more; ending its process 1000" in caplog.text
    later.process_started()
    assert later.runner.take() == [("signal", "four", TERM)]
    later.process_exited(None)
    assert not (later.path / "four.json").exists()
    later.launcher.on_stopped()
    later.pools[0].close()
    assert not (later.path / "four.json").exists()


def test_the_state_file_of_a_server_in_no_game_file_any_more_is_forgotten(
    world: Any, make_world: Make, chess_with: Make
) -> None:
    crash(world)
    later = make_world(chess_with(name="other"))
    assert not (later.path / "four.json").exists()
    assert [asked[1] for asked in later.runner.take()] == ["other"]


def test_an_adopted_process_that_ends_before_it_is_found_when_stopping(world: Any, make_world: Make) -> None:
    world.ready()
    later = make_world()
    later.launcher.on_shutdown()
    later.happens("process_not_found", "four", later.runner.runs["four"].number)
    later.settle()
    assert stopped(later)


def test_figures_are_measured(world: Any) -> None:
    world.happens("process_started", "four", 1, os.getpid(), 5.0, 7000, 0, 0, os.getpgrp())
    world.advance(5)
    assert world.state()["rss_bytes"] > 1_000_000
    world.advance(5)
    world.process_exited(0)
    assert world.state()["rss_bytes"] == 0


def test_the_state_is_plain_and_keeps_no_secret(world: Any) -> None:
    world.ready()
    text = json.dumps(world.launcher.state())
    assert world.runner.runs["four"].token not in text


def test_the_same_messages_give_the_same_state(
    make_world: Make, chess_with: Make, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outcomes = []
    for _ in range(2):
        world = make_world(chess_with(servers=2), path=tmp_path_factory.mktemp("run"), random=random.Random(7))
        world.ready("four-1").disconnects(world.launcher)
        world.process_exited(1, "four-1")
        world.advance(1)
        world.login_server()
        outcomes.append((world.launcher.state(), world.runner.runs["four-1"].token, world.runner.take()))
    assert outcomes[0] == outcomes[1]
