"""The seeded world: its figures are those it is given, and one seed is one history."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.model import Bucket
from telephony_adapters.messages import AmdVerdict, CallId, HangupCause, Originate
from telephony_adapters.simulator.heard import Intent, Speaker
from telephony_adapters.simulator.rates import STAGES, StageRates, WorldRates
from telephony_adapters.simulator.world import (
    DailyHabit,
    DialPlan,
    NumberOwner,
    Past,
    SeededWorld,
    hour_factor,
    zones_of_number,
)

SEED = 20260603
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
DIALS = 24_000


def originate(number: str, segment: str = "61-90") -> Originate:
    return Originate(
        call_id=CallId("0" * 26),
        to=number,
        caller_id=None,
        trunk="main",
        ring_timeout_s=25,
        segment=segment,
    )


def number(n: int) -> str:
    """A Chilean mobile number: one zone, so that local hours are easy to set."""
    return f"+569{50_000_000 + n * 7:08d}"


def hours_of_the_day(n: int) -> datetime:
    """8:00 to 19:59 in Santiago (UTC-4 in June), Monday to Friday, evenly."""
    return MONDAY + timedelta(days=n % 5, hours=12 + n // 5 % 12, minutes=n % 60)


def plans(segment: str, *, world: SeededWorld | None = None) -> list[tuple[str, DialPlan]]:
    world = world if world is not None else SeededWorld(SEED)
    return [
        (number(n), world.dial(originate(number(n), segment), hours_of_the_day(n), Past()))
        for n in range(DIALS)
    ]


def assert_share(part: int, of: int, expected: float, tolerance: float = 0.08) -> None:
    """Within `tolerance` (relative) plus four standard errors."""
    error = 4 * math.sqrt(expected * (1 - expected) / of)
    assert part / of == pytest.approx(expected, abs=tolerance * expected + error), (
        f"{part} of {of} with seed {SEED}"
    )


@pytest.mark.parametrize("segment", list(STAGES))
def test_live_answers_right_parties_and_promises_by_stage(segment: str) -> None:
    rates = STAGES[segment]
    working = [plan for _, plan in plans(segment) if plan.cause is not HangupCause.NOT_IN_SERVICE]
    heard = [plan.pick_up.heard for plan in working if plan.pick_up is not None]
    live = [each for each in heard if each.speaker.is_live]
    right = [each for each in live if each.speaker is Speaker.RIGHT_PARTY]
    promised = [each for each in right if each.intent is Intent.PROMISE]
    assert_share(len(live), len(working), rates.live)
    assert_share(len(right), len(live), rates.right_party_per_live)
    if rates.promise:
        assert_share(len(promised), len(right), rates.promise)
        assert all(each.verification_answers for each in promised)
        assert all(
            each.promise_share is not None and 0.25 <= each.promise_share <= 1 for each in promised
        )
        days = [each.promise_days for each in promised if each.promise_days is not None]
        assert min(days) >= 1
        assert max(days) <= rates.promise_horizon_days
    else:
        assert promised == []


def test_what_a_dial_meets() -> None:
    rates = WorldRates()
    met = plans("61-90")
    working = [plan for _, plan in met if plan.cause is not HangupCause.NOT_IN_SERVICE]
    assert_share(len(met) - len(working), len(met), rates.disconnected)
    unanswered = Counter(plan.cause for plan in working if plan.pick_up is None)
    assert_share(unanswered[HangupCause.BUSY], len(working), rates.busy)
    assert_share(unanswered[HangupCause.REJECTED], len(working), rates.blocked)
    by = Counter(plan.pick_up.heard.speaker for plan in working if plan.pick_up is not None)
    assert_share(by[Speaker.MACHINE], len(working), rates.machine)
    assert_share(by[Speaker.FAX], len(working), rates.fax)


def test_ring_times_peak_where_people_and_voicemail_answer() -> None:
    human: Counter[int] = Counter()
    machine: Counter[int] = Counter()
    for _, plan in plans("1-30"):
        if plan.pick_up is None:
            continue
        speaker = plan.pick_up.heard.speaker
        if speaker.is_live:
            human[int(plan.final_s)] += 1
        elif speaker is Speaker.MACHINE:
            machine[int(plan.final_s)] += 1
    assert 6 <= human.most_common(1)[0][0] < 10
    assert 18 <= machine.most_common(1)[0][0] < 22
    times = list(human.elements())
    assert fmean(times) + 0.5 == pytest.approx(8.0, abs=0.4)
    assert sum(1 for each in times if each >= 25) / len(times) < 0.01


def test_talk_and_wrap_up_times() -> None:
    rates = WorldRates()
    heard = [plan.pick_up.heard for _, plan in plans("1-30") if plan.pick_up is not None]
    kinds = {
        (rates.talk_promise_s, rates.wrap_promise_s): [
            each for each in heard if each.intent is Intent.PROMISE
        ],
        (rates.talk_right_s, rates.wrap_right_s): [
            each
            for each in heard
            if each.speaker is Speaker.RIGHT_PARTY and each.intent is not Intent.PROMISE
        ],
        (rates.talk_other_s, rates.wrap_other_s): [
            each for each in heard if each.speaker in (Speaker.WRONG_PARTY, Speaker.THIRD_PARTY)
        ],
    }
    for (talk_s, wrap_s), group in kinds.items():
        assert len(group) > 500
        assert fmean(each.talk_s for each in group) == pytest.approx(talk_s, rel=0.08)
        assert fmean(each.wrap_up_s for each in group) == pytest.approx(wrap_s, rel=0.06)
        assert median(each.talk_s for each in group) < talk_s, "the tail is long to the right"


def test_people_wait_some_seconds_and_machines_record_for_longer() -> None:
    waits: dict[bool, list[float]] = {True: [], False: []}
    for _, plan in plans("1-30"):
        if plan.pick_up is not None:
            waits[plan.pick_up.heard.speaker.is_live].append(plan.pick_up.patience_s)
    assert fmean(waits[True]) == pytest.approx(WorldRates().patience_s, rel=0.05)
    assert min(waits[True]) >= 1.0
    assert min(waits[False]) >= 30.0


def test_detection_errs_as_often_as_it_is_said_to() -> None:
    rates = WorldRates()
    verdicts: dict[Speaker, Counter[AmdVerdict]] = {speaker: Counter() for speaker in Speaker}
    for _, plan in plans("1-30"):
        if plan.pick_up is not None:
            verdicts[plan.pick_up.heard.speaker][plan.pick_up.amd_verdict] += 1
            assert rates.amd_from_s <= plan.pick_up.amd_s <= rates.amd_unsure_s
    live = sum((count for who, count in verdicts.items() if who.is_live), Counter[AmdVerdict]())
    assert_share(live[AmdVerdict.MACHINE], live.total(), rates.amd_false_machine)
    assert_share(live[AmdVerdict.UNSURE], live.total(), rates.amd_unsure)
    machine = verdicts[Speaker.MACHINE]
    assert_share(machine[AmdVerdict.HUMAN], machine.total(), rates.amd_false_human)
    assert set(verdicts[Speaker.FAX]) == {AmdVerdict.FAX}


def test_right_party_penetration_of_a_week() -> None:
    """1-30 days past due: 8.1, 20 and 34.5 % at 1, 3 and 7 dials (domain page, section 9)."""
    world = SeededWorld(SEED)
    numbers = [n for n in (number(i) for i in range(9_000)) if _works(world, n)]
    reached = {1: 0, 3: 0, 7: 0}
    for i, each in enumerate(numbers):
        hit: int | None = None
        for attempt in range(7):
            at = hours_of_the_day(i + attempt * 61)
            plan = world.dial(originate(each, "1-30"), at, Past(attempt, attempt))
            speaker = plan.pick_up.heard.speaker if plan.pick_up is not None else None
            if speaker is Speaker.RIGHT_PARTY:
                hit = attempt + 1
                break
        for dials in reached:
            reached[dials] += hit is not None and hit <= dials
    assert reached[1] / len(numbers) == pytest.approx(0.081, abs=0.015)
    assert reached[3] / len(numbers) == pytest.approx(0.20, abs=0.02)
    assert reached[7] / len(numbers) == pytest.approx(0.345, abs=0.025)


def _works(world: SeededWorld, each: str) -> bool:
    return world.traits(each).owner not in (NumberOwner.DISCONNECTED, NumberOwner.FAX)


def test_hours_weekdays_and_fatigue_change_the_rate_of_answers() -> None:
    world = SeededWorld(SEED, WorldRates(propensity_sigma=0.0))
    traits = next(
        found
        for found in (world.traits(number(n)) for n in range(1000))
        if found.habit is DailyHabit.DAY
    )
    assert traits.zone == "America/Santiago"
    live = STAGES["1-30"].live

    def rate(day: int, local_hour: int, recent: int = 0) -> float:
        at = MONDAY + timedelta(days=day, hours=local_hour + 4)
        return world.live_probability(traits, "1-30", at, Past(recent, recent))

    assert rate(0, 10) == pytest.approx(live * 1.14)
    assert rate(0, 7) == rate(0, 8) == pytest.approx(live * 0.87)
    assert rate(5, 10) == pytest.approx(live * 1.14 * 0.9)
    assert rate(0, 10, recent=2) == pytest.approx(live * 1.14 * 0.93**2)


def test_evening_people_answer_more_and_more_until_six() -> None:
    by_hour = [hour_factor(DailyHabit.EVENING, hour) for hour in range(8, 19)]
    assert by_hour == sorted(by_hour)
    assert by_hour[0] == pytest.approx(0.86)
    assert by_hour[-1] == pytest.approx(1.14)
    assert hour_factor(DailyHabit.EVENING, 20) == pytest.approx(1.05)
    assert {hour_factor(DailyHabit.FLAT, hour) for hour in range(24)} == {1.0}


@given(seed=st.integers(), n=st.integers(0, 10**6), attempts=st.integers(0, 50))
def test_a_dial_depends_on_nothing_but_its_arguments(seed: int, n: int, attempts: int) -> None:
    command = originate(number(n), "1-30")
    first, second = SeededWorld(seed), SeededWorld(seed)
    for other in range(3):
        second.dial(originate(number(n + other + 1)), MONDAY, Past())
    past = Past(attempts, min(attempts, 7))
    assert first.dial(command, MONDAY, past) == second.dial(command, MONDAY, past)


@given(seed=st.integers(), n=st.integers(0, 10**6), attempts=st.integers(0, 30))
def test_plans_make_sense(seed: int, n: int, attempts: int) -> None:
    plan = SeededWorld(seed).dial(originate(number(n)), MONDAY, Past(attempts))
    assert plan.progress_s is not None
    assert 0 < plan.progress_s < plan.final_s < math.inf
    if plan.ringing_s is not None:
        assert plan.progress_s < plan.ringing_s < plan.final_s
    if plan.pick_up is not None:
        assert plan.ringing_s is not None
        assert plan.pick_up.patience_s >= 1
        assert plan.pick_up.heard.talk_s > 0


def test_other_seeds_are_other_people() -> None:
    one = [plan for _, plan in plans("61-90", world=SeededWorld(1))]
    other = [plan for _, plan in plans("61-90", world=SeededWorld(2))]
    assert sum(a == b for a, b in zip(one, other, strict=True)) < len(one) * 0.01


def test_a_number_is_the_same_at_every_dial() -> None:
    world = SeededWorld(SEED)
    speakers: dict[NumberOwner, set[Speaker]] = {owner: set() for owner in NumberOwner}
    for n in range(3_000):
        traits = world.traits(number(n), "61-90")
        for attempt in range(4):
            plan = world.dial(originate(number(n)), hours_of_the_day(n), Past(attempt))
            if traits.owner is NumberOwner.DISCONNECTED:
                assert plan.cause is HangupCause.NOT_IN_SERVICE
            elif plan.pick_up is not None:
                speakers[traits.owner].add(plan.pick_up.heard.speaker)
    assert speakers[NumberOwner.WRONG_PARTY] == {Speaker.WRONG_PARTY, Speaker.MACHINE}
    assert speakers[NumberOwner.THIRD_PARTY] == {Speaker.THIRD_PARTY, Speaker.MACHINE}
    assert speakers[NumberOwner.RIGHT_PARTY] == {
        Speaker.RIGHT_PARTY,
        Speaker.THIRD_PARTY,
        Speaker.MACHINE,
    }
    assert speakers[NumberOwner.FAX] == {Speaker.FAX}


def test_a_number_that_is_not_right_stays_so_as_the_debt_grows_older() -> None:
    world = SeededWorld(SEED)
    for n in range(2_000):
        by_stage = [world.traits(number(n), stage).owner for stage in STAGES]
        kinds = [owner for i, owner in enumerate(by_stage) if i == 0 or by_stage[i - 1] != owner]
        assert len(kinds) == 1 or (len(kinds) == 2 and kinds[0] is NumberOwner.RIGHT_PARTY)


@pytest.mark.parametrize(
    ("example", "zones"),
    [
        ("+56912345678", {"America/Santiago"}),
        ("+13055550123", {"America/New_York"}),
        ("+18005550123", {"UTC"}),
        ("not a number", {"UTC"}),
    ],
)
def test_everybody_lives_by_some_zone(example: str, zones: set[str]) -> None:
    assert set(zones_of_number(example)) == zones


def test_stage_is_found_in_a_compound_segment() -> None:
    rates = WorldRates()
    assert rates.stage("castigo") is STAGES["castigo"]
    assert rates.stage("bank-a:1-30") is STAGES["1-30"]
    assert rates.stage("31-60/mobile") is STAGES["31-60"]
    assert rates.stage("anything") is STAGES["61-90"]


def test_every_bucket_of_the_campaigns_has_its_rates() -> None:
    assert set(STAGES) == {bucket.value for bucket in Bucket}


def test_rates_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="default_stage 'nope' is not among the stages"):
        WorldRates(default_stage="nope")
    with pytest.raises(ValueError, match="above 1: lower one of them"):
        WorldRates(machine=0.9)


def test_a_house_can_bring_its_own_stages() -> None:
    always = StageRates(
        live=0.6,
        right_numbers=1.0,
        right_party_answers=1.0,
        promise=0.9,
        promise_horizon_days=1,
    )
    rates = WorldRates(stages={"vip": always}, default_stage="vip", disconnected=0.0, fax=0.0)
    heard = [
        plan.pick_up.heard
        for _, plan in plans("vip", world=SeededWorld(SEED, rates))
        if plan.pick_up is not None and plan.pick_up.heard.speaker.is_live
    ]
    assert {each.speaker for each in heard} == {Speaker.RIGHT_PARTY}
    assert {each.promise_days for each in heard} == {1, None}
