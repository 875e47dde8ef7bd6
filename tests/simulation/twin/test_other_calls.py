"""Promised calls and calls to us: who takes them, in which order, and what is told of them."""

from __future__ import annotations

import msgspec
import pytest

from compliance.types import Mode
from dialer.core.pacing import Connected, Decider, Decision, PacingEvent, Snapshot, make_pacer
from dialer.core.pacing.laws import pacing_config
from dialer.core.planning import OWN_AGENT_PATIENCE
from dialer.simulation.floor import Floor
from dialer.simulation.twin.callbacks import PromisedCalls
from dialer.simulation.twin.callers import TwinCallers
from dialer.simulation.twin.definition import (
    CallbackSpec,
    Duration,
    InboundSpec,
    TwinDefinition,
    WorkSpec,
)
from dialer.simulation.twin.law import LegalDay
from dialer.simulation.twin.people import TwinPeople
from dialer.simulation.twin.results import CallbackFigures, InboundFigures, TwinResult
from dialer.simulation.twin.rota import ShiftRota
from dialer.simulation.twin.run import Case, floor_settings, run_case, run_day
from load_tests.pacing.blended import blended
from tests.simulation.twin.cases import HOUR_S, PREDICTIVE, case, definition

ALWAYS = CallbackSpec(by_hour={10: 30}, live_rate=1.0, right_party=1.0, promise=1.0)
MANY = InboundSpec(by_hour={10: 60.0}, right_party=1.0, promise=1.0)


def promising(spec: CallbackSpec, agents: int = 6) -> TwinDefinition:
    return msgspec.structs.replace(definition(agents=agents), callbacks=spec)


def called(spec: InboundSpec, agents: int = 6) -> TwinDefinition:
    return msgspec.structs.replace(definition(agents=agents), inbound=spec)


def callbacks_of(result: TwinResult) -> CallbackFigures:
    assert result.callbacks is not None
    return result.callbacks


def inbound_of(result: TwinResult) -> InboundFigures:
    assert result.inbound is not None
    return result.inbound


