"""What goes into the gate and what comes out: frozen, typed, and the same in JSON.

Everything a rule can depend on is in `ContactRequest`, `Facts`, the packs and `now`; the gate
reads nothing else. Instants are timezone-aware UTC `datetime`s; zones are IANA names. A field
that is empty means *not known*, and rules treat not known as the stricter case.
"""

from __future__ import annotations

from datetime import date, datetime, time
from enum import StrEnum

import msgspec

from compliance.types import (
    AccountId,
    Attestation,
    Basis,
    CampaignId,
    Channel,
    CollectorRole,
    ConsentScope,
    ConsentType,
    ContactPointId,
    ContactPointKind,
    ContentClass,
    CreditorId,
    DebtClass,
    DebtId,
    DebtStatus,
    DecisionId,
    EventKind,
    LineType,
    Mode,
    Outcome,
    PartyRole,
    PersonId,
    PersonKind,
    PointLabel,
    Purpose,
    ReasonGroup,
    RuleKind,
    Severity,
    StatusKind,
    StreamKey,
    SuppressionScope,
    Validity,
)


class Message(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,
):
    """Base of every value that crosses a boundary."""


# --- the planned action ---------------------------------------------------------------------


class ContactRequest(Message, frozen=True, kw_only=True):
    """One contact that somebody wants to make, before anything has happened."""

    decision_id: DecisionId
    """Chosen by the caller; the decision record, the permit and the attempt carry it."""
    person_id: PersonId
    contact_point_id: ContactPointId
    channel: Channel
    mode: Mode
    purpose: Purpose = Purpose.COLLECTION
    content_class: ContentClass = ContentClass.LIVE_AGENT
    debt_ids: tuple[DebtId, ...] = ()
    """Debts the contact will name; the attempt is attributed to these, and never rewritten."""
    campaign_id: CampaignId | None = None
    agent_id: str | None = None
    prerecorded: bool = False
    """An artificial or recorded voice speaks (an AI voice is artificial)."""
    autodialed: bool = False
    """A random or sequential generator chose the number (47 USC 227(a)(1))."""
    caller_id: str | None = None
    """E.164 that the person will see; None = withheld, unless `caller_id_withheld` is false."""
    caller_id_withheld: bool | None = None
    """False: some number of ours is shown, whichever the trunk has."""
    attestation: Attestation | None = None
    sender_name: str | None = None
    text: str | None = None
    """Full text of a message or voicemail, where there is one. Rules read it; the chain keeps only
    its fingerprint (`DecisionRecord.text_sha256`)."""
    statements: tuple[str, ...] | None = None
    """Ids of what the contact will say (`mini_miranda`, `opt_out`, `recording_notice` ...), as
    its script, template or recording declares; None: not declared."""
    template_hash: str | None = None
    language: str | None = None
    """BCP 47 language that it will be in (`es`, `en-US`)."""
    ring_timeout_s: int | None = None
    connect_limit_ms: int | None = None
    """Longest wait of the person who answers, from the end of their greeting to an agent."""
    abandon_message: tuple[str, ...] | None = None
    """Ids of the statements of the recording that a person hears when no agent came in time;
    empty: nothing is played; None: not known."""
    recorded: bool | None = None
    """Whether the conversation will be recorded; None: not known."""
    recording_can_pause: bool | None = None
    answers_event_id: str | None = None
    """The inbound call, message or callback request that this contact answers."""


# --- facts -----------------------------------------------------------------------------------


class Place(Message, frozen=True, kw_only=True):
    """Where a person lives, or where a creditor is supervised. ISO 3166 codes."""

    country: str
    subdivision: str | None = None
    """ISO 3166-2, with the country: `US-FL`, `CL-RM`."""
    locality: str | None = None
    """City as written by the source; local rules compare it without accents and case."""
    postal_code: str | None = None


class StatusFact(Message, frozen=True, kw_only=True):
    kind: StatusKind
    since: datetime
    until: datetime | None = None
    source: str = ""


