"""Twilio's forms and statuses in the port's words."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony_adapters.messages import AmdVerdict, CallId, HangupCause, LegId
from telephony_adapters.prompts import Prompt
from telephony_adapters.twilio import codec, twiml
from telephony_adapters.twilio.codec import (
    CallStatus,
    Label,
    MalformedWebhook,
    OurEnd,
    RecordingState,
    RoomEvent,
    StatusChanged,
)

SID = "CA" + "0a" * 16
ROOM_SID = "CF" + "0b" * 16
RECORDING_SID = "RE" + "0c" * 16
KEYS = ("ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ")
"""Letters on the keys of a telephone, from 2 on."""


def ended(
    status: CallStatus, sip: int | None = None, *, sequence: int = 2, duration_s: int | None = 0
) -> StatusChanged:
    return StatusChanged(
        sid=SID, status=status, sip_code=sip, sequence=sequence, duration_s=duration_s
    )


def test_a_status_callback() -> None:
    frame = codec.status_changed(
        {
            "CallSid": SID,
            "CallStatus": "no-answer",
            "SequenceNumber": "2",
            "SipResponseCode": "480",
            "CallDuration": "0",
            "Timestamp": "Wed, 03 Jun 2026 15:00:07 +0000",
            "SomethingNew": "that Twilio adds tomorrow",
        }
    )
    assert frame == StatusChanged(
        sid=SID,
        status=CallStatus.NO_ANSWER,
        sequence=2,
        sip_code=480,
        duration_s=0,
        at=datetime(2026, 6, 3, 15, 0, 7, tzinfo=UTC),
    )


@pytest.mark.parametrize("stamp", ["", "yesterday", "Wed, 99 Jun 2026 15:00:07 +0000", "x" * 999])
def test_an_instant_that_cannot_be_read_is_only_less_well_known(stamp: str) -> None:
    form = {"CallSid": SID, "CallStatus": "ringing", "Timestamp": stamp}
    assert codec.status_changed(form).at is None


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"CallStatus": "ringing"}, "CallSid"),
        ({"CallSid": "CA123", "CallStatus": "ringing"}, "CallSid"),
        ({"CallSid": SID}, "CallStatus"),
        ({"CallSid": SID, "CallStatus": "exploded"}, "CallStatus"),
        ({"CallSid": SID, "CallStatus": "busy", "SipResponseCode": "-1"}, "SipResponseCode"),
        ({"CallSid": SID, "CallStatus": "busy", "SequenceNumber": "9" * 40}, "SequenceNumber"),
        ({"CallSid": SID, "CallStatus": "busy", "SequenceNumber": "²"}, "SequenceNumber"),
        ({"CallSid": SID, "CallStatus": "busy", "ErrorCode": "a\nb"}, "ErrorCode"),
    ],
)
def test_what_is_not_a_status_callback_names_its_field(form: dict[str, str], field: str) -> None:
    with pytest.raises(MalformedWebhook) as problem:
        codec.status_changed(form)
    assert problem.value.field == field


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("human", AmdVerdict.HUMAN),
        ("machine_start", AmdVerdict.MACHINE),
        ("machine_end_beep", AmdVerdict.MACHINE),
        ("machine_end_other", AmdVerdict.MACHINE),
        ("fax", AmdVerdict.FAX),
        ("unknown", AmdVerdict.UNSURE),
        ("something_new", AmdVerdict.UNSURE),
    ],
)
def test_verdicts(said: str, verdict: AmdVerdict) -> None:
    frame = codec.detected({"CallSid": SID, "AnsweredBy": said, "MachineDetectionDuration": "2400"})
    assert (frame.verdict, frame.took_ms) == (verdict, 2400)


def test_keys_are_keys_of_a_telephone() -> None:
    assert codec.gathered({"CallSid": SID, "Digits": "1*#"}).keys == "1*#"
    assert codec.gathered({"CallSid": SID}).keys == ""
    with pytest.raises(MalformedWebhook):
        codec.gathered({"CallSid": SID, "Digits": "1; DROP"})


def test_rooms() -> None:
    form = {"ConferenceSid": ROOM_SID, "CallSid": SID, "ParticipantLabel": "leg.leg-1.4"}
    joined = codec.room_changed({**form, "StatusCallbackEvent": "participant-join"})
    assert (joined.event, joined.sid) == (RoomEvent.JOIN, SID)
    assert joined.label == Label("leg-1", is_leg=True, visit=4)
    other = codec.room_changed({"ConferenceSid": ROOM_SID, "StatusCallbackEvent": "conference-end"})
    assert other.event is RoomEvent.OTHER
    with pytest.raises(MalformedWebhook):
        codec.room_changed(form)


@pytest.mark.parametrize("label", [Label("01J", is_leg=False, visit=0), Label("a-b_c", True, 12)])
def test_a_label_is_read_as_it_was_written(label: Label) -> None:
    assert codec.label_read(str(label)) == label


@pytest.mark.parametrize(
    "text", ["", "somebody", "leg.x", "leg..1", "bot.x.1", "leg.x.-1", "leg.x.1.2", "call.ñ.1"]
)
def test_labels_of_others_are_none_of_ours(text: str) -> None:
    assert codec.label_read(text) is None


@pytest.mark.parametrize(
    ("from_", "caller"),
    [
        ("+13055550101", "+13055550101"),
        ("+266696687", None),
        ("+7378742833", None),
        ("anonymous", None),
        ("sip:ana@example.com", None),
        ("", None),
    ],
)
def test_who_calls_us(from_: str, caller: str | None) -> None:
    form = {"CallSid": SID, "CallStatus": "ringing", "From": from_, "To": "+13055550199"}
    frame = codec.came_in(form)
    assert (frame.caller, frame.called) == (caller, "+13055550199")
    with pytest.raises(MalformedWebhook, match="To"):
        codec.came_in({**form, "To": ""})


def test_withheld_numbers_are_words_on_the_keys_of_a_telephone() -> None:
    keys = {letter: str(2 + n) for n, group in enumerate(KEYS) for letter in group}
    words = ("ANONYMOUS", "RESTRICTED", "BLOCKED", "UNKNOWN", "UNAVAILABLE")
    assert {"+" + "".join(keys[letter] for letter in word) for word in words} == codec.WITHHELD


def test_recordings() -> None:
    form = {"RecordingSid": RECORDING_SID, "RecordingStatus": "completed", "RecordingDuration": "7"}
    frame = codec.recording_told(form)
    assert (frame.sid, frame.state, frame.duration_s) == (
        RECORDING_SID,
        RecordingState.COMPLETED,
        7,
    )
    for wrong in ({"RecordingStatus": "played"}, {"RecordingSid": "RE1"}, {"RecordingSid": ""}):
        with pytest.raises(MalformedWebhook):
            codec.recording_told({**form, **wrong})


@pytest.mark.parametrize(
    ("frame", "cause"),
    [
        (ended(CallStatus.BUSY, 486), HangupCause.BUSY),
        (ended(CallStatus.BUSY), HangupCause.BUSY),
        (ended(CallStatus.BUSY, 603), HangupCause.REJECTED),
        (ended(CallStatus.NO_ANSWER, 480), HangupCause.UNAVAILABLE),
        (ended(CallStatus.NO_ANSWER, 487), HangupCause.NO_ANSWER),
        (ended(CallStatus.NO_ANSWER), HangupCause.NO_ANSWER),
        (ended(CallStatus.NO_ANSWER, 408, sequence=1), HangupCause.ROUTE_DOWN),
        (ended(CallStatus.FAILED, 404), HangupCause.NOT_IN_SERVICE),
        (ended(CallStatus.FAILED, 410), HangupCause.NOT_IN_SERVICE),
        (ended(CallStatus.FAILED, 484), HangupCause.NOT_IN_SERVICE),
        (ended(CallStatus.FAILED, 403), HangupCause.REJECTED),
        (ended(CallStatus.FAILED, 607), HangupCause.REJECTED),
        (ended(CallStatus.FAILED, 699), HangupCause.REJECTED),
        (ended(CallStatus.FAILED, 503), HangupCause.CONGESTION),
        (ended(CallStatus.FAILED, 488), HangupCause.CONGESTION),
        (ended(CallStatus.FAILED, 500), HangupCause.FAILED),
        (ended(CallStatus.FAILED, 499), HangupCause.FAILED),
        (ended(CallStatus.FAILED), HangupCause.FAILED),
        (ended(CallStatus.FAILED, 408, sequence=1), HangupCause.ROUTE_DOWN),
        (ended(CallStatus.CANCELED), HangupCause.CANCELLED),
        (ended(CallStatus.COMPLETED, 200, duration_s=9), HangupCause.NORMAL_CALLEE),
    ],
)
def test_endings_by_class(frame: StatusChanged, cause: HangupCause) -> None:
    assert codec.cause_of(frame, answered=False, heard_ringing=False, ours=None) is cause


@pytest.mark.parametrize(
    ("ours", "frame", "rang", "cause"),
    [
        (OurEnd.HANGUP, ended(CallStatus.CANCELED), True, HangupCause.CANCELLED),
        (OurEnd.HANGUP, ended(CallStatus.NO_ANSWER), True, HangupCause.CANCELLED),
        (OurEnd.HANGUP, ended(CallStatus.COMPLETED), True, HangupCause.CANCELLED),
        (OurEnd.HANGUP, ended(CallStatus.BUSY, 486), True, HangupCause.BUSY),
        (OurEnd.RING_TIMEOUT, ended(CallStatus.CANCELED), True, HangupCause.NO_ANSWER),
        (OurEnd.RING_TIMEOUT, ended(CallStatus.CANCELED), False, HangupCause.NO_ANSWER),
        (
            OurEnd.RING_TIMEOUT,
            ended(CallStatus.CANCELED, sequence=1),
            False,
            HangupCause.ROUTE_DOWN,
        ),
        (OurEnd.QUEUE_EXPIRED, ended(CallStatus.CANCELED), False, HangupCause.CONGESTION),
    ],
)
def test_endings_that_we_asked_for(
    ours: OurEnd, frame: StatusChanged, rang: bool, cause: HangupCause
) -> None:
    assert codec.cause_of(frame, answered=False, heard_ringing=rang, ours=ours) is cause


_FINAL = [status for status in CallStatus if status.is_final]
_FRAMES = st.builds(
    StatusChanged,
    sid=st.just(SID),
    status=st.sampled_from(_FINAL),
    sip_code=st.none() | st.integers(100, 999),
    sequence=st.none() | st.integers(0, 9),
    duration_s=st.none() | st.integers(0, 9999),
)


@given(_FRAMES, st.booleans(), st.booleans(), st.none() | st.sampled_from(list(OurEnd)))
def test_every_ending_has_a_cause_and_an_answer_is_never_taken_back(
    frame: StatusChanged, answered: bool, heard: bool, ours: OurEnd | None
) -> None:
    cause = codec.cause_of(frame, answered=answered, heard_ringing=heard, ours=ours)
    normal = cause in (HangupCause.NORMAL_CALLEE, HangupCause.NORMAL_CALLER)
    assert normal == (answered or codec.was_answered(frame, ours))
    assert codec.provider_code(frame, ours).startswith("twilio:")


_NAMES = st.sampled_from(
    ["CallSid", "CallStatus", "SequenceNumber", "SipResponseCode", "CallDuration", "Timestamp",
     "AnsweredBy", "MachineDetectionDuration", "Digits", "ConferenceSid", "StatusCallbackEvent",
     "ErrorCode"]
)  # fmt: skip
_VALUES = st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")) | st.sampled_from(
    [SID, ROOM_SID, "completed", "in-progress", "participant-join", "human", "0", "Wed, 03 Jun"]
)


@given(st.dictionaries(_NAMES, _VALUES))
def test_any_form_is_a_frame_or_malformed(form: dict[str, str]) -> None:
    for decode in (
        codec.status_changed,
        codec.detected,
        codec.gathered,
        codec.room_changed,
        codec.came_in,
        codec.recording_told,
    ):
        with contextlib.suppress(MalformedWebhook):
            decode(form)


# --- documents --------------------------------------------------------------------------------

ADDRESSES = twiml.Addresses("https://calls.example.com/twilio-door/")


def test_our_addresses_carry_our_ids() -> None:
    keys = ADDRESSES.keys(CallId("01J"), 3)
    assert keys == "https://calls.example.com/twilio-door/twilio/call/keys?call=01J&turn=3"


def test_who_waits_presses_keys_that_are_heard() -> None:
    keys = ADDRESSES.keys(CallId("01J"), 0)
    gather = ElementTree.fromstring(twiml.waiting(keys))[0]  # noqa: S314
    assert gather.tag == "Gather"
    assert gather.get("action") == keys
    assert gather.get("actionOnEmptyResult") == "true"
    assert gather.get("finishOnKey") == ""
    assert gather.get("numDigits") == "1"
    assert len(gather) == 0


def test_the_first_document_fits_into_a_create() -> None:
    """Twilio takes at most 4,000 characters of TwiML with a call."""
    keys = ADDRESSES.keys(CallId("0" * 26), 999_999)
    assert len(twiml.waiting(keys)) < 4_000
    seat = twiml.Seat(
        room=ADDRESSES.room_name(LegId("leg-" + "0" * 26)),
        label=str(Label("0" * 26, is_leg=False, visit=999_999)),
        told_url=ADDRESSES.room(LegId("leg-" + "0" * 26)),
        coaches=SID,
    )
    assert len(twiml.in_room(seat, keys, digits="1" * 64)) < 4_000


def conference_of(document: str) -> ElementTree.Element:
    found = ElementTree.fromstring(document).find("Dial/Conference")  # noqa: S314
    assert found is not None
    return found


def test_a_room_outlives_those_who_leave_it() -> None:
    leg_id = LegId("leg-1")
    name = ADDRESSES.room_name(leg_id)
    seat = twiml.Seat(room=name, label="call.01J.1", told_url=ADDRESSES.room(leg_id))
    conference = conference_of(twiml.in_room(seat, None))
    assert conference.text == name
    assert twiml.Addresses("https://other.example.com").room_name(leg_id) != name
    assert conference.get("endConferenceOnExit") == "false"
    assert conference.get("participantLabel") == "call.01J.1"
    assert conference.get("beep") == "false"
    assert conference.get("waitUrl") == ""
    assert conference.get("muted") == "false"
    assert conference.get("coach") is None


def test_on_hold_there_is_music_and_it_does_not_last_for_ever() -> None:
    alone = twiml.Seat(
        room=ADDRESSES.hold_name(CallId("01J")), label="call.01J.2", told_url="", music=True
    )
    document = twiml.in_room(alone, "https://x/keys")
    assert conference_of(document).get("waitUrl") is None, "Twilio's own music"
    dial = ElementTree.fromstring(document).find("Dial")  # noqa: S314
    assert dial is not None
    assert int(dial.get("timeLimit", "0")) == twiml.MUSIC_S
    ours = msgspec.structs.replace(alone, music_url="https://x/music.mp3")
    conference = conference_of(twiml.in_room(ours, None))
    assert (conference.get("waitUrl"), conference.get("waitMethod")) == (
        "https://x/music.mp3",
        "GET",
    )


def test_who_calls_hears_it_ring_until_something_else_is_said() -> None:
    verbs = ElementTree.fromstring(twiml.ringing(ADDRESSES.voice_in))  # noqa: S314
    assert [verb.tag for verb in verbs] == ["Pause", "Redirect"]
    assert verbs[1].text == ADDRESSES.voice_in
    assert ElementTree.fromstring(twiml.rejected())[0].tag == "Reject"  # noqa: S314


def test_keys_are_pressed_before_anything_else() -> None:
    for document in (
        twiml.waiting("https://x/keys", digits="12#"),
        twiml.in_room(twiml.Seat(room="r", label="l", told_url=""), None, digits="12#"),
    ):
        first = ElementTree.fromstring(document)[0]  # noqa: S314
        assert (first.tag, first.get("digits")) == ("Play", "12#")


@pytest.mark.parametrize(
    ("audio", "prompts_url", "verb"),
    [
        (None, None, ("Say", "Hola <Ana>", "es-MX")),
        (None, "https://p.example/es/", ("Say", "Hola <Ana>", "es-MX")),
        ("ab12", None, ("Say", "Hola <Ana>", "es-MX")),
        ("ab12", "https://p.example/es/", ("Play", "https://p.example/es/ab12.wav", None)),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_recording_is_played_where_it_is_on_the_web_else_the_words_are_said(
    audio: str | None, prompts_url: str | None, verb: tuple[str, str, str | None], whole: bool
) -> None:
    prompt = Prompt(text="Hola <Ana>", language="es", audio=audio, whole=whole)
    document = twiml.waiting("https://x/keys", twiml.spoken(prompt, prompts_url))
    response = ElementTree.fromstring(document)  # noqa: S314
    inside = response if whole else response.find("Gather")
    assert inside is not None
    tag, text, language = verb
    found = inside.find(tag)
    assert found is not None
    assert (found.text, found.get("language")) == (text, language)
    gather = response.find("Gather")
    assert gather is not None
    assert (len(gather) == 0) == whole