class Watch:
    """A decider that remembers who was connected to whom, and what it was shown."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self.connected: dict[str, str] = {}
        self.shown: list[Snapshot] = []

    def observe(self, event: PacingEvent) -> None:
        if isinstance(event, Connected):
            self.connected[event.call_id] = event.agent_id
        self._decider.observe(event)

    def decide(self, snapshot: Snapshot) -> Decision:
        self.shown.append(snapshot)
        return self._decider.decide(snapshot)


def floor_of(what: Case, seed: int = 1) -> tuple[Floor, PromisedCalls, TwinCallers, Watch]:
    """The parts of `run_day`, to look into."""
    twin = what.definition
    rota = ShiftRota(twin)
    people = TwinPeople(twin, what.legal, what.opens_at, seed)
    promised = PromisedCalls(twin, people, rota.agents, what.legal, what.opens_at, seed)
    callers = TwinCallers(twin, what.opens_at, seed, promised.add_missed)
    watch = Watch(make_pacer(pacing_config(twin.campaign)))
    settings = floor_settings(twin.campaign, twin.duration_s)
    return Floor(settings, promised, rota, watch, callers=callers), promised, callers, watch


def test_nothing_promised_and_nobody_calling_says_so() -> None:
    result = run_day(case(), 1)
    assert result.callbacks is None
    assert result.inbound is None


def test_the_promised_come_first_and_are_never_abandoned() -> None:
    twin = msgspec.structs.replace(promising(ALWAYS), campaign=PREDICTIVE)
    result = run_day(case(twin), 1)
    calls = callbacks_of(result)
    plain = run_day(case(msgspec.structs.replace(twin, callbacks=CallbackSpec())), 1)
    assert calls.due == 30
    assert calls.dialed >= 25
    # Everybody picks up; whose conversation goes on when the hour is over is not counted.
    assert 0 <= calls.dialed - calls.contacts <= 6
    assert calls.contacts == calls.promises
    assert result.contacts == sum(s.contacts for s in result.segments) + calls.contacts
    assert sum(s.dials for s in result.segments) == result.dials - calls.dialed
    assert result.legal_dials == plain.legal_dials


def test_a_promise_waits_for_its_own_agent_and_then_takes_anybody() -> None:
    own = run_day(case(promising(msgspec.structs.replace(ALWAYS, own_agent=1.0))), 1)
    anybody = run_day(case(promising(msgspec.structs.replace(ALWAYS, own_agent=0.0))), 1)
    theirs, free = callbacks_of(own), callbacks_of(anybody)
    assert free.by_own_agent == 0
    assert 0 < theirs.by_own_agent <= theirs.dialed
    assert free.late_mean_s < theirs.late_mean_s < OWN_AGENT_PATIENCE.total_seconds()


def test_a_call_that_nobody_answers_gives_its_agent_back() -> None:
    nobody = CallbackSpec(by_hour={10: 30}, live_rate=0.0)
    twin = msgspec.structs.replace(
        promising(nobody, agents=2),
        calls=msgspec.structs.replace(definition().calls, machine_rate=0.0, failed_rate=0.0),
    )
    floor, promised, _, watch = floor_of(case(twin))
    floor.run()
    assert callbacks_of(run_day(case(twin), 1)).contacts == 0
    assert promised.counts.contacts == 0
    assert all(s.staffed == 2 for s in watch.shown[1:])
    assert any(len(s.talking_since_s) == 2 for s in watch.shown)
    assert sum(floor.tally.staffed_s) == pytest.approx(2 * HOUR_S)


def test_the_law_binds_the_promised_too() -> None:
    late = LegalDay(hours=((HOUR_S / 2, HOUR_S),), dials_s=(HOUR_S / 2,))
    floor, promised, _, _ = floor_of(case(promising(ALWAYS), late))
    floor.run()
    assert promised.figures() is not None
    assert sum(floor.tally.dials[:30]) == 0 < sum(floor.tally.dials[30:])
    never = run_day(case(promising(ALWAYS), LegalDay(refused_by="cl/hours")), 1)
    assert callbacks_of(never).dialed == 0 < callbacks_of(never).due


def test_every_call_to_us_ends_somewhere() -> None:
    crowd = msgspec.structs.replace(
        MANY, by_hour={10: 400.0}, max_waiting=3, wait_s=20.0, call_back=False
    )
    result = run_day(case(called(crowd, agents=3)), 1)
    calls = inbound_of(result)
    assert calls.calls == calls.connected + calls.missed + calls.turned_away
    assert calls.missed > 0
    assert calls.turned_away > 0
    assert 0.0 < calls.wait_mean_s <= calls.wait_p90_s <= 20.0
    assert calls.promises == calls.right_party == calls.connected
    assert result.callbacks is None
    assert result.occupancy > 0.95


def test_whoever_called_in_vain_is_called_back_by_anybody() -> None:
    crowd = msgspec.structs.replace(MANY, by_hour={10: 400.0}, max_waiting=3, wait_s=20.0)
    calls = callbacks_of(run_day(case(called(crowd, agents=3)), 1))
    assert calls.due > 0
    assert calls.by_own_agent == 0


def test_a_caller_gets_a_free_agent_before_anybody_who_was_dialed() -> None:
    """With more callers than agents nobody who was dialed is ever connected."""
    endless = msgspec.structs.replace(
        MANY,
        by_hour={10: 5_000.0},
        max_waiting=500,
        wait_s=7_200.0,
        patience=Duration(mean_s=7_000.0, cv=0.0),
        call_back=False,
    )
    floor, _, callers, watch = floor_of(case(called(endless, agents=2)))
    floor.run()
    figures = callers.figures()
    assert figures is not None
    assert figures.connected > 10
    # The first agents were idle before the first caller came, and may have been dialed for.
    assert len(watch.connected) <= 2


def test_for_the_pacer_an_agent_with_a_caller_is_away_and_will_be_back() -> None:
    spec = msgspec.structs.replace(MANY, by_hour={10: 30.0})
    floor, _, _, watch = floor_of(case(called(spec)))
    floor.run()
    assert floor.faults == {}
    assert all(s.staffed == 6 for s in watch.shown[1:])


@pytest.mark.parametrize(
    "what", [promising(ALWAYS), called(MANY), called(msgspec.structs.replace(MANY, wait_s=1.0))]
)
def test_the_same_seed_gives_the_same_day(what: TwinDefinition) -> None:
    assert run_day(case(what), 3) == run_day(case(what), 3)


def test_every_team_gets_the_same_calls() -> None:
    few, many = (inbound_of(run_day(case(called(MANY, agents=n)), 1)) for n in (3, 9))
    assert few.calls == many.calls


def test_half_an_hour_of_a_shift_has_half_the_calls_of_an_hour() -> None:
    whole = called(InboundSpec(by_hour={10: 4_000.0}))
    shift = msgspec.structs.replace(whole.shifts[0], start="10:00", end="10:30")
    half = msgspec.structs.replace(whole, shifts=(shift,))
    assert 3_700 < inbound_of(run_day(case(whole), 1)).calls < 4_300
    assert 1_800 < inbound_of(run_day(case(half), 1)).calls < 2_200


def test_several_days_are_pooled_as_means() -> None:
    callers = msgspec.structs.replace(MANY, call_back=False)
    twin = msgspec.structs.replace(promising(ALWAYS), inbound=callers)
    report = run_case(case(twin), (1, 2))
    days = [inbound_of(result).calls for result in report.results]
    assert report.total.inbound is not None
    assert report.total.inbound.calls == sum(days) / 2
    assert report.total.callbacks is not None
    assert report.total.callbacks.due == 30


def test_work_that_takes_no_time_loses_nobody() -> None:
    quick = Duration(mean_s=0.01, cv=0.0)
    work = WorkSpec(right_party=quick, promise=quick, wrap_right_party=quick, wrap_promise=quick)
    calls = inbound_of(run_day(case(msgspec.structs.replace(called(MANY), work=work)), 1))
    assert calls.connected == calls.calls


def test_who_calls_us_does_not_push_a_small_team_over_its_limit() -> None:
    """Three agents with a call to us every four minutes: each may take the agent whom a call that
    rings was meant for (5.0 % abandoned by progressive dialing that looks away)."""
    what = blended(Mode.PROGRESSIVE, 3, 15.0)
    days = [run_day(what, seed) for seed in (1, 2, 3, 4)]
    answered = sum(day.answered for day in days)
    assert answered > 800
    assert sum(day.abandoned for day in days) < 0.02 * answered
