"""The tracker walks its tables, and lets nothing doubtful through to the learning."""

from __future__ import annotations

from math import inf, nan

import pytest

from dialer.core.pacing.messages import (
    Abandoned,
    AgentOff,
    AgentOn,
    Connected,
    DialPlaced,
    Failed,
    FaultKind,
    FoundMachine,
    LiveAnswer,
    MachineDetected,
    NoAnswer,
    PacingEvent,
    Pickup,
    TalkEnded,
    WrapUpEnded,
)
from dialer.core.pacing.tracker import (
    AGENT_TRANSITIONS,
    BACKWARD_SNAPSHOTS_TO_REBASE,
    CALL_TRANSITIONS,
    MAX_CALL_AGE_S,
    AgentState,
    CallState,
    Tracker,
)


class Heard:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_dial(self, segment: str) -> None:
        self.lines.append(f"dial {segment}")

    def on_pickup(self, segment: str, ring_s: float) -> None:
        self.lines.append(f"pickup {segment} {ring_s:g}")

    def on_unanswered(self, segment: str, ring_s: float) -> None:
        self.lines.append(f"unanswered {segment} {ring_s:g}")

    def on_lost(self, segment: str) -> None:
        self.lines.append(f"lost {segment}")

    def on_detected(self, live: bool, amd_s: float) -> None:
        self.lines.append(f"detected {live} {amd_s:g}")

    def on_answer(self) -> None:
        self.lines.append("answer")

    def on_abandonment(self) -> None:
        self.lines.append("abandonment")

    def on_found_machine(self) -> None:
        self.lines.append("found machine")

    def on_talk(self, talk_s: float) -> None:
        self.lines.append(f"talk {talk_s:g}")

    def on_idle_off(self) -> None:
        self.lines.append("idle off")

    def on_wrap_up(self, wrap_up_s: float, stays: bool) -> None:
        self.lines.append(f"wrap_up {wrap_up_s:g} {stays}")


def play(*events: PacingEvent) -> tuple[Tracker, Heard]:
    tracker, heard = Tracker(), Heard()
    for event in events:
        tracker.observe(event, heard)
    return tracker, heard


