"""A recorded day lived again."""

from __future__ import annotations

import msgspec
import pytest

from dialer.runtime.recorded_days import recorded_figures
from dialer.simulation.floor import Ending
from dialer.simulation.twin.recorded import (
    Changes,
    RecordedDay,
    RecordedDial,
    TeamAt,
    replay_day,
    staffed_s,
)
from tests.simulation.twin.cases import PROGRESSIVE

SAME = Changes(settings=PROGRESSIVE)


def day(*, supply_bound: bool = False, minutes: int = 30) -> RecordedDay:
    """Four agents; a dial every five seconds, of which every third is answered."""
    dials = []
    for number in range(minutes * 12):
        answered = number % 3 == 0
        dials.append(
            RecordedDial(
                at_s=number * 5.0,
                ending=Ending.PERSON if answered else Ending.RANG_OUT,
                after_s=6.0 if answered else 25.0,
                segment="1-30",
                talk_s=30.0 if answered else None,
                wrap_up_s=10.0 if answered else None,
                right_party=answered and number % 2 == 0,
                promise=answered and number % 6 == 0,
            )
        )
    team = tuple(
        TeamAt(at_s=at * 10.0, staffed=4, idle=1, supply_bound=supply_bound)
        for at in range(minutes * 6)
    )
    return RecordedDay(duration_s=minutes * 60.0, dials=tuple(dials), team=team)


def test_the_record_is_added_up_as_it_is() -> None:
    figures = recorded_figures(day())
    assert figures.dials == 360
    assert figures.answered == figures.contacts == 120
    assert figures.staffed_h == pytest.approx(2.0)
    assert figures.occupancy_seen == pytest.approx(0.75)
    assert figures.occupancy == pytest.approx(120 * 40.0 / (4 * 1800.0), abs=0.01)
    assert sum(m.dials for m in figures.timeline) == 360


def test_the_same_seed_lives_the_same_day() -> None:
    first = replay_day(day(), SAME, 1)
    assert first == replay_day(day(), SAME, 1)
    assert first.staffed_h == pytest.approx(2.0, abs=0.01)


def test_more_agents_dial_more_and_fewer_less() -> None:
    results = {
        n: replay_day(day(), Changes(settings=SAME.settings, agents=n), 1) for n in (-2, 0, 2)
    }
    assert results[-2].contacts < results[0].contacts < results[2].contacts
    assert results[2].staffed_h == pytest.approx(3.0, abs=0.01)


def test_where_accounts_were_short_no_more_is_dialed_than_was() -> None:
    many = Changes(settings=SAME.settings, agents=30)
    assert replay_day(day(supply_bound=True), many, 1).dials <= 360
    assert replay_day(day(), many, 1).dials > 360


def test_who_rings_longer_than_the_changed_limit_is_not_reached() -> None:
    slow = day()
    late = tuple(
        msgspec.structs.replace(d, after_s=20.0) if d.ending is Ending.PERSON else d
        for d in slow.dials
    )
    slow = msgspec.structs.replace(slow, dials=late)
    short = Changes(settings=msgspec.structs.replace(PROGRESSIVE, ring_timeout_s=15))
    assert replay_day(slow, SAME, 1).answered > 0
    assert replay_day(slow, short, 1).answered == 0


def test_a_machine_is_heard_by_whoever_listens_then() -> None:
    machines = msgspec.structs.replace(
        day(),
        dials=tuple(
            msgspec.structs.replace(d, ending=Ending.UNHEARD_MACHINE)
            if d.ending is Ending.PERSON
            else d
            for d in day().dials
        ),
    )
    heard = replay_day(machines, SAME, 1)
    assert heard.answered - heard.abandoned <= 4  # those who are still being listened to
    assert heard.busy_h > 0
    screened = replay_day(
        machines, Changes(settings=msgspec.structs.replace(PROGRESSIVE, amd=True)), 1
    )
    assert screened.answered == 0
    assert screened.busy_h == 0.0


def test_nobody_is_there_while_nothing_was_decided() -> None:
    team = (TeamAt(at_s=0.0, staffed=2, idle=2), TeamAt(at_s=60.0, staffed=0))
    quiet = RecordedDay(duration_s=600.0, dials=day(minutes=1).dials, team=team)
    assert staffed_s(team, 600.0) == (120.0, 0.0)
    assert replay_day(quiet, Changes(settings=SAME.settings, agents=5), 1).staffed_h < 0.3