class PersonFacts(Message, frozen=True, kw_only=True):
    person_id: PersonId
    kind: PersonKind = PersonKind.NATURAL
    residence: Place | None = None
    zones: tuple[str, ...] = ()
    """Candidate zones of the residence. Empty: the gate derives them from the residence."""
    declared_zone: str | None = None
    """What the person told us; replaces every guess."""
    statuses: tuple[StatusFact, ...] = ()
    language: str | None = None
    """BCP 47 language that the person prefers; None: nobody has asked."""
    household_id: str | None = None
    """People of one home, where known."""


class ContactPointFacts(Message, frozen=True, kw_only=True):
    contact_point_id: ContactPointId
    kind: ContactPointKind
    address: str
    """E.164, e-mail address, or postal address line."""
    line: LineType = LineType.UNKNOWN
    label: PointLabel = PointLabel.UNKNOWN
    role: PartyRole = PartyRole.HOLDER
    """Whose it is said to be, seen from this person's account: their own, or a reference's."""
    validity: Validity = Validity.UNVERIFIED
    opted_out_at: datetime | None = None
    work_forbidden: bool = False
    shared_with: tuple[PersonId, ...] = ()
    """Other people who have the same address."""
    also_reference: bool = False
    """The same number is somebody's reference elsewhere in the ledger."""
    zones: tuple[str, ...] = ()
    """Candidate zones of the number. Empty: the gate derives them from the number."""
    region: str | None = None
    """ISO 3166-2 (or country) that the number is assigned to, where it tells."""
    acquired_at: datetime | None = None
    rank: int = 0


class DebtFacts(Message, frozen=True, kw_only=True):
    debt_id: DebtId
    account_id: AccountId
    status: DebtStatus = DebtStatus.OVERDUE
    debt_class: DebtClass = DebtClass.CONSUMER
    creditor_id: CreditorId | None = None
    role: PartyRole = PartyRole.HOLDER
    """What the person of these facts is to this debt."""
    contract_law: Place | None = None
    account_number_key: str | None = None
    """Debts under one account number count as one (cmt. 14(b)(4)-2, student loans)."""
    balance_as_of: datetime | None = None
    limitation_date: date | None = None
    validation_sent_at: datetime | None = None
    written_dispute_at: datetime | None = None


class ConsentFact(Message, frozen=True, kw_only=True):
    consent_id: str
    scope: ConsentScope
    type: ConsentType = ConsentType.EXPRESS
    given_at: datetime
    given_to: str = ""
    """`creditor`, `collector`, or a collector's name; decides whether it transfers."""
    channel: Channel | None = None
    contact_point_id: ContactPointId | None = None
    debt_ids: tuple[DebtId, ...] = ()
    renewed_at: datetime | None = None
    revoked_at: datetime | None = None
    expires_at: datetime | None = None
    evidence: str = ""


class WeeklyInterval(Message, frozen=True, kw_only=True):
    """Local times on weekdays; ISO weekdays 1 (Monday) to 7. The end is excluded."""

    weekdays: tuple[int, ...]
    start: time
    end: time


class PreferenceFact(Message, frozen=True, kw_only=True):
    """What a person asked for about when, where and how."""

    preference_id: str
    at: datetime
    channel: Channel | None = None
    contact_point_id: ContactPointId | None = None
    """The address or number that it is about; None: all."""
    allowed: tuple[WeeklyInterval, ...] = ()
    forbidden: tuple[WeeklyInterval, ...] = ()
    forbidden_labels: tuple[PointLabel, ...] = ()
    expires_at: datetime | None = None
    source: str = ""


class SuppressionFact(Message, frozen=True, kw_only=True):
    suppression_id: str
    scope: SuppressionScope
    reason: str
    starts_at: datetime
    ends_at: datetime | None = None
    channel: Channel | None = None
    target_id: str | None = None
    """Account, debt, contact point or creditor that the scope means; None for the person."""


class OverrideFact(Message, frozen=True, kw_only=True):
    """Two people let one contact, or contacts for a while, go past one house rule."""

    override_id: str
    rule_id: str
    """`PACK/RULE`; law and a person's rights are never lifted (`compliance.overrides`)."""
    starts_at: datetime
    ends_at: datetime
    contact_point_id: ContactPointId | None = None
    """None: any of the person's."""
    single_use: bool = True
    used_at: datetime | None = None
    """When the one contact of a single-use override was made."""


