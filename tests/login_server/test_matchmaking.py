"""Matchmaking: first come, first served; partners who name each other; nobody forgotten."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from login_server.matchmaking import Matchmaker, Queue
from login_server.refusal import Refusal

CHESS = Queue("chess", 2)


@pytest.fixture
def maker() -> Matchmaker:
    return Matchmaker()


def news(maker: Matchmaker, queue: Queue, reason: str = "") -> dict[str, tuple[int, str]]:
    return {player: (waiting, why) for player, waiting, why in maker.news(queue, reason)}


def test_first_come_first_served(maker: Matchmaker) -> None:
    for player in ("alice", "bob", "carol"):
        assert maker.add(player, "chess", 2) == CHESS
    assert maker.first_group(CHESS) == ["alice", "bob"]
    maker.take(["alice", "bob"])
    assert maker.first_group(CHESS) == ["carol"]
    assert list(maker.wishes) == ["carol"]


def test_games_and_numbers_of_players_do_not_mix(maker: Matchmaker) -> None:
    maker.add("alice", "chess", 2)
    maker.add("bob", "go", 2)
    maker.add("carol", "chess", 3)
    assert maker.complete() == []
    maker.add("dave", "go", 2)
    assert maker.complete() == [Queue("go", 2)]


def test_partners_name_each_other_in_any_case(maker: Matchmaker) -> None:
    pair = maker.add("Alice", "chess", 2, "BOB")
    maker.add("carol", "chess", 2)
    assert maker.complete() == []
    assert maker.add("Bob", "chess", 2, "alice") == pair
    assert maker.complete() == [pair]
    assert maker.first_group(pair) == ["Alice", "Bob"]


def test_a_partner_who_wants_somebody_else_is_waited_for(maker: Matchmaker) -> None:
    maker.add("alice", "chess", 2, "bob")
    maker.add("bob", "chess", 2, "carol")
    maker.add("carol", "chess", 2)
    assert maker.complete() == []


@pytest.mark.parametrize(("players", "partner"), [(3, "bob"), (2, "alice"), (2, "ALICE"), (2, "no name"), (2, "b")])
def test_partners_that_cannot_be(maker: Matchmaker, players: int, partner: str) -> None:
    with pytest.raises(Refusal) as caught:
        maker.add("alice", "chess", players, partner)
    assert caught.value.code == "bad_partner"
    assert maker.wishes == {}


def test_one_wish_at_a_time(maker: Matchmaker) -> None:
    maker.add("alice", "chess", 2)
    with pytest.raises(Refusal) as caught:
        maker.add("alice", "go", 2)
    assert caught.value.code == "match_already_wanted"
    assert maker.cancel("alice") == (CHESS, [])
    with pytest.raises(Refusal) as caught:
        maker.cancel("alice")
    assert caught.value.code == "not_waiting"
    maker.add("alice", "go", 2)


def test_a_partner_who_cancels_ends_the_others_wait(maker: Matchmaker) -> None:
    pair = maker.add("alice", "chess", 2, "bob")
    maker.add("bob", "chess", 2, "alice")
    assert maker.cancel("bob") == (pair, ["alice"])
    assert maker.wishes == {}
    assert maker.complete() == []


def test_cancelling_something_else_does_not(maker: Matchmaker) -> None:
    """So that a player can leave the open queue to join the one who asks for that player."""
    maker.add("alice", "chess", 2, "bob")
    maker.add("bob", "chess", 2)
    assert maker.cancel("bob") == (CHESS, [])
    assert list(maker.wishes) == ["alice"]


def test_a_partner_who_is_gone_ends_the_wait_of_all_who_wanted_that_player(maker: Matchmaker) -> None:
    maker.add("alice", "chess", 2, "Bob")
    maker.add("carol", "go", 2, "bob")
    maker.add("dave", "go", 2, "alice")
    assert maker.drop("bob") == (None, ["alice", "carol"])
    assert list(maker.wishes) == ["dave"]
    assert maker.drop("bob") == (None, [])


def test_a_waiting_player_who_is_gone(maker: Matchmaker) -> None:
    queue = Queue("chess", 3)
    maker.add("alice", "chess", 3)
    maker.add("bob", "chess", 3)
    assert news(maker, queue) == {"alice": (2, ""), "bob": (2, "")}
    assert maker.drop("alice") == (queue, [])
    assert news(maker, queue) == {"bob": (1, "")}


def test_news_are_told_once(maker: Matchmaker) -> None:
    queue = Queue("chess", 3)
    maker.add("alice", "chess", 3)
    assert news(maker, queue) == {"alice": (1, "")}
    assert news(maker, queue) == {}
    maker.add("bob", "chess", 3)
    maker.add("carol", "chess", 3)
    maker.add("dave", "chess", 3)
    told = {"alice": (3, "full"), "bob": (3, "full"), "carol": (3, "full"), "dave": (1, "")}
    assert news(maker, queue, "full") == told
    assert news(maker, queue, "full") == {}
    assert news(maker, queue, "none") == dict.fromkeys(("alice", "bob", "carol"), (3, "none"))
    maker.drop("bob")
    assert news(maker, queue, "none") == {"dave": (3, "none")}
    maker.drop("dave")
    assert news(maker, queue) == {"alice": (2, ""), "carol": (2, "")}


@settings(max_examples=60, stateful_step_count=40)
class MatchmakerMachine(RuleBasedStateMachine):
    """Whatever players do, what each was last told is true, and everybody is in at most one place."""

    names = st.sampled_from(["alice", "bob", "carol", "dave", "Eve", "frank"])

    def __init__(self) -> None:
        super().__init__()
        self.maker = Matchmaker()
        self.told: dict[str, tuple[int, str]] = {}
        self.reason = "no server"

    @rule(player=names, players=st.integers(2, 3), game=st.sampled_from(["chess", "go"]))
    def add(self, player: str, players: int, game: str) -> None:
        if player not in self.maker.wishes:
            self.tell(self.maker.add(player, game, players))

    @rule(player=names, partner=names)
    def add_pair(self, player: str, partner: str) -> None:
        if player not in self.maker.wishes and player != partner:
            self.tell(self.maker.add(player, "chess", 2, partner.upper()))

    @precondition(lambda self: self.maker.wishes)
    @rule(data=st.data(), drop=st.booleans())
    def leave(self, data: st.DataObject, drop: bool) -> None:
        player = data.draw(st.sampled_from(sorted(self.maker.wishes)))
        queue, left_alone = (self.maker.drop if drop else self.maker.cancel)(player)
        for name in (player, *left_alone):
            del self.told[name]
        assert queue is not None
        self.tell(queue)

    @precondition(lambda self: self.maker.complete())
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        queue = data.draw(st.sampled_from(self.maker.complete()))
        group = self.maker.first_group(queue)
        assert len(group) == queue.players
        if queue.pair:
            assert sorted(name.lower() for name in group) == list(queue.pair)
        waiting = [name for name, wish in self.maker.wishes.items() if wish.queue == queue]
        assert group == waiting[: queue.players], "first come, first served"
        self.maker.take(group)
        for name in group:
            del self.told[name]
        self.tell(queue)

    def tell(self, queue: Queue) -> None:
        for player, waiting, reason in self.maker.news(queue, self.reason):
            assert self.told.get(player) != (waiting, reason), "told twice"
            self.told[player] = (waiting, reason)

    @invariant()
    def everybody_has_been_told_the_truth(self) -> None:
        assert set(self.told) == set(self.maker.wishes)
        counts = Counter(wish.queue for wish in self.maker.wishes.values())
        places: Counter[Queue] = Counter()
        for player, wish in self.maker.wishes.items():
            queue, place = wish.queue, places[wish.queue]
            places[queue] += 1
            whole = counts[queue] - counts[queue] % queue.players
            right = (queue.players, self.reason) if place < whole else (counts[queue] - whole, "")
            assert self.told[player] == right
        whole_queues = {queue for queue, count in counts.items() if count >= queue.players}
        assert set(self.maker.complete()) == whole_queues


TestMatchmaker = MatchmakerMachine.TestCase
