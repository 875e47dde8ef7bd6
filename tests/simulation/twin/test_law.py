"""What the law allows on a day, asked of the real plan and gate under the bundled packs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from campaigns.campaign import CampaignSettings
from compliance.packs import BUNDLED, PackSet, load_packs
from dialer.simulation.twin.definition import WhereSpec
from dialer.simulation.twin.law import LegalDay, Prober, context_of, plain_account

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def packs() -> PackSet:
    return load_packs([BUNDLED], production=False)


def day_in(packs: PackSet, where: WhereSpec, opens_at: datetime, hours: float) -> LegalDay:
    lookback = timedelta(days=packs.lookback_days + 3)
    context = context_of(CampaignSettings(), where, lookback)
    prober = Prober(context, packs, opens_at, hours * HOUR_S)
    return prober.day_of(plain_account(where, "1-30", opens_at))


def test_chile_allows_one_call_between_its_hours(packs: PackSet) -> None:
    opens_at = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)  # 07:00 in Santiago
    day = day_in(packs, WhereSpec(country="CL"), opens_at, 15.0)
    assert day.dials_s == (day.hours[0][0],)
    assert len(day.hours) == 1
    start_s, end_s = day.hours[0]
    assert start_s > 0
    assert end_s < 15 * HOUR_S


def test_several_dials_keep_the_distance_that_the_gate_asks_for(packs: PackSet) -> None:
    opens_at = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)  # 09:00 in Mexico City
    day = day_in(packs, WhereSpec(country="MX"), opens_at, 10.0)
    assert len(day.dials_s) > 1
    for number in range(1, len(day.dials_s)):
        gap_s = day.gap_s(number)
        assert gap_s is not None
        assert gap_s > 0
    assert day.gap_s(len(day.dials_s)) is None


def test_a_forbidden_day_names_its_rule(packs: PackSet) -> None:
    sunday = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)
    assert sunday.date() == date(2026, 11, 29)
    day = day_in(packs, WhereSpec(country="CL"), sunday, 8.0)
    assert day.hours == ()
    assert day.dials_s == ()
    assert day.refused_by.startswith("cl/")
    unauthorised = WhereSpec(country="CO", channel_authorised=False)
    weekday = datetime(2026, 11, 30, 14, 0, tzinfo=UTC)
    assert day_in(packs, unauthorised, weekday, 4.0).refused_by == "co/authorised_channels"
    assert day_in(packs, WhereSpec(country="CO"), weekday, 4.0).dials_s


def test_a_definition_can_only_narrow_the_law() -> None:
    day = LegalDay(hours=((0.0, 100.0), (200.0, 300.0)), dials_s=(0.0, 50.0, 250.0))
    narrow = day.narrowed(20.0, 260.0, 2)
    assert narrow.hours == ((20.0, 100.0), (200.0, 260.0))
    assert narrow.dials_s == (20.0, 70.0)
    wide = day.narrowed(-50.0, 900.0, None)
    assert wide.hours == day.hours
    assert wide.dials_s == day.dials_s
    assert narrow.open_at(150.0) == 200.0
    assert narrow.open_at(260.0) is None