class NumberCheckFact(Message, frozen=True, kw_only=True):
    kind: str
    """`reassigned_numbers_database`, `wireless_scrub`, `portability`, `litigator`."""
    contact_point_id: ContactPointId
    checked_at: datetime
    answer: str


class HistoryEvent(Message, frozen=True, kw_only=True):
    """Something that happened, as a rule counts it."""

    event_id: str
    """`STREAM/SEQ` in the ledger; whatever the asker uses in a JSON question."""
    at: datetime
    kind: EventKind
    channel: Channel | None = None
    person_id: PersonId | None = None
    """None: the person of these facts. Others appear through shared numbers and accounts."""
    contact_point_id: ContactPointId | None = None
    address: str | None = None
    debt_ids: tuple[DebtId, ...] = ()
    account_ids: tuple[AccountId, ...] = ()
    creditor_id: CreditorId | None = None
    campaign_id: CampaignId | None = None
    mode: Mode | None = None
    label: PointLabel | None = None
    content_class: ContentClass | None = None
    purpose: Purpose | None = None
    role: PartyRole | None = None
    """Role of whoever was reached, where known."""
    prerecorded: bool = False
    answers_event_id: str | None = None
    retry_of: str | None = None
    """The attempt that this one repeats over another trunk or carrier: one attempt with it, if
    that one was never connected."""
    household_id: str | None = None
    collector_id: str | None = None
    """Who made it, where it came from another collector's records; None: this one."""
    misdirected: bool = False
    """Later found not to be the person's number (cmt. 14(b)(2)(i)-3)."""


class Subject(Message, frozen=True, kw_only=True):
    """One person as the ledger keeps them ready for the gate: everything but history."""

    person: PersonFacts
    contact_points: tuple[ContactPointFacts, ...] = ()
    debts: tuple[DebtFacts, ...] = ()
    consents: tuple[ConsentFact, ...] = ()
    preferences: tuple[PreferenceFact, ...] = ()
    suppressions: tuple[SuppressionFact, ...] = ()
    number_checks: tuple[NumberCheckFact, ...] = ()
    overrides: tuple[OverrideFact, ...] = ()


class Collector(Message, frozen=True, kw_only=True):
    """Who contacts: the firm that runs this Marcador, for this portfolio."""

    collector_id: str
    role: CollectorRole
    name_neutral: str = ""
    """Name that does not tell that it collects debts."""
    supervised_by: str | None = None
    """Supervisor whose rules follow the creditor, not the person (e.g. `MX-CONDUSEF`)."""
    place: Place | None = None
    accepts_written_electronically: bool = True
    languages: tuple[str, ...] = ()
    """BCP 47 languages in which people are served."""


class StatScope(StrEnum):
    """What a figure of the dialer was counted over."""

    CAMPAIGN = "campaign"
    CALLER_ID = "caller_id"
    COLLECTOR = "collector"


class AbandonmentStat(Message, frozen=True, kw_only=True):
    """Live answers and abandonments in a window that ends now."""

    window_s: int
    live_answered: int
    """Calls that a person answered, the abandoned among them."""
    abandoned: int
    scope: StatScope = StatScope.CAMPAIGN
    passed_to_agent: int | None = None
    placed: int | None = None
    resets_at: datetime | None = None
    """When the window ends and the count begins anew; None: it rolls."""


class TrafficStat(Message, frozen=True, kw_only=True):
    """Calls in a window that ends now, and how many of them were short."""

    window_s: int
    placed: int
    short: int = 0
    """Answered calls of at most `short_s` seconds, by whoever ended them."""
    short_s: int = 0
    scope: StatScope = StatScope.COLLECTOR
    resets_at: datetime | None = None


