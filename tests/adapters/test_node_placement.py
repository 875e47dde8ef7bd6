"""Which node takes a call: rates and limits hold whatever comes, and nobody is passed over."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony_adapters.nodes.placement import BURST_S, Load, Placement, Rate, Refusal, Turn
from telephony_adapters.nodes.settings import NodeLimits
from telephony_adapters.nodes.tokens import PREFIX, Tokens

T0 = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
FAST = 10_000.0
UP = Load(up=True)


def node(name: str, **limits: object) -> NodeLimits:
    return msgspec.structs.replace(NodeLimits(name=name, max_originates_per_s=FAST), **limits)


class Network:
    """Nodes that take calls for ever, and how many each has."""

    def __init__(self, *limits: NodeLimits, legs: dict[str, int] | None = None) -> None:
        self.placement = Placement(limits, turn_s=1.0)
        self.limits = {one.name: one for one in limits}
        self.lines: Counter[str] = Counter()
        self.legs = legs or {}
        self.down: set[str] = set()
        self.now = T0

    def loads(self) -> dict[str, Load]:
        return {
            name: Load(
                up=name not in self.down, lines=self.lines[name], legs=self.legs.get(name, 0)
            )
            for name in self.limits
        }

    def call(self, trunk: str = "main") -> Turn | Refusal:
        turn = self.placement.call(trunk, self.loads(), self.now)
        if isinstance(turn, Turn):
            self.lines[turn.node] += 1
        return turn


# --- rates ----------------------------------------------------------------------------------------


@given(
    per_s=st.floats(0.2, 300.0),
    gaps_ms=st.lists(st.integers(0, 2_000), min_size=1, max_size=150),
)
def test_over_any_stretch_no_more_begins_than_burst_and_rate(
    per_s: float, gaps_ms: list[int]
) -> None:
    rate, now, begun = Rate(per_s), T0, []
    for gap_ms in gaps_ms:
        now += timedelta(milliseconds=gap_ms)
        begun.append((now - T0).total_seconds() + rate.wait_s(now))
        rate.take(now)
    assert begun == sorted(begun)
    burst = max(1, int(per_s * BURST_S))
    for first, at in enumerate(begun):
        for last in range(first, len(begun)):
            allowed = burst + per_s * (begun[last] - at)
            assert last - first + 1 <= allowed + 1e-3 * per_s + 1e-6


@given(per_s=st.floats(0.5, 100.0), taken=st.integers(0, 60))
def test_what_is_left_need_not_wait_and_the_next_one_must(per_s: float, taken: int) -> None:
    rate = Rate(per_s)
    for _ in range(taken):
        rate.take(T0)
    for _ in range(rate.left(T0)):
        assert rate.wait_s(T0) == 0.0
        rate.take(T0)
    assert rate.wait_s(T0) > 0.0


def test_a_turn_that_was_given_back_is_there_again() -> None:
    rate = Rate(2.0)
    rate.take(T0)
    assert rate.left(T0) == 0
    rate.give_back(T0)
    assert rate.left(T0) == 1
    rate.give_back(T0)
    assert rate.left(T0) == 1


def test_a_call_waits_its_turn_and_no_longer_than_it_may() -> None:
    network = Network(node("a", max_originates_per_s=2.0))
    waits = [network.call() for _ in range(4)]
    assert waits == [
        Turn(node="a", wait_s=0.0),
        Turn(node="a", wait_s=0.5),
        Turn(node="a", wait_s=1.0),
        Refusal.RATE,
    ]
    network.now += timedelta(seconds=0.5)
    assert network.call() == Turn(node="a", wait_s=1.0)


def test_a_call_goes_where_it_need_not_wait() -> None:
    network = Network(node("a", max_originates_per_s=2.0), node("b", max_originates_per_s=2.0))
    turns = [network.call() for _ in range(3)]
    assert {turn.node for turn in turns[:2] if isinstance(turn, Turn)} == {"a", "b"}
    assert isinstance(turns[2], Turn)
    assert turns[2].wait_s == 0.5


# --- lines ----------------------------------------------------------------------------------------


@given(
    most=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    steps=st.lists(st.tuples(st.sampled_from(["call", "end", "down", "up"]), st.integers(0, 3))),
)
def test_no_node_ever_has_more_than_it_bears(most: list[int], steps: list[tuple[str, int]]) -> None:
    names = [f"n{place}" for place in range(len(most))]
    network = Network(
        *(node(name, max_lines=lines) for name, lines in zip(names, most, strict=True))
    )
    for step, place in steps:
        name = names[place % len(names)]
        if step == "down":
            network.down.add(name)
        elif step == "up":
            network.down.discard(name)
        elif step == "end":
            network.lines[name] = max(0, network.lines[name] - 1)
        else:
            room = network.placement.room("main", network.loads(), network.now)
            turn = network.call()
            if isinstance(turn, Turn):
                assert turn.node not in network.down
                assert network.lines[turn.node] <= network.limits[turn.node].max_lines
                assert room > 0
            else:
                assert room == 0
                all_down = network.down >= set(names)
                assert turn is (Refusal.DOWN if all_down else Refusal.LINES)


@given(nodes=st.integers(1, 5), calls=st.integers(1, 60))
def test_equal_nodes_get_equal_parts(nodes: int, calls: int) -> None:
    network = Network(*(node(f"n{place}") for place in range(nodes)))
    for _ in range(calls):
        assert isinstance(network.call(), Turn)
    counts = [network.lines[name] for name in network.limits]
    assert max(counts) - min(counts) <= 1


@given(legs=st.lists(st.integers(1, 8), min_size=2, max_size=4), calls=st.integers(20, 80))
def test_calls_go_where_the_agents_are(legs: list[int], calls: int) -> None:
    names = [f"n{place}" for place in range(len(legs))]
    network = Network(
        *(node(name, max_lines=1_000) for name in names), legs=dict(zip(names, legs, strict=True))
    )
    for _ in range(calls):
        assert isinstance(network.call(), Turn)
    for name, count in zip(names, legs, strict=True):
        assert abs(network.lines[name] - calls * count / sum(legs)) <= len(legs)


def test_a_node_without_agents_takes_what_the_others_cannot() -> None:
    network = Network(node("a", max_lines=2), node("b", max_lines=2), legs={"a": 5})
    assert [turn.node for turn in (network.call() for _ in range(4)) if isinstance(turn, Turn)] == [
        "a",
        "a",
        "b",
        "b",
    ]
    assert network.call() is Refusal.LINES


# --- who serves -----------------------------------------------------------------------------------


def test_a_trunk_is_had_by_the_nodes_that_name_it_or_name_none() -> None:
    network = Network(node("a", trunks=frozenset({"mobile"})), node("b", max_lines=1))
    assert network.call("main") == Turn(node="b", wait_s=0.0)
    assert network.call("main") is Refusal.LINES
    assert network.call("mobile") == Turn(node="a", wait_s=0.0)
    network.down.add("b")
    assert network.call("main") is Refusal.TRUNK


def test_nothing_new_begins_on_a_node_that_is_drained() -> None:
    network = Network(node("a"), node("b", drain=True))
    network.lines["a"] = 50
    assert network.call() == Turn(node="a", wait_s=0.0)
    assert network.placement.leg(network.loads()) == "a"
    network.placement.drain("a", on=True)
    assert network.call() is Refusal.DRAINED
    assert network.placement.leg(network.loads()) is Refusal.DRAINED
    assert network.placement.outside("main", network.loads()) is Refusal.DRAINED
    assert network.placement.room("main", network.loads(), T0) == 0
    network.placement.drain("b", on=False)
    assert network.call() == Turn(node="b", wait_s=0.0)


def test_telephones_go_where_fewest_are_and_no_further_than_there_is_room() -> None:
    network = Network(node("a", max_legs=1), node("b"), legs={"a": 0, "b": 3})
    assert network.placement.leg(network.loads()) == "a"
    network.legs["a"] = 1
    assert network.placement.leg(network.loads()) == "b"
    network.down.add("b")
    assert network.placement.leg(network.loads()) is Refusal.LEGS
    network.down.add("a")
    assert network.placement.leg(network.loads()) is Refusal.DOWN


def test_somebody_outside_takes_a_line_of_the_trunk() -> None:
    network = Network(node("a", max_lines=1), node("b", max_lines=1))
    assert network.placement.outside("main", network.loads()) in ("a", "b")
    network.lines.update({"a": 1, "b": 1})
    assert network.placement.outside("main", network.loads()) is Refusal.LINES


# --- one-time words -------------------------------------------------------------------------------


def words() -> Tokens[str]:
    made = iter(range(1_000))
    return Tokens(lambda: f"{next(made):032x}", life_s=3.0)


def test_a_word_is_good_once() -> None:
    tokens = words()
    word = tokens.issue("north", "leg", T0)
    assert word.startswith(PREFIX)
    assert tokens.redeem("north", word, T0) == "leg"
    assert tokens.redeem("north", word, T0) is None
    assert len(tokens) == 0


@pytest.mark.parametrize("late_s", [3.001, 60.0])
def test_a_word_does_not_live_long(late_s: float) -> None:
    tokens = words()
    word = tokens.issue("north", "leg", T0)
    assert tokens.redeem("north", word, T0 + timedelta(seconds=late_s)) is None
    tokens.issue("north", "other", T0)
    tokens.issue("north", "third", T0 + timedelta(seconds=late_s))
    assert len(tokens) == 1


def test_a_word_is_good_at_its_own_node_only_and_is_not_lost_elsewhere() -> None:
    tokens = words()
    word = tokens.issue("north", "leg", T0)
    assert tokens.redeem("south", word, T0) is None
    assert tokens.redeem("north", word, T0) == "leg"


def test_words_that_were_not_given_out_or_are_taken_back_are_good_for_nothing() -> None:
    tokens = words()
    word = tokens.issue("north", "leg", T0)
    assert tokens.redeem("north", PREFIX, T0) is None
    assert tokens.redeem("north", word[:-1], T0) is None
    tokens.revoke(word)
    tokens.revoke(word)
    assert tokens.redeem("north", word, T0) is None
