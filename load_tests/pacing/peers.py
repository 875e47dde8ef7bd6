"""The control laws of other dialers, from what they publish: deciders, which nobody saves.

They see exactly what our pacer sees. None of them uses the age of a ringing call; one uses the age
of conversations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from enum import StrEnum
from math import exp, floor

from dialer.core.pacing import (
    Abandoned,
    Decision,
    DialPlaced,
    Law,
    LiveAnswer,
    PacingEvent,
    Snapshot,
    TalkEnded,
)

DAY_S = 8 * 3600.0


class Peer(ABC):
    """What the laws share: recent answers per dial, answer delay and talk time."""

    MEMORY = 0.01
    """Weight of the newest observation in a running mean."""

    def __init__(self) -> None:
        self.answer_rate = 0.25
        self.answer_s = 8.0
        self.talk_s = 120.0
        self.drops_today = 0
        self.answers_today = 0
        self._placed_s: dict[str, float] = {}
        self._answers_s: deque[float] = deque()
        self._drops_s: deque[float] = deque()

    def observe(self, event: PacingEvent) -> None:
        match event:
            case DialPlaced():
                self._placed_s[event.call_id] = event.at_s
                self.answer_rate += -self.answer_rate * self.MEMORY
            case LiveAnswer():
                self.answers_today += 1
                self._answers_s.append(event.at_s)
                self.answer_rate = min(1.0, self.answer_rate + self.MEMORY)
                placed_s = self._placed_s.pop(event.call_id, event.at_s)
                self.answer_s += (event.at_s - placed_s - self.answer_s) * self.MEMORY
            case Abandoned():
                self.drops_today += 1
                self._drops_s.append(event.at_s)
            case TalkEnded():
                self.talk_s += (event.talk_s - self.talk_s) * self.MEMORY
            case _:
                pass

    def last_minute(self, now_s: float) -> tuple[int, int]:
        """Answers and drops of the last minute."""
        for times in (self._answers_s, self._drops_s):
            while times and times[0] < now_s - 60.0:
                times.popleft()
        return len(self._answers_s), len(self._drops_s)

    def decide(self, snapshot: Snapshot) -> Decision:
        return Decision(
            at_s=snapshot.at_s,
            calls_to_place=max(0, self.calls(snapshot)),
            law=Law.FIXED_RATIO,
        )

    @abstractmethod
    def calls(self, snapshot: Snapshot) -> int:
        """Calls to place now; below 0 means none."""


def ringing(snapshot: Snapshot) -> int:
    """Calls that ring or are in detection."""
    shown = sum(map(len, snapshot.ringing_since_s.values()))
    return shown + len(snapshot.in_amd_since_s) + snapshot.pending


class DropRule(StrEnum):
    """What VICIdial does once the day's drop percentage is above the limit."""

    HARD_LIMIT = "hard_limit"
    AVERAGE = "average"
    TAPERED = "tapered"