class Facts(Message, frozen=True, kw_only=True):
    """All that is known when a contact is decided. Read at one moment of the ledger."""

    subject: Subject
    collector: Collector
    history: tuple[HistoryEvent, ...] = ()
    """Oldest first; the person's own stream and every stream their contacts share."""
    heads: dict[StreamKey, int] = {}
    """Sequence number of each stream that these facts were read at: the append guards them."""
    abandonment: tuple[AbandonmentStat, ...] = ()
    emergencies: tuple[str, ...] = ()
    """Declared emergencies in force (`US-DC:public_health`)."""
    ended_emergencies: dict[str, datetime] = {}
    """When each emergency that is over ended last."""
    traffic: tuple[TrafficStat, ...] = ()
    campaign_started_at: datetime | None = None
    """Start of the request's campaign, from which its periods of 30 days are counted."""
    complete_from: datetime | None = None
    """History is complete since this instant; None: complete."""
    wide: tuple[SuppressionFact, ...] = ()
    """Suppressions of creditors and of the whole house, which bind everybody."""


# --- verdict ---------------------------------------------------------------------------------


class Citation(Message, frozen=True, kw_only=True):
    instrument: str
    locator: str
    url: str = ""
    retrieved_on: date | None = None
    text_sha256: str = ""


class Finding(Message, frozen=True, kw_only=True):
    """What one rule said about one request, with everything needed to check it by hand."""

    rule_id: str
    pack: str
    kind: RuleKind
    group: ReasonGroup
    outcome: Outcome
    severity: Severity = Severity.BLOCK
    basis: Basis = Basis.LAW
    code: str = ""
    """Stable reason within the kind: `before_opening`, `cap_reached`, `role_forbidden` ..."""
    counter: int | None = None
    limit: int | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    zones: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()
    lifted_by: str | None = None
    first_ok: datetime | None = None
    """Earliest instant at or after `now` when this rule alone would pass; None: no such instant
    is foreseeable (see `releasing_event`)."""
    releasing_event: str | None = None
    """What would have to happen for a denial that time does not release."""
    detail: dict[str, str | int] = {}


class PackRef(Message, frozen=True, kw_only=True):
    pack: str
    version: str
    sha256: str


class DecisionRecord(Message, frozen=True, kw_only=True):
    """The durable proof of one decision, allowed or blocked alike."""

    decision_id: DecisionId
    at: datetime
    request: ContactRequest
    allowed: bool
    findings: tuple[Finding, ...]
    """What every rule said that stopped, warned, was lifted, or passed by figures of its own."""
    passed: tuple[str, ...] = ()
    """Ids of the other rules that bound the contact: they passed, with nothing to count."""
    packs: tuple[PackRef, ...]
    calendars: dict[str, str] = {}
    """Country -> release of the holiday calendar that the packs used."""
    zones: tuple[str, ...] = ()
    local_times: dict[str, str] = {}
    """Wall-clock time of the decision in every candidate zone, ISO 8601 with offset."""
    heads: dict[StreamKey, int] = {}
    guards: tuple[StreamKey, ...] = ()
    """Streams whose heads must not have moved when the decision is appended."""
    first_allowed: datetime | None = None
    releasing_event: str | None = None
    tzdata_version: str = ""
    facts_sha256: str = ""
    holidays_version: str = ""
    """Source and fingerprint of the vendored holidays."""
    software: str = ""
    """Release of Marcador that decided."""
    pack_set: str = ""
    """Fingerprint of all packs that were loaded, those that did not bind among them."""
    subject_sha256: str = ""
    """Fingerprint of what was known of the person, as the ledger keeps it."""
    text_sha256: str = ""
    """Of the request's text, which is not kept here: it may hold what identifies a person. Its
    class, language, statements and version (`template_hash`) stand in the request."""
    collector: Collector | None = None
    creditor_ids: tuple[CreditorId, ...] = ()
    """Creditors of the debts that the contact names."""
    wide: tuple[SuppressionFact, ...] = ()
    """Suppressions of creditors and of the house that stood at that moment."""
    abandonment: tuple[AbandonmentStat, ...] = ()
    """The campaign's figures at that moment."""
    traffic: tuple[TrafficStat, ...] = ()
    campaign_started_at: datetime | None = None
    history_from: datetime | None = None
    """Since when history was read; None: all of it."""
    emergencies: tuple[str, ...] = ()
    """Declared emergencies that were in force."""
    ended_emergencies: dict[str, datetime] = {}
    """When others had ended last."""
