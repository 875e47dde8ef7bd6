"""Disposition codes: what a contact came to, and what follows from it.

A code is a small program of effects. What each one means stands in `data/dispositions.toml`;
here are the checks that make it whole, and the two ways in which a code is chosen: by the
system from how a call ended, or by an agent from the codes that may be offered. Effects only
*declare*; whoever keeps the records applies them, in the transaction that stores the code.

Classes of contact follow the tabulation of Mexican bank manuals (contact with the holder, with a
third party who knows them, with one who does not, no contact).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from campaigns.effects import Effect, PointPolicy, Release, StateInstant, StepAction, TriesPer
from compliance.messages import Message
from compliance.types import Channel, EventKind, Mode


class DispositionCode(StrEnum):
    NO_ANSWER = "NC-NA"
    BUSY = "NC-OC"
    VOICEMAIL_NO_MESSAGE = "NC-BZ"
    VOICEMAIL_MESSAGE = "NC-BM"
    DISCONNECTED = "NC-FS"
    FAX = "NC-FX"
    CARRIER_BLOCKED = "NC-OP"
    ABANDONED = "SY-AB"
    HUNG_UP_BEFORE_TALK = "SY-CU"
    BLOCKED_BY_COMPLIANCE = "SY-CB"
    TECHNICAL_ERROR = "SY-ER"
    THIRD_PARTY_KNOWS = "CI-TC"
    WRONG_NUMBER = "CI-TN"
    WORK_REFUSED = "CI-LB"
    MINOR_ANSWERED = "CI-MN"
    REFERENCE_REACHED = "CI-RF"
    NOT_VERIFIED = "CD-NV"
    PROMISE = "CD-PP"
    PLAN = "CD-PL"
    PAID_ON_CALL = "CD-PG"
    CLAIMS_PAID = "CD-YP"
    WILLING_NO_DATE = "CD-IP"
    REFUSES = "CD-NP"
    HARDSHIP = "CD-DF"
    DISPUTES_AMOUNT = "CD-DI"
    NOT_MINE = "CD-NR"
    SERVICE_COMPLAINT = "CD-RC"
    CALLBACK = "CD-LL"
    RIGHT_PARTY_HUNG_UP = "CD-CO"
    CEASE = "CD-CS"
    NOT_THIS_WAY = "CD-CN"
    ATTORNEY = "CD-AB"
    BANKRUPTCY = "CD-QB"
    DECEASED = "CD-FA"
    VULNERABLE = "CD-VU"
    LANGUAGE_BARRIER = "CD-ID"
    COMPLAINT = "CD-QJ"
    MESSAGE_SENT = "DG-EN"
    MESSAGE_DELIVERED = "DG-ET"
    MESSAGE_READ = "DG-LE"
    NOT_DELIVERED = "DG-NE"
    OPT_OUT = "DG-OO"
    BOUNCED = "DG-RB"
    REPLIED = "DG-RS"
    PAID_BY_LINK = "DG-PE"
    VISIT_MET = "VI-EF"
    VISIT_NOT_MET = "VI-NE"

    @property
    def level(self) -> ContactClass:
        return ContactClass(self.value[:2])


RIGHT_PARTY: Final = frozenset(
    {
        code
        for code in DispositionCode
        if code.startswith("CD-") and code is not DispositionCode.NOT_VERIFIED
    }
)
"""Codes that say the person themselves was reached."""


class ContactClass(StrEnum):
    """First level of a code."""

    NO_CONTACT = "NC"
    INDIRECT = "CI"
    DIRECT = "CD"
    SYSTEM = "SY"
    DIGITAL = "DG"
    VISIT = "VI"


class NextAction(StrEnum):
    """What people are told happens next. The machine's own answer is the retry ladder."""

    OTHER_DAYPART = "other_daypart"
    SAME_PHONE = "same_phone"
    AWAIT_REPLY = "await_reply"
    NEXT_PHONE = "next_phone"
    REVIEW_CALLER_ID = "review_caller_id"
    """Never change the caller's number to get round a block."""
    PREVIEW_CALL = "preview_call"
    WAIT_FIRST_ALLOWED = "wait_first_allowed"
    RETRY = "retry"
    NEUTRAL_RETRY = "neutral_retry"
    REMOVE_REFERENCE = "remove_reference"
    NEUTRAL_LETTER = "neutral_letter"
    PROMISE_FOLLOW_UP = "promise_follow_up"
    PLAN_MONITOR = "plan_monitor"
    AWAIT_POSTING = "await_posting"
    RECONCILE_PAYMENT = "reconcile_payment"
    CALL_BACK = "call_back"
    STEP_UP = "step_up"
    HARDSHIP_OPTIONS = "hardship_options"
    DISPUTE = "dispute"
    FRAUD_KIT = "fraud_kit"
    CREDITOR_TICKET = "creditor_ticket"
    CALLBACK = "callback"
    NEXT_STEP = "next_step"
    LEGAL_NOTICE_ONLY = "legal_notice_only"
    RESPECT_PREFERENCE = "respect_preference"
    ATTORNEY_CONTACT = "attorney_contact"
    LEGAL_REVIEW = "legal_review"
    ESTATE_QUEUE = "estate_queue"
    SPECIALIST = "specialist"
    LANGUAGE_SKILL = "language_skill"
    COMPLIANCE_CASE = "compliance_case"
    CONFIRM_OPT_OUT = "confirm_opt_out"
    NEXT_CHANNEL = "next_channel"
    INBOX = "inbox"
    RECEIPT = "receipt"
    AS_MAPPED = "as_mapped"


