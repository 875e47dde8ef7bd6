"""The door for webhooks: what is not signed, too large or not understood changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from telephony_adapters.errors import UnknownCall
from telephony_adapters.messages import (
    CallBridged,
    CallEnded,
    CallRinging,
    DtmfReceived,
    PlaybackFinished,
)
from telephony_adapters.twilio import twiml
from telephony_adapters.twilio.door import MOST_BYTES
from telephony_adapters.twilio.fake.faults import Fault
from telephony_adapters.twilio.twiml import AFTER_PROMPT_S
from tests.adapters.lab import FarEnd
from tests.adapters.twilio_lab import NUMBERS, TwilioLab, twilio_lab

FORM = "application/x-www-form-urlencoded"


class Knocker:
    """Somebody at the door who knows the token, or does not."""

    def __init__(self, lab: TwilioLab, session: aiohttp.ClientSession) -> None:
        self.lab = lab
        self.session = session
        self.validator = RequestValidator(lab.fake.settings.auth_token)

    async def knock(
        self,
        path: str,
        fields: Mapping[str, str],
        *,
        signature: str | None = None,
        body: bytes | None = None,
        content_type: str = FORM,
    ) -> int:
        url = f"{self.lab.adapter.settings.public_url}{path}"
        if signature is None:
            signature = self.validator.compute_signature(url, dict(fields))
        data = urlencode(fields).encode() if body is None else body
        headers = {"X-Twilio-Signature": signature, "Content-Type": content_type}
        async with self.session.post(url, data=data, headers=headers) as reply:
            return reply.status

    async def document(self, path: str, fields: dict[str, str]) -> str:
        """What Twilio is told to do next."""
        url = f"{self.lab.adapter.settings.public_url}{path}"
        headers = {"X-Twilio-Signature": self.validator.compute_signature(url, fields)}
        async with self.session.post(url, data=fields, headers=headers) as reply:
            assert reply.status == 200
            assert reply.content_type == "text/xml"
            return await reply.text()

    async def status(self, call_id: str, sid: str, status: str, **more: str) -> int:
        fields = {"CallSid": sid, "CallStatus": status, **more}
        return await self.knock(f"/twilio/call/status?call={call_id}", fields)


@pytest.fixture
async def knocker() -> AsyncIterator[Knocker]:
    async with twilio_lab() as lab, aiohttp.ClientSession() as session:
        yield Knocker(lab, session)


async def test_a_signed_webhook_is_taken(knocker: Knocker) -> None:
    lab = knocker.lab
    call_id = await lab.dial(FarEnd.RINGS)
    assert await knocker.status(call_id, lab.call(call_id).sid, "ringing") == 204
    assert len(lab.of(CallRinging, call_id)) == 1
    assert lab.adapter.webhook_counts.accepted >= 1


@pytest.mark.parametrize("signature", ["", "wrong", "b2theW9rYXlva2F5b2theW9rYXk9", "ñ"])
async def test_a_wrong_signature_is_refused_and_recorded(knocker: Knocker, signature: str) -> None:
    lab = knocker.lab
    call_id = await lab.dial(FarEnd.RINGS)
    fields = {"CallSid": lab.call(call_id).sid, "CallStatus": "completed", "To": "+13055550101"}
    with capture_logs() as logs:
        found = await knocker.knock(
            f"/twilio/call/status?call={call_id}", fields, signature=signature
        )
    assert found == 403
    assert lab.of(CallEnded, call_id) == []
    assert lab.adapter.webhook_counts.bad_signature == 1
    (entry,) = [log for log in logs if log["event"] == "twilio_webhook_refused"]
    assert entry["reason"] == "bad_signature"
    told = str(entry)
    assert "+13055550101" not in told
    assert lab.fake.settings.auth_token not in told
    assert call_id not in told


async def test_a_signature_holds_for_its_own_url_and_fields_only(knocker: Knocker) -> None:
    lab = knocker.lab
    one, two = await lab.dial(FarEnd.RINGS), await lab.dial(FarEnd.RINGS)
    fields = {"CallSid": lab.call(one).sid, "CallStatus": "completed"}
    url = f"{lab.adapter.settings.public_url}/twilio/call/status?call={one}"
    signature = knocker.validator.compute_signature(url, fields)
    for path, sent in (
        (f"/twilio/call/status?call={two}", fields),
        (f"/twilio/call/status?call={one}&x=1", fields),
        (f"/twilio/call/status?call={one}", {**fields, "CallDuration": "9"}),
        (f"/twilio/call/status?call={one}", {**fields, "CallStatus": "busy"}),
    ):
        assert await knocker.knock(path, sent, signature=signature) == 403
    assert lab.of(CallEnded, one) == []
    assert lab.of(CallEnded, two) == []


async def test_the_public_address_may_be_another_than_the_one_we_listen_at() -> None:
    """As behind a proxy that strips a path: the signature is over what Twilio was given."""
    public = "http://127.0.0.1:9/door"
    async with twilio_lab(public_url=public) as lab, aiohttp.ClientSession() as session:
        path = "/twilio/call/status?call=another"
        fields = {"CallSid": "CA" + "0" * 32, "CallStatus": "ringing"}
        url = f"http://127.0.0.1:{lab.adapter.settings.listen_port}{path}"
        validator = RequestValidator(lab.fake.settings.auth_token)
        for signed_over, expected in ((f"{public}{path}", 204), (url, 403)):
            headers = {"X-Twilio-Signature": validator.compute_signature(signed_over, fields)}
            async with session.post(url, data=fields, headers=headers) as reply:
                assert reply.status == expected


async def test_what_is_too_large_is_refused(knocker: Knocker) -> None:
    body = b"CallSid=" + b"x" * (MOST_BYTES + 1)
    assert await knocker.knock("/twilio/call/status?call=1", {}, body=body) == 413
    assert knocker.lab.adapter.webhook_counts.too_large == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"CallSid=\xff\xfe", FORM),
        (b"CallSid=%FF%FE", FORM),
        (b'{"CallSid": "CA"}', "application/json"),
        (b"a=1&" * 300, FORM),
    ],
)
async def test_what_is_no_form_is_refused(knocker: Knocker, body: bytes, content_type: str) -> None:
    path = "/twilio/call/status?call=1"
    assert await knocker.knock(path, {}, body=body, content_type=content_type) == 400
    assert knocker.lab.adapter.webhook_counts.malformed == 1


@pytest.mark.parametrize(
    "path",
    [
        "/twilio/call/status",
        "/twilio/call/status?call=",
        "/twilio/call/status?call=../../etc",
        "/twilio/call/keys?call=1",
        "/twilio/call/keys?call=1&turn=-1",
        "/twilio/leg/status?leg=" + "x" * 65,
        "/twilio/room?leg=%00",
        "/twilio/hold",
        "/twilio/recording?call=1",
        "/twilio/recording?call=1&recording=../etc",
        "/twilio/recording?recording=r1",
        "/twilio/announcement?call=1&number=x",
        "/twilio/voice",
        "/twilio/voice/status?call=1",
    ],
)
async def test_signed_nonsense_is_malformed(knocker: Knocker, path: str) -> None:
    sid = "not a SID" if "voice" in path else "CA" + "0" * 32
    fields = {"CallSid": sid, "CallStatus": "ringing", "RecordingStatus": "completed"}
    assert await knocker.knock(path, fields) == 400
    assert knocker.lab.adapter.webhook_counts.malformed == 1


async def test_a_callback_of_another_twilio_call_does_not_touch_ours(knocker: Knocker) -> None:
    lab = knocker.lab
    call_id = await lab.dial(FarEnd.RINGS)
    await lab.first(CallRinging, call_id)
    assert await knocker.status(call_id, "CA" + "f" * 32, "completed") == 204
    assert lab.of(CallEnded, call_id) == []
    assert lab.adapter.counts["webhooks_repeated"] >= 1


async def test_after_the_end_nothing_is_told(knocker: Knocker) -> None:
    lab = knocker.lab
    call_id = await lab.dial(FarEnd.BUSY)
    await lab.end(call_id)
    told = len(lab.events)
    sid = lab.call(call_id).sid
    for status in ("busy", "completed", "initiated", "in-progress", "ringing"):
        assert await knocker.status(call_id, sid, status) == 204
    assert len(lab.events) == told
    with pytest.raises(UnknownCall):
        await lab.adapter.hangup(call_id)


async def test_keys_that_are_told_twice_were_pressed_once(knocker: Knocker) -> None:
    lab = knocker.lab
    call_id = await lab.dial_and_answer()
    fields = {"CallSid": lab.call(call_id).sid, "Digits": "5"}
    path = f"/twilio/call/keys?call={call_id}&turn=0"
    first, again = [await knocker.document(path, fields) for _ in range(2)]
    assert first == again
    assert [event.digit for event in lab.of(DtmfReceived, call_id)] == ["5"]


async def test_the_end_of_a_document_that_was_replaced_does_not_end_its_successor(
    knocker: Knocker,
) -> None:
    lab = knocker.lab
    call_id = await lab.dial_and_answer()
    began_at = lab.now()
    await lab.adapter.play(call_id, lab.prompt(), "p1")
    late = {"CallSid": lab.call(call_id).sid, "Digits": "5"}
    document = await knocker.document(f"/twilio/call/keys?call={call_id}&turn=0", late)
    assert lab.prompt().text in document
    assert lab.of(PlaybackFinished, call_id) == []
    assert len(lab.of(DtmfReceived, call_id)) == 1
    finished = await lab.first(PlaybackFinished, call_id)
    assert finished.playback_id == "p1"
    once_s = lab.fake.settings.prompt_s + AFTER_PROMPT_S
    assert (finished.at - began_at).total_seconds() == pytest.approx(once_s, abs=0.5)


async def test_a_room_is_joined_once_however_often_it_is_told(knocker: Knocker) -> None:
    lab = knocker.lab
    leg_id = await lab.open_leg()
    call_id = await lab.dial_and_answer()
    await lab.adapter.bridge(call_id, leg_id)
    await lab.first(CallBridged, call_id)
    (room,) = lab.fake.exchange.rooms.live()
    sid = lab.call(call_id).sid
    fields = {
        "ConferenceSid": room.sid,
        "CallSid": sid,
        "ParticipantLabel": room.inside[sid].label,
        "StatusCallbackEvent": "participant-join",
    }
    assert await knocker.knock(f"/twilio/room?leg={leg_id}", fields) == 204
    assert sum(isinstance(event, CallBridged) for event in lab.events) == 1
    # An arrival that is told after the departure that followed it has been undone already.
    await lab.callee_hangs_up(call_id)
    await lab.end(call_id)
    assert await knocker.knock(f"/twilio/room?leg={leg_id}", fields) == 204
    assert sum(isinstance(event, CallBridged) for event in lab.events) == 1


async def test_an_announcement_ends_once_and_as_twilio_says(knocker: Knocker) -> None:
    lab = knocker.lab
    call_id, leg_id = await lab.converse()
    room = lab.call(call_id).room
    assert room is not None
    await lab.adapter.play(call_id, lab.prompt(), "p1")
    addresses = twiml.Addresses(lab.adapter.settings.public_url)
    path = f"/twilio/room?leg={leg_id}"

    async def ended(event: str, url: str, room_sid: str = room.sid) -> None:
        fields = {
            "ConferenceSid": room_sid,
            "StatusCallbackEvent": event,
            "AnnounceUrl": url,
        }
        assert await knocker.knock(path, fields) == 204

    await ended("announcement-end", addresses.announcement(call_id, 0))
    await ended("announcement-end", "https://example.com/other.mp3")
    await ended("announcement-end", addresses.announcement(call_id, 1), "CF" + "0" * 32)
    assert lab.of(PlaybackFinished, call_id) == []
    await ended("announcement-fail", addresses.announcement(call_id, 1))
    await ended("announcement-end", addresses.announcement(call_id, 1))
    (finished,) = lab.of(PlaybackFinished, call_id)
    assert (finished.playback_id, finished.failed) == ("p1", True)
    late = {"ConferenceSid": room.sid}
    document = await knocker.document(f"/twilio/announcement?call={call_id}&number=1", late)
    assert "Say" not in document, "what is over is not said"


async def test_a_twilio_that_signs_wrongly_tells_nothing() -> None:
    faults = {NUMBERS[FarEnd.ANSWERS]: Fault(wrong_signature=True)}
    async with twilio_lab(faults=faults) as lab:
        call_id = await lab.dial(FarEnd.ANSWERS)
        await lab.pass_time(6.0)
        assert lab.events == []
        assert lab.adapter.counts["webhooks_bad_signature"] == 3
        report = await lab.report(call_id)
        assert report is not None


_FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "CallSid",
            "CallStatus",
            "SequenceNumber",
            "AnsweredBy",
            "Digits",
            "Extra",
            "To",
            "From",
            "ConferenceSid",
            "StatusCallbackEvent",
            "ParticipantLabel",
            "RecordingSid",
            "RecordingStatus",
            "RecordingDuration",
        ]
    ),
    st.binary(max_size=40).map(lambda raw: raw.decode("latin-1"))
    | st.sampled_from(
        [
            "CA" + "0" * 32,
            "CF" + "0" * 32,
            "RE" + "0" * 32,
            "completed",
            "ringing",
            "human",
            "1",
            "participant-join",
            "participant-leave",
            "leg.l1.0",
            "call.c1.0",
            "+13055550199",
        ]
    ),
    max_size=9,
)
_PATHS = st.sampled_from(
    [
        "/twilio/call/status?call=c1",
        "/twilio/call/amd?call=c1",
        "/twilio/call/keys?call=c1&turn=0",
        "/twilio/leg/status?leg=l1",
        "/twilio/room?leg=l1",
        "/twilio/room",
        "/twilio/hold?call=c1",
        "/twilio/announcement?call=c1&number=1",
        "/twilio/recording?call=c1&recording=r1",
        "/twilio/voice",
        "/twilio/voice/status",
        "/twilio/other",
    ]
)


async def test_no_form_brings_the_door_down() -> None:
    """Signed or not: an answer below 500, and nobody is told of anything."""
    async with twilio_lab() as lab, aiohttp.ClientSession() as session:
        knocker = Knocker(lab, session)
        cases: list[tuple[str, dict[str, str], bool]] = []

        @settings(max_examples=240, database=None)
        @given(_PATHS, _FIELDS, st.booleans())
        def collect(path: str, fields: dict[str, str], signed: bool) -> None:
            cases.append((path, fields, signed))

        collect()
        for path, fields, signed in cases:
            status = await knocker.knock(path, fields, signature=None if signed else "no")
            assert status < 500, (path, fields)
            assert signed or status in (403, 404), (path, fields)
        assert lab.events == []
        assert len(cases) >= 200