DIAL = DialPlaced(at_s=0.0, call_id="c", segment="s")
CALL_EVENTS: dict[type, PacingEvent] = {
    NoAnswer: NoAnswer(at_s=9.0, call_id="c"),
    Failed: Failed(at_s=9.0, call_id="c"),
    Pickup: Pickup(at_s=9.0, call_id="c"),
    MachineDetected: MachineDetected(at_s=9.0, call_id="c"),
    LiveAnswer: LiveAnswer(at_s=9.0, call_id="c"),
    Connected: Connected(at_s=9.0, call_id="c", agent_id="a"),
    Abandoned: Abandoned(at_s=9.0, call_id="c"),
}
AGENT_EVENTS: dict[type, PacingEvent] = {
    Connected: Connected(at_s=9.0, call_id="d", agent_id="a"),
    TalkEnded: TalkEnded(at_s=9.0, agent_id="a", talk_s=5.0),
    WrapUpEnded: WrapUpEnded(at_s=9.0, agent_id="a", wrap_up_s=5.0),
    AgentOff: AgentOff(at_s=9.0, agent_id="a"),
}
TO_CALL_STATE: dict[CallState, tuple[PacingEvent, ...]] = {
    CallState.RINGING: (DIAL,),
    CallState.IN_AMD: (DIAL, Pickup(at_s=4.0, call_id="c")),
    CallState.WAITING: (DIAL, LiveAnswer(at_s=4.0, call_id="c")),
}
ON = AgentOn(at_s=0.0, agent_id="a")
TO_AGENT_STATE: dict[AgentState, tuple[PacingEvent, ...]] = {
    AgentState.IDLE: (ON,),
    AgentState.TALKING: (
        ON, DIAL, LiveAnswer(at_s=4.0, call_id="c"),
        Connected(at_s=5.0, call_id="c", agent_id="a"),
    ),
    AgentState.WRAPPING: (
        ON, DIAL, LiveAnswer(at_s=4.0, call_id="c"),
        Connected(at_s=5.0, call_id="c", agent_id="a"),
        TalkEnded(at_s=6.0, agent_id="a", talk_s=1.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("state", CallState)
@pytest.mark.parametrize("kind", CALL_EVENTS)
def test_every_pair_of_call_state_and_event(state: CallState, kind: type) -> None:
    tracker, _ = play(ON, *TO_CALL_STATE[state], CALL_EVENTS[kind])
    call = tracker.state.calls.get("c")
    if (state, kind) in CALL_TRANSITIONS:
        assert tracker.state.faults == {}
        assert (call.state if call else None) == CALL_TRANSITIONS[state, kind]
    else:
        assert sum(tracker.state.faults.values()) == 1
        assert call is not None
        assert call.state is state


@pytest.mark.parametrize("state", AgentState)
@pytest.mark.parametrize("kind", AGENT_EVENTS)
def test_every_pair_of_agent_state_and_event(state: AgentState, kind: type) -> None:
    tracker, _ = play(
        *TO_AGENT_STATE[state],
        DialPlaced(at_s=7.0, call_id="d"),
        LiveAnswer(at_s=8.0, call_id="d"),
        AGENT_EVENTS[kind],
    )
    if (state, kind) in AGENT_TRANSITIONS:
        assert tracker.state.faults == {}
        assert tracker.state.agents.get("a") == AGENT_TRANSITIONS[state, kind]
    else:
        assert tracker.state.faults == {FaultKind.STATE_CONFLICT: 1}


def test_a_call_with_detection_teaches_each_part_once() -> None:
    _, heard = play(
        ON,
        DIAL,
        Pickup(at_s=6.0, call_id="c"),
        LiveAnswer(at_s=8.5, call_id="c"),
        Connected(at_s=8.6, call_id="c", agent_id="a"),
        TalkEnded(at_s=98.6, agent_id="a", talk_s=90.0),
        WrapUpEnded(at_s=110.6, agent_id="a", wrap_up_s=12.0, stays=False),
    )
    assert heard.lines == [
        "dial s", "pickup s 6", "detected True 2.5", "answer", "talk 90", "wrap_up 12 False",
    ]  # fmt: skip


def test_live_answer_without_pickup_is_both() -> None:
    _, heard = play(DIAL, LiveAnswer(at_s=7.0, call_id="c"))
    assert heard.lines == ["dial s", "pickup s 7", "detected True 0", "answer"]


def test_repeats_teach_nothing() -> None:
    end = NoAnswer(at_s=20.0, call_id="c")
    again = DialPlaced(at_s=20.0, call_id="c", segment="s")
    tracker, heard = play(DIAL, DIAL, end, end, again)
    assert heard.lines == ["dial s", "unanswered s 20"]
    assert tracker.state.faults == {FaultKind.DUPLICATE: 3}


def test_an_abandonment_is_charged_once_whatever_is_known_of_the_call() -> None:
    gone = Abandoned(at_s=5.0, call_id="never dialed")
    tracker, heard = play(gone, gone)
    assert heard.lines == ["abandonment"]
    assert tracker.state.faults == {FaultKind.UNKNOWN_CALL: 1, FaultKind.DUPLICATE: 1}


def test_a_pickup_at_a_bad_time_is_counted_without_its_time() -> None:
    for at_s in (nan, inf, -50.0, 1e12):
        tracker, heard = play(DIAL, LiveAnswer(at_s=at_s, call_id="c"))
        assert heard.lines == ["dial s", "lost s"], at_s
        assert sum(tracker.state.faults.values()) == 1
        assert tracker.state.clock_s == 0.0


def test_bad_durations_teach_nothing() -> None:
    for talk_s in (nan, inf, -1.0, 1e9):
        tracker, heard = play(
            *TO_AGENT_STATE[AgentState.TALKING], TalkEnded(at_s=9.0, agent_id="a", talk_s=talk_s)
        )
        assert not any(line.startswith("talk") for line in heard.lines)
        assert tracker.state.faults == {FaultKind.BAD_NUMBER: 1}


def test_a_call_whose_end_is_lost_counts_as_picked_up() -> None:
    tracker, heard = play(DIAL)
    for tick in range(int(MAX_CALL_AGE_S) + 2):
        assert tracker.snapshot_at(float(tick), heard)
    assert heard.lines == ["dial s", "lost s"]
    assert tracker.state.calls == {}
    assert tracker.state.faults == {FaultKind.MISSING_END: 1}


def test_a_call_with_an_agent_of_its_own_teaches_only_that_it_was_answered_or_abandoned() -> None:
    held = DialPlaced(at_s=0.0, call_id="c", segment="s", has_agent=True)
    _, heard = play(
        held,
        Pickup(at_s=4.0, call_id="c"),
        LiveAnswer(at_s=6.0, call_id="c"),
        Abandoned(at_s=8.0, call_id="c"),
    )
    assert heard.lines == ["answer", "abandonment"]
    _, heard = play(held, NoAnswer(at_s=25.0, call_id="c"))
    assert heard.lines == []
    tracker, heard = play(held, LiveAnswer(at_s=nan, call_id="c"))
    assert heard.lines == []
    tracker, heard = play(held)
    for tick in range(int(MAX_CALL_AGE_S) + 2):
        assert tracker.snapshot_at(float(tick), heard)
    assert heard.lines == []
    assert tracker.state.faults == {FaultKind.MISSING_END: 1}


def test_an_agent_nobody_knows_teaches_nothing() -> None:
    tracker, heard = play(
        *TO_CALL_STATE[CallState.WAITING],
        Connected(at_s=5.0, call_id="c", agent_id="stranger"),
        TalkEnded(at_s=6.0, agent_id="stranger", talk_s=1.0),
        WrapUpEnded(at_s=7.0, agent_id="stranger", wrap_up_s=1.0, stays=False),
    )
    assert heard.lines[-1] == "answer"
    assert tracker.state.faults == {FaultKind.UNKNOWN_AGENT: 3}


def test_calls_from_before_a_pause_are_forgotten_without_a_lesson() -> None:
    tracker, heard = play(DIAL)
    assert tracker.snapshot_at(1.0, heard)
    assert tracker.snapshot_at(40_000.0, heard)
    assert heard.lines == ["dial s"]
    assert tracker.state.calls == {}


def test_snapshots_that_run_backwards_are_refused_until_they_insist() -> None:
    tracker, heard = Tracker(), Heard()
    assert tracker.snapshot_at(1e9, heard)
    taken = [tracker.snapshot_at(100.0 + i, heard) for i in range(8)]
    assert taken.index(True) == BACKWARD_SNAPSHOTS_TO_REBASE - 1
    assert all(taken[BACKWARD_SNAPSHOTS_TO_REBASE - 1 :])
    assert not tracker.snapshot_at(nan, heard)


def test_what_an_agent_finds_to_be_a_machine_is_taken_back_once() -> None:
    found = FoundMachine(at_s=30.0, call_id="c")
    connected = Connected(at_s=5.0, call_id="c", agent_id="a")
    call = (ON, DIAL, LiveAnswer(at_s=4.0, call_id="c"), connected)
    _, heard = play(*call, found)
    assert heard.lines[-1] == "found machine"
    tracker, heard = play(*call, found, found)
    assert heard.lines.count("found machine") == 1
    assert tracker.state.faults == {"duplicate": 1}
    tracker, heard = play(found)
    assert heard.lines == []
    assert tracker.state.faults == {"unknown_call": 1}
