"""The vocabulary of compliance: identifiers and closed sets of codes.

Codes are what the ledger stores and what rule packs name; prose for people lives in the
packs (`explain`) and the message catalogs, never here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

PersonId = NewType("PersonId", str)
AccountId = NewType("AccountId", str)
DebtId = NewType("DebtId", str)
ContactPointId = NewType("ContactPointId", str)
CampaignId = NewType("CampaignId", str)
CreditorId = NewType("CreditorId", str)
DecisionId = NewType("DecisionId", str)
StreamKey = NewType("StreamKey", str)
"""Name of an event stream: a person's id, or `number:+E164`, `account:ID`, `household:ID`."""


class Channel(StrEnum):
    """How a contact reaches a person."""

    VOICE = "voice"
    RINGLESS_VOICEMAIL = "ringless_voicemail"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    EMAIL = "email"
    LETTER = "letter"
    VISIT = "visit"


class Mode(StrEnum):
    """Who or what starts the contact."""

    PREDICTIVE = "predictive"
    PROGRESSIVE = "progressive"
    PREVIEW = "preview"
    MANUAL = "manual"
    CALLBACK = "callback"
    """A call the person asked for; `ContactRequest.answers_event_id` names the request."""
    IVR = "ivr"
    BLAST = "blast"
    REPLY = "reply"
    """One answer, in the same medium, to something the person sent."""


class Purpose(StrEnum):
    """What the contact is for, as laws distinguish it."""

    COLLECTION = "collection"
    SERVICE = "service"
    MARKETING = "marketing"
    LOCATION_INFORMATION = "location_information"
    LEGAL_NOTICE = "legal_notice"


class ContentClass(StrEnum):
    """What the contact may say. The merge fields decide the lowest class a text can claim."""

    NEUTRAL = "neutral"
    """No creditor product, no amount, no debt word."""
    VERIFIED = "verified"
    """Debt data, only after right-party verification."""
    VOICEMAIL_LIMITED = "voicemail_limited"
    """12 CFR 1006.2(j) limited-content message."""
    LEGAL_NOTICE = "legal_notice"
    LIVE_AGENT = "live_agent"
    """A live conversation that starts neutral and discloses only after verification."""


class CollectorRole(StrEnum):
    FIRST_PARTY = "first_party"
    THIRD_PARTY = "third_party"
    DEBT_BUYER = "debt_buyer"


class DebtClass(StrEnum):
    CONSUMER = "consumer"
    MEDICAL = "medical"
    STUDENT = "student"
    COMMERCIAL = "commercial"
    RENT = "rent"
    UTILITY = "utility"
    UNKNOWN = "unknown"


class DebtStatus(StrEnum):
    CURRENT = "current"
    OVERDUE = "overdue"
    DISPUTED = "disputed"
    PAUSED = "paused"
    PAYMENT_CLAIMED = "payment_claimed"
    """The person says it is paid; held until reconciled."""
    IN_LITIGATION = "in_litigation"
    CHARGED_OFF = "charged_off"
    PAID = "paid"
    SETTLED = "settled"
    RECALLED = "recalled"


class PartyRole(StrEnum):
    """What a person is to a debt."""

    HOLDER = "holder"
    CO_DEBTOR = "co_debtor"
    GUARANTOR = "guarantor"
    SPOUSE = "spouse"
    PARENT_OF_MINOR = "parent_of_minor"
    LEGAL_GUARDIAN = "legal_guardian"
    EXECUTOR = "executor"
    REPRESENTATIVE = "representative"
    ATTORNEY = "attorney"
    EMPLOYER = "employer"
    RELATIVE = "relative"
    REFERENCE = "reference"
    THIRD_PARTY = "third_party"
    UNKNOWN = "unknown"


class PersonKind(StrEnum):
    NATURAL = "natural"
    LEGAL = "legal"


