"""A recorded day, and a twin that lives through it again under other settings.

The record holds every attempt with its instants, its end, talk and wrap-up, and the pacing
decisions with the team they saw. It does not hold each agent's states, nor who would have answered
had they been called at another time. So here a dial meets the next attempt of the record's same
half hour (again from its beginning, in an order drawn by the seed, once there are no more), and
the team is as large as the decisions saw it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Final

import msgspec

from campaigns.campaign import CampaignSettings
from compliance.messages import Message
from dialer.core.pacing import make_pacer
from dialer.core.pacing.laws import pacing_config
from dialer.simulation.floor import Ending, Fate, Floor
from dialer.simulation.twin.results import TwinResult, figures_of
from dialer.simulation.twin.run import ClampCount, floor_settings

SLOT_S: Final = 1800.0
"""People answer alike for half an hour."""
DETECTION_S: Final = 2.5
"""Machine detection, where the record does not tell how long it took."""
LEAST_IN_SLOT: Final = 20
"""A half hour with fewer attempts borrows those of the whole day."""


class RecordedDial(Message, frozen=True, kw_only=True):
    """One attempt of the record. Seconds from the day's first moment, or durations."""

    at_s: float
    ending: Ending
    after_s: float
    """Until the pickup, the failure, or the end of ringing."""
    segment: str = ""
    talk_s: float | None = None
    """None: no agent talked."""
    wrap_up_s: float | None = None
    abandoned: bool = False
    right_party: bool = False
    promise: bool = False


class TeamAt(Message, frozen=True, kw_only=True):
    """From here on so many agents were on the floor."""

    at_s: float
    staffed: int
    idle: int = 0
    supply_bound: bool = False
    """The pacer asked for more than there were accounts to dial."""


class RecordedDay(Message, frozen=True, kw_only=True):
    """What the ledger holds of one day of a campaign."""

    duration_s: float
    dials: tuple[RecordedDial, ...]
    """In the order they were placed."""
    team: tuple[TeamAt, ...]
    """As the pacing decisions saw it, in the order of time."""


class Changes(Message, frozen=True, kw_only=True):
    """What is changed in a replay."""

    settings: CampaignSettings
    agents: int = 0
    """More agents (or fewer) for as long as anybody was there."""


def replay_day(
    day: RecordedDay,
    changes: Changes,
    seed: int,
    on_progress: Callable[[float], None] | None = None,
) -> TwinResult:
    """The day again. The same day, changes and seed give the same result."""
    settings = changes.settings
    people = RecordedPeople(day, settings, seed)
    rota = RecordedRota(day.team, changes.agents)
    clamps = ClampCount()
    floor = Floor(
        floor_settings(settings, day.duration_s),
        people,
        rota,
        make_pacer(pacing_config(settings)),
        clamps,
        on_progress,
    )
    floor.run()
    figures = figures_of(floor, agents=rota.most, seed=seed, clamps=clamps.counts)
    return people.counted(figures)


