"""A day of the twin: repeatable, lawful, and the same people for every team."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from itertools import pairwise

import msgspec
import pytest

from campaigns.campaign import CampaignSettings, RetrySettings
from compliance.types import Mode
from dialer.simulation.floor import Fate
from dialer.simulation.twin.definition import CallSpec, Duration, LawSpec, PauseSpec, resized
from dialer.simulation.twin.law import LegalDay
from dialer.simulation.twin.people import TwinPeople
from dialer.simulation.twin.results import quantile, spread
from dialer.simulation.twin.run import Case, run_case, run_day, sizes_around
from tests.simulation.twin.cases import (
    ALL_DAY,
    HOUR_S,
    OPENS_AT,
    PREDICTIVE,
    case,
    definition,
)


def test_the_same_seed_gives_the_same_day_and_another_one_another() -> None:
    what = case(definition(agents=4, campaign=PREDICTIVE))
    first = run_day(what, 7)
    assert run_day(what, 7) == first
    assert run_day(what, 8).occupancy != first.occupancy


def test_the_books_balance() -> None:
    result = run_day(case(definition(hours=2)), 1)
    assert result.answered >= result.abandoned + result.contacts
    assert result.contacts >= result.right_party >= result.promises > 0
    assert sum(s.dials for s in result.segments) == result.dials
    assert sum(m.dials for m in result.timeline) == result.dials
    assert result.dials <= result.legal_dials == 3 * 4_000
    assert result.busy_h <= result.staffed_h == pytest.approx(12.0)
    assert result.idle_wait_mean_s <= result.idle_wait_p99_s
    assert sum(result.clamps.values()) == pytest.approx(1.0)


class Watched(TwinPeople):
    """Remembers every dial."""

    def __init__(self, what: Case, seed: int) -> None:
        super().__init__(what.definition, what.legal, what.opens_at, seed)
        self.placed: dict[int, list[tuple[float, Fate]]] = defaultdict(list)

    def dial(self, now_s: float, idle: Collection[str] = ()) -> Fate | None:
        fate = super().dial(now_s, idle)
        if fate is not None:
            self.placed[fate.who].append((now_s, fate))
        return fate


def dialed_out(what: Case, seed: int, *, every_s: float = 60.0) -> Watched:
    """Everybody who may be dialed is dialed, at once; all calls last a minute."""
    people = Watched(what, seed)
    now_s = 0.0
    while now_s < what.definition.duration_s:
        people.shares(now_s)
        fates = []
        while (fate := people.dial(now_s, ())) is not None:
            fates.append(fate)
        now_s += every_s
        for fate in fates:
            people.ended(fate, now_s, abandoned=False)
    return people


def test_nobody_is_dialed_more_often_or_sooner_than_the_law_allows() -> None:
    day = LegalDay(hours=((600.0, 3000.0), (4000.0, 7200.0)), dials_s=(600.0, 1800.0))
    what = case(definition(accounts=200, hours=2), day)
    people = dialed_out(what, 3)
    repeated = 0
    for dials in people.placed.values():
        assert len(dials) <= 2
        for at_s, _ in dials:
            assert any(start <= at_s < end for start, end in day.hours)
        for (first_s, _), (second_s, _) in pairwise(dials):
            repeated += 1
            assert second_s - first_s >= 1200.0
    assert len(people.placed) == 400
    assert repeated > 0


def test_a_campaign_asks_for_less_than_the_law() -> None:
    retry = RetrySettings(max_attempts=1)
    what = case(definition(accounts=100, hours=2, campaign=CampaignSettings(retry=retry)))
    assert all(len(dials) == 1 for dials in dialed_out(what, 1).placed.values())
    capped = definition(campaign=CampaignSettings(mode=Mode.PROGRESSIVE, daily_cap=50))
    assert run_day(case(capped), 1).dials == 50


def test_a_fixed_ratio_talks_more_and_abandons_more_than_one_call_an_agent() -> None:
    one = run_day(case(), 1)
    ratio = CampaignSettings(mode=Mode.PROGRESSIVE, lines_per_idle_agent=2.0)
    two = run_day(case(definition(campaign=ratio)), 1)
    assert two.law == "fixed_ratio"
    assert two.occupancy > one.occupancy
    assert two.abandoned > one.abandoned == 0


def test_every_team_meets_the_same_people() -> None:
    small, large = case(), case(resized(definition(), 12))
    one, other = dialed_out(small, 5), dialed_out(large, 5, every_s=120.0)
    common = set(one.placed) & set(other.placed)
    assert len(common) > 1_000
    for account in common:
        first, second = one.placed[account][0][1], other.placed[account][0][1]
        assert (first.ending, first.after_s) == (second.ending, second.after_s)


def test_without_accounts_more_agents_only_wait() -> None:
    scarce = case(definition(accounts=150, calls=CallSpec(out_of_service=0.0)))
    report = run_case(scarce, (1,), (12,))
    (advice,) = report.staffing
    assert advice.size.agents == 12
    assert advice.size.occupancy.mean < report.total.occupancy.mean
    assert advice.hours_change == pytest.approx(6.0)
    assert advice.promises_per_hour == pytest.approx(
        advice.promises_change.mean / advice.hours_change
    )
    assert abs(advice.promises_change.mean) < 5


def test_runs_in_processes_come_out_as_runs_at_home() -> None:
    heard: list[float] = []
    what = case(definition(agents=3))
    report = run_case(what, (1, 2), (), heard.append)
    assert report.results == tuple(run_day(what, seed) for seed in (1, 2))
    assert report.total.contacts.mean == sum(r.contacts for r in report.results) / 2
    assert heard[-1] > 0


def test_a_pause_takes_the_team_off_the_floor_and_brings_it_back() -> None:
    pause = PauseSpec(at="10:20", minutes=15, groups=2)
    result = run_day(case(definition(agents=8, pauses=(pause,))), 1)
    staffed = [minute.staffed for minute in result.timeline]
    assert staffed[15] == 8
    assert staffed[30] == 4
    assert staffed[45] <= 6
    assert staffed[-2] == 8
    assert 5.5 < result.staffed_h < 6.3


def test_progressive_dialing_abandons_only_who_hangs_up_on_nobody() -> None:
    assert run_day(case(), 1).abandoned == 0


def test_the_law_that_forbids_is_told() -> None:
    closed = LegalDay(refused_by="cl/contact_hours")
    report = run_case(case(definition(agents=2), closed), (1,))
    assert report.total.dials == 0
    assert report.refused == {"1-30": "cl/contact_hours", "castigo": "cl/contact_hours"}
    assert report.total.legal_used == 0.0


def test_small_arithmetic() -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile([], 0.9) == 0.0
    assert spread([1.0, 3.0]).mean == 2.0
    assert spread([1.0, 3.0]).error == pytest.approx(1.0)
    assert spread([5.0]).error == 0.0
    assert sizes_around(100) == (75, 125, 150)
    assert 2 in sizes_around(1)
    assert ALL_DAY.gap_s(1) == HOUR_S
    assert msgspec.structs.replace(ALL_DAY).open_at(8 * HOUR_S) is None
    assert LawSpec().end == "24:00"
    assert OPENS_AT.utcoffset() is not None


def test_calls_that_ring_for_long_are_given_up_and_never_were_contacts() -> None:
    patient = msgspec.structs.replace(
        PREDICTIVE, ring_timeout_s=60, max_lines_per_agent=20.0, target_abandonment=0.03
    )
    late = CallSpec(answer=Duration(mean_s=25.0, cv=0.5), machine_rate=0.0)
    twin = definition(agents=3, accounts=20_000, calls=late, campaign=patient)
    hasty = msgspec.structs.replace(
        twin, campaign=msgspec.structs.replace(patient, give_up_after_s=15)
    )
    rings_on, gives_up = (run_day(case(what), 1) for what in (twin, hasty))
    assert rings_on.given_up == 0 < gives_up.given_up < gives_up.dials
    assert gives_up.answered >= gives_up.abandoned + gives_up.contacts
    assert gives_up.dials > rings_on.dials
