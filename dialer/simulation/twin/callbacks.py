"""Promised calls on a day, dialed before anybody else: as the engine plans its callbacks.

Each has an agent reserved before it is placed: the one who promised it, if he is free, and whoever
is idle once that one has been waited for in vain. While there is none it is looked at again every
half minute. They use up calls that the pacer asks for, and the law's hours bind them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush
from zoneinfo import ZoneInfo

import msgspec

from dialer.core.inbound import CALLBACK_AFTER
from dialer.core.planning import AGENT_RETRY, OWN_AGENT_PATIENCE
from dialer.simulation.floor import Fate
from dialer.simulation.tally import share
from dialer.simulation.twin.definition import TwinDefinition
from dialer.simulation.twin.law import LegalDay, LegalDays
from dialer.simulation.twin.looking import NO_LOOK, Look, Looks
from dialer.simulation.twin.meeting import (
    Call,
    Chance,
    Met,
    Rates,
    detection_of,
    ending_of,
    lognormal,
    meet,
    talk_of,
    wrap_up_of,
)
from dialer.simulation.twin.people import TwinPeople
from dialer.simulation.twin.results import CallbackFigures


class Contacts:
    """What conversations came to."""

    __slots__ = ("contacts", "promises", "right_party")

    def __init__(self) -> None:
        self.contacts = self.right_party = self.promises = 0

    def count(self, call: Call) -> None:
        self.contacts += 1
        self.right_party += call >= Call.RIGHT_PARTY
        self.promises += call is Call.PROMISE


class Promise(msgspec.Struct, frozen=True):
    """One call that somebody waits for."""

    number: int
    due_s: float
    segment: str
    day: LegalDay
    agent: str | None
    """Who promised it; None: anybody."""


class PromisedCalls:
    """Satisfies `dialer.simulation.floor.People`: who is due comes first, then the portfolio."""

    def __init__(
        self,
        definition: TwinDefinition,
        people: TwinPeople,
        agents: Sequence[str],
        legal: LegalDays,
        opens_at: datetime,
        seed: int,
        looks: Looks | None = None,
    ) -> None:
        self._definition = definition
        self._people = people
        self._looks = looks
        self._agents = agents
        self._legal = legal
        self._chance = Chance(seed)
        self._asleep: list[tuple[float, int, Promise]] = []
        self._due: deque[Promise] = deque()
        self._in_hand: dict[int, Met] = {}
        self._promised = self._dialed = self._by_own = 0
        self._late_s = 0.0
        self.counts = Contacts()
        for hour, calls in sorted(definition.callbacks.by_hour.items()):
            for number in range(calls):
                self._promise_at(hour, number, opens_at)

    def _promise_at(self, hour: int, number: int, opens_at: datetime) -> None:
        """One that falls due in a local hour, or in what the shift has of it."""
        definition = self._definition
        when, whose, who = self._chance.of(f"callback|{hour}|{number}|due")[:3]
        from_s, to_s = hour_of_day(definition, opens_at, hour)
        own = whose < definition.callbacks.own_agent
        agent = self._agents[int(who * len(self._agents))] if own else None
        self._add(from_s + when * (to_s - from_s), agent)

    def add_missed(self, now_s: float) -> None:
        """Somebody called us in vain: he is called back soon, by anybody."""
        self._add(now_s + CALLBACK_AFTER.total_seconds(), None)

    def _add(self, due_s: float, agent: str | None) -> None:
        self._promised += 1
        number = self._promised
        name, day = self._whose(number)
        self._sleep(Promise(number, due_s, name, day, agent), due_s)

    def _whose(self, number: int) -> tuple[str, LegalDay]:
        """A segment by the size of each, and the lawful day of one of its accounts."""
        segments = self._definition.segments
        draw, account = self._chance.of(f"callback|{number}|whose")[:2]
        left = draw * sum(segment.accounts for segment in segments)
        for segment in segments:
            left -= segment.accounts
            if left < 0.0:
                break
        days = self._legal[segment.name]
        return segment.name, days[int(account * len(days))]

    def _sleep(self, promise: Promise, until_s: float) -> None:
        """Until then, or until it is lawful; not at all where it is not, that day."""
        at_s = promise.day.open_at(until_s)
        if at_s is not None:
            heappush(self._asleep, (at_s, promise.number, promise))

    def _wake(self, now_s: float) -> None:
        while self._asleep and self._asleep[0][0] <= now_s:
            self._due.append(heappop(self._asleep)[2])

    # --- the floor's people -------------------------------------------------------------------

    def shares(self, now_s: float) -> Mapping[str, float]:
        return self._people.shares(now_s)

    def caps(self, now_s: float) -> dict[str, int]:
        self._wake(now_s)
        caps = self._people.caps(now_s)
        taken = {"supply": -len(self._due), "lines": len(self._in_hand), "daily_cap": self._dialed}
        return {name: max(0, most - taken[name]) for name, most in caps.items()}

    def dial(self, now_s: float, idle: Collection[str]) -> Fate | None:
        self._wake(now_s)
        while self._due:
            promise = self._due.popleft()
            look = self._look(promise)
            dial_s = now_s + look.look_s
            if promise.day.open_at(dial_s) != dial_s:
                self._sleep(promise, dial_s)
                continue
            agent = self._agent_for(promise, now_s, idle)
            if agent is not None:
                if self._looks is not None:
                    self._looks.count(look)
                return self._placed(promise, agent, dial_s)._replace(look_s=look.look_s)
            self._sleep(promise, now_s + AGENT_RETRY.total_seconds())
        return self._people.dial(now_s, idle)

    def _look(self, promise: Promise) -> Look:
        """An agent who looks at a promised call first never leaves it."""
        if self._looks is None:
            return NO_LOOK
        return self._looks.at(f"callback|{promise.number}")._replace(skips=False)

    def _agent_for(self, promise: Promise, now_s: float, idle: Collection[str]) -> str | None:
        waited_s = now_s - promise.due_s
        if promise.agent is not None and waited_s < OWN_AGENT_PATIENCE.total_seconds():
            return promise.agent if promise.agent in idle else None
        return next(iter(idle), None)

    def _placed(self, promise: Promise, agent: str, now_s: float) -> Fate:
        definition = self._definition
        spec, campaign = definition.callbacks, definition.campaign
        rates = Rates(spec.live_rate, spec.right_party, spec.promise)
        draws = self._chance.of(f"callback|{promise.number}")
        met = meet(definition.calls, rates, draws).within(float(campaign.ring_timeout_s))
        self._dialed += 1
        self._by_own += agent == promise.agent
        self._late_s += now_s - promise.due_s
        self._in_hand[promise.number] = met
        return Fate(
            ending_of(met.call, amd=campaign.amd),
            met.after_s,
            promise.segment,
            # The portfolio's people have the numbers from 0 on.
            -promise.number,
            lognormal(draws[6], definition.calls.patience),
            agent,
        )

    def detection(self, fate: Fate) -> tuple[float, bool]:
        if fate.who >= 0:
            return self._people.detection(fate)
        return detection_of(self._definition.calls, self._in_hand[-fate.who].draws)

    def talk_s(self, fate: Fate) -> float:
        if fate.who >= 0:
            return self._people.talk_s(fate)
        met = self._in_hand[-fate.who]
        return talk_of(self._definition.work, met.call, met.draws)

    def wrap_up_s(self, fate: Fate) -> float:
        if fate.who >= 0:
            return self._people.wrap_up_s(fate)
        met = self._in_hand[-fate.who]
        return wrap_up_of(self._definition.work, met.call, met.draws)

    def ended(self, fate: Fate, now_s: float, *, abandoned: bool) -> None:
        if fate.who >= 0:
            self._people.ended(fate, now_s, abandoned=abandoned)
            return
        call = self._in_hand.pop(-fate.who).call
        if call.is_person and not abandoned:
            self.counts.count(call)

    def figures(self) -> CallbackFigures | None:
        """None: none was promised."""
        if not self._promised:
            return None
        return CallbackFigures(
            due=self._promised,
            dialed=self._dialed,
            by_own_agent=self._by_own,
            contacts=self.counts.contacts,
            right_party=self.counts.right_party,
            promises=self.counts.promises,
            late_mean_s=share(self._late_s, self._dialed),
        )


def hour_of_day(definition: TwinDefinition, opens_at: datetime, hour: int) -> tuple[float, float]:
    """What the floor has of a local hour, in seconds from its opening."""
    local = opens_at.astimezone(ZoneInfo(definition.timezone))
    from_s = (local.replace(hour=hour, minute=0) - local) / timedelta(seconds=1)
    return max(0.0, from_s), min(definition.duration_s, from_s + 3600.0)