class RecordedPeople:
    """Those whom the record tells of."""

    def __init__(self, day: RecordedDay, settings: CampaignSettings, seed: int) -> None:
        self._settings = settings
        self._random = Random(f"{seed}:replay")
        slots = int(-(-day.duration_s // SLOT_S)) or 1
        self._slots: list[list[RecordedDial]] = [[] for _ in range(slots)]
        for dial in day.dials:
            self._slots[min(int(dial.at_s // SLOT_S), slots - 1)].append(dial)
        self._day = list(day.dials)
        self._bound = _bound_slots(day.team, slots)
        self._next = [0] * slots
        self._in_hand: dict[int, RecordedDial] = {}
        self._placed = 0
        self._talks = [
            (d.talk_s, d.wrap_up_s or 0.0)
            for d in day.dials
            if d.talk_s is not None and d.ending is Ending.PERSON
        ]
        self.contacts = self.right_party = self.promises = 0

    def counted(self, figures: TwinResult) -> TwinResult:
        """The floor's figures with what the calls came to."""
        return msgspec.structs.replace(
            figures,
            contacts=self.contacts,
            right_party=self.right_party,
            promises=self.promises,
        )

    def _slot(self, now_s: float) -> int:
        return min(int(now_s // SLOT_S), len(self._slots) - 1)

    def shares(self, now_s: float) -> Mapping[str, float]:
        shares: dict[str, float] = {}
        for dial in self._slots[self._slot(now_s)]:
            shares[dial.segment] = shares.get(dial.segment, 0.0) + 1.0
        return shares

    def caps(self, now_s: float) -> dict[str, int]:
        slot = self._slot(now_s)
        if not self._bound[slot]:
            return {}
        return {"supply": max(0, len(self._slots[slot]) - self._next[slot])}

    def dial(self, now_s: float, idle: Collection[str]) -> Fate | None:
        slot = self._slot(now_s)
        known = self._slots[slot]
        place = self._next[slot]
        self._next[slot] += 1
        if place < len(known):
            dial = known[place]
        else:
            pool = known if len(known) >= LEAST_IN_SLOT else self._day
            dial = self._random.choice(pool)
        self._placed += 1
        self._in_hand[self._placed] = dial
        timeout_s = float(self._settings.ring_timeout_s)
        ending, after_s = self._ending(dial), dial.after_s
        if after_s >= timeout_s and ending not in (Ending.FAILED, Ending.RANG_OUT):
            ending = Ending.RANG_OUT
        return Fate(ending, min(after_s, timeout_s), dial.segment, self._placed)

    def _ending(self, dial: RecordedDial) -> Ending:
        """A machine is found by whoever listens under these settings."""
        if dial.ending in (Ending.MACHINE, Ending.UNHEARD_MACHINE):
            return Ending.MACHINE if self._settings.amd else Ending.UNHEARD_MACHINE
        return dial.ending

    def detection(self, fate: Fate) -> tuple[float, bool]:
        return DETECTION_S, False

    def talk_s(self, fate: Fate) -> float:
        dial = self._in_hand[fate.who]
        if dial.talk_s is not None:
            return dial.talk_s
        # Nobody talked with them: they talk as somebody else did.
        talk_s, wrap_up_s = self._random.choice(self._talks) if self._talks else (60.0, 20.0)
        self._in_hand[fate.who] = msgspec.structs.replace(dial, talk_s=talk_s, wrap_up_s=wrap_up_s)
        return talk_s

    def wrap_up_s(self, fate: Fate) -> float:
        return self._in_hand[fate.who].wrap_up_s or 0.0

    def ended(self, fate: Fate, now_s: float, *, abandoned: bool) -> None:
        dial = self._in_hand.pop(fate.who)
        if fate.ending is Ending.PERSON and not abandoned:
            self.contacts += 1
            self.right_party += dial.right_party
            self.promises += dial.promise


class RecordedRota:
    """As many agents as the decisions saw, and so many more or fewer."""

    def __init__(self, team: Sequence[TeamAt], more: int) -> None:
        self._steps: list[tuple[float, int]] = []
        for seen in team:
            wanted = max(0, seen.staffed + more) if seen.staffed else 0
            if not self._steps or self._steps[-1][1] != wanted:
                self._steps.append((seen.at_s, wanted))
        self._here: list[str] = []
        self._hired = 0
        self.most = max((wanted for _, wanted in self._steps), default=0)

    def begin(self, floor: Floor) -> None:
        for at_s, wanted in self._steps:
            floor.clock.at(at_s, self._set, floor, wanted)

    def _set(self, floor: Floor, wanted: int) -> None:
        while len(self._here) < wanted:
            self._hired += 1
            self._here.append(f"r{self._hired}")
            floor.come(self._here[-1])
        while len(self._here) > wanted:
            # Who went is not on record: somebody idle, where anybody is.
            agent = next((a for a in self._here if floor.is_idle(a)), self._here[0])
            self._here.remove(agent)
            floor.leave(agent)

    def came(self, floor: Floor, agent: str) -> None:
        return None

    def left(self, floor: Floor, agent: str) -> None:
        return None


def staffed_s(team: Sequence[TeamAt], until_s: float) -> tuple[float, float]:
    """Agent-seconds on the floor, and those that were not idle, as the decisions saw them."""
    staffed = busy = 0.0
    for seen, end_s in zip(team, [*(t.at_s for t in team[1:]), until_s], strict=True):
        staffed += seen.staffed * (end_s - seen.at_s)
        busy += max(0, seen.staffed - seen.idle) * (end_s - seen.at_s)
    return staffed, busy


def team_at(team: Sequence[TeamAt], at_s: float) -> int:
    """Agents on the floor at an instant."""
    place = bisect_right(team, at_s, key=lambda seen: seen.at_s)
    return team[place - 1].staffed if place else 0


def _bound_slots(team: Sequence[TeamAt], slots: int) -> list[bool]:
    """Half hours in which the supply of accounts bound a tenth of the decisions or more."""
    seen, bound = [0] * slots, [0] * slots
    for moment in team:
        slot = min(int(moment.at_s // SLOT_S), slots - 1)
        seen[slot] += 1
        bound[slot] += moment.supply_bound
    return [n > 0 and b * 10 >= n for n, b in zip(seen, bound, strict=True)]
