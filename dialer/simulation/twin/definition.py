"""A campaign against a world, as data: what a manager writes to ask "what if".

Shares lie between 0 and 1, times of day are local (`timezone`), durations are means with a
coefficient of variation (standard deviation over mean). Defaults are those of the simulated
carrier (`telephony_adapters.simulator.rates`), so that a definition needs to say only what is
known better.
"""

from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from campaigns.campaign import CampaignSettings
from compliance.messages import Message
from compliance.types import CollectorRole, DebtClass
from dialer.config import InboundConfig
from dialer.core.pacing.laws import is_for_agents
from telephony_adapters.simulator.rates import STAGES, WorldRates
from telephony_adapters.simulator.world import DailyHabit, hour_factor

RATES: Final = WorldRates()
LINE: Final = InboundConfig()
"""How callers wait where nothing else is configured."""
MAX_AGENTS: Final = 2_000
MAX_ACCOUNTS: Final = 1_000_000

Share = Annotated[float, Meta(ge=0, le=1)]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]
"""A local time of day, `HH:MM`."""
Hour = Annotated[int, Meta(ge=0, le=23)]
Seconds = Annotated[float, Meta(gt=0, le=7200)]


class Duration(Message, frozen=True, kw_only=True):
    """How long something takes: lognormal."""

    mean_s: Seconds
    cv: Annotated[float, Meta(ge=0, le=5)] = 0.5


class SegmentSpec(Message, frozen=True, kw_only=True):
    """Accounts that answer alike. A name of the debt's age (`1-30` ... `castigo`) has defaults."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    accounts: Annotated[int, Meta(ge=1, le=MAX_ACCOUNTS)]
    live_rate: Share | None = None
    """Persons answering, per dial of a number in service, at an hour like any other."""
    live_rate_by_hour: dict[Hour, Share] = {}
    """The same at local hours that are known apart; the others follow `live_rate`."""
    right_party: Share | None = None
    """Right parties per person answering."""
    promise: Share | None = None
    """Promises to pay per right party."""

    def __post_init__(self) -> None:
        if self.name not in STAGES:
            for key in ("live_rate", "right_party", "promise"):
                if getattr(self, key) is None:
                    raise ValueError(
                        f"`{key}` must be given: segment {self.name!r} has no defaults, only "
                        f"{', '.join(STAGES)} have"
                    )


class CallSpec(Message, frozen=True, kw_only=True):
    """What a dial meets, other than a person, and how long it takes."""

    machine_rate: Share = RATES.machine
    """Machines that would pick up, per dial of a number in service, if it rings long enough."""
    out_of_service: Share = RATES.disconnected
    """Numbers that nobody has any more, per account; each is dialed once."""
    failed_rate: Share = RATES.busy + RATES.blocked
    """Busy and refused, per dial of a number in service."""
    answer: Duration = Duration(mean_s=8.0, cv=0.37)
    """From the dial to a person's answer."""
    patience: Duration = Duration(mean_s=RATES.patience_s, cv=0.53)
    """A person hangs up after so long without an agent."""
    amd_from_s: Seconds = RATES.amd_from_s
    amd_to_s: Seconds = RATES.amd_to_s
    """Shortest and longest machine detection, where the campaign has it on."""
    amd_false_machine: Share = RATES.amd_false_machine
    """Persons taken for machines; each is an abandonment."""
    fatigue: Share = RATES.fatigue
    """Factor on answers for each dial of the same day before."""


class WorkSpec(Message, frozen=True, kw_only=True):
    """How long agents talk and wrap up, by what the call turned out to be; and look before."""

    other: Duration = Duration(mean_s=RATES.talk_other_s, cv=0.53)
    """Wrong numbers and third parties."""
    right_party: Duration = Duration(mean_s=RATES.talk_right_s, cv=0.66)
    promise: Duration = Duration(mean_s=RATES.talk_promise_s, cv=0.47)
    machine: Duration = Duration(mean_s=4.0, cv=0.2)
    """Until an agent knows that it is a machine; without detection."""
    wrap_other: Duration = Duration(mean_s=RATES.wrap_other_s, cv=0.42)
    wrap_right_party: Duration = Duration(mean_s=RATES.wrap_right_s, cv=0.42)
    wrap_promise: Duration = Duration(mean_s=RATES.wrap_promise_s, cv=0.42)
    look: Duration = Duration(mean_s=15.0, cv=0.6)
    """How long an agent looks at an account before calling or leaving it; preview only."""
    skipped: Share = 0.0
    """Accounts that agents leave to somebody else, per account looked at; preview only."""