class Counts(StrEnum):
    """Whether the code consumes a contact counter, in the United States' reading; for people.

    The gate never reads it: it counts `Disposition.outcome` as each pack says.
    """

    YES = "yes"
    NO = "no"
    IF_CONNECTED = "if_connected"
    BY_CONSENT = "by_consent"
    VISIT_CAP = "visit_cap"


class SetBy(StrEnum):
    SYSTEM = "system"
    AGENT = "agent"
    EITHER = "either"


class Identity(StrEnum):
    """What must be known of who spoke before an agent may use the code."""

    ANY = "any"
    """Whatever stops or protects is open to everybody, verified or not."""
    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"
    """Only while it is not: somebody else spoke, or it failed."""


class Field(StrEnum):
    """What an agent must give with a code."""

    AMOUNT = "amount"
    """Integer minor units with ISO 4217 currency."""
    DUE_DATE = "due_date"
    INSTALMENTS = "instalments"
    CALLBACK_AT = "callback_at"
    """An instant."""
    CALLBACK_AGENT = "callback_agent"
    """`own` or `any`, see `CallbackAgent`."""
    PREFERENCE = "preference"
    """Channels, local times or places that the person allows or forbids."""
    LANGUAGE = "language"


class CallbackAgent(StrEnum):
    OWN = "own"
    ANY = "any"


# --- the table -------------------------------------------------------------------------------


class Rung(Message, frozen=True, kw_only=True):
    """One step of a retry ladder."""

    action: StepAction = StepAction.RETRY_AT
    up_to: int | None = None
    """Applies up to this number of times; the last rung has none."""
    delay: timedelta = timedelta(0)
    business_days: int = 0
    by_country: dict[str, timedelta] = msgspec.field(default_factory=dict)
    """Longer delays by country of residence; an unknown residence takes the longest."""
    uses: StateInstant | None = None
    point: PointPolicy = PointPolicy.SAME
    mode: Mode | None = None
    """The next contact must be of this mode."""
    waits_for: Release | None = None
    max_per_day: int | None = None
    """Unanswered calls to the person in one local day; the next comes on another day."""
    as_code: DispositionCode | None = None
    """Go on as this code would, with the times above the step before as its own."""


class Disposition(Message, frozen=True, kw_only=True):
    """Everything that follows from one code."""

    code: DispositionCode
    es: str
    en: str
    outcome: EventKind | None = None
    """How laws count it; None: no contact took place."""
    next_action: NextAction
    counts: Counts
    set_by: SetBy
    identity: Identity = Identity.ANY
    requires: tuple[Field, ...] = ()
    hidden_in: tuple[str, ...] = ()
    """Countries where what the code records is forbidden, so that it is never offered."""
    effects: tuple[Effect, ...] = ()
    tries_per: TriesPer = TriesPer.POINT
    tries_within: timedelta = timedelta(days=1)
    retry: tuple[Rung, ...]

    @property
    def level(self) -> ContactClass:
        return self.code.level

    def name(self, language: str) -> str:
        """Name for people, in Spanish for `es...` and in English otherwise."""
        return self.es if language.startswith("es") else self.en


class DispositionTableError(Exception):
    """The table of dispositions is not whole; says which entry, what is wrong, how to mend it."""


DispositionTable = dict[DispositionCode, Disposition]


