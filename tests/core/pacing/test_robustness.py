"""Bad input never raises and never dials more; equal input gives equal decisions."""

from __future__ import annotations

from functools import cache
from math import inf, nan

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    Pacer,
    PacingConfig,
    PacingEvent,
    Pickup,
    Snapshot,
    TalkEnded,
    WrapUpEnded,
    make_pacer,
)
from dialer.simulation.pacing import run_pacing
from dialer.simulation.report import config_for, scenario

Input = PacingEvent | Snapshot
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Recorder:
    """A pacer that writes down everything that passes through its door."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self.inputs: list[Input] = []

    def observe(self, event: PacingEvent) -> None:
        self.inputs.append(event)
        self._pacer.observe(event)

    def decide(self, snapshot: Snapshot) -> Decision:
        self.inputs.append(snapshot)
        return self._pacer.decide(snapshot)

    def save(self) -> bytes:
        return self._pacer.save()

    def restore(self, saved: bytes) -> None:
        self._pacer.restore(saved)

    def resume(self, history: History) -> None:
        self._pacer.resume(history)


WORLD = msgspec.structs.replace(scenario("amd", 8), duration_s=420.0)
CONFIG = config_for(WORLD)


@cache
def recording() -> tuple[Input, ...]:
    """A short shift up to its last decision."""
    recorder = Recorder(make_pacer(CONFIG))
    run_pacing(recorder, WORLD, seed=17)
    inputs = recorder.inputs
    while not isinstance(inputs[-1], Snapshot):
        inputs.pop()
    return tuple(inputs)


def replay(inputs: list[Input] | tuple[Input, ...], pacer: Pacer | None = None) -> list[Decision]:
    pacer = pacer or make_pacer(CONFIG)
    decisions = []
    for item in inputs:
        if isinstance(item, Snapshot):
            decisions.append(pacer.decide(item))
        else:
            pacer.observe(item)
    return decisions


@cache
def calm() -> tuple[Decision, ...]:
    """What is decided on the recording as it is."""
    return tuple(replay(recording()))


bad_time = st.sampled_from([nan, inf, -inf, -1e9, 1e15, -3.0])
number = st.one_of(bad_time, st.floats(allow_nan=True, allow_infinity=True))
unknown = st.sampled_from(["x1", "x2", "x3"])


@st.composite
def stranger(draw: st.DrawFn, at_s: float) -> PacingEvent:
    """An event about calls and agents that do not exist."""
    call_id, agent_id = draw(unknown), draw(unknown)
    events: list[PacingEvent] = [
        NoAnswer(at_s=at_s, call_id=call_id),
        Failed(at_s=at_s, call_id=call_id),
        Pickup(at_s=at_s, call_id=call_id),
        MachineDetected(at_s=at_s, call_id=call_id),
        LiveAnswer(at_s=at_s, call_id=call_id),
        Connected(at_s=at_s, call_id=call_id, agent_id=agent_id),
        Abandoned(at_s=at_s, call_id=call_id),
        TalkEnded(at_s=at_s, agent_id=agent_id, talk_s=1.0),
        WrapUpEnded(at_s=at_s, agent_id=agent_id, wrap_up_s=1.0, stays=False),
        AgentOff(at_s=at_s, agent_id=agent_id),
    ]
    return draw(st.sampled_from(events))


@SLOW
@given(st.data())
def test_intruders_never_lead_to_more_calls(data: st.DataObject) -> None:
    """Repeats (also with their time set back) and strangers, put in anywhere."""
    clean = recording()
    inputs: list[Input] = list(clean)
    places = data.draw(st.lists(st.integers(0, len(clean) - 2), min_size=1, max_size=25))
    for place in sorted(places, reverse=True):
        original = clean[place]
        if isinstance(original, Snapshot) or data.draw(st.booleans()):
            intruder = data.draw(stranger(original.at_s))
        elif data.draw(st.booleans()):
            intruder = original
        else:
            intruder = msgspec.structs.replace(original, at_s=original.at_s - 50.0)
        inputs.insert(place + 1, intruder)
    disturbed = replay(inputs)
    for a, b in zip(calm(), disturbed, strict=True):
        assert b.calls_to_place <= a.calls_to_place, f"at {a.at_s} s"
    assert sum(disturbed[-1].faults.values()) >= len(places)


@SLOW
@given(st.data())
def test_late_repeats_never_lead_to_more_calls(data: st.DataObject) -> None:
    clean = recording()
    inputs: list[Input] = list(clean)
    events = [i for i, item in enumerate(clean) if not isinstance(item, Snapshot)]
    for source in sorted(data.draw(st.sets(st.sampled_from(events), max_size=20)), reverse=True):
        target = min(len(clean), source + data.draw(st.integers(1, 200)))
        event = clean[source]
        if not isinstance(event, AgentOn | AgentOff | TalkEnded | WrapUpEnded):
            inputs.insert(target, event)
    for a, b in zip(calm(), replay(inputs), strict=True):
        assert b.calls_to_place <= a.calls_to_place, f"at {a.at_s} s"


@st.composite
def anything(draw: st.DrawFn) -> Input:
    at_s = draw(st.one_of(bad_time, st.floats(0.0, 500.0)))
    call_id = draw(st.sampled_from(["c1", "c2", "c3", "c4"]))
    agent_id = draw(st.sampled_from(["a1", "a2"]))
    some = st.lists(st.one_of(bad_time, st.floats(0.0, 500.0)), max_size=5).map(tuple)
    snapshot = Snapshot(
        at_s=at_s,
        staffed=draw(st.integers(-2, 6)),
        idle_since_s=draw(some),
        talking_since_s=draw(some),
        wrapping_since_s=draw(some),
        ringing_since_s={"": draw(some), "other": draw(some)},
        in_amd_since_s=draw(some),
        waiting_since_s=draw(some),
        pending=draw(st.integers(-3, 5)),
        upcoming=draw(st.dictionaries(st.sampled_from(["", "other", "new"]), number, max_size=3)),
        caps={"lines": draw(st.integers(-5, 50))},
    )
    inputs: list[Input] = [
        snapshot,
        DialPlaced(at_s=at_s, call_id=call_id, segment=agent_id, has_agent=draw(st.booleans())),
        NoAnswer(at_s=at_s, call_id=call_id),
        Failed(at_s=at_s, call_id=call_id),
        Pickup(at_s=at_s, call_id=call_id),
        MachineDetected(at_s=at_s, call_id=call_id),
        LiveAnswer(at_s=at_s, call_id=call_id),
        Connected(at_s=at_s, call_id=call_id, agent_id=agent_id),
        Abandoned(at_s=at_s, call_id=call_id),
        TalkEnded(at_s=at_s, agent_id=agent_id, talk_s=draw(number)),
        WrapUpEnded(at_s=at_s, agent_id=agent_id, wrap_up_s=draw(number)),
        AgentOn(at_s=at_s, agent_id=agent_id),
        AgentOff(at_s=at_s, agent_id=agent_id),
    ]
    return draw(st.sampled_from(inputs))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(Law)), st.lists(anything(), max_size=40))
def test_nothing_whatever_raises_or_breaks_a_limit(law: Law, inputs: list[Input]) -> None:
    pacer = make_pacer(PacingConfig(law=law, max_lines_per_agent=3.0))
    for item in inputs:
        if isinstance(item, Snapshot):
            decision = pacer.decide(item)
            assert 0 <= decision.calls_to_place <= max(0, item.caps["lines"])
            assert msgspec.json.encode(decision)
        else:
            pacer.observe(item)
    fresh = make_pacer(PacingConfig(law=law, max_lines_per_agent=3.0))
    fresh.restore(pacer.save())
    assert fresh.save() == pacer.save()


def test_same_input_same_decisions() -> None:
    assert replay(recording()) == replay(recording())


@pytest.mark.parametrize("share", [0.05, 0.3, 0.62, 0.9])
def test_a_restored_pacer_goes_on_as_if_nothing_had_happened(share: float) -> None:
    inputs = recording()
    cut = int(len(inputs) * share)
    first, second = make_pacer(CONFIG), make_pacer(CONFIG)
    replay(inputs[:cut], first)
    second.restore(first.save())
    assert replay(inputs[cut:], first) == replay(inputs[cut:], second)
    assert first.save() == second.save()
