"""Twilio's messages as typed frames, its codes by class, and a door that nothing brings down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from compliance.types import Channel
from telephony_adapters.messaging import (
    DeliveryState,
    MessageMoved,
    MessageReceived,
    OutboundMessage,
    Refusal,
)
from telephony_adapters.simulator.correspondents import Fate
from telephony_adapters.twilio.codec import MalformedWebhook
from telephony_adapters.twilio.dispatches import Dispatches
from telephony_adapters.twilio.door import MOST_BYTES
from telephony_adapters.twilio.fake.outcomes import (
    Ending,
    UnreadableOutcome,
    parse_outcome,
)
from telephony_adapters.twilio.message_codec import (
    MessageStatus,
    address_of,
    refusal_of,
    status_told,
    written,
)
from tests.adapters.messaging_lab import FarSide
from tests.adapters.twilio_messages_lab import NUMBERS, OWN, TwilioMessagesLab, messages_lab
from tests.support.manual_clock import START

SID = "SM" + "a" * 32
FORM = "application/x-www-form-urlencoded"
INBOUND = {"MessageSid": SID, "From": "+56912345678", "To": OWN, "Body": "BAJA"}


# --- frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "state", "refusal"),
    [
        ("queued", "", None, None),
        ("accepted", "", None, None),
        ("sending", "", None, None),
        ("sent", "", DeliveryState.SENT, None),
        ("delivered", "", DeliveryState.DELIVERED, None),
        ("read", "", DeliveryState.READ, None),
        ("undelivered", "30003", DeliveryState.FAILED, Refusal.UNREACHABLE),
        ("undelivered", "30005", DeliveryState.BOUNCED, Refusal.INVALID_ADDRESS),
        ("undelivered", "30006", DeliveryState.BOUNCED, Refusal.NOT_MOBILE),
        ("undelivered", "30007", DeliveryState.FAILED, Refusal.FILTERED),
        ("undelivered", "30008", DeliveryState.FAILED, Refusal.OTHER),
        ("failed", "63016", DeliveryState.FAILED, Refusal.OUTSIDE_WINDOW),
        ("failed", "", DeliveryState.FAILED, Refusal.OTHER),
        ("canceled", "", DeliveryState.FAILED, Refusal.OTHER),
    ],
)
def test_statuses(
    status: str, error: str, state: DeliveryState | None, refusal: Refusal | None
) -> None:
    told = status_told({"MessageSid": SID, "MessageStatus": status, "ErrorCode": error})
    assert (told.state, told.refusal) == (state, refusal)
    assert told.provider_code.startswith(f"twilio:{status}")


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        (21211, Refusal.INVALID_ADDRESS),
        (21610, Refusal.OPTED_OUT),
        (21614, Refusal.NOT_MOBILE),
        (21408, Refusal.ACCOUNT),
        (21661, Refusal.ACCOUNT),
        (30004, Refusal.FILTERED),
        (30034, Refusal.ACCOUNT),
        (30036, Refusal.RATE),
        (30460, Refusal.ACCOUNT),
        (30863, Refusal.ACCOUNT),
        (63003, Refusal.INVALID_ADDRESS),
        (63018, Refusal.RATE),
        (63027, Refusal.CONTENT),
        (20429, Refusal.RATE),
    ],
)
def test_codes(code: int, refusal: Refusal) -> None:
    assert refusal_of(code) is refusal


@given(st.integers(0, 99_999))
def test_a_code_that_nobody_knows_is_final_for_nobody(code: int) -> None:
    refusal = refusal_of(code)
    known = {21211, 21217, 30005, 63003, 63024, 21614, 21635, 30006, 21610, 63033}
    assert refusal.is_permanent == (code in known)


def test_what_came_in() -> None:
    told = written({**INBOUND, "NumMedia": "2"})
    assert (told.channel, told.sender, told.to) == (Channel.SMS, "+56912345678", OWN)
    assert (told.text, told.media, told.in_reply_to) == ("BAJA", 2, None)
    whatsapp = written(
        {**INBOUND, "From": "whatsapp:+56912345678", "To": f"whatsapp:{OWN}",
         "OriginalRepliedMessageSid": SID}
    )  # fmt: skip
    assert (whatsapp.channel, whatsapp.sender) == (Channel.WHATSAPP, "+56912345678")
    assert whatsapp.in_reply_to == SID
    assert written({**INBOUND, "From": "72345"}).sender == "72345"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("+5215512345678", "+525512345678"),
        ("+525512345678", "+525512345678"),
        ("+551187654321", "+5511987654321"),
        ("+5511987654321", "+5511987654321"),
        ("+551133334444", "+551133334444"),
        ("+5491123456789", "+5491123456789"),
    ],
)
def test_who_writes_on_whatsapp_is_told_as_ledgers_keep_the_number(given: str, told: str) -> None:
    heard = written({**INBOUND, "From": f"whatsapp:{given}", "To": f"whatsapp:{OWN}"})
    assert heard.sender == told
    assert written({**INBOUND, "From": given}).sender == given


@pytest.mark.parametrize(
    "wrong",
    [
        {"MessageSid": "SM1"},
        {"MessageSid": "CA" + "a" * 32},
        {"From": ""},
        {"From": "messenger:123"},
        {"From": "+569\n12345678"},
        {"To": "x" * 65},
        {"Body": "x" * 4_097},
        {"NumMedia": "many"},
        {"NumMedia": "²"},
    ],
)
def test_what_is_not_twilios_is_malformed(wrong: Mapping[str, str]) -> None:
    with pytest.raises(MalformedWebhook):
        written({**INBOUND, **wrong})


TEXT = st.text(max_size=80)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["MessageSid", "MessageStatus", "ErrorCode", "From", "To", "Body", "NumMedia",
         "OriginalRepliedMessageSid"]
    ),
    TEXT | st.sampled_from([SID, "sent", "undelivered", "30003", "whatsapp:+1", OWN, "9" * 10]),
)  # fmt: skip


@given(FIELDS)
def test_no_form_is_an_error(fields: dict[str, str]) -> None:
    for decode in (status_told, written):
        try:
            decode(fields)
        except MalformedWebhook as malformed:
            told = malformed.field
        else:
            told = "MessageSid"
        assert told


@given(TEXT)
def test_an_address_is_one_line_of_a_channel_that_is_carried(text: str) -> None:
    try:
        channel, address = address_of(text, "From")
    except MalformedWebhook:
        return
    assert address.isprintable()
    assert ":" not in address
    assert (channel is Channel.WHATSAPP) == text.startswith("whatsapp:")


# --- memory --------------------------------------------------------------------------------------


def test_the_oldest_messages_are_forgotten_first() -> None:
    lab = TwilioMessagesLab(Channel.SMS, None)
    memory = Dispatches(limit=3)
    messages = [lab.message(OWN) for _ in range(5)]
    for n, message in enumerate(messages):
        memory.bind(memory.add(message, START), f"SM{n}")
    assert [memory.get(message.message_id) is not None for message in messages] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert [memory.is_bound(f"SM{n}") for n in range(5)] == [False, False, True, True, True]


# --- the door ------------------------------------------------------------------------------------


class Knocker:
    """Somebody at the door who knows the token, or does not."""

    def __init__(self, lab: TwilioMessagesLab, session: aiohttp.ClientSession) -> None:
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
    ) -> int:
        url = f"{self.lab.adapter.settings.public_url}{path}"
        if signature is None:
            signature = self.validator.compute_signature(url, dict(fields))
        data = urlencode(fields).encode("utf-8", "surrogatepass") if body is None else body
        headers = {"X-Twilio-Signature": signature, "Content-Type": FORM}
        async with self.session.post(url, data=data, headers=headers) as reply:
            return reply.status


@pytest.fixture
async def knocker() -> AsyncIterator[Knocker]:
    async with messages_lab() as lab, aiohttp.ClientSession() as session:
        yield Knocker(lab, session)


async def test_a_replayed_webhook_tells_nothing_new(knocker: Knocker) -> None:
    lab = knocker.lab
    for _ in range(3):
        assert await knocker.knock("/twilio/message/in", INBOUND) == 200
    assert len(lab.events) == 1
    message = await lab.send_to(FarSide.TAKES)
    sid = lab.at_twilio(message).sid
    path = f"/twilio/message/status?message={message.message_id}"
    for _ in range(3):
        assert await knocker.knock(path, {"MessageSid": sid, "MessageStatus": "delivered"}) == 204
    assert await knocker.knock(path, {"MessageSid": sid, "MessageStatus": "sent"}) == 204
    assert [event.state for event in lab.of(message)] == [DeliveryState.DELIVERED]
    assert lab.adapter.counts["receipts_repeated"] == 3


async def test_what_is_not_good_changes_nothing_and_is_counted(knocker: Knocker) -> None:
    lab = knocker.lab
    message = await lab.send_to(FarSide.TAKES)
    path = f"/twilio/message/status?message={message.message_id}"
    status = {"MessageSid": lab.at_twilio(message).sid, "MessageStatus": "delivered"}
    inbound = "/twilio/message/in"
    assert await knocker.knock(path, status, signature="wrong") == 403
    assert await knocker.knock(inbound, INBOUND, signature="") == 403
    assert await knocker.knock(path, {**status, "MessageSid": SID}) == 400
    assert await knocker.knock(path, {**status, "MessageStatus": "eaten"}) == 400
    assert await knocker.knock("/twilio/message/status?message=a/b", status) == 400
    assert await knocker.knock("/twilio/message/status", status) == 400
    assert await knocker.knock(inbound, {**INBOUND, "MessageSid": "x"}) == 400
    assert await knocker.knock(inbound, INBOUND, body=b"x" * (MOST_BYTES + 1)) == 413
    assert await knocker.knock(inbound, INBOUND, body=b"\xff=%ff") == 400
    assert await knocker.knock("/twilio/message/elsewhere", INBOUND) == 404
    assert lab.events == []
    counts = lab.adapter.counts
    assert counts["webhooks_bad_signature"] == 2
    assert counts["webhooks_too_large"] == 1
    assert counts["webhooks_malformed"] == 6
    assert counts["webhooks_accepted"] == 0


async def test_a_signature_holds_for_its_own_message_only(knocker: Knocker) -> None:
    lab = knocker.lab
    one, two = await lab.send_to(FarSide.TAKES), await lab.send_to(FarSide.TAKES)
    status = {"MessageSid": lab.at_twilio(one).sid, "MessageStatus": "undelivered"}
    path = f"/twilio/message/status?message={one.message_id}"
    url = f"{lab.adapter.settings.public_url}{path}"
    signature = knocker.validator.compute_signature(url, status)
    other = f"/twilio/message/status?message={two.message_id}"
    assert await knocker.knock(other, status, signature=signature) == 403
    changed = {**status, "MessageStatus": "delivered"}
    assert await knocker.knock(path, changed, signature=signature) == 403
    assert await knocker.knock("/twilio/message/in", status, signature=signature) == 403
    assert lab.of(one) == lab.of(two) == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=FIELDS, raw=st.none() | st.binary(max_size=200), signed=st.booleans())
async def test_no_form_brings_the_door_down(
    knocker: Knocker, fields: dict[str, str], raw: bytes | None, signed: bool
) -> None:
    lab = knocker.lab
    told = len(lab.events)
    for path in ("/twilio/message/in", "/twilio/message/status?message=01"):
        signature = None if signed else "wrong"
        status = await knocker.knock(path, fields, signature=signature, body=raw)
        assert status in (200, 204, 400, 403)
        if not signed:
            assert status in (400, 403)
    if not signed:
        assert len(lab.events) == told
    for event in lab.events[told:]:
        assert isinstance(event, MessageMoved | MessageReceived)


# --- the script of the fake ----------------------------------------------------------------------


def test_an_outcome_from_the_command_line() -> None:
    number, outcome = parse_outcome("+56920000001=delivered:no me escriban: nunca")
    assert (number, outcome.answer) == ("+56920000001", "no me escriban: nunca")
    fate = outcome.fate()
    assert fate.reply is not None
    assert fate.moves[-1].state is DeliveryState.DELIVERED
    assert parse_outcome("+1=invalid")[1].fate() == Fate(refused=Refusal.INVALID_ADDRESS)
    for wrong in ("+1", "+1=eaten", ""):
        with pytest.raises(UnreadableOutcome, match="delivered"):
            parse_outcome(wrong)


@pytest.mark.parametrize("ending", [Ending.UNKNOWN, Ending.LANDLINE, Ending.READ])
async def test_scripted_outcomes_are_told_as_twilio_tells_them(ending: Ending) -> None:
    number, outcome = parse_outcome(f"{NUMBERS[FarSide.TAKES]}={ending}:BAJA")

    class Scripted:
        def fate(self, message: OutboundMessage, past: int) -> Fate:
            return outcome.fate()

    async with messages_lab(people=Scripted()) as lab:
        message = lab.message(number)
        await lab.send(message)
        await lab.pass_time(60.0)
        last = lab.of(message)[-1]
        if ending is Ending.READ:
            assert last.state is DeliveryState.READ
            assert [event.text for event in lab.received()] == ["BAJA"]
        else:
            assert last.state is DeliveryState.BOUNCED
            code = {Ending.UNKNOWN: 30005, Ending.LANDLINE: 30006}[ending]
            assert last.provider_code == f"twilio:{MessageStatus.UNDELIVERED} error:{code}"
            assert lab.received() == []
