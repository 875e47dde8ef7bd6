"""The pacing world: keeps its books, tells the truth, and repeats itself exactly."""

from __future__ import annotations

import msgspec
import pytest

from dialer.core.pacing import (
    Abandoned,
    AgentOff,
    AgentOn,
    Connected,
    Decision,
    DialPlaced,
    Failed,
    History,
    Law,
    LiveAnswer,
    MachineDetected,
    NoAnswer,
    PacingConfig,
    PacingEvent,
    Pickup,
    Snapshot,
    TalkEnded,
    WrapUpEnded,
    make_pacer,
)
from dialer.simulation.pacing import Result, run_pacing
from dialer.simulation.report import SimulationReport, config_for, render, scenario, simulate
from dialer.simulation.worlds import SCENARIOS, Departure, Segment, World, value_at


class Overdialer:
    """Keeps a number of calls ringing whatever happens, and checks what it is shown."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self.events: list[PacingEvent] = []
        self.calls: set[str] = set()
        self.last_s = 0.0

    def observe(self, event: PacingEvent) -> None:
        assert event.at_s >= self.last_s
        self.last_s = event.at_s
        self.events.append(event)

    def decide(self, snapshot: Snapshot) -> Decision:
        busy = len(snapshot.talking_since_s) + len(snapshot.wrapping_since_s)
        assert snapshot.staffed == len(snapshot.idle_since_s) + busy
        ringing = sum(map(len, snapshot.ringing_since_s.values()))
        return Decision(
            at_s=snapshot.at_s,
            calls_to_place=max(0, self._lines - ringing),
            law=Law.FIXED_RATIO,
        )

    def save(self) -> bytes:
        return b""

    def restore(self, saved: bytes) -> None:
        raise AssertionError(saved)

    def resume(self, history: History) -> None:
        raise AssertionError(history)

    def count(self, *kinds: type) -> int:
        return sum(type(event) in kinds for event in self.events)


WORLD = World(
    name="busy",
    agents=5,
    duration_s=3600.0,
    machine_rate=0.2,
    amd_false_machine=0.05,
    segments=(
        Segment(name="a", live_rate=((0.0, 0.3),)),
        Segment(name="b", live_rate=((0.0, 0.1), (3600.0, 0.4)), share=((0.0, 0.5),)),
    ),
    break_every_s=(600.0, 900.0),
    departures=(Departure(share=0.4, from_s=1800.0, within_s=60.0),),
)


def test_every_call_and_every_agent_is_accounted_for() -> None:
    pacer = Overdialer(lines=12)
    result = run_pacing(pacer, WORLD, seed=3)
    assert result.dials == pacer.count(DialPlaced)
    ended = pacer.count(NoAnswer, Failed, Pickup)
    assert 0 <= result.dials - ended <= 12
    detected = pacer.count(MachineDetected, LiveAnswer)
    mistaken = result.answered - pacer.count(LiveAnswer)
    assert mistaken > 0
    assert 0 <= pacer.count(Pickup) - detected - mistaken <= 12
    assert result.connected == pacer.count(Connected)
    assert result.abandoned == pacer.count(Abandoned) > 50
    assert 0 <= result.answered - result.connected - result.abandoned <= 2
    assert 0 <= result.connected - pacer.count(TalkEnded) <= 5
    left = pacer.count(AgentOff) + sum(
        isinstance(event, WrapUpEnded) and not event.stays for event in pacer.events
    )
    assert 0 <= pacer.count(AgentOn) - left <= 5
    minutes = result.timeline
    assert len(minutes) == 60
    assert sum(m.dials for m in minutes) == result.dials
    assert sum(m.answered for m in minutes) == result.answered
    assert sum(m.abandoned for m in minutes) == result.abandoned
    assert minutes[-1].staffed <= 3


def test_answer_rates_are_the_worlds() -> None:
    plain = World(agents=5, duration_s=7200.0, segments=(Segment(live_rate=((0.0, 0.3),)),))
    result = run_pacing(Overdialer(lines=30), plain, seed=4)
    assert result.answered / result.dials == pytest.approx(0.3, abs=0.015), "seed 4"


def test_nobody_waits_longer_than_the_limit() -> None:
    pacer = Overdialer(lines=12)
    run_pacing(pacer, WORLD, seed=5)
    answered_s = {e.call_id: e.at_s for e in pacer.events if isinstance(e, LiveAnswer)}
    for event in pacer.events:
        if isinstance(event, Connected | Abandoned) and event.call_id in answered_s:
            assert event.at_s - answered_s[event.call_id] <= WORLD.connect_limit_s + 1e-6


def test_without_calls_nobody_works() -> None:
    result = run_pacing(Overdialer(lines=0), World(agents=2, duration_s=600.0, break_s=0.0), 1)
    assert result.occupancy == result.abandoned_share == 0.0
    assert result.staffed_s == pytest.approx(1200.0)


def test_same_seed_same_result_and_another_seed_another() -> None:
    world = msgspec.structs.replace(scenario("drift", 6), duration_s=1200.0)

    def run(seed: int) -> Result:
        return run_pacing(make_pacer(config_for(world)), world, seed)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_curves_are_straight_between_points_and_flat_outside() -> None:
    curve = ((10.0, 1.0), (20.0, 3.0), (20.5, 0.0))
    points = {0.0: 1.0, 10.0: 1.0, 15.0: 2.0, 20.0: 3.0, 20.25: 1.5, 99.0: 0.0}
    assert {at_s: value_at(curve, at_s) for at_s in points} == points


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_runs_at_a_small_size(name: str) -> None:
    world = msgspec.structs.replace(scenario(name, 2), duration_s=120.0)
    result = run_pacing(make_pacer(config_for(world)), world, seed=1)
    assert result.dials > 0
    assert result.faults == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("agents", 0),
        ("tick_s", 0.0),
        ("segments", ()),
        ("talk_mean_s", -1.0),
        ("ring_delay_mean_s", 50.0),
        ("duration_s", 1e9),
    ],
)
def test_a_world_that_cannot_be_is_refused_by_name(field: str, value: object) -> None:
    world = msgspec.structs.replace(World(), **{field: value})
    with pytest.raises(ValueError, match=field):
        simulate(world)


def test_answering_more_than_everybody_is_refused() -> None:
    world = World(machine_rate=0.6, segments=(Segment(name="x", live_rate=((0.0, 0.5),)),))
    with pytest.raises(ValueError, match="live_rate of segment 'x'"):
        simulate(world)


def test_an_unknown_scenario_lists_the_known() -> None:
    with pytest.raises(ValueError, match="cold_start"):
        scenario("nirvana", 5)
    with pytest.raises(ValueError, match="agents"):
        scenario("steady", 0)


def test_a_report_compares_laws_on_the_same_seeds_and_reads_well() -> None:
    world = msgspec.structs.replace(scenario("steady", 4), duration_s=900.0)
    report = simulate(world, seeds=(1, 2))
    assert [(r.law, r.seed) for r in report.results] == [
        ("predictive", 1), ("predictive", 2), ("progressive", 1), ("progressive", 2),
    ]  # fmt: skip
    text = render(report)
    assert "predictive" in text
    assert "progressive" in text
    assert "Faults" not in text
    assert msgspec.json.decode(msgspec.json.encode(report), type=SimulationReport) == report
    alone = simulate(world, PacingConfig(law=Law.PROGRESSIVE))
    assert len(alone.results) == 1