def parse_table(text: str, source: str) -> DispositionTable:
    """Read and check a table in TOML. Raises `DispositionTableError`, naming `source`."""
    try:
        entries = msgspec.toml.decode(text, type=dict[DispositionCode, dict[str, object]])
    except msgspec.DecodeError as error:
        raise DispositionTableError(f"{source}: {error}") from error
    table: DispositionTable = {}
    for code, fields in entries.items():
        try:
            table[code] = msgspec.convert({**fields, "code": code.value}, Disposition)
        except msgspec.ValidationError as error:
            raise DispositionTableError(f"{source}: [{code}]: {error}") from error
    missing = [code.value for code in DispositionCode if code not in table]
    if missing:
        raise DispositionTableError(
            f"{source}: no entry for {', '.join(missing)}; add a table for each"
        )
    for entry in table.values():
        problem = _ladder_problem(entry, table) or _effect_problem(entry)
        if problem:
            raise DispositionTableError(f"{source}: [{entry.code}]: {problem}")
    return {code: table[code] for code in DispositionCode}


def _ladder_problem(entry: Disposition, table: DispositionTable) -> str | None:
    if not entry.retry:
        return "retry is empty; give at least one step"
    limits = [rung.up_to for rung in entry.retry]
    if limits[-1] is not None:
        return "the last step of retry has up_to; leave it out, so that the ladder has an end"
    bounded = [limit for limit in limits[:-1] if limit is not None]
    if len(bounded) < len(limits) - 1 or bounded != sorted(set(bounded)):
        return "every step of retry but the last needs an up_to above that of the step before"
    for rung in entry.retry:
        if rung.as_code and table[rung.as_code].retry[-1].as_code:
            return f"as_code {rung.as_code} leads to another as_code; name the last one"
        if rung.action is StepAction.WAIT_FOR_EVENT and rung.waits_for is None:
            return "a step that waits for an event needs waits_for"
        if rung.delay < timedelta(0) or rung.business_days < 0:
            return "a delay cannot be negative"
    return None


def _effect_problem(entry: Disposition) -> str | None:
    for effect in entry.effects:
        if effect.after < 1 or effect.within <= timedelta(0):
            return "an effect's after must be 1 or more and its within positive"
    return None


@cache
def bundled() -> DispositionTable:
    """The table that ships with Marcador, in the order of the codes."""
    resource = files("campaigns") / "data" / "dispositions.toml"
    return parse_table(resource.read_text(encoding="utf-8"), "dispositions.toml")


def disposition(code: DispositionCode) -> Disposition:
    return bundled()[code]


def outcome_of(code: DispositionCode, *, answered: bool) -> EventKind | None:
    """How laws count a contact with this code.

    A technical error is no contact unless the call had been answered: then somebody was called
    and heard nothing.
    """
    entry = disposition(code)
    if entry.counts is Counts.IF_CONNECTED and answered:
        return EventKind.ANSWERED_DROPPED
    return entry.outcome


# --- what agents may choose ------------------------------------------------------------------

_WRITTEN: Final = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.EMAIL})
_LEVELS: Final[dict[Channel, frozenset[ContactClass]]] = {
    Channel.VOICE: frozenset(
        {
            ContactClass.NO_CONTACT,
            ContactClass.SYSTEM,
            ContactClass.INDIRECT,
            ContactClass.DIRECT,
        }
    ),
    Channel.VISIT: frozenset({ContactClass.VISIT, ContactClass.INDIRECT, ContactClass.DIRECT}),
} | {
    channel: frozenset({ContactClass.DIGITAL, ContactClass.INDIRECT, ContactClass.DIRECT})
    for channel in _WRITTEN
}


def allowed_for_agent(
    *, identity_verified: bool, country: str | None, channel: Channel = Channel.VOICE
) -> tuple[DispositionCode, ...]:
    """Codes to offer an agent, in the table's order.

    Codes that presuppose talk about the debt need a verified identity. Once it is verified, codes
    for somebody else having answered are not offered. `country` is the residence (ISO 3166-1);
    when it is not known, every code that any country hides is hidden.
    """
    return tuple(
        code
        for code, entry in bundled().items()
        if entry.set_by is not SetBy.SYSTEM
        and code.level in _LEVELS.get(channel, frozenset())
        and not (entry.hidden_in and (country is None or country in entry.hidden_in))
        and _identity_fits(entry, identity_verified)
    )


def _identity_fits(entry: Disposition, verified: bool) -> bool:
    return entry.identity is not (Identity.NOT_VERIFIED if verified else Identity.VERIFIED)


def required_fields(code: DispositionCode) -> tuple[Field, ...]:
    """What must come with the code, or it is refused."""
    return disposition(code).requires


