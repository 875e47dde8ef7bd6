"""Twilio's webhooks as typed frames, and its endings in the port's words. Pure.

Sources: Twilio's pages "Call resource" (status callbacks: `CallStatus`, `SequenceNumber`,
`SipResponseCode`, `Timestamp`), "Answering Machine Detection", "<Gather>" and "<Conference>".
Statuses and codes are told apart by class with a default: a value that Twilio adds tomorrow
must not be an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

import msgspec

from telephony_adapters.messages import AmdVerdict, CallPhase, HangupCause

Fields = Mapping[str, str]

_SID: Final = re.compile(r"(?:CA|CF|RE)[0-9a-f]{32}")
_KEYS: Final = re.compile(r"[0-9A-D*#]{0,32}")
_LABEL: Final = re.compile(r"(call|leg)\.([A-Za-z0-9_-]{1,64})\.([0-9]{1,9})")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_LONGEST_TEXT: Final = 200
_LONGEST_URL: Final = 2_000
WITHHELD: Final = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on the keys of a telephone: what Twilio
gives for a number that was withheld."""


class MalformedWebhook(Exception):
    """A body that is signed and yet is not what Twilio documents; `field` is what is wrong."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}")
        self.field = field


class CallStatus(StrEnum):
    """States of Twilio's Call resource."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        return self not in PHASES


PHASES: Final = {
    CallStatus.QUEUED: CallPhase.DIALING,
    CallStatus.INITIATED: CallPhase.DIALING,
    CallStatus.RINGING: CallPhase.RINGING,
    CallStatus.IN_PROGRESS: CallPhase.ANSWERED,
}
"""Live states, in the order in which a call passes through them."""
LISTED: Final = (CallStatus.QUEUED, CallStatus.RINGING, CallStatus.IN_PROGRESS)
"""Those that lists can be asked for; the API itself has no `initiated`, only callbacks do."""


class OurEnd(StrEnum):
    """Why we asked Twilio to end a call."""

    HANGUP = "hangup"
    RING_TIMEOUT = "ring_timeout"
    QUEUE_EXPIRED = "queue_expired"


class StatusChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A status callback of a call or of an agent's leg."""

    sid: str
    status: CallStatus
    sequence: int | None = None
    """How many status events of this call were sent before this one."""
    sip_code: int | None = None
    error_code: str = ""
    duration_s: int | None = None
    """How long the answered call lasted."""
    at: datetime | None = None
    """UTC, cut to the second."""


