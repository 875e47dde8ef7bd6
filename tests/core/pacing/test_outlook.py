"""Which way the risk of a call is found."""

from __future__ import annotations

import msgspec

from dialer.core.pacing.messages import (
    Abandoned,
    AgentOff,
    AgentOn,
    Clamp,
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


def test_idle_agents_whom_others_take_make_every_call_riskier() -> None:
    tables = mature(1)._tables
    for idle in (3, EXACT_IDLE + 1):
        calm, busy = scene(idle), msgspec.structs.replace(scene(idle), idle_loss_per_s=0.05)
        for calls in (1, idle, idle + 10):
            assert weigh(busy, tables).of(calls) >= weigh(calm, tables).of(calls)
        assert weigh(busy, tables).of(idle) > weigh(calm, tables).of(idle)


def takes(pacer: PredictivePacer, agents: int, every_s: int, from_s: int, until_s: int) -> None:
    """Idle agents are taken for 5 s, one every so often."""
    for at_s in range(from_s, until_s, every_s):
        agent = f"a{at_s // every_s % agents}"
        pacer.observe(AgentOff(at_s=float(at_s), agent_id=agent))
        pacer.observe(AgentOn(at_s=at_s + 5.0, agent_id=agent))
        pacer.decide(Snapshot(at_s=at_s + 6.0, staffed=agents, idle_since_s=(1.0,) * agents))


def test_an_idle_agent_is_no_promise_where_idle_agents_are_taken() -> None:
    """As many calls as agents are idle have an agent each; where a caller takes one every few
    seconds, they have not."""
    calm, busy = mature(4), mature(4)
    takes(busy, 4, 10, 300, 1500)
    shown = Snapshot(at_s=1500.0, staffed=4, idle_since_s=(1.0,) * 4)
    for pacer in (calm, busy):
        for cohorts in pacer._segments.values():
            # Nearly everybody picks up: each call will need its agent.
            cohorts.rate.state.slow_events, cohorts.rate.state.slow_exposure = 95.0, 100.0
    assert calm.decide(shown).calls_to_place == 4
    before = busy.decide(shown).calls_to_place
    assert 0 < before < 4
    # What is within the target is taken only until the target has been abandoned.
    for i in range(4):
        busy.observe(Abandoned(at_s=1500.5, call_id=f"lost{i}"))
    after = busy.decide(msgspec.structs.replace(shown, at_s=1501.0))
    assert after.calls_to_place < before
    assert after.estimates.next_call_risk > after.estimates.tolerance


def test_at_the_hard_limit_a_break_now_and_then_does_not_stop_a_team() -> None:
    pacer = mature(4)
    takes(pacer, 4, 400, 300, 1500)
    for i in range(10):
        pacer.observe(Abandoned(at_s=1500.5, call_id=f"lost{i}"))
    decision = pacer.decide(Snapshot(at_s=1501.0, staffed=4, idle_since_s=(1.0,) * 4))
    assert decision.estimates.tolerance == 0.0
    assert (decision.calls_to_place, decision.clamp) == (4, Clamp.BUDGET)
