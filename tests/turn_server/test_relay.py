"""No data is lost, and none doubled, whatever requests and replies are lost on the way.

Two players follow the protocol's rules: a request without a reply is sent again as it was, and the counter grows by one
with each reply. The network loses requests and replies, and delivers requests again long after they were sent.
"""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.turn_server.conftest import Table

PLAYERS = st.sampled_from([0, 1])
LOSSES = st.sampled_from(["", "", "request", "reply"])
MAX_CACHE_BYTES = 40


class Client:
    """One player, who counts and repeats as it should.

    Attributes:
        counter: of the next request; it counts replies.
        waiting: the data of the request that has not been answered.
        said: all data, in order.
        heard: what this player was given, in order.
        sent: every request with its counter, answered or not.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.counter = 0
        self.waiting: str | None = None
        self.said: list[str] = []
        self.heard: list[str] = []
        self.sent: list[tuple[int, str]] = []

    @property
    def held_up(self) -> list[tuple[int, str]]:
        """Requests that may still come: older than the last one that was answered."""
        return [request for request in self.sent if request[0] < self.counter - 1]

    def say(self, data: str) -> None:
        """Have a request to send, unless there is one."""
        if self.waiting is None:
            self.waiting = data
            if data:
                self.said.append(data)


class Relay(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.table = Table(seed, max_cache_bytes=MAX_CACHE_BYTES, game_seconds=1e9)
        self.game = self.table.play()
        self.clients = Client(0), Client(1)
        self.count = 0

    def teardown(self) -> None:
        if hasattr(self, "table"):
            self.table.close()

    @rule(number=PLAYERS, length=st.integers(0, 12), loss=LOSSES)
    def say_something(self, number: int, length: int, loss: str) -> None:
        self.count += 1
        self.clients[number].say(f"{number},{self.count}," + "x" * length)
        self.send(self.clients[number], loss)

    @rule(number=PLAYERS, data=st.sampled_from(["", "the same"]), loss=LOSSES)
    def say_nothing_or_the_same_again(self, number: int, data: str, loss: str) -> None:
        self.clients[number].say(data)
        self.send(self.clients[number], loss)

    @precondition(lambda self: any(client.held_up for client in self.clients))
    @rule(data=st.data())
    def deliver_an_old_request_again(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from([client for client in self.clients if client.held_up]))
        counter, text = data.draw(st.sampled_from(client.held_up))
        assert self.table.update(self.game, client.number, counter, text) == "18/*/*"

    @rule()
    def both_catch_up(self) -> None:
        """Once nothing is lost any more, everything has arrived."""
        for _ in range(4):
            for client in self.clients:
                client.say("")
                self.send(client, "")
        for client, partner in (self.clients, self.clients[::-1]):
            assert client.waiting is None
            assert client.heard == partner.said

    @invariant()
    def nothing_is_doubled_or_out_of_order(self) -> None:
        for client, partner in (self.clients, self.clients[::-1]):
            assert client.heard == partner.said[: len(client.heard)]

    def send(self, client: Client, loss: str) -> None:
        """Hand over the request that waits, unless it is lost; take the reply, unless that is."""
        assert client.waiting is not None
        client.sent.append((client.counter, client.waiting))
        if loss == "request":
            return
        reply = self.table.update(self.game, client.number, client.counter, client.waiting)
        if loss == "reply":
            return
        client.counter += 1
        if reply.startswith("21/"):
            # The same data comes with the next request; a request without any has been done with.
            shown = reply.removeprefix("21/").removesuffix("/*")
            client.waiting = client.waiting or None
        else:
            assert reply == "0/10/*" or reply.startswith("0/9/")
            shown = "" if reply == "0/10/*" else reply.removeprefix("0/9/")
            client.waiting = None
        client.heard += shown.split("|") if shown else []


TestRelay = Relay.TestCase
TestRelay.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_a_long_random_conversation_loses_and_doubles_nothing() -> None:
    generator = random.Random(4)
    relay = Relay()
    relay.begin(seed=4)
    for _ in range(2_000):
        number, loss = generator.randrange(2), generator.choice(["", "request", "reply"])
        if generator.random() < 0.7:
            relay.say_something(number, generator.randrange(12), loss)
        else:
            relay.say_nothing_or_the_same_again(number, generator.choice(["", "the same"]), loss)
        relay.nothing_is_doubled_or_out_of_order()
    relay.both_catch_up()
    assert min(len(client.heard) for client in relay.clients) > 100
    relay.teardown()
