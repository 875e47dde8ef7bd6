"""Shape of a rule pack: the law as data.

A pack is a TOML file. Its envelope says whom it binds (`applies_when`), its rules say what is
forbidden, each with citation, basis, confidence and effective dates. Unknown keys are refused;
`compliance.packs` turns every mistake into a `PackError` that names file, key and value.

All conditions fail closed: a fact that is not known makes a condition hold.
"""

from __future__ import annotations

from datetime import date, time
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from compliance.messages import Citation
from compliance.types import (
    Basis,
    Channel,
    CollectorRole,
    ConsentScope,
    ConsentType,
    ContentClass,
    DebtClass,
    DebtStatus,
    EventKind,
    LineType,
    Mode,
    Outcome,
    PackStatus,
    PartyRole,
    PersonKind,
    PointLabel,
    Purpose,
    ReasonGroup,
    RuleKind,
    Severity,
    StatusKind,
    SuppressionScope,
    Validity,
)


class Doc(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Base of everything that is read from a pack file."""


Count_ = Annotated[int, msgspec.Meta(ge=1, le=400)]
"""Days, weeks or hours: bounded, so that no rule looks back or ahead without end."""


class PackKind(StrEnum):
    LAW = "law"
    REGULATOR_GUIDANCE = "regulator_guidance"
    CONTRACT = "contract"
    HOUSE_POLICY = "house_policy"


class Confidence(StrEnum):
    """How well the text behind a rule is known."""

    READ = "read"
    """Primary text read."""
    SUMMARY = "summary"
    """A law firm's, the press's or the regulator's summary read."""
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Weekday(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    @property
    def iso(self) -> int:
        """1 (Monday) to 7."""
        return list(Weekday).index(self) + 1


class ZonePolicy(StrEnum):
    """In which zones a rule's clock must be right."""

    ALL = "all"
    """Every candidate: residence and every live number of the person (cmt. 6(b)(1)(i)-2)."""
    RESIDENCE = "residence"
    NUMBER_AREA = "number_area"
    """The called number's area, while the residence does not contradict it; else both."""
    FIXED = "fixed"


class RuleException(StrEnum):
    """Circumstances in which a rule that names them does not bind."""

    REPLY_TO_INBOUND = "reply_to_inbound"
    """One answer in the same medium to something that the person sent (cmt. 6(b)(1)-2)."""
    REQUESTED_CALLBACK = "requested_callback"
    """The call that the person asked for, once."""


class IfUnknown(StrEnum):
    """What a fact means to a rule when nobody has told it."""

    STOP = "stop"
    """As if it were wrong: the rule's severity decides."""
    WARN = "warn"
    IGNORE = "ignore"
    """The rule passes."""


class CountKey(StrEnum):
    PERSON = "person"
    DEBT = "debt"
    ACCOUNT = "account"
    NUMBER = "number"
    CREDITOR = "creditor"
    HOUSEHOLD = "household"
    """Everybody of the person's household, or of unknown household at one of their numbers."""
    COLLECTOR = "collector"
    """The person's contacts by this collector: what another one did before does not count."""
    CAMPAIGN = "campaign"


class MultiDebt(StrEnum):
    """For which of several named debts a contact counts (cmt. 14(b)(4)-1)."""

    ANY_ONE = "any_one"
    """A conversation or message for each debt named; anything else for the first one."""
    ALL_NAMED = "all_named"
    ALL = "all"
    """For every debt of the person."""


class WindowUnit(StrEnum):
    ROLLING_DAYS = "rolling_days"
    """Local calendar dates, today's and the first one included."""
    ROLLING_HOURS = "rolling_hours"
    CALENDAR_DAY = "calendar_day"
    CALENDAR_WEEK = "calendar_week"
    CALENDAR_MONTH = "calendar_month"
    CAMPAIGN_30D = "campaign_30d"
    """Successive periods of 30 days from the campaign's start (16 CFR 310.4(b)(4)(i)); the last
    30 dates where the start is not known."""


class WeekStart(StrEnum):
    MON = "mon"
    SUN = "sun"
    STRICTEST = "strictest"
    """Both: the law does not say, so a contact counts while either week lasts."""


# --- whom a pack binds ------------------------------------------------------------------------


class AnyOf(Doc, frozen=True, kw_only=True):
    """A pack binds when one of these holds. Codes: `US`, `US-FL`, `US-NY/brooklyn`."""

    residence_in: tuple[str, ...] = ()
    number_region_in: tuple[str, ...] = ()
    creditor_supervised_by: tuple[str, ...] = ()
    """Compared with the collector's configuration, where no supervisor means none."""
    contract_law: tuple[str, ...] = ()


class AppliesWhen(Doc, frozen=True, kw_only=True):
    """All that is given must hold; nothing given binds everywhere."""

    any_of: AnyOf | None = None
    uncovered: bool = False
    """Binds only where no other loaded pack covers the residence's country."""
    collector_role: tuple[CollectorRole, ...] = ()
    debt_class: tuple[DebtClass, ...] = ()
    purpose: tuple[Purpose, ...] = ()
    person_kind: tuple[PersonKind, ...] = ()


class When(Doc, frozen=True, kw_only=True):
    """Kinds of contact that a rule binds, beyond its channels; empty means any."""

    modes: tuple[Mode, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    content_classes: tuple[ContentClass, ...] = ()
    lines: tuple[LineType, ...] = ()
    labels: tuple[PointLabel, ...] = ()
    prerecorded: bool | None = None
    autodialed: bool | None = None


class ConsentMatch(Doc, frozen=True, kw_only=True):
    """Which consent counts. Empty tuples mean any."""

    scope: ConsentScope
    types: tuple[ConsentType, ...] = ()
    given_to: tuple[str, ...] = ()
    within_days: Count_ | None = None
    """Local dates for which it lasts, the day it was given being the first."""
    ends_on: tuple[EventKind, ...] = ()
    """Events about the same debts that end it early."""


class Explain(Doc, frozen=True, kw_only=True):
    """What the rule says to people; `{placeholders}` are filled from the finding."""

    es: str
    en: str
    pt: str = ""


class RuleTest(Doc, frozen=True, kw_only=True):
    """An example that a pack brings along to prove a rule: a question and what the rule says.

    `marcador packs validate` asks it. The question is written as for `marcador check`, and
    needs only what the rule looks at.
    """

    name: str
    question: dict[str, object]
    expect: Outcome
    code: str = ""


class RuleDoc(Doc, frozen=True, kw_only=True):
    """One rule as written. `params` is checked against the kind's own structure."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$")]
    kind: RuleKind
    channels: tuple[Channel, ...] = ()
    direction: Literal["outbound"] = "outbound"
    params: dict[str, object] = {}
    when: When = When()
    group: ReasonGroup | None = None
    severity: Severity = Severity.BLOCK
    basis: Basis
    confidence: Confidence
    exceptions: tuple[RuleException, ...] = ()
    lifted_by: tuple[ConsentMatch, ...] = ()
    effective_from: date | None = None
    effective_to: date | None = None
    """Last day in force."""
    compliance_from: date | None = None
    """First day on which it must be complied with; in force before that, it only warns."""
    citation: Citation
    note: str = ""
    explain: Explain
    tests: tuple[RuleTest, ...] = ()


class CalendarDoc(Doc, frozen=True, kw_only=True):
    """A vendored calendar and what the pack changes in it."""

    country: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")]
    add: dict[str, str] = {}
    """ISO date -> name: late decrees, election days, local holidays."""
    remove: tuple[date, ...] = ()
    source: str | None = None
    """Release that the pack was checked against (`holidays 0.109`); another one is refused."""
    verified_through: date | None = None


class Review(Doc, frozen=True, kw_only=True):
    by: str
    on: date
    next_review_by: date


class PackDoc(Doc, frozen=True, kw_only=True):
    """One pack file."""

    pack: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    version: Annotated[str, msgspec.Meta(pattern=r"^\d{4}\.\d{1,2}\.\d+$")]
    kind: PackKind
    status: PackStatus
    title: str
    zone: str | None = None
    """Legal time of the jurisdiction: effective dates begin and end at midnight there."""
    reviewed: Review | None = None
    note: str = ""
    applies_when: AppliesWhen = AppliesWhen()
    calendars: tuple[CalendarDoc, ...] = ()
    rules: tuple[RuleDoc, ...]


# --- parameters, one structure a kind ----------------------------------------------------------


class Hours(Doc, frozen=True, kw_only=True):
    """Wall-clock span; `close` is excluded and 00:00 means the end of the day."""

    open: time
    close: time


class DayHours(Hours, frozen=True, kw_only=True):
    days: Annotated[tuple[Weekday, ...], msgspec.Meta(min_length=1)]


class ContactWindowParams(Doc, frozen=True, kw_only=True):
    weekly: Annotated[tuple[DayHours, ...], msgspec.Meta(min_length=1)]
    calendar: str | None = None
    """Country whose holidays change the hours; None: holidays are ordinary days."""
    holiday_hours: tuple[Hours, ...] = ()
    """Hours on holidays; empty: closed."""
    zones: ZonePolicy = ZonePolicy.ALL
    fixed_zone: str | None = None


class DateSpan(Doc, frozen=True, kw_only=True):
    first: date
    last: date


class BlackoutParams(Doc, frozen=True, kw_only=True):
    dates: tuple[DateSpan, ...] = ()
    emergencies: tuple[str, ...] = ()
    """Declared emergencies during which nothing may go out (`US-DC:public_health`)."""
    tail_days: Annotated[int, msgspec.Meta(ge=0, le=400)] = 0
    """Whole local dates after the date an emergency ended that are closed as well."""
    zones: ZonePolicy = ZonePolicy.ALL
    fixed_zone: str | None = None


class TimePreferenceParams(Doc, frozen=True, kw_only=True):
    zones: ZonePolicy = ZonePolicy.ALL
    sources: tuple[str, ...] = ()
    """Preferences of these sources bind, and those of unknown source; empty: all."""


class PlaceCondition(StrEnum):
    ALWAYS = "always"
    FORBIDDEN = "forbidden"
    """Only where the person or an employer forbade it."""


class PlaceRuleParams(Doc, frozen=True, kw_only=True):
    labels: Annotated[tuple[PointLabel, ...], msgspec.Meta(min_length=1)]
    condition: PlaceCondition


class Window(Doc, frozen=True, kw_only=True):
    unit: WindowUnit
    n: Count_ = 1
    first_day_inclusive: bool = True
    """Of rolling days: whether the day of a contact is the first of the n, or the day after it."""
    week_start: WeekStart = WeekStart.STRICTEST
    zones: ZonePolicy = ZonePolicy.ALL
    fixed_zone: str | None = None


class CountBasis(StrEnum):
    """Which contacts count, in the words that laws use: short for a list of events."""

    ATTEMPT = "attempt"
    """Everything that left, even to a busy line or a number not in service."""
    CONNECTED = "connected"
    """What reached the dialled number: rings, voicemail, answers, and messages sent."""
    TWO_WAY_CONTACT = "two_way_contact"
    """A conversation, or a message that the person sent."""


class Count(Doc, frozen=True, kw_only=True):
    """Which events count, and for whom. Give `events`, or a `basis` that stands for them."""

    events: tuple[EventKind, ...] = ()
    basis: CountBasis | None = None
    exclude: tuple[EventKind, ...] = ()
    """Events that a basis would count and this rule does not."""
    channels: tuple[Channel, ...] = ()
    """Channels counted together; empty: any. An event of unknown channel counts."""
    modes: tuple[Mode, ...] = ()
    labels: tuple[PointLabel, ...] = ()
    prerecorded: bool | None = None
    key: CountKey = CountKey.PERSON
    multi_debt: MultiDebt = MultiDebt.ALL_NAMED
    exclude_roles: tuple[PartyRole, ...] = ()
    """Calls that reached these do not count (attorney, creditor)."""
    exclude_replies: bool = False
    """Answers to what the person sent do not count."""
    exclude_consented: ConsentMatch | None = None
    """Contacts made while such a consent lasted do not count (12 CFR 1006.14(b)(3)(i))."""
    own_only: bool = False
    """Contacts that another collector made before do not count."""
    include_inbound: bool = False
    """Conversations that the person began count too."""


class FrequencyCapParams(Doc, frozen=True, kw_only=True):
    max: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    window: Window
    count: Count


class CooldownUnit(StrEnum):
    DAYS = "days"
    HOURS = "hours"


class CountedFrom(StrEnum):
    DAY_1 = "day_1"
    """The day of the event is the first day of silence."""
    NEXT_DAY = "next_day"


class CooldownParams(Doc, frozen=True, kw_only=True):
    length: Count_
    unit: CooldownUnit = CooldownUnit.DAYS
    counted_from: CountedFrom = CountedFrom.DAY_1
    zones: ZonePolicy = ZonePolicy.ALL
    fixed_zone: str | None = None
    count: Count


class MinSpacingParams(Doc, frozen=True, kw_only=True):
    """Give one of `clear_days` and `hours`."""

    clear_days: Count_ | None = None
    """Whole local dates that must lie between two contacts."""
    hours: Count_ | None = None
    """Hours that must lie between two contacts."""
    zones: ZonePolicy = ZonePolicy.ALL
    fixed_zone: str | None = None
    count: Count


class RedialGuardParams(Doc, frozen=True, kw_only=True):
    hours: Count_
    count: Count


class ChannelExclusivityParams(Doc, frozen=True, kw_only=True):
    window: Window
    count: Count
    """Contacts that make their channel the only one for the rest of the window."""


class ChannelAuthorisationParams(Doc, frozen=True, kw_only=True):
    given_to: tuple[str, ...] = ()
    types: tuple[ConsentType, ...] = ()


class ConsentRequirementParams(Doc, frozen=True, kw_only=True):
    consent: ConsentMatch
    max_age_days: Count_ | None = None
    renewed_by: tuple[EventKind, ...] = ()
    """Events on the same contact point that renew it."""
    renewed_by_check: str | None = None
    """Kind of number check with the answer `no` that renews it (reassigned numbers)."""
    evidence: bool = False
    """Only a consent with evidence on record counts."""


class LimitedRoles(Doc, frozen=True, kw_only=True):
    """Roles that may be contacted within limits (12 CFR 1006.10: location information)."""

    roles: Annotated[tuple[PartyRole, ...], msgspec.Meta(min_length=1)]
    purposes: tuple[Purpose, ...] = ()
    content: tuple[ContentClass, ...] = ()
    script: str | None = None
    """Statement that the contact must make."""
    max: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    """Most contacts that reached somebody of these roles, in the history that is kept."""


class RecipientRuleParams(Doc, frozen=True, kw_only=True):
    """Give `allow`, or `deny` alone: without `allow`, whoever is not denied may be contacted."""

    allow: tuple[PartyRole, ...] = ()
    """Roles that may be contacted; `unknown` must be named to be allowed."""
    limited: tuple[LimitedRoles, ...] = ()
    deny: tuple[PartyRole, ...] = ()
    """Roles that may not, whatever `allow` and `limited` say."""


class StatusGateParams(Doc, frozen=True, kw_only=True):
    statuses: tuple[StatusKind, ...] = ()
    debt_statuses: tuple[DebtStatus, ...] = ()
    releasing_event: str = "status_ended"


class OptOutParams(Doc, frozen=True, kw_only=True):
    scopes: Annotated[tuple[SuppressionScope, ...], msgspec.Meta(min_length=1)]
    keywords: dict[str, tuple[str, ...]] = {}
    """Language -> words by which a message asks to stop (47 CFR 64.1200(a)(10)); data for
    whoever reads messages, the gate takes every opt-out as effective at once."""
    confirmation: str | None = None
    """Statement that may confirm it, once."""
    effective_business_days: Annotated[int, msgspec.Meta(ge=0, le=60)] | None = None
    """Outer limit of the law; data only."""
    reopened_by: tuple[ConsentType, ...] = ()
    """Consents for the channel, given after the opt-out of an address, that end it."""


class ContentRuleParams(Doc, frozen=True, kw_only=True):
    """Classes of content and statements, allowed, demanded or forbidden. Give at least one.

    Statements are ids of what the contact declares to say (`ContactRequest.statements`).
    """

    allow: tuple[ContentClass, ...] = ()
    """Classes that may be used; empty: any."""
    forbid_classes: tuple[ContentClass, ...] = ()
    require: tuple[str, ...] = ()
    """Statements that must be made."""
    allow_only: tuple[str, ...] = ()
    """Where given, no other statements than these and the required ones may be made."""
    forbid: tuple[str, ...] = ()
    """Statements that may not be made."""
    forbid_phrases: tuple[str, ...] = ()
    """Words that a text may not hold, compared without accents and case."""
    if_unknown: IfUnknown = IfUnknown.STOP
    """What a contact that declares no statements meets."""
    if_shared: bool = False
    """Binds where other people have the same number, or it is somebody's reference."""
    if_labels: tuple[PointLabel, ...] = ()
    if_validity: tuple[Validity, ...] = ()


class SequenceGateParams(Doc, frozen=True, kw_only=True):
    """Every debt named must have had it. Where `events` name `notice_given`, a debt's own notice
    date serves as well as an event."""

    events: Annotated[tuple[EventKind, ...], msgspec.Meta(min_length=1)]
    """One of these must have happened."""
    channels: tuple[Channel, ...] = ()
    clear_days: Annotated[int, msgspec.Meta(ge=0, le=400)]
    """Whole local dates that must lie between it and this contact."""
    due_after: tuple[EventKind, ...] = ()
    """Where given, it need not come first: it is due once one of these has happened."""
    due_days: Count_ | None = None
    """Local dates after that event within which it is still in time (12 CFR 1006.34)."""
    zones: ZonePolicy = ZonePolicy.ALL
    fixed_zone: str | None = None
