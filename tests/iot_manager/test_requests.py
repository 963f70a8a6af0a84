"""Requests and their replies, where those who wait may give up at any moment, in threads of their own."""

from concurrent.futures import Future
from typing import Any

import pytest

from iot_manager.errors import ConnectionEnd
from iot_manager.requests import Requests


class GivenUp(Future[Any]):
    """Whoever waits for it gives up just after others have looked whether it is done."""

    def done(self) -> bool:
        was_done = super().done()
        self.cancel()
        return was_done


@pytest.fixture
def requests() -> Requests:
    return Requests(10)


def test_a_reply_to_whoever_has_just_given_up_is_a_reply_all_the_same(requests: Requests) -> None:
    given_up: Future[Any] = GivenUp()
    given_up.cancel()
    for answer in (given_up, GivenUp()):
        requests.add("1", answer)
        assert requests.answer(b'{"reply":"1","payload":2}')
    assert not requests.expects_reply


def test_who_has_just_given_up_keeps_no_other_from_hearing_of_the_end(requests: Requests) -> None:
    answers: list[Future[Any]] = [Future(), GivenUp(), Future()]
    for number, answer in enumerate(answers):
        requests.add(str(number), answer)
    requests.end(ConnectionEnd("gone"))
    for answer in (answers[0], answers[2]):
        with pytest.raises(ConnectionEnd, match="gone"):
            answer.result(0)