class PauseSpec(Message, frozen=True, kw_only=True):
    """A break. Agents in a call go when its wrap-up is done."""

    at: Clock
    minutes: Annotated[float, Meta(gt=0, le=240)]
    groups: Annotated[int, Meta(ge=1, le=50)] = 1
    """The team goes in so many groups, one when the one before is due back."""


class ShiftSpec(Message, frozen=True, kw_only=True):
    """Agents who come and go together."""

    agents: Annotated[int, Meta(ge=1, le=MAX_AGENTS)]
    start: Clock
    end: Clock
    pauses: tuple[PauseSpec, ...] = ()

    def __post_init__(self) -> None:
        if minute_of(self.end) <= minute_of(self.start):
            raise ValueError(f"`end` must lie after start ({self.start}), got {self.end}")
        for pause in self.pauses:
            if not minute_of(self.start) < minute_of(pause.at) < minute_of(self.end):
                raise ValueError(
                    f"`pauses` must begin between {self.start} and {self.end}, got {pause.at}"
                )


class CallbackSpec(Message, frozen=True, kw_only=True):
    """Calls that people were promised for a time of that day. An agent is reserved before each is
    placed, as in the engine, so nobody of them is abandoned; one try each, answered or not."""

    by_hour: dict[Hour, Annotated[int, Meta(ge=0, le=10_000)]] = {}
    """How many fall due in a local hour, at any minute of it."""
    own_agent: Share = 0.5
    """Those that a certain agent promised: they wait for him, for a quarter of an hour."""
    live_rate: Share = 0.5
    """Persons answering, per callback dialed."""
    right_party: Share = 0.9
    promise: Share = 0.35


class InboundSpec(Message, frozen=True, kw_only=True):
    """Calls to us. A caller gets a free agent before anybody who was dialed."""

    by_hour: dict[Hour, Annotated[float, Meta(ge=0, le=100_000)]] = {}
    """Calls in a local hour, the mean of a Poisson stream."""
    right_party: Share = 0.7
    """Right parties per caller."""
    promise: Share = 0.3
    patience: Duration = Duration(mean_s=90.0, cv=0.8)
    """A caller hangs up after so long in line."""
    wait_s: Seconds = float(LINE.wait_s)
    """We hang up after so long (`inbound.wait_s`)."""
    max_waiting: Annotated[int, Meta(ge=1, le=10_000)] = LINE.max_waiting
    """Callers in line at the same time; whoever comes then is turned away."""
    call_back: bool = LINE.callback
    """Whoever waited in vain is called back, as `callbacks` answer."""


class LawSpec(Message, frozen=True, kw_only=True):
    """What is asked for beyond the law. The gate's packs always bind; this can only narrow them."""

    dials_per_account: Annotated[int, Meta(ge=1, le=24)] | None = None
    """Most dials of one account that day; None: as many as the packs allow."""
    start: Clock = "00:00"
    """No dial before."""
    end: Clock = "24:00"
    """No dial from then on."""


class WhereSpec(Message, frozen=True, kw_only=True):
    """Whose law it is: what the gate is asked about a person without any flag."""

    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    """ISO 3166-1 alpha-2 of the people's residence."""
    subdivision: str | None = None
    """ISO 3166-2, for countries whose law differs inside (`US-NJ`)."""
    collector_role: CollectorRole = CollectorRole.THIRD_PARTY
    debt_class: DebtClass = DebtClass.CONSUMER
    channel_authorised: bool = True
    """People have authorised calls to their number, where a law asks for that (Colombia)."""


