"""A pacer that takes a campaign over: its budgets are the ledger's, its present the snapshot's."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import inf, nan
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.core.pacing import (
    AgentOn,
    Clamp,
    Connected,
    DialPlaced,
    History,
    Law,
    LiveAnswer,
    Pacer,
    Snapshot,
    Spell,
    make_pacer,
)
from dialer.core.pacing.budget import AbandonmentBudget
from dialer.core.pacing.messages import PacingConfig
from dialer.core.pacing.windows import WINDOW_BUCKETS, WINDOWS_S, history_stretches
from dialer.simulation.pacing import run_pacing
from dialer.simulation.report import config_for, scenario

NOW_S = 1_795_000_000.0
DAY_S = 86_400.0
WORLD = msgspec.structs.replace(scenario("steady", 8), duration_s=420.0)
CONFIG = config_for(WORLD)
Kind = Literal["answered", "abandoned", "machine"]


def told(events: list[tuple[float, Kind]], until_s: float) -> History:
    """As the ledger tells it: in spells of each stretch, machines that were heard left out."""
    spells: list[Spell] = []
    end_s = inf
    for stretch in history_stretches(until_s):
        answered: Counter[float] = Counter()
        abandoned: Counter[float] = Counter()
        for at_s, kind in events:
            if stretch.since_s <= at_s < end_s:
                begin_s = at_s // stretch.width_s * stretch.width_s
                answered[begin_s] += kind != "machine"
                abandoned[begin_s] += kind == "abandoned"
        spells += [
            Spell(at_s=s, answered=answered[s], abandoned=abandoned[s]) for s in sorted(answered)
        ]
        end_s = stretch.since_s
    return History(until_s=until_s, spells=tuple(spells))


ages_s = st.one_of(
    st.floats(0.0, 2_000.0), st.floats(0.0, 1.1 * DAY_S), st.floats(0.0, 31.0 * DAY_S)
)
kinds: st.SearchStrategy[Kind] = st.sampled_from(["answered", "answered", "abandoned", "machine"])


@settings(deadline=None)
@given(
    st.lists(st.tuples(ages_s, kinds), max_size=60),
    st.floats(NOW_S, NOW_S + 31.0 * DAY_S),
    st.floats(0.0, 2.0 * DAY_S),
)
def test_recalled_and_observed_budgets_are_the_same(
    past: list[tuple[float, Kind]], now_s: float, later_s: float
) -> None:
    events = sorted((now_s - age_s, kind) for age_s, kind in past)
    observed, recalled = (AbandonmentBudget(PacingConfig()) for _ in range(2))
    for at_s, kind in events:
        observed.advance(at_s)
        observed.on_answer()
        if kind == "abandoned":
            observed.on_abandonment()
        elif kind == "machine":
            observed.on_found_machine()
    observed.advance(now_s)
    recalled.recall(told(events, now_s))
    for _ in range(2):
        assert recalled.state.windows == observed.state.windows
        for name in WINDOWS_S:
            mine, live = recalled.windows.by_name[name], observed.windows.by_name[name]
            assert (mine.total_answered, mine.total_abandoned) == (
                live.total_answered,
                live.total_abandoned,
            )
        observed.advance(now_s + later_s)
        recalled.advance(now_s + later_s)


def test_a_recalled_history_takes_the_place_of_what_was_counted() -> None:
    budget = AbandonmentBudget(PacingConfig())
    budget.advance(NOW_S)
    budget.on_answer()
    budget.on_abandonment()
    budget.recall(History(until_s=NOW_S, spells=(Spell(at_s=NOW_S, answered=7, abandoned=2),)))
    windows = budget.windows.by_name.values()
    assert all((w.total_answered, w.total_abandoned) == (7, 2) for w in windows)


def test_what_lies_ahead_of_a_clock_that_was_set_back_still_counts() -> None:
    budget = AbandonmentBudget(PacingConfig())
    ahead = Spell(at_s=NOW_S + 7_200.0, answered=9, abandoned=3)
    budget.recall(History(until_s=NOW_S, spells=(ahead,)))
    assert all(w.total_abandoned == 3 for w in budget.windows.by_name.values())


def test_a_history_is_told_in_few_spells() -> None:
    stretches = history_stretches(NOW_S + 12_345.6)
    ends_s = [NOW_S + 12_345.6, *(s.since_s for s in stretches)]
    for stretch, end_s in zip(stretches, ends_s, strict=False):
        assert (end_s - stretch.since_s) / stretch.width_s < 2 * WINDOW_BUCKETS
    assert stretches[-1].since_s <= ends_s[0] - 29.5 * DAY_S


@pytest.mark.parametrize(
    ("until_s", "spell"),
    [
        (nan, Spell(at_s=1.0, answered=1, abandoned=0)),
        (9.0, Spell(at_s=inf, answered=1, abandoned=0)),
        (9.0, Spell(at_s=1.0, answered=-1, abandoned=0)),
        (9.0, Spell(at_s=1.0, answered=1, abandoned=-1)),
    ],
)
def test_a_history_that_cannot_be_is_refused(until_s: float, spell: Spell) -> None:
    with pytest.raises(ValueError, match="history"):
        History(until_s=until_s, spells=(spell,))


# --- a whole pacer ---------------------------------------------------------------------------


@cache
def learned() -> bytes:
    """A save in the middle of a shift, with calls ringing and agents talking."""
    pacer = make_pacer(CONFIG)
    run_pacing(pacer, WORLD, seed=17)
    return pacer.save()


def successor(history: History) -> Pacer:
    pacer = make_pacer(CONFIG)
    pacer.restore(learned())
    pacer.resume(history)
    return pacer


def idle_team(at_s: float, idle: int = 8) -> Snapshot:
    return Snapshot(at_s=at_s, staffed=idle, idle_since_s=(at_s,) * idle, settled=True)


def test_a_used_budget_binds_the_first_decision() -> None:
    spent = History(until_s=NOW_S, spells=(Spell(at_s=NOW_S - 60, answered=300, abandoned=30),))
    for pacer in (successor(spent), make_pacer(CONFIG)):
        pacer.resume(spent)
        decision = pacer.decide(idle_team(NOW_S + 1.0))
        assert (decision.clamp, decision.calls_to_place) == (Clamp.BUDGET, 8)
        assert decision.estimates.abandonment_30min == pytest.approx(0.1)
    free = successor(History(until_s=NOW_S)).decide(idle_team(NOW_S + 1.0))
    assert free.clamp is not Clamp.BUDGET
    assert free.estimates.tolerance > 0.0


def test_calls_that_rang_at_the_save_are_not_waited_for() -> None:
    predecessor = make_pacer(CONFIG)
    predecessor.restore(learned())
    at_the_end = predecessor.decide(Snapshot(at_s=WORLD.duration_s + 0.1, staffed=0))
    before = at_the_end.estimates.pickup_rate
    pacer = successor(History(until_s=NOW_S))
    for second in range(90):
        last = pacer.decide(idle_team(NOW_S + second))
    # Pickups of the running second are still counted; a lower rate would dial more.
    assert before <= last.estimates.pickup_rate < 1.1 * before
    assert last.faults == at_the_end.faults


def test_agents_of_before_are_met_anew() -> None:
    pacer = successor(History(until_s=NOW_S))
    before = pacer.decide(idle_team(NOW_S)).faults
    state = msgspec.json.decode(learned())["tracker"]
    assert state["agents"], "seed 17"
    for n, agent_id in enumerate(sorted(state["agents"])):
        at_s = NOW_S + 1.0 + n / 100
        pacer.observe(AgentOn(at_s=at_s, agent_id=agent_id))
        pacer.observe(DialPlaced(at_s=at_s, call_id=f"new {n}"))
        pacer.observe(LiveAnswer(at_s=at_s, call_id=f"new {n}"))
        pacer.observe(Connected(at_s=at_s, call_id=f"new {n}", agent_id=agent_id))
    assert pacer.decide(idle_team(NOW_S + 2.0)).faults == before


def test_lines_grow_slowly_after_a_takeover_and_then_as_learned() -> None:
    pacer = successor(History(until_s=NOW_S))
    first = pacer.decide(idle_team(NOW_S))
    assert first.calls_to_place <= 11
    later = [pacer.decide(idle_team(NOW_S + second)) for second in range(1, 70)]
    assert later[-1].clamp is not Clamp.RAMP
    assert later[-1].calls_to_place >= first.calls_to_place


def test_an_earlier_clock_is_no_fault_of_the_successor() -> None:
    pacer = successor(History(until_s=100.0))
    assert pacer.decide(idle_team(101.0)).clamp is not Clamp.BAD_SNAPSHOT


@pytest.mark.parametrize("law", [Law.PROGRESSIVE, Law.FIXED_RATIO, Law.PREVIEW])
def test_laws_without_a_budget_go_on_too(law: Law) -> None:
    pacer = make_pacer(PacingConfig(law=law))
    pacer.resume(History(until_s=NOW_S))
    assert pacer.decide(idle_team(NOW_S)).calls_to_place == 8
