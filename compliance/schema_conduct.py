"""Parameters of rules about how a contact is made: sender, words, recording, dialling, records.

One structure a kind, as in `compliance.schema`. These rules look at what the request declares.
Where it declares nothing, `if_unknown` says what that means; the default stops.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import msgspec

from compliance.messages import StatScope
from compliance.schema import ConsentMatch, Count_, Doc, Explain, IfUnknown, Window, WindowUnit
from compliance.types import Attestation, EventKind

Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$")]
"""Id of a statement, an artefact or a check."""
Language = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")]
"""BCP 47; `en` also serves a person whose language is `en-US`."""
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Calls = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class NumberCheckParams(Doc, frozen=True, kw_only=True):
    """A number must have been looked up lately, and not with a bad answer.

    The latest check of that kind counts, of several at one instant the worst. Releasing event:
    `number_checked`.
    """

    check: Id
    """`reassigned_numbers_database`, `wireless_scrub`, `portability`, `litigator` ..."""
    max_age_days: Count_ | None = None
    """Days of 24 hours for which a check is good; None: for ever."""
    required: bool = True
    """False: a number that nobody has checked, or not lately, passes."""
    refuse: tuple[str, ...] = ()
    """Answers that stop, however old (`yes` of the reassigned numbers database: reassigned)."""
    accept: tuple[str, ...] = ()
    """Where given, every other answer stops."""


class Occasion(StrEnum):
    """At which contacts something must be said."""

    EVERY_CONTACT = "every_contact"
    FIRST_CONTACT = "first_contact"
    """While the person has had no conversation or message about the debts, or one is not known."""
    LATER_CONTACTS = "later_contacts"


class DisclosureParams(Doc, frozen=True, kw_only=True):
    """A statement that the contact must make."""

    statement: Id
    """Id that `ContactRequest.statements` must hold."""
    at: Occasion = Occasion.EVERY_CONTACT
    phrases: tuple[str, ...] = ()
    """Where the request has a text: one of these must be in it, compared without accents and
    case. A text with such a phrase declares the statement by itself."""
    languages: tuple[Language, ...] = ()
    """The contact must be in one of these; empty: any."""
    persons_language: bool = False
    """The contact must be in the person's language, where that is on record."""
    text: Explain | None = None
    """The words themselves, for scripts and templates."""
    if_unknown: IfUnknown = IfUnknown.STOP


class NameRule(StrEnum):
    PRESENT = "present"
    NEUTRAL = "neutral"
    """The collector's neutral name and no other: it does not tell that it collects debts."""


class SenderIdentityParams(Doc, frozen=True, kw_only=True):
    """What the person sees of who calls or writes."""

    caller_id_visible: bool = False
    prefixes: tuple[Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]{1,14}$")], ...] = ()
    """The caller id must begin with one of these (`+56600`)."""
    forbidden_prefixes: tuple[Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]{1,14}$")], ...] = ()
    attestation: tuple[Attestation, ...] = ()
    name: NameRule | None = None
    if_unknown: IfUnknown = IfUnknown.STOP


class Denominator(StrEnum):
    LIVE_ANSWERED = "live_answered"
    """Calls that a person answered (16 CFR 310.4(b)(4)(i))."""
    PASSED_OR_ABANDONED = "passed_or_abandoned"
    """Calls passed to an agent and abandoned ones (Ofcom, 2016 statement)."""
    PLACED = "placed"


def window_s(window: Window) -> int:
    """Longest length of a window, in seconds: figures are matched to rules by it."""
    days = {WindowUnit.CALENDAR_WEEK: 7, WindowUnit.CALENDAR_MONTH: 31, WindowUnit.CAMPAIGN_30D: 30}
    if window.unit is WindowUnit.ROLLING_HOURS:
        return int(timedelta(hours=window.n).total_seconds())
    return int(timedelta(days=days.get(window.unit, 1) * window.n).total_seconds())


class AbandonmentLimitParams(Doc, frozen=True, kw_only=True):
    """Share of abandoned calls at which no more calls of the bound modes are placed.

    Reads the figure of `Facts.abandonment` with the same scope and length of window. Bind it
    to automatic modes with `when`; manual calls cannot be abandoned.
    """

    max_rate: Share
    stop_at: Share | None = None
    """Lower share at which calls stop, so that the limit itself is never reached."""
    denominator: Denominator = Denominator.LIVE_ANSWERED
    window: Window
    scope: StatScope = StatScope.CAMPAIGN
    min_answered: Calls = 0
    """Fewer calls than this are taken as this many: one abandoned of three is no 33 %."""
    if_unknown: IfUnknown = IfUnknown.STOP