class TwinDefinition(Message, frozen=True, kw_only=True):
    """Everything that a run of the twin depends on, but its seed."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    where: WhereSpec
    timezone: str
    """IANA zone of the team and of all times of day."""
    date: dt.date | None = None
    """Day whose law and calendar are asked; None: the next working day there."""
    segments: Annotated[tuple[SegmentSpec, ...], Meta(min_length=1, max_length=100)]
    shifts: Annotated[tuple[ShiftSpec, ...], Meta(min_length=1, max_length=50)]
    campaign: CampaignSettings = CampaignSettings()
    """As `marcador campaign create --settings` takes them."""
    calls: CallSpec = CallSpec()
    work: WorkSpec = WorkSpec()
    callbacks: CallbackSpec = CallbackSpec()
    inbound: InboundSpec = InboundSpec()
    law: LawSpec = LawSpec()
    lines: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """Calls at a time that the trunk carries; None: enough."""

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"`timezone` must be an IANA zone such as America/Bogota, got {self.timezone!r}"
            ) from error
        if not is_for_agents(self.campaign.mode):
            raise ValueError(
                f"`campaign.mode` must be predictive, progressive or preview, got "
                f"{self.campaign.mode.value}"
            )
        names = [segment.name for segment in self.segments]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"`segments` must have different names, got {twice!r} twice")
        if sum(segment.accounts for segment in self.segments) > MAX_ACCOUNTS:
            raise ValueError(f"`segments` must hold at most {MAX_ACCOUNTS:,} accounts together")
        calls = self.calls
        highest = max(_highest(segment) for segment in self.segments)
        total = calls.machine_rate + calls.failed_rate + highest
        if total > 1:
            raise ValueError(
                f"`calls` must leave room for persons: machine_rate + failed_rate + the highest "
                f"live rate ({highest:g}) must be at most 1, got {total:.3f}"
            )
        if calls.amd_from_s > calls.amd_to_s:
            raise ValueError(
                f"`calls` must have amd_from_s not above amd_to_s, got {calls.amd_from_s:g} and "
                f"{calls.amd_to_s:g}"
            )
        for key, by_hour in (
            ("callbacks", self.callbacks.by_hour),
            ("inbound", self.inbound.by_hour),
        ):
            for hour in by_hour:
                if not self.opens < 60 * (hour + 1) or not 60 * hour < self.closes:
                    raise ValueError(
                        f"`{key}` must have hours in which somebody works, got {hour} in by_hour"
                    )
        if self.agents > MAX_AGENTS:
            raise ValueError(f"`shifts` must have at most {MAX_AGENTS} agents, got {self.agents}")

    @property
    def agents(self) -> int:
        return sum(shift.agents for shift in self.shifts)

    @property
    def opens(self) -> int:
        """Minute of the local day at which the first agent comes."""
        return min(minute_of(shift.start) for shift in self.shifts)

    @property
    def closes(self) -> int:
        """Minute of the local day at which the last agent goes."""
        return max(minute_of(shift.end) for shift in self.shifts)

    @property
    def duration_s(self) -> float:
        return 60.0 * (self.closes - self.opens)

    def starts_at(self, day: dt.date) -> datetime:
        """The instant at which the floor opens on a day."""
        midnight = datetime.combine(day, time(), ZoneInfo(self.timezone))
        return (midnight + timedelta(minutes=self.opens)).astimezone(UTC)


def minute_of(clock: str) -> int:
    """Minutes from midnight of `HH:MM`."""
    hours, minutes = clock.split(":")
    return 60 * int(hours) + int(minutes)


def rates_of(segment: SegmentSpec) -> tuple[float, float, float]:
    """Live answers per dial, right parties per live answer, promises per right party."""
    stage = RATES.stage(segment.name)
    return (
        stage.live if segment.live_rate is None else segment.live_rate,
        stage.right_party_per_live if segment.right_party is None else segment.right_party,
        stage.promise if segment.promise is None else segment.promise,
    )


def live_at(segment: SegmentSpec, hour: int) -> float:
    """Persons answering, per dial, at a local hour."""
    known = segment.live_rate_by_hour.get(hour)
    if known is not None:
        return known
    live, _, _ = rates_of(segment)
    return live if segment.live_rate is not None else live * HOUR_FACTORS[hour]


def _highest(segment: SegmentSpec) -> float:
    return max(live_at(segment, hour) for hour in range(24))


def _hour_factors() -> tuple[float, ...]:
    evening, day = RATES.habit_evening, RATES.habit_day
    return tuple(
        day * hour_factor(DailyHabit.DAY, hour)
        + evening * hour_factor(DailyHabit.EVENING, hour)
        + (1.0 - day - evening) * hour_factor(DailyHabit.FLAT, hour)
        for hour in range(24)
    )


HOUR_FACTORS: Final = _hour_factors()
"""Factor on answers by local hour, over the habits that the simulated carrier mixes."""


def resized(definition: TwinDefinition, agents: int) -> TwinDefinition:
    """The same with another number of agents, spread over the shifts as before."""
    left, people = agents, definition.agents
    shifts: list[ShiftSpec] = []
    for shift in definition.shifts:
        size = round(left * shift.agents / people)
        people -= shift.agents
        left -= size
        if size:
            shifts.append(msgspec.structs.replace(shift, agents=size))
    return msgspec.structs.replace(definition, shifts=tuple(shifts))
