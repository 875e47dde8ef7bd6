"""The door: what each law decides in plain situations, and what configuration is refused."""

from __future__ import annotations

from math import nan

import msgspec
import pytest

from dialer.core.pacing import (
    Abandoned,
    Clamp,
    Decision,
    DialPlaced,
    History,
    Law,
    LiveAnswer,
    Pacer,
    PacingConfig,
    PacingEvent,
    Snapshot,
    Spell,
    make_pacer,
)


def snapshot(at_s: float = 100.0, **changes: object) -> Snapshot:
    base = Snapshot(at_s=at_s, staffed=4, idle_since_s=(90.0,) * 4)
    return msgspec.structs.replace(base, **changes)


def test_progressive_places_one_call_an_idle_agent_less_those_under_way() -> None:
    pacer = make_pacer(PacingConfig(law=Law.PROGRESSIVE))
    assert pacer.decide(snapshot()).calls_to_place == 4
    under_way = {"a": (95.0,), "b": (96.0,)}
    busy = snapshot(110.0, ringing_since_s=under_way, in_amd_since_s=(99.0,), pending=0)
    assert pacer.decide(busy).calls_to_place == 1
    assert pacer.decide(snapshot(120.0, pending=4)).calls_to_place == 0
    assert pacer.decide(snapshot(130.0, pending=9)).calls_to_place == 0


FOR_AGENTS = [law for law in Law if law is not Law.LINES]
"""Laws that call nobody for whom there is no agent."""


@pytest.mark.parametrize("law", [Law.PREVIEW, Law.PROGRESSIVE, Law.PREDICTIVE])
def test_calls_asked_for_are_not_asked_for_again_while_news_of_them_is_late(law: Law) -> None:
    pacer = make_pacer(PacingConfig(law=law))
    assert pacer.decide(snapshot(100.0)).calls_to_place == 4
    # Neither the dials nor the ringing calls have come back yet.
    assert pacer.decide(snapshot(100.25)).calls_to_place == 0
    assert pacer.decide(snapshot(100.5, pending=4)).calls_to_place == 0
    for i in range(4):
        pacer.observe(DialPlaced(at_s=100.6, call_id=f"c{i}"))
    # The dials have been heard of; the snapshot still lags behind.
    assert pacer.decide(snapshot(101.0)).calls_to_place == 0
    shown = snapshot(101.5, ringing_since_s={"": (100.6,) * 4})
    assert pacer.decide(shown).calls_to_place == 0
    # Nothing came of them and nobody said so: a lost end does not hold agents back for ever.
    assert pacer.decide(snapshot(105.0)).calls_to_place == 4


@pytest.mark.parametrize("law", [Law.PREVIEW, Law.PROGRESSIVE, Law.PREDICTIVE])
def test_a_call_with_an_agent_of_its_own_takes_nobodys_turn(law: Law) -> None:
    pacer = make_pacer(PacingConfig(law=law))
    pacer.decide(snapshot(100.0, idle_since_s=(), talking_since_s=(90.0,) * 4))
    pacer.observe(DialPlaced(at_s=100.5, call_id="held", has_agent=True))
    # Of four agents one is held for that call, two talk, and one has just become free.
    now = snapshot(101.0, idle_since_s=(101.0,), talking_since_s=(90.0, 91.0, 100.0), settled=True)
    saved = make_pacer(PacingConfig(law=law))
    saved.restore(pacer.save())
    assert pacer.decide(now).calls_to_place >= 1
    assert saved.decide(now).calls_to_place >= 1


def test_preview_is_progressive_under_its_own_name() -> None:
    decision = make_pacer(PacingConfig(law=Law.PREVIEW)).decide(snapshot())
    assert (decision.calls_to_place, decision.law) == (4, Law.PREVIEW)


def test_fixed_ratio_multiplies_idle_agents() -> None:
    pacer = make_pacer(PacingConfig(law=Law.FIXED_RATIO, lines_per_idle_agent=2.5))
    assert pacer.decide(snapshot()).calls_to_place == 10