def missing_fields(code: DispositionCode, given: Collection[Field]) -> tuple[Field, ...]:
    """Fields that the code needs and that were not given."""
    return tuple(field for field in disposition(code).requires if field not in given)


class NonPaymentReason(StrEnum):
    """Why a person did not pay, where asking is lawful."""

    UNEMPLOYMENT = "unemployment"
    ILLNESS = "illness"
    REDUCED_INCOME = "reduced_income"
    FORGOT = "forgot"
    TRAVEL = "travel"
    DISSATISFIED = "dissatisfied"
    OVER_INDEBTED = "over_indebted"
    DEATH_IN_FAMILY = "death_in_family"
    MOVED = "moved"
    NOT_SAID = "not_said"


def non_payment_reasons(country: str | None) -> tuple[NonPaymentReason, ...]:
    """Reasons that an agent may record; none in Colombia, nor where the residence is not known.

    Ley 2300 de 2023 (CO) forbids asking the consumer why an obligation was not met.
    """
    return () if country is None or country == "CO" else tuple(NonPaymentReason)


# --- how a call ended ------------------------------------------------------------------------


class CallEnding(StrEnum):
    """Why a call ended; the same words that carrier adapters use, and `unknown`."""

    NORMAL_CALLEE = "normal_callee"
    NORMAL_CALLER = "normal_caller"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNAVAILABLE = "unavailable"
    NOT_IN_SERVICE = "not_in_service"
    REJECTED = "rejected"
    CONGESTION = "congestion"
    ROUTE_DOWN = "route_down"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """The carrier never told, and its list of calls does not know it."""


class Answerer(StrEnum):
    """What answering-machine detection heard."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    UNSURE = "unsure"


class CallResult(Message, frozen=True, kw_only=True):
    """How a call ended, as far as the network and our own side can tell."""

    ending: CallEnding
    """Also tells who hung up: `normal_callee` they, `normal_caller` we."""
    rang: bool = False
    answered: bool = False
    answerer: Answerer | None = None
    """None: not asked, or no verdict before the end; taken for a person."""
    bridged: bool = False
    """An agent was connected."""
    abandoned: bool = False
    """A person answered and no agent came within the limit."""
    message_left: bool = False


_UNANSWERED: Final[dict[CallEnding, DispositionCode]] = {
    CallEnding.BUSY: DispositionCode.BUSY,
    CallEnding.NOT_IN_SERVICE: DispositionCode.DISCONNECTED,
    CallEnding.REJECTED: DispositionCode.CARRIER_BLOCKED,
    CallEnding.CONGESTION: DispositionCode.TECHNICAL_ERROR,
    CallEnding.ROUTE_DOWN: DispositionCode.TECHNICAL_ERROR,
    CallEnding.FAILED: DispositionCode.TECHNICAL_ERROR,
}
"""Every other ending of an unanswered call is taken as if it had rung."""


def automatic_code(call: CallResult) -> DispositionCode | None:
    """The code that the system sets; None when an agent talked and must say.

    A call that rang reached the person whatever the carrier says afterwards (a rejection after
    ringing is a person pressing a key). An answered call that we ended without an agent is an
    abandonment, whoever is to blame for it.
    """
    if call.bridged:
        return None
    if not (call.answered or call.abandoned):
        if call.rang:
            return DispositionCode.NO_ANSWER
        return _UNANSWERED.get(call.ending, DispositionCode.NO_ANSWER)
    if call.answerer is Answerer.FAX:
        return DispositionCode.FAX
    if call.answerer is Answerer.MACHINE:
        if call.message_left:
            return DispositionCode.VOICEMAIL_MESSAGE
        return DispositionCode.VOICEMAIL_NO_MESSAGE
    if call.ending is CallEnding.NORMAL_CALLEE and not call.abandoned:
        return DispositionCode.HUNG_UP_BEFORE_TALK
    return DispositionCode.ABANDONED


def automatic_outcome(call: CallResult) -> EventKind:
    """How laws count the call until an agent says otherwise; the strict reading of each doubt.

    A bridged call is a conversation; a call whose end nobody knows, or that we cancelled before
    it was seen to ring, stays `dial_requested` and so counts as if it had rung.
    """
    code = automatic_code(call)
    if code is None:
        return EventKind.CONVERSATION
    not_seen_to_ring = not (call.rang or call.answered or call.abandoned)
    if not_seen_to_ring and call.ending in (CallEnding.UNKNOWN, CallEnding.CANCELLED):
        return EventKind.DIAL_REQUESTED
    return outcome_of(code, answered=call.answered) or EventKind.DIAL_REQUESTED
