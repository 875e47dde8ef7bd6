"""The peers' laws decide what their published formulas say."""

from __future__ import annotations

import msgspec
import pytest

from dialer.core.pacing import Abandoned, DialPlaced, LiveAnswer, Snapshot
from load_tests.pacing.peers import (
    DropRule,
    GenesysProgressive,
    Issabel,
    Peer,
    SamuelsonLike,
    Vicidial,
)


def snapshot(at_s: float, idle: int, talking: tuple[float, ...] = (), ringing: int = 0) -> Snapshot:
    """`talking`: ages of the conversations."""
    return Snapshot(
        at_s=at_s,
        staffed=idle + len(talking),
        idle_since_s=(0.0,) * idle,
        talking_since_s=tuple(at_s - age for age in talking),
        ringing_since_s={"": (at_s - 1.0,) * ringing},
    )


def answers(peer: Peer, answered: int, dropped: int, at_s: float) -> None:
    for i in range(answered):
        peer.observe(DialPlaced(at_s=at_s - 8.0, call_id=f"{at_s}/{i}"))
        peer.observe(LiveAnswer(at_s=at_s, call_id=f"{at_s}/{i}"))
        if i < dropped:
            peer.observe(Abandoned(at_s=at_s + 2.0, call_id=f"{at_s}/{i}"))


def level_calls(peer: Vicidial, seconds: int, idle: int, busy: int) -> list[int]:
    """Calls asked for at every second of a constant state."""
    state = (snapshot(float(s), idle, (50.0,) * busy) for s in range(seconds + 1))
    return [peer.decide(s).calls_to_place for s in state]


@pytest.mark.parametrize(("available_only", "at_level_1"), [(True, 4), (False, 4)])
def test_vicidial_raises_its_level_by_the_share_of_ready_agents(
    available_only: bool, at_level_1: int
) -> None:
    peer = Vicidial(DropRule.HARD_LIMIT, available_only=available_only)
    calls = level_calls(peer, 29, idle=4, busy=6)
    assert calls[0] == calls[14] == at_level_1
    # x = 4 / 10, so the level is 1.4 from the first adaptation on.
    assert calls[15] == calls[29] == (6 if available_only else 8)


def test_vicidial_stays_within_its_highest_level() -> None:
    peer = Vicidial(DropRule.HARD_LIMIT, available_only=True, most=2.0)
    assert level_calls(peer, 200, idle=5, busy=0)[-1] == 10


@pytest.mark.parametrize(("rule", "expected"), [("hard_limit", 4), ("average", 4), ("tapered", 5)])
def test_vicidial_comes_down_above_the_drop_limit(rule: str, expected: int) -> None:
    peer = Vicidial(DropRule(rule), available_only=True, shift_s=8 * 3600.0)
    answers(peer, 60, 5, at_s=-200.0)
    # Level 1.4; one, a half (not below one), or 7 h 59 min left: 0.759 of it.
    assert level_calls(peer, 15, idle=4, busy=6)[-1] == max(4, expected - 1)
    assert peer.drops_today == 5


def test_issabel_counts_agents_that_are_97_percent_sure_to_be_free() -> None:
    peer = Issabel()
    # 1 - exp(-(413 + 8) / 120) = 0.9700; the answer rate starts at a quarter.
    late, early = snapshot(0.0, 1, (414.0,)), snapshot(0.0, 1, (400.0,))
    assert peer.decide(late).calls_to_place == 8
    assert Issabel().decide(early).calls_to_place == 4
    assert peer.decide(msgspec.structs.replace(late, at_s=4.0)).calls_to_place == 0


def test_genesys_progressive_is_its_formula() -> None:
    assert GenesysProgressive(1.5).decide(snapshot(0.0, 4, ringing=3)).calls_to_place == 3
    assert GenesysProgressive(1.5).decide(snapshot(0.0, 1, ringing=3)).calls_to_place == 0


def test_samuelson_counts_agents_expected_to_be_free_and_answers_expected() -> None:
    # 10 (1 - exp(-8 / 120)) = 0.645 agents more; (2.645) / 0.25 = 10.6, five ring.
    peer = SamuelsonLike()
    assert peer.decide(snapshot(0.0, 2, (30.0,) * 10, ringing=5)).calls_to_place == 5


def test_peers_learn_the_answer_rate_and_delay() -> None:
    peer = SamuelsonLike()
    for minute in range(30):
        answers(peer, 20, 0, at_s=60.0 * minute)
    assert peer.answer_rate > 0.9
    assert peer.answer_s == pytest.approx(8.0)