def answer(pacer: Pacer, at_s: float, answers: int, abandonments: int) -> None:
    for i in range(answers):
        call_id = f"{at_s}.{i}"
        pacer.observe(DialPlaced(at_s=at_s, call_id=call_id))
        pacer.observe(LiveAnswer(at_s=at_s, call_id=call_id))
        if i < abandonments:
            pacer.observe(Abandoned(at_s=at_s, call_id=call_id))


def test_a_fixed_ratio_ends_at_the_limit_of_any_window_until_that_has_passed() -> None:
    config = PacingConfig(law=Law.FIXED_RATIO, lines_per_idle_agent=2.5)
    pacer = make_pacer(config)
    pacer.decide(snapshot(100.0))
    answer(pacer, 101.0, 300, 8)
    below = pacer.decide(snapshot(120.0))
    assert (below.calls_to_place, below.clamp) == (10, Clamp.NONE)
    answer(pacer, 121.0, 10, 2)
    spent = pacer.decide(snapshot(140.0))
    # One line an agent, and one of the four is kept back.
    assert (spent.calls_to_place, spent.clamp) == (3, Clamp.BUDGET)
    assert spent.estimates.abandonment_30min == pytest.approx(10 / 310)
    saved = make_pacer(config)
    saved.restore(pacer.save())
    assert saved.decide(snapshot(160.0)).clamp is Clamp.BUDGET
    resumed = make_pacer(config)
    past = History(until_s=150.0, spells=(Spell(at_s=140.0, answered=300, abandoned=9),))
    resumed.resume(past)
    assert resumed.decide(snapshot(160.0)).clamp is Clamp.BUDGET
    month_s = 31 * 86_400.0
    assert saved.decide(snapshot(160.0 + month_s)).calls_to_place == 10


def test_progressive_keeps_an_agent_back_where_the_target_is_used_up() -> None:
    """It happens to it only where idle agents are taken by somebody else."""
    pacer = make_pacer(PacingConfig(law=Law.PROGRESSIVE, target_abandonment=0.01))
    pacer.decide(snapshot(100.0))
    answer(pacer, 101.0, 150, 1)
    assert pacer.decide(snapshot(120.0)).calls_to_place == 4
    answer(pacer, 121.0, 1, 1)
    spent = pacer.decide(snapshot(140.0))
    assert (spent.calls_to_place, spent.clamp) == (3, Clamp.BUDGET)
    assert "kept back" in spent.reason
    # Nobody can be kept back in a team of one, or where nobody waits.
    alone = snapshot(145.0, staffed=1, idle_since_s=(90.0,))
    assert pacer.decide(alone).calls_to_place == 1
    busy = snapshot(150.0, idle_since_s=(), talking_since_s=(90.0,) * 4)
    assert pacer.decide(busy).clamp is Clamp.NONE
    assert pacer.decide(snapshot(140.0 + 1.1 * 86_400.0)).calls_to_place == 3
    assert pacer.decide(snapshot(140.0 + 31 * 86_400.0)).calls_to_place == 4


@pytest.mark.parametrize("law", [Law.PREVIEW, Law.PROGRESSIVE, Law.PREDICTIVE])
def test_calls_that_were_refused_are_asked_for_again_at_once_where_that_is_known(law: Law) -> None:
    pacer = make_pacer(PacingConfig(law=law))
    assert pacer.decide(snapshot(100.0)).calls_to_place == 4
    assert pacer.decide(snapshot(100.25, settled=True)).calls_to_place == 4


@pytest.mark.parametrize("law", Law)
def test_a_cap_binds_and_is_named(law: Law) -> None:
    pacer = make_pacer(PacingConfig(law=law))
    decision = pacer.decide(snapshot(caps={"lines": 3, "trunk": 1, "supply": 40}))
    assert (decision.calls_to_place, decision.clamp) == (1, Clamp.CAP)
    assert decision.cap_name == "trunk"
    assert pacer.decide(snapshot(110.0, caps={"supply": -5})).calls_to_place == 0


