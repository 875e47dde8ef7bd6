"""A preview campaign's twin: agents look first, call or leave, and nobody is abandoned."""

from __future__ import annotations

import msgspec
import pytest

from campaigns.campaign import CampaignSettings, PreviewSettings
from compliance.types import Mode
from dialer.simulation.twin.definition import CallbackSpec, Duration, TwinDefinition, WorkSpec
from dialer.simulation.twin.law import LegalDay
from dialer.simulation.twin.results import PreviewFigures, TwinResult
from dialer.simulation.twin.run import run_case, run_day
from tests.simulation.twin.cases import HOUR_S, case, definition


def looking(
    look_s: float = 12.0,
    *,
    skipped: float = 0.0,
    agents: int = 6,
    accounts: int = 2_000,
    settings: PreviewSettings | None = None,
) -> TwinDefinition:
    campaign = CampaignSettings(mode=Mode.PREVIEW, preview=settings)
    twin = definition(agents=agents, accounts=accounts, campaign=campaign)
    work = WorkSpec(look=Duration(mean_s=look_s, cv=0.0), skipped=skipped)
    return msgspec.structs.replace(twin, work=work)


def previews_of(result: TwinResult) -> PreviewFigures:
    assert result.previews is not None
    return result.previews


def test_nobody_looks_where_the_campaign_dials_by_itself() -> None:
    assert run_day(case(), 1).previews is None


def test_looking_costs_the_time_that_it_takes_and_nobody_is_abandoned() -> None:
    quick, slow = run_day(case(looking(5.0)), 1), run_day(case(looking(40.0)), 1)
    assert (quick.law, quick.abandoned, slow.abandoned) == ("preview", 0, 0)
    assert previews_of(quick).look_mean_s == pytest.approx(5.0)
    assert previews_of(slow).look_mean_s == pytest.approx(40.0)
    assert slow.dials < 0.7 * quick.dials
    assert slow.occupancy < quick.occupancy
    assert slow.idle_wait_mean_s > quick.idle_wait_mean_s > 5.0
    assert previews_of(quick).looked >= quick.dials > 0


def test_an_account_that_is_left_rests_and_comes_again() -> None:
    resting = looking(5.0, skipped=0.5, settings=PreviewSettings(skip_wait_s=600))
    result = run_day(case(resting), 1)
    seen = previews_of(result)
    assert 0.4 * seen.looked < seen.skipped < 0.6 * seen.looked
    assert result.dials <= seen.looked - seen.skipped
    for_good = looking(5.0, skipped=1.0, accounts=20, settings=PreviewSettings(skip_wait_s=1_200))
    left = run_day(case(for_good), 1)
    # Forty accounts, each looked at now and again after every twenty minutes.
    assert (left.dials, previews_of(left).skipped) == (0, 40 * 3)


def test_who_may_not_skip_calls() -> None:
    must = looking(5.0, skipped=1.0, settings=PreviewSettings(may_skip=False))
    assert previews_of(run_day(case(must), 1)).skipped == 0


def test_nobody_looks_for_longer_than_the_limit() -> None:
    short = looking(60.0, settings=PreviewSettings(limit_s=10))
    assert previews_of(run_day(case(short), 1)).look_mean_s == pytest.approx(10.0)


def test_what_has_become_unlawful_while_an_agent_looked_is_not_called() -> None:
    until = LegalDay(hours=((0.0, HOUR_S / 2),), dials_s=(0.0, HOUR_S / 4))
    result = run_day(case(looking(45.0), until), 1)
    # The last looks end after the half hour.
    assert previews_of(result).looked > result.dials
    assert previews_of(result).skipped == 0
    assert sum(minute.dials for minute in result.timeline[30:]) == 0


def test_promised_calls_are_looked_at_too_and_never_left() -> None:
    promised = CallbackSpec(by_hour={10: 20}, live_rate=1.0, own_agent=0.0)
    twin = msgspec.structs.replace(looking(5.0, skipped=1.0), callbacks=promised)
    result = run_day(case(twin), 1)
    assert result.callbacks is not None
    assert result.callbacks.dialed >= 18
    assert previews_of(result).looked - previews_of(result).skipped == result.callbacks.dialed


def test_the_same_day_again_and_a_larger_team() -> None:
    what = case(looking(skipped=0.1))
    report = run_case(what, (1, 2), (9,))
    assert report.results == tuple(run_day(what, seed) for seed in (1, 2))
    assert report.total.previews is not None
    assert report.total.previews.looked == sum(previews_of(r).looked for r in report.results) / 2
    (advice,) = report.staffing
    assert advice.contacts_change.mean > 0