class StatusKind(StrEnum):
    """A fact about a person that a status gate may stop on."""

    CEASE = "cease"
    ATTORNEY = "attorney"
    BANKRUPTCY = "bankruptcy"
    DECEASED = "deceased"
    LITIGATION = "litigation"
    LITIGATOR = "litigator"
    MINOR = "minor"
    ELDERLY = "elderly"
    VULNERABLE = "vulnerable"
    INCARCERATED = "incarcerated"
    FRAUD_VICTIM = "fraud_victim"
    COMPLAINT_OPEN = "complaint_open"


class ContactPointKind(StrEnum):
    PHONE = "phone"
    EMAIL = "email"
    WHATSAPP = "whatsapp"
    POSTAL = "postal"


class LineType(StrEnum):
    MOBILE = "mobile"
    FIXED = "fixed"
    VOIP = "voip"
    TOLL_FREE = "toll_free"
    UNKNOWN = "unknown"
    """Includes numbering plans that do not tell mobile from fixed (North America)."""


class PointLabel(StrEnum):
    HOME = "home"
    WORK = "work"
    MOBILE = "mobile"
    HOSPITAL = "hospital"
    OTHER = "other"
    UNKNOWN = "unknown"


class Validity(StrEnum):
    """What is known of a contact point as this person's."""

    UNVERIFIED = "unverified"
    VERIFIED_RIGHT_PARTY = "verified_right_party"
    THIRD_PARTY = "third_party"
    WRONG_NUMBER = "wrong_number"
    DISCONNECTED = "disconnected"
    REASSIGNED = "reassigned"

    @property
    def is_dead(self) -> bool:
        """No contact for this person can use it again without new evidence."""
        return self in (Validity.WRONG_NUMBER, Validity.DISCONNECTED, Validity.REASSIGNED)


class Attestation(StrEnum):
    """SHAKEN attestation that a call leaves with (47 CFR 64.6301 ff., ATIS-1000074)."""

    A = "A"
    """The carrier knows the customer and their right to the number."""
    B = "B"
    C = "C"


class ConsentType(StrEnum):
    EXPRESS = "express"
    WRITTEN = "written"
    TWO_WAY = "two_way"
    """Shown by the person's own use of the medium."""


class ConsentScope(StrEnum):
    """What a consent is for; it lifts only rules that name it."""

    CHANNEL = "channel"
    RECORDED_VOICE = "recorded_voice"
    AUTODIALER = "autodialer"
    FREQUENCY = "frequency"
    HOURS = "hours"
    WORKPLACE = "workplace"
    THIRD_PARTY = "third_party"
    ELECTRONIC_NOTICE = "electronic_notice"
    MARKETING = "marketing"
    RECORDING = "recording"


class SuppressionScope(StrEnum):
    PERSON = "person"
    ACCOUNT = "account"
    DEBT = "debt"
    CONTACT_POINT = "contact_point"
    CHANNEL = "channel"
    CREDITOR = "creditor"
    TENANT = "tenant"


class EventKind(StrEnum):
    """What happened, as laws count it. One closed set for every jurisdiction."""

    DIAL_REQUESTED = "dial_requested"
    """Intent recorded, outcome not known (yet): counts as if it had rung."""
    NOT_CONNECTED_BUSY = "not_connected_busy"
    NOT_CONNECTED_OUT_OF_SERVICE = "not_connected_out_of_service"
    """Unallocated, disconnected, special information tone."""
    NOT_CONNECTED_NETWORK = "not_connected_network"
    """Never left our side or the carrier refused it: trunk down, rejected, congestion."""
    RANG_NO_ANSWER = "rang_no_answer"
    MACHINE_NO_MESSAGE = "machine_no_message"
    MACHINE_MESSAGE = "machine_message"
    MAILBOX_FULL = "mailbox_full"
    RINGLESS_VOICEMAIL = "ringless_voicemail"
    FAX = "fax"
    ANSWERED_DROPPED = "answered_dropped"
    """A person answered and hung up before anything was said."""
    ABANDONED = "abandoned"
    """A person answered and no agent came within the limit."""
    ANSWERED_WRONG_PARTY = "answered_wrong_party"
    ANSWERED_THIRD_PARTY = "answered_third_party"
    CONVERSATION = "conversation"
    INBOUND_CALL = "inbound_call"
    INBOUND_MESSAGE = "inbound_message"
    MESSAGE_SENT = "message_sent"
    MESSAGE_DELIVERED = "message_delivered"
    MESSAGE_BOUNCED = "message_bounced"
    MESSAGE_READ = "message_read"
    LETTER_MAILED = "letter_mailed"
    NOTICE_GIVEN = "notice_given"
    VISIT_MADE = "visit_made"
    CONSENT_GIVEN = "consent_given"
    CONSENT_REVOKED = "consent_revoked"
    PREFERENCE_SET = "preference_set"
    CEASE_RECEIVED = "cease_received"
    DISPUTE_RECEIVED = "dispute_received"
    CALLBACK_REQUESTED = "callback_requested"
    NUMBER_CHECKED = "number_checked"


