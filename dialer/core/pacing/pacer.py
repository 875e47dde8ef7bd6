"""The door of the pacing core, and the modes that need no forecast."""

from __future__ import annotations

from typing import Protocol

import msgspec

from dialer.core.pacing import snapshots
from dialer.core.pacing.history import History
from dialer.core.pacing.messages import (
    Clamp,
    Decision,
    Estimates,
    Law,
    PacingConfig,
    PacingEvent,
    Snapshot,
)
from dialer.core.pacing.saves import same_shape
from dialer.core.pacing.snapshots import Ages
from dialer.core.pacing.tracker import Tracker, TrackerState
from dialer.core.pacing.windows import RollingState, Windows, empty_windows

LEAST_RING_S = 15.0
"""Nobody's telephone rings for less, unless the person or the network ends it."""


class Decider(Protocol):
    """Whatever decides how many calls one campaign places now.

    Purely a function of its configuration, the events and snapshots it was given, in order: no
    clock, no chance, no I/O.
    """

    def observe(self, event: PacingEvent) -> None:
        """Learn from one event. Events come in the order of their times."""

    def decide(self, snapshot: Snapshot) -> Decision:
        """Answer how many calls to place now."""


class Pacer(Decider, Protocol):
    """A decider that an engine can rely on.

    `observe` and `decide` never raise on bad input; it is counted in `Decision.faults` and leads
    to fewer calls, never to more. What was learned outlives the process.
    """

    def save(self) -> bytes:
        """Everything learned, as JSON. A restored pacer decides exactly as this one would."""

    def restore(self, saved: bytes) -> None:
        """Take over what `save` returned.

        Raises `ValueError` where the bytes are not a save of this mode; nothing changes then.
        """

    def resume(self, history: History) -> None:
        """Begin to drive a campaign that was driven before, by this pacer or another one.

        The abandonment budgets become what the history says. Calls and agents that were under way
        are forgotten: only the next snapshot knows which of them are still there. What was
        learned, or restored, stays.
        """


class Unlearned:
    """Listener of pacers that learn nothing."""

    def on_dial(self, segment: str) -> None: ...
    def on_pickup(self, segment: str, ring_s: float) -> None: ...
    def on_unanswered(self, segment: str, ring_s: float) -> None: ...
    def on_lost(self, segment: str) -> None: ...
    def on_detected(self, live: bool, amd_s: float) -> None: ...
    def on_answer(self) -> None: ...
    def on_abandonment(self) -> None: ...
    def on_found_machine(self) -> None: ...
    def on_talk(self, talk_s: float) -> None: ...
    def on_wrap_up(self, wrap_up_s: float, stays: bool) -> None: ...
    def on_idle_off(self) -> None: ...


class Counting(Unlearned):
    """Learns nothing but what was abandoned of what was answered."""

    def __init__(self, states: dict[str, RollingState]) -> None:
        self.states = states
        self.windows = Windows(states)

    def on_answer(self) -> None:
        self.windows.count(1, 0)

    def on_abandonment(self) -> None:
        self.windows.count(0, 1)

    def on_found_machine(self) -> None:
        self.windows.count(-1, 0)


class RatioSave(msgspec.Struct, tag="ratio"):
    law: Law
    tracker: TrackerState
    windows: dict[str, RollingState]


