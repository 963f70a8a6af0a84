"""A manager in a program that never heard of gevent. (In a monkey-patched one, it is in every other test.)"""

import errno

from tests.ordinary import run_ordinary


def scenario(name: str) -> list[str]:
    return run_ordinary("tests.iot_manager.ordinarymanager", name)


def test_everything_once() -> None:
    assert scenario("everything") == [
        "connect {'n': 0} False",
        "b'who?'",
        "b'knock' me",
        "{'a': 1}",
        "b'\\x02'",
        "b'\\x02'",
        "1 None",
        "b'bye'",
        "gevent patched False",
        "b'end\\n'",
        "[False] True",
    ]


def test_send_and_recv_pairs_of_many_threads() -> None:
    assert scenario("pairs") == ["True", "True True", "True"]


def test_slow_handlers_in_threads() -> None:
    assert scenario("slow") == ["['2', '3', '4']", "True True"]


def test_a_program_that_forgets_to_close() -> None:
    assert scenario("forgotten") == [f"OSError {errno.EADDRINUSE}", "b'{\"request\":'", "ends"]