class RuleKind(StrEnum):
    """One kind is one module-level evaluator; packs give the parameters."""

    CONTACT_WINDOW = "contact_window"
    BLACKOUT = "blackout"
    CONSUMER_TIME_PREFERENCE = "consumer_time_preference"
    PLACE_RULE = "place_rule"
    FREQUENCY_CAP = "frequency_cap"
    COOLDOWN = "cooldown"
    MIN_SPACING = "min_spacing"
    CHANNEL_EXCLUSIVITY = "channel_exclusivity"
    CHANNEL_AUTHORISATION = "channel_authorisation"
    RECIPIENT_RULE = "recipient_rule"
    STATUS_GATE = "status_gate"
    SEQUENCE_GATE = "sequence_gate"
    CONSENT_REQUIREMENT = "consent_requirement"
    OPT_OUT = "opt_out"
    NUMBER_CHECK = "number_check"
    CONTENT_RULE = "content_rule"
    DISCLOSURE = "disclosure"
    SENDER_IDENTITY = "sender_identity"
    ABANDONMENT_LIMIT = "abandonment_limit"
    RING_MIN = "ring_min"
    AGENT_CONNECT_MAX = "agent_connect_max"
    ABANDON_MESSAGE = "abandon_message"
    REDIAL_GUARD = "redial_guard"
    PRERECORDED_CAP = "prerecorded_cap"
    TRAFFIC_SHAPE = "traffic_shape"
    RECORDING_CONSENT = "recording_consent"
    RETENTION = "retention"
    LANGUAGE_ACCESS = "language_access"


class ReasonGroup(StrEnum):
    """Order in which reasons are told to people: the first group that denies is the headline."""

    STATUS = "status"
    RECIPIENT = "recipient"
    CONSENT = "consent"
    CONTENT = "content"
    HOURS = "hours"
    COUNTERS = "counters"
    PACING = "pacing"
    """How the dialer works as a whole: abandonment, ring time, shape of the traffic."""
    SYSTEM = "system"
    """A fact or a pack is missing, so the gate fails closed."""


class Outcome(StrEnum):
    """Result of one rule on one request."""

    PASS = "pass"
    DENY = "deny"
    HOLD = "hold"
    """Denied until a person has reviewed it."""
    WARN = "warn"
    LIFTED = "lifted"
    """Would deny, but a consent or exception that the rule names lifts it."""

    @property
    def stops(self) -> bool:
        return self is Outcome.DENY or self is Outcome.HOLD


class Severity(StrEnum):
    BLOCK = "block"
    HOLD = "hold"
    REVIEW = "review"
    WARN = "warn"


class Basis(StrEnum):
    LAW = "law"
    PRESUMPTION = "presumption"
    SAFE_HARBOUR = "safe_harbour"
    POLICY = "policy"


class PackStatus(StrEnum):
    DRAFT = "draft"
    MACHINE_CHECKED = "machine_checked"
    COUNSEL_REVIEWED = "counsel_reviewed"