class RatioPacer:
    """`lines` calls for every idle agent, less the calls under way.

    With one line an agent this is progressive dialing: an agent is free for every call, and a
    call is abandoned only if that agent leaves, or is taken by somebody who calls us. Where more
    than `target` has been abandoned that way, one idle agent of a team is kept back for those.
    With more lines (fixed ratio) the user takes the risk by hand; where an abandonment window has
    reached `hard_limit`, it is one line an agent until that has passed. In preview the agent has
    asked for the one call, so it is progressive too, and nothing can be abandoned.
    """

    def __init__(
        self,
        law: Law,
        lines_per_idle_agent: float = 1.0,
        hard_limit: float | None = None,
        target: float | None = None,
    ) -> None:
        self.law = law
        self._lines = max(0.0, lines_per_idle_agent)
        self._limit = hard_limit
        self._target = target
        self._tracker = Tracker()
        self._listener = Counting(empty_windows())

    def observe(self, event: PacingEvent) -> None:
        self._tracker.observe(event, self._listener)

    def decide(self, snapshot: Snapshot) -> Decision:
        tracker = self._tracker
        if not tracker.snapshot_at(snapshot.at_s, self._listener):
            return refusal(snapshot, self.law, tracker.state.faults)
        ages = snapshots.read(snapshot, tracker)
        self._listener.windows.advance(snapshot.at_s)
        lines, spare, because = self._allowed(ages)
        under_way = ages.ringing + ages.waiting
        asked = max(0, int((ages.idle - spare) * lines) - under_way)
        calls, cap, cap_name = snapshots.capped(asked, snapshot.caps)
        tracker.asked(snapshot.at_s, calls)
        shares = self._listener.windows.shares()
        return Decision(
            at_s=snapshot.at_s,
            calls_to_place=calls,
            law=self.law,
            clamp=cap if cap is not Clamp.NONE else Clamp.BUDGET if because else Clamp.NONE,
            cap_name=cap_name,
            asked=asked,
            reason=f"{because}{ages.idle} idle x {lines:g} lines, {under_way} calls under way",
            estimates=Estimates(
                idle=ages.idle,
                ringing=ages.ringing,
                waiting=ages.waiting,
                staffed=ages.staffed,
                abandonment_30min=shares["30min"],
                abandonment_24h=shares["24h"],
                abandonment_30d=shares["30d"],
            ),
            faults=dict(tracker.state.faults),
        )

    def _allowed(self, ages: Ages) -> tuple[float, int, str]:
        """Lines an idle agent, idle agents who are kept back, and what the budget has to say."""
        windows = self._listener.windows
        lines, because = self._lines, ""
        if lines > 1.0 and self._limit is not None and windows.reached(self._limit):
            lines, because = 1.0, "an abandonment window is used up: "
        spent = self._target is not None and windows.reached(self._target)
        # A team of one has nobody to keep back.
        if spent and lines <= 1.0 and ages.idle and ages.staffed > 1:
            return lines, 1, "the target is used up, one agent is kept back: "
        return lines, 0, because

    def save(self) -> bytes:
        save = RatioSave(self.law, self._tracker.state, self._listener.states)
        return msgspec.json.encode(save)

    def restore(self, saved: bytes) -> None:
        state = msgspec.json.decode(saved, type=RatioSave)
        if state.law is not self.law:
            raise ValueError(f"saved by the {state.law} law, cannot continue as {self.law}")
        if not same_shape(state.windows, empty_windows()):
            raise ValueError("saved by another release; start the pacer afresh")
        self._tracker = Tracker(state.tracker)
        self._listener = Counting(state.windows)

    def resume(self, history: History) -> None:
        self._tracker.resume()
        self._listener.windows.recall(history)


def refusal(snapshot: Snapshot, law: Law, faults: dict[str, int]) -> Decision:
    """No calls: the time of the snapshot cannot be used."""
    return Decision(
        at_s=snapshot.at_s,
        calls_to_place=0,
        law=law,
        clamp=Clamp.BAD_SNAPSHOT,
        reason=f"snapshot time {snapshot.at_s} is not a number or lies before what was seen",
        faults=dict(faults),
    )


def checked(config: PacingConfig) -> PacingConfig:
    """The configuration, if it makes sense. Raises `ValueError` naming the field otherwise."""
    shares = (("target_abandonment", config.target_abandonment), ("hard_limit", config.hard_limit))
    for name, value in shares:
        if not 0.0 < value <= 0.1:
            raise ValueError(f"{name} must be a share above 0 and at most 0.1, got {value}")
    if config.target_abandonment > config.hard_limit:
        raise ValueError(
            f"target_abandonment {config.target_abandonment} is above hard_limit "
            f"{config.hard_limit}; aim below the limit"
        )
    ranges: tuple[tuple[str, float, float, float], ...] = (
        ("lines_per_idle_agent", config.lines_per_idle_agent, 0.0, 50.0),
        ("max_lines_per_agent", config.max_lines_per_agent, 1.0, 100.0),
        ("ring_timeout_s", config.ring_timeout_s, 5.0, 120.0),
        ("connect_limit_s", config.connect_limit_s, 0.0, 10.0),
        ("expected_talk_s", config.expected_talk_s, 1.0, 3600.0),
        ("expected_wrap_up_s", config.expected_wrap_up_s, 0.0, 3600.0),
    )
    if config.give_up_after_s is not None:
        ranges += (("give_up_after_s", config.give_up_after_s, LEAST_RING_S, 120.0),)
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise ValueError(f"{name} must be between {low:g} and {high:g}, got {value}")
    return config