class TrafficShapeParams(Doc, frozen=True, kw_only=True):
    """Bounds on what a firm's calls look like as a whole: short calls, authentication by volume.

    Reads the figure of `Facts.traffic` with the same scope and length of window. The engine counts
    by collector and by campaign; by caller id nobody counts, so `if_unknown` decides there.
    """

    window: Window
    scope: StatScope = StatScope.COLLECTOR
    short_s: Annotated[int, msgspec.Meta(ge=1, le=60)] | None = None
    """A call of at most so many seconds is short."""
    max_short_share: Share | None = None
    stop_at: Share | None = None
    """Lower share at which calls stop, before the limit."""
    above: Calls = 0
    """Binds above so many short calls where `short_s` is given, else above so many calls."""
    attestation: tuple[Attestation, ...] = ()
    """Above that volume, calls must leave with one of these."""
    if_unknown: IfUnknown = IfUnknown.STOP


class RingMinParams(Doc, frozen=True, kw_only=True):
    """A call must ring this long before it is given up (15 s or four rings)."""

    seconds: Annotated[int, msgspec.Meta(ge=1, le=120)]
    if_unknown: IfUnknown = IfUnknown.STOP


class AgentConnectMaxParams(Doc, frozen=True, kw_only=True):
    """Whoever answers must have an agent within this time of the end of their greeting."""

    milliseconds: Annotated[int, msgspec.Meta(ge=0, le=60_000)]
    if_unknown: IfUnknown = IfUnknown.STOP


class AbandonMessageParams(Doc, frozen=True, kw_only=True):
    """What a person must hear when no agent came in time."""

    statements: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1)]
    """All of these (`identity`, `callback_number`, `opt_out`)."""
    within_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] | None = None
    """It must begin within this time: the request's connect limit is when it does."""
    if_unknown: IfUnknown = IfUnknown.STOP


class PrerecordedCapParams(Doc, frozen=True, kw_only=True):
    """At most so many artificial or recorded calls to one line in a window.

    Binds prerecorded contacts only, and counts the prerecorded contacts that anybody had at the
    called number.
    """

    max: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    window: Window
    events: tuple[EventKind, ...] = ()
    """What counts; empty: every attempt that was connected."""


class Parties(StrEnum):
    ONE = "one"
    """One party's consent is enough: the agent's."""
    ALL = "all"


class RecordingConsentParams(Doc, frozen=True, kw_only=True):
    """Whether a conversation may be recorded. A call that is not recorded always passes."""

    parties: Parties
    announce: Id | None = None
    """A statement that must be made (`recording_notice`): in most laws whoever goes on talking
    after it consents."""
    consent: ConsentMatch | None = None
    """With `parties = "all"`: a consent on record that serves instead of the announcement."""
    pause: bool = False
    """It must be possible to pause the recording (a refusal, a card number)."""
    if_unknown: IfUnknown = IfUnknown.STOP


class RetentionStart(StrEnum):
    CREATED = "created"
    LAST_ACTIVITY = "last_activity"
    """The last collection activity on the debt (12 CFR 1006.100)."""
    ACCOUNT_CLOSED = "account_closed"
    CAMPAIGN_ENDED = "campaign_ended"


class RetentionParams(Doc, frozen=True, kw_only=True):
    """How long something is kept. Never stops a contact: `compliance.retention` reads it."""

    artefacts: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1)]
    """`call_recording`, `call_log`, `message`, `letter`, `consent`, `decision`, `account` ...;
    `all` means every one."""
    start: RetentionStart
    years: Annotated[int, msgspec.Meta(ge=0, le=50)] = 0
    months: Annotated[int, msgspec.Meta(ge=0, le=600)] = 0
    days: Annotated[int, msgspec.Meta(ge=0, le=20_000)] = 0
    legal_hold: bool = True
    """A legal hold keeps it beyond the period."""


class LanguageAccessParams(Doc, frozen=True, kw_only=True):
    """People are served in a language they understand, where the collector has it."""

    record: bool = False
    """The person's preferred language must be on record."""
    serve: tuple[Language, ...] = ()
    """Languages in which a person who prefers one must be served."""
    serve_offered: bool = False
    """The same for every language of `Collector.languages`."""
    statement: Id | None = None
    """Statement about the languages offered that the contact must make."""
    if_unknown: IfUnknown = IfUnknown.STOP
