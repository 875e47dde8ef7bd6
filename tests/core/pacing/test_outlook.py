"""Which way the risk of a call is found."""

from __future__ import annotations

from dialer.core.pacing.messages import (
    AgentOn,
    Connected,
    DialPlaced,
    LiveAnswer,
    NoAnswer,
    PacingConfig,
    Snapshot,
    TalkEnded,
    WrapUpEnded,
)
from dialer.core.pacing.outlook import EXACT_IDLE, ExactRisk, MomentRisk, Scene, weigh
from dialer.core.pacing.predictive import PredictivePacer


def scene(idle: int) -> Scene:
    return Scene(
        idle=idle,
        waiting=0,
        talking_s=[],
        wrapping_s=[],
        ringing=[],
        in_amd_s=[],
        live_share=1.0,
        stays=0.97,
        new_rate=0.2,
        new_relative_deviation=0.1,
    )


def mature(agents: int) -> PredictivePacer:
    """A pacer that has seen two hundred calls, a fifth of them answered."""
    pacer = PredictivePacer(PacingConfig())
    for number in range(agents):
        pacer.observe(AgentOn(at_s=0.0, agent_id=f"a{number}"))
    for number in range(200):
        at_s, call = 1.0 + number, f"c{number}"
        pacer.observe(DialPlaced(at_s=at_s, call_id=call))
        if number % 5:
            pacer.observe(NoAnswer(at_s=at_s + 0.9, call_id=call))
            continue
        pacer.observe(LiveAnswer(at_s=at_s + 0.1, call_id=call))
        pacer.observe(Connected(at_s=at_s + 0.1, call_id=call, agent_id="a0"))
        pacer.observe(TalkEnded(at_s=at_s + 0.5, agent_id="a0", talk_s=0.4))
        pacer.observe(WrapUpEnded(at_s=at_s + 0.6, agent_id="a0", wrap_up_s=0.1))
    return pacer


def test_a_large_team_with_nothing_to_do_is_weighed_by_moments() -> None:
    """The exact way would convolve once for each call that might be placed: for a thousand idle
    agents and no call the slowest decision of all."""
    pacer = mature(1)
    tables = pacer._tables
    assert isinstance(weigh(scene(10), tables), ExactRisk)
    assert isinstance(weigh(scene(EXACT_IDLE), tables), ExactRisk)
    assert isinstance(weigh(scene(EXACT_IDLE + 1), tables), MomentRisk)


def test_without_supply_nothing_is_placed_however_many_are_idle() -> None:
    pacer = mature(300)
    shown = Snapshot(at_s=300.0, staffed=300, idle_since_s=(1.0,) * 300, caps={"supply": 0})
    decision = pacer.decide(shown)
    assert decision.calls_to_place == 0
    assert decision.cap_name == "supply"
    assert decision.asked > 100
