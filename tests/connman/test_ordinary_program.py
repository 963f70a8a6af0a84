"""ConnMan in a program that never heard of gevent. (In a monkey-patched one, it is in every other test.)"""

from tests.ordinary import run_ordinary


def scenario(name: str) -> list[str]:
    return run_ordinary("tests.connman.ordinaryprogram", name)


def test_games_and_matchmaking_in_threads() -> None:
    assert scenario("games") == ["games True", "gevent False", "stopped True", "matchmaking ended True"]


def test_a_main_thread_that_waits() -> None:
    assert scenario("waiting_main_thread") == ["2 C", "2 DC", "main None", "stopped [True]"]


def test_eight_threads_that_start_it_at_once() -> None:
    assert scenario("eight_at_once") == ["1 7", "stopped True"]