class Vicidial(Peer):
    """VICIdial's adaptive dial methods (`bin/AST_VDadapt.pl`, `bin/AST_VDauto_dial.pl`).

    Every 15 s, over the last 15 one-second samples: x = (ready - waiting + T) / agents, and the
    level L becomes L (1 + g), g = x (1 + i/100) for x >= 0, x |i/100 - 1| below, within 1 and its
    maximum. More than 20 calls in a minute with more than half dropped halve it. After 50 calls,
    while the day's drop percentage is above the limit: HARD_LIMIT sets 1, AVERAGE halves, TAPERED
    multiplies by min(1, HHMM left / 1000), never below 1. Calls = round(L A) - active lines, A =
    agents that are ready, and unless `available_only` those in calls, whose lines are then active
    too.
    """

    def __init__(
        self,
        rule: DropRule,
        *,
        available_only: bool,
        most: float = 3.0,
        limit: float = 0.01,
        target_difference: float = 0.0,
        intensity: float = 0.0,
        shift_s: float = DAY_S,
    ) -> None:
        super().__init__()
        self._rule = rule
        self._available_only = available_only
        self._most = most
        self._limit = limit
        self._target_difference = target_difference
        self._intensity = intensity / 100.0
        self._shift_s = shift_s
        self._level = 1.0
        self._samples: deque[tuple[int, int, int]] = deque(maxlen=15)
        self._sampled_s = self._adapted_s = 0.0

    def calls(self, snapshot: Snapshot) -> int:
        ready, waiting = len(snapshot.idle_since_s), len(snapshot.waiting_since_s)
        if snapshot.at_s >= self._sampled_s + 1.0 or not self._samples:
            self._sampled_s = snapshot.at_s
            self._samples.append((ready, waiting, snapshot.staffed))
        if snapshot.at_s >= self._adapted_s + 15.0:
            self._adapted_s = snapshot.at_s
            self._adapt(snapshot.at_s)
        agents, lines = ready, ringing(snapshot) + waiting
        if not self._available_only:
            agents += len(snapshot.talking_since_s)
            lines += len(snapshot.talking_since_s)
        return floor(self._level * agents + 0.5) - lines

    def _adapt(self, now_s: float) -> None:
        ready, waiting, agents = (sum(column) for column in zip(*self._samples, strict=True))
        if agents <= 0:
            return
        difference = self._target_difference * len(self._samples)
        x = (ready - waiting + difference) / agents
        change = x * (1.0 + self._intensity) if x >= 0 else x * abs(self._intensity - 1.0)
        self._level = min(self._most, max(1.0, self._level * (1.0 + change)))
        answers, drops = self.last_minute(now_s)
        if answers > 20 and drops > answers / 2:
            self._level /= 2.0
        if self.answers_today > 50 and self.drops_today > self._limit * self.answers_today:
            match self._rule:
                case DropRule.HARD_LIMIT:
                    self._level = 1.0
                case DropRule.AVERAGE:
                    self._level /= 2.0
                case DropRule.TAPERED:
                    left_s = max(0.0, self._shift_s - now_s)
                    hhmm = 100 * int(left_s // 3600) + int(left_s % 3600 // 60)
                    self._level *= min(1.0, hhmm / 1000.0)
        self._level = max(1.0, self._level)


class Issabel(Peer):
    """Issabel's call centre dialer (`dialerd`, `Predictor.class.php`), overcommit on.

    Every 5 s: idle agents, and busy ones whose call is over by the time of an answer with 97 %
    certainty if talk were exponential, 1 - exp(-(elapsed + answer time) / mean) >= 0.97, less the
    waiting and pending calls; divided by the answer rate, taken to be at least 0.2.
    """

    def __init__(self) -> None:
        super().__init__()
        self._decided_s = -5.0

    def calls(self, snapshot: Snapshot) -> int:
        if snapshot.at_s < self._decided_s + 5.0:
            return 0
        self._decided_s = snapshot.at_s
        mean_s = max(1.0, self.talk_s)
        soon = sum(
            1.0 - exp(-(snapshot.at_s - since_s + self.answer_s) / mean_s) >= 0.97
            for since_s in snapshot.talking_since_s
        )
        free = len(snapshot.idle_since_s) + soon - len(snapshot.waiting_since_s)
        return int(free / max(self.answer_rate, 0.2)) - ringing(snapshot)


class GenesysProgressive(Peer):
    """Genesys Outbound's progressive mode: floor(m (R - Q - D / m)).

    R ready agents, Q waiting calls, D calls being dialed, m calls an agent (Genesys, Outbound
    Contact Deployment Guide, "Progressive dialing").
    """

    def __init__(self, calls_per_agent: float = 1.5) -> None:
        super().__init__()
        self._m = calls_per_agent

    def calls(self, snapshot: Snapshot) -> int:
        free = len(snapshot.idle_since_s) - len(snapshot.waiting_since_s)
        return floor(self._m * (free - ringing(snapshot) / self._m) + 1e-9)


class SamuelsonLike(Peer):
    """After Samuelson, "Predictive dialing for outbound telephone call centers" (Interfaces 29,
    1999) and the patents around it: expectations only.

    Idle agents and those expected to become free within the answer time (exponential talk), less
    waiting calls and the expected answers of ringing ones, over the answer rate.
    """

    def calls(self, snapshot: Snapshot) -> int:
        freed = len(snapshot.talking_since_s) * -(exp(-self.answer_s / max(1.0, self.talk_s)) - 1.0)
        rate = max(self.answer_rate, 0.01)
        free = len(snapshot.idle_since_s) + freed - len(snapshot.waiting_since_s)
        return floor(free / rate) - ringing(snapshot)