@pytest.mark.parametrize("law", Law)
def test_a_snapshot_with_a_bad_time_places_nothing(law: Law) -> None:
    pacer = make_pacer(PacingConfig(law=law))
    pacer.decide(snapshot(100.0))
    for at_s in (nan, 50.0):
        decision = pacer.decide(snapshot(at_s))
        assert (decision.calls_to_place, decision.clamp) == (0, Clamp.BAD_SNAPSHOT)
    assert decision.faults == {"bad_number": 1, "time_backwards": 1}


@pytest.mark.parametrize("law", FOR_AGENTS)
def test_agents_in_two_states_are_not_idle(law: Law) -> None:
    pacer = make_pacer(PacingConfig(law=law))
    decision = pacer.decide(snapshot(talking_since_s=(80.0, 70.0, 60.0)))
    assert decision.calls_to_place == 1
    assert decision.faults == {"state_conflict": 1}


@pytest.mark.parametrize("law", FOR_AGENTS)
def test_nobody_staffed_places_nothing(law: Law) -> None:
    decision = make_pacer(PacingConfig(law=law)).decide(Snapshot(at_s=5.0, staffed=0))
    assert decision.calls_to_place == 0


def test_predictive_begins_with_one_call_an_idle_agent_and_says_why() -> None:
    decision = make_pacer(PacingConfig()).decide(snapshot())
    assert (decision.calls_to_place, decision.clamp) == (4, Clamp.COLD_START)
    assert "not known yet" in decision.reason
    assert 0.5 < decision.estimates.pickup_rate < 0.8


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target_abandonment", 0.0),
        ("target_abandonment", 0.2),
        ("target_abandonment", nan),
        ("hard_limit", -0.01),
        ("lines_per_idle_agent", -1.0),
        ("max_lines_per_agent", 0.0),
        ("ring_timeout_s", 1.0),
        ("connect_limit_s", 60.0),
        ("expected_talk_s", 0.0),
        ("expected_wrap_up_s", nan),
    ],
)
def test_configuration_that_makes_no_sense_is_refused_by_name(field: str, value: float) -> None:
    config = msgspec.structs.replace(PacingConfig(), **{field: value})
    with pytest.raises(ValueError, match=field):
        make_pacer(config)


def test_a_target_above_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="below the limit"):
        make_pacer(PacingConfig(target_abandonment=0.05, hard_limit=0.03))


def test_a_save_of_another_law_is_refused() -> None:
    saved = make_pacer(PacingConfig(law=Law.PROGRESSIVE)).save()
    for law in (Law.PREVIEW, Law.PREDICTIVE):
        with pytest.raises(ValueError, match=r".+"):
            make_pacer(PacingConfig(law=law)).restore(saved)
    with pytest.raises(ValueError, match="ring_timeout_s"):
        make_pacer(PacingConfig(ring_timeout_s=40.0)).restore(make_pacer(PacingConfig()).save())


def test_events_and_decisions_are_the_same_in_json() -> None:
    decision = make_pacer(PacingConfig()).decide(snapshot())
    assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision
    text = b'{"type":"wrap_up_ended","at_s":3.5,"agent_id":"a7","wrap_up_s":12.0,"stays":false}'
    event = msgspec.json.decode(text, type=PacingEvent)
    assert msgspec.json.decode(msgspec.json.encode(event), type=PacingEvent) == event


def test_a_cold_campaign_that_could_not_dial_for_a_day_still_decides() -> None:
    pacer = make_pacer(PacingConfig())
    for hour in range(25):
        decision = pacer.decide(snapshot(100.0 + 3600.0 * hour, caps={"supply": 0}))
        assert (decision.calls_to_place, decision.cap_name) == (0, "supply")