class Detected(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of asynchronous machine detection."""

    sid: str
    verdict: AmdVerdict
    took_ms: int


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """A `<Gather>` came to its end: keys, or none in its time."""

    sid: str
    keys: str


class RoomEvent(StrEnum):
    JOIN = "participant-join"
    LEAVE = "participant-leave"
    ANNOUNCED = "announcement-end"
    NOT_ANNOUNCED = "announcement-fail"
    OTHER = "other"
    """Start, end, mute: of no meaning here."""


class Label(msgspec.Struct, frozen=True):
    """By what a call or leg of ours is known in a conference, one visit like the other."""

    who: str
    """Our id."""
    is_leg: bool
    visit: int

    def __str__(self) -> str:
        return f"{'leg' if self.is_leg else 'call'}.{self.who}.{self.visit}"


class RoomChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody came into a conference or left it."""

    room_sid: str
    sid: str
    """The call that came or left; empty for all else."""
    event: RoomEvent
    label: Label | None = None
    """None: not one of ours."""
    announced: str = ""
    """Of an announcement: the address that its words came from."""
    at: datetime | None = None


class CameIn(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who calls us asks what to do: the first time, or again while it rings."""

    sid: str
    status: CallStatus
    caller: str | None
    """E.164; None where it is withheld or is none."""
    called: str


class RecordingState(StrEnum):
    """What Twilio tells of a recording."""

    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    ABSENT = "absent"
    FAILED = "failed"


class RecordingTold(msgspec.Struct, frozen=True, kw_only=True):
    """A status callback of a recording."""

    sid: str
    """Of the recording."""
    state: RecordingState
    duration_s: int = 0
    error_code: str = ""


# --- decoding ----------------------------------------------------------------------------------


def status_changed(fields: Fields) -> StatusChanged:
    """A status callback. Raises `MalformedWebhook`."""
    return StatusChanged(
        sid=_sid(fields, "CallSid"),
        status=call_status(fields.get("CallStatus", "")),
        sequence=_whole(fields, "SequenceNumber"),
        sip_code=_whole(fields, "SipResponseCode"),
        error_code=_text(fields, "ErrorCode"),
        duration_s=_whole(fields, "CallDuration"),
        at=_instant(fields, "Timestamp"),
    )


def call_status(value: str) -> CallStatus:
    """A status by its name. Raises `MalformedWebhook`."""
    try:
        return CallStatus(value)
    except ValueError as error:
        raise MalformedWebhook("CallStatus", "not a status of a call") from error


def detected(fields: Fields) -> Detected:
    """The callback of asynchronous detection. Raises `MalformedWebhook`."""
    said = _text(fields, "AnsweredBy")
    if not said:
        raise MalformedWebhook("AnsweredBy", "missing")
    return Detected(
        sid=_sid(fields, "CallSid"),
        verdict=amd_verdict(said),
        took_ms=_whole(fields, "MachineDetectionDuration") or 0,
    )


def amd_verdict(answered_by: str) -> AmdVerdict:
    """`human`, `machine_start`, `machine_end_*`, `fax`; all else is unsure."""
    if answered_by == "human":
        return AmdVerdict.HUMAN
    if answered_by.startswith("machine"):
        return AmdVerdict.MACHINE
    return AmdVerdict.FAX if answered_by == "fax" else AmdVerdict.UNSURE


def gathered(fields: Fields) -> Gathered:
    """The action of a `<Gather>` or a `<Redirect>`. Raises `MalformedWebhook`."""
    keys = fields.get("Digits", "")
    if not _KEYS.fullmatch(keys):
        raise MalformedWebhook("Digits", "not keys of a telephone")
    return Gathered(sid=_sid(fields, "CallSid"), keys=keys)


def room_changed(fields: Fields) -> RoomChanged:
    """A conference's status callback. Raises `MalformedWebhook`."""
    name = _text(fields, "StatusCallbackEvent")
    if not name:
        raise MalformedWebhook("StatusCallbackEvent", "missing")
    event = RoomEvent(name) if name in set(RoomEvent) else RoomEvent.OTHER
    is_about_somebody = event in (RoomEvent.JOIN, RoomEvent.LEAVE)
    return RoomChanged(
        room_sid=_sid(fields, "ConferenceSid"),
        sid=_sid(fields, "CallSid") if is_about_somebody else "",
        event=event,
        announced=fields.get("AnnounceUrl", "")[:_LONGEST_URL],
        label=label_read(fields.get("ParticipantLabel", "")),
        at=_instant(fields, "Timestamp"),
    )


def label_read(text: str) -> Label | None:
    """Whose label this is; None where it is none of ours."""
    found = _LABEL.fullmatch(text)
    return None if found is None else Label(found[2], found[1] == "leg", int(found[3]))


def came_in(fields: Fields) -> CameIn:
    """The webhook of a number that is called. Raises `MalformedWebhook`."""
    caller, called = _text(fields, "From"), _text(fields, "To")
    if not called:
        raise MalformedWebhook("To", "missing")
    known = caller not in WITHHELD and _E164.fullmatch(caller) is not None
    return CameIn(
        sid=_sid(fields, "CallSid"),
        status=call_status(fields.get("CallStatus", "")),
        caller=caller if known else None,
        called=called,
    )


def recording_told(fields: Fields) -> RecordingTold:
    """A recording's status callback. Raises `MalformedWebhook`."""
    try:
        state = RecordingState(fields.get("RecordingStatus", ""))
    except ValueError as error:
        raise MalformedWebhook("RecordingStatus", "not a status of a recording") from error
    return RecordingTold(
        sid=_sid(fields, "RecordingSid"),
        state=state,
        duration_s=_whole(fields, "RecordingDuration") or 0,
        error_code=_text(fields, "ErrorCode"),
    )


def _sid(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    if not _SID.fullmatch(value):
        raise MalformedWebhook(name, "two letters and 32 hexadecimal digits are due")
    return value


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise MalformedWebhook(name, "too long or not printable")
    return value


def _whole(fields: Fields, name: str) -> int | None:
    value = fields.get(name, "")
    if not value:
        return None
    if len(value) > 9 or not (value.isascii() and value.isdigit()):
        raise MalformedWebhook(name, "a whole number is due")
    return int(value)


def _instant(fields: Fields, name: str) -> datetime | None:
    """RFC 2822 as Twilio writes it; an instant that cannot be read is only less well known."""
    value = fields.get(name, "")
    if not value or len(value) > _LONGEST_TEXT:
        return None
    try:
        at = parsedate_to_datetime(value)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


# --- endings -----------------------------------------------------------------------------------

_SIP_CAUSES: Final = {
    403: HangupCause.REJECTED,
    404: HangupCause.NOT_IN_SERVICE,
    410: HangupCause.NOT_IN_SERVICE,
    480: HangupCause.UNAVAILABLE,
    484: HangupCause.NOT_IN_SERVICE,
    486: HangupCause.BUSY,
    488: HangupCause.CONGESTION,
    503: HangupCause.CONGESTION,
    600: HangupCause.BUSY,
    603: HangupCause.REJECTED,
    604: HangupCause.NOT_IN_SERVICE,
    607: HangupCause.REJECTED,
    608: HangupCause.REJECTED,
}
"""SIP answers that mean one thing only (RFC 3261, RFC 8197, RFC 8688)."""
_RANG_OUT_CODES: Final = frozenset({408, 487})
"""Nobody answered in time, or Twilio itself gave up."""


def rang(ended: StatusChanged, *, heard_ringing: bool) -> bool:
    """Did it ring? The final event's number tells of a `ringing` that was lost on the way:
    `initiated` is 0, `ringing` 1, so an unanswered call's end is 2 only if it rang."""
    return heard_ringing or (ended.sequence is not None and ended.sequence >= 2)


def cause_of(
    ended: StatusChanged, *, answered: bool, heard_ringing: bool, ours: OurEnd | None
) -> HangupCause:
    """Why a call ended, from its final status, the SIP answer, and what we had asked for."""
    if answered or was_answered(ended, ours):
        return HangupCause.NORMAL_CALLER if ours is OurEnd.HANGUP else HangupCause.NORMAL_CALLEE
    unanswered = (
        HangupCause.NO_ANSWER
        if rang(ended, heard_ringing=heard_ringing)
        else HangupCause.ROUTE_DOWN
    )
    if ended.status in (CallStatus.CANCELED, CallStatus.COMPLETED):
        if ours is OurEnd.RING_TIMEOUT:
            return unanswered
        return HangupCause.CONGESTION if ours is OurEnd.QUEUE_EXPIRED else HangupCause.CANCELLED
    if ended.status is CallStatus.NO_ANSWER and ours is OurEnd.HANGUP:
        return HangupCause.CANCELLED
    if ended.sip_code in _SIP_CAUSES:
        return _SIP_CAUSES[ended.sip_code]
    if ended.status is CallStatus.BUSY:
        return HangupCause.BUSY
    if ended.status is CallStatus.NO_ANSWER or ended.sip_code in _RANG_OUT_CODES:
        return unanswered
    if ended.sip_code is not None and 600 <= ended.sip_code <= 699:
        return HangupCause.REJECTED
    return HangupCause.FAILED


def inbound_cause(*, answered: bool, ours: OurEnd | None) -> HangupCause:
    """Why a call that came to us ended: who calls is the callee of the port's words."""
    if ours is None:
        return HangupCause.NORMAL_CALLEE
    return HangupCause.NORMAL_CALLER if answered else HangupCause.CANCELLED


def was_answered(ended: StatusChanged, ours: OurEnd | None) -> bool:
    """A completed call was answered, even if we never heard of it; one that we ended while it
    rang may be called completed too, but then it has lasted no time."""
    if ended.status is not CallStatus.COMPLETED:
        return False
    return ours is None or bool(ended.duration_s)


def provider_code(ended: StatusChanged, ours: OurEnd | None) -> str:
    """Twilio's own words, e.g. `twilio:no-answer sip:480`."""
    words = [f"twilio:{ended.status}"]
    if ended.sip_code is not None:
        words.append(f"sip:{ended.sip_code}")
    if ended.error_code:
        words.append(f"error:{ended.error_code}")
    if ours is OurEnd.QUEUE_EXPIRED:
        words.append("queue_expired")
    return " ".join(words)
