"""The people of a definition: who answers, what they say, and when each may be dialed again.

What happens on a dial is a function of (seed, account, attempt): two runs with other teams or other
settings meet the same people. An account is tried again when the ladder of its last outcome says
so (`campaigns.retry`) and the law allows it (`LegalDay`); any conversation ends its day.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.campaign import RetrySettings
from campaigns.dispositions import DispositionCode as Code
from campaigns.effects import StepAction
from campaigns.model import AccountState
from campaigns.retry import EndedContact, next_step
from compliance.messages import HistoryEvent
from compliance.types import AccountId, Channel, ContactPointId, EventKind
from dialer.simulation.floor import Ending, Fate
from dialer.simulation.twin.definition import TwinDefinition, live_at, rates_of
from dialer.simulation.twin.law import LegalDay, LegalDays
from dialer.simulation.twin.looking import Looks
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

LADDER_STEP_S: Final = 900.0
"""Ladders are asked for such steps of time, at the end of each."""
_POINT: Final = ContactPointId("twin-phone")


_CODES: Final = {
    Call.RANG_OUT: Code.NO_ANSWER,
    Call.BUSY: Code.BUSY,
    Call.MACHINE: Code.VOICEMAIL_NO_MESSAGE,
}
"""Outcomes after which an account may be tried again on the same day."""
_SEEN_AS: Final = {
    Code.NO_ANSWER: EventKind.RANG_NO_ANSWER,
    Code.BUSY: EventKind.NOT_CONNECTED_BUSY,
    Code.VOICEMAIL_NO_MESSAGE: EventKind.MACHINE_NO_MESSAGE,
}


class Ladder:
    """When an account may be tried again after an outcome, as `campaigns.retry` says."""

    def __init__(self, opens_at: datetime, zone: str, country: str, settings: RetrySettings):
        self._opens_at = opens_at.astimezone(UTC)
        self._state = AccountState(
            account_id=AccountId("twin-account"), country=country, zones=(zone,)
        )
        self._settings = settings
        self._known: dict[tuple[Code, int, int], float | None] = {}

    def next_s(self, code: Code, tries: int, now_s: float) -> float | None:
        """The earliest instant after the `tries`-th such outcome of the day; None: not by time."""
        step = math.ceil(now_s / LADDER_STEP_S)
        key = (code, tries, step)
        if key not in self._known:
            self._known[key] = self._ask(code, tries, step * LADDER_STEP_S)
        found_s = self._known[key]
        return None if found_s is None else max(now_s, found_s)

    def _ask(self, code: Code, tries: int, now_s: float) -> float | None:
        now = self._opens_at + timedelta(seconds=now_s)
        history = tuple(
            HistoryEvent(
                event_id=f"twin/{back}",
                at=now - timedelta(minutes=back),
                kind=_SEEN_AS[code],
                channel=Channel.VOICE,
                contact_point_id=_POINT,
            )
            for back in range(tries - 1, 0, -1)
        )
        step = next_step(
            EndedContact(code=code, contact_point_id=_POINT),
            history,
            self._state,
            now,
            lambda _: False,
            self._settings,
        )
        if step.action is not StepAction.RETRY_AT or step.not_before is None:
            return None
        return (step.not_before - self._opens_at).total_seconds()


class Counts:
    """What became of the contacts of one segment."""

    __slots__ = ("accounts", "contacts", "dialed", "dials", "legal", "promises", "right_party")

    def __init__(self) -> None:
        self.accounts = self.dialed = self.dials = self.legal = 0
        self.contacts = self.right_party = self.promises = 0


class TwinPeople:
    """The portfolio of a definition, on one day, under one seed."""

    def __init__(
        self,
        definition: TwinDefinition,
        legal: LegalDays,
        opens_at: datetime,
        seed: int,
        looks: Looks | None = None,
    ) -> None:
        self._definition = definition
        self._looks = looks
        self._chance = Chance(seed)
        self._opens_at = opens_at
        self._zone = ZoneInfo(definition.timezone)
        self._ladder = Ladder(
            opens_at, definition.timezone, definition.where.country, definition.campaign.retry
        )
        self._rates = [rates_of(segment) for segment in definition.segments]
        self._segment: list[int] = []
        for index, segment in enumerate(definition.segments):
            self._segment += [index] * segment.accounts
        size = len(self._segment)
        self._dials = [0] * size
        self._gone: dict[int, bool] = {}
        self._live: list[float] = []
        self._rates_until_s = -math.inf
        self._in_hand: dict[int, Met] = {}
        self._offers: dict[int, int] = {}
        """How often agents have looked at an account and not called it."""
        self._rests_s: dict[int, float] = {}
        """Of accounts before an agent's eyes that will not be called: for how long they rest."""
        self.counts = {segment.name: Counts() for segment in definition.segments}
        self._by_index = [self.counts[segment.name] for segment in definition.segments]
        self._legal = [legal[segment.name] for segment in definition.segments]
        self._ready: deque[int] = deque()
        self._left = [0] * len(definition.segments)
        self._waiting: list[tuple[float, int, int]] = []
        """When to wake, the order of going to sleep, and who."""
        self._slept = 0
        self._on_lines = 0
        self._placed = 0
        self._enrol(seed)

    def _enrol(self, seed: int) -> None:
        order = list(range(len(self._segment)))
        Random(f"{seed}:order").shuffle(order)
        for account in order:
            counts, day = self._by_index[self._segment[account]], self._day(account)
            counts.accounts += 1
            counts.legal += len(day.dials_s)
            if not day.dials_s:
                continue
            open_s = day.open_at(0.0)
            if open_s == 0.0:
                self._queue(account)
            else:
                self._sleep(account, open_s)

    def _day(self, account: int) -> LegalDay:
        days = self._legal[self._segment[account]]
        return days[account % len(days)]

    # --- the queue ----------------------------------------------------------------------------

    def _sleep(self, account: int, until_s: float | None) -> None:
        if until_s is not None:
            self._slept += 1
            heappush(self._waiting, (until_s, self._slept, account))

    def _wake(self, now_s: float) -> None:
        while self._waiting and self._waiting[0][0] <= now_s:
            self._queue(heappop(self._waiting)[2])

    def _queue(self, account: int) -> None:
        self._ready.append(account)
        self._left[self._segment[account]] += 1

    def shares(self, now_s: float) -> Mapping[str, float]:
        self._wake(now_s)
        if not self._ready:
            return {}
        names = (segment.name for segment in self._definition.segments)
        return {name: float(n) for name, n in zip(names, self._left, strict=True) if n}

    def caps(self, now_s: float) -> dict[str, int]:
        self._wake(now_s)
        caps = {"supply": len(self._ready)}
        if self._definition.lines is not None:
            caps["lines"] = max(0, self._definition.lines - self._on_lines)
        if self._definition.campaign.daily_cap is not None:
            caps["daily_cap"] = max(0, self._definition.campaign.daily_cap - self._placed)
        return caps

    # --- dialing ------------------------------------------------------------------------------

    def dial(self, now_s: float, idle: Collection[str]) -> Fate | None:
        agent = None if self._looks is None else next(iter(idle), None)
        if self._looks is not None and agent is None:
            return None
        while self._ready:
            account = self._ready.popleft()
            self._left[self._segment[account]] -= 1
            open_s = self._day(account).open_at(now_s)
            if open_s != now_s:
                self._sleep(account, open_s)
            elif self._looks is None:
                return self._placed_to(account, now_s)
            else:
                return self._looked_at(account, now_s, self._looks)._replace(agent=agent)
        return None

    def _looked_at(self, account: int, now_s: float, looks: Looks) -> Fate:
        """An agent looks at the account, and calls it where that is still lawful then."""
        look = looks.at(f"{account}|{self._dials[account]}|{self._offers.get(account, 0)}")
        looks.count(look)
        dial_s = now_s + look.look_s
        if not look.skips and self._day(account).open_at(dial_s) == dial_s:
            return self._placed_to(account, dial_s)._replace(look_s=look.look_s)
        self._offers[account] = self._offers.get(account, 0) + 1
        segment = self._definition.segments[self._segment[account]].name
        rests_s = float(looks.settings.skip_wait_s) if look.skips else 0.0
        self._rests_s[account] = rests_s
        return Fate(Ending.NOT_CALLED, 0.0, segment, account, look_s=look.look_s)

    def _placed_to(self, account: int, now_s: float) -> Fate:
        index = self._segment[account]
        counts = self._by_index[index]
        counts.dialed += self._dials[account] == 0
        counts.dials += 1
        self._dials[account] += 1
        self._placed += 1
        self._on_lines += 1
        met = self._meets(account, now_s).within(float(self._definition.campaign.ring_timeout_s))
        self._in_hand[account] = met
        return Fate(
            ending_of(met.call, amd=self._definition.campaign.amd),
            met.after_s,
            self._definition.segments[index].name,
            account,
            lognormal(met.draws[6], self._definition.calls.patience),
        )

    def _meets(self, account: int, now_s: float) -> Met:
        calls, dials = self._definition.calls, self._dials[account]
        draws = self._chance.of(f"{account}|{dials}")
        if self._is_gone(account):
            return Met(Call.OUT_OF_SERVICE, 1.0 + 2.0 * draws[1], draws)
        index = self._segment[account]
        live = self._live_rates(now_s)[index] * calls.fatigue ** (dials - 1)
        _, right_party, promise = self._rates[index]
        return meet(calls, Rates(live, right_party, promise), draws)

    def _is_gone(self, account: int) -> bool:
        """Whether the account's number is out of service: on every dial of the day, or on none."""
        gone = self._gone.get(account)
        if gone is None:
            rate = self._definition.calls.out_of_service
            gone = self._gone[account] = self._chance.of(f"{account}|0")[0] < rate
        return gone

    def _live_rates(self, now_s: float) -> list[float]:
        """Live answers per dial of each segment, at the local hour."""
        if not now_s < self._rates_until_s:
            local = (self._opens_at + timedelta(seconds=now_s)).astimezone(self._zone)
            left_s = 3600.0 - (60.0 * local.minute + local.second + local.microsecond / 1e6)
            self._rates_until_s = now_s + left_s
            self._live = [live_at(segment, local.hour) for segment in self._definition.segments]
        return self._live

    def detection(self, fate: Fate) -> tuple[float, bool]:
        return detection_of(self._definition.calls, self._in_hand[fate.who].draws)

    def talk_s(self, fate: Fate) -> float:
        met = self._in_hand[fate.who]
        return talk_of(self._definition.work, met.call, met.draws)

    def wrap_up_s(self, fate: Fate) -> float:
        met = self._in_hand[fate.who]
        return wrap_up_of(self._definition.work, met.call, met.draws)

    def ended(self, fate: Fate, now_s: float, *, abandoned: bool) -> None:
        account = fate.who
        if fate.ending is Ending.NOT_CALLED:
            self._sleep(account, self._day(account).open_at(now_s + self._rests_s.pop(account)))
            return
        call = self._in_hand.pop(account).call
        if fate.ending is Ending.RANG_OUT:
            call = Call.RANG_OUT  # whoever would have picked up, had it rung on
        self._on_lines -= 1
        if call.is_person and not abandoned:
            counts = self._by_index[self._segment[account]]
            counts.contacts += 1
            counts.right_party += call >= Call.RIGHT_PARTY
            counts.promises += call is Call.PROMISE
        code = _CODES.get(call)
        if code is None or abandoned:
            return
        dials, day = self._dials[account], self._day(account)
        limit = self._definition.campaign.retry.max_attempts
        gap_s = day.gap_s(dials)
        if gap_s is None or (limit is not None and dials >= limit):
            return
        again_s = self._ladder.next_s(code, dials, now_s)
        if again_s is not None:
            self._sleep(account, day.open_at(max(again_s, now_s + gap_s)))
