"""Twilio's SMS and WhatsApp pass the suite of all providers, and their own faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from compliance.types import Channel, CollectorRole
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    MessageRejected,
    OutcomeUnknown,
)
from telephony_adapters.messaging import (
    AnyMessageEvent,
    DeliveryState,
    Kept,
    MessageId,
    MessageReceived,
    OutboundMessage,
    Refusal,
)
from telephony_adapters.simulator.correspondents import Fate, PlannedMove, PlannedReply
from telephony_adapters.twilio.adapter import TwilioAdapter
from telephony_adapters.twilio.fake.faults import CreateFault, Fault
from telephony_adapters.twilio.messages import TwilioMessenger
from tests.adapters.messaging_conformance import (
    EveryMessenger,
    FindCases,
    InboundCases,
    ReceiptCases,
)
from tests.adapters.messaging_lab import FarSide
from tests.adapters.twilio_messages_lab import NUMBERS, OWN, TwilioMessagesLab, messages_lab
from tests.support.fixed_people import DELIVERED, SENT

TAKES = NUMBERS[FarSide.TAKES]


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.WHATSAPP])
class TestTwilioMessages(EveryMessenger, ReceiptCases, InboundCases, FindCases):
    @pytest.fixture
    async def lab(self, channel: Channel) -> AsyncIterator[TwilioMessagesLab]:
        async with messages_lab(channel) as lab:
            yield lab


@pytest.fixture
async def lab() -> AsyncIterator[TwilioMessagesLab]:
    async with messages_lab() as lab:
        yield lab


# --- what is asked for ---------------------------------------------------------------------------


async def test_an_sms_leaves_as_it_was_given(lab: TwilioMessagesLab) -> None:
    message = lab.message(TAKES, "Señora Núñez: llámenos ☎")
    provider_id = await lab.send(message)
    there = lab.at_twilio(message)
    assert there.sid == provider_id
    assert (there.to, there.from_, there.body) == (TAKES, OWN, "Señora Núñez: llámenos ☎")


async def test_a_message_may_name_its_sender(lab: TwilioMessagesLab) -> None:
    message = msgspec.structs.replace(lab.message(TAKES), sender="+13055550123")
    await lab.send(message)
    assert lab.at_twilio(message).from_ == "+13055550123"


async def test_a_messaging_service_chooses_the_sender() -> None:
    service = "MG" + "a" * 32
    async with messages_lab(messaging_service_sid=service) as lab:
        message = lab.message(TAKES)
        await lab.send(message)
        assert (lab.at_twilio(message).from_, lab.at_twilio(message).service) == ("", service)


async def test_whatsapp_sends_a_template_with_its_variables() -> None:
    async with messages_lab(Channel.WHATSAPP) as lab:
        message = msgspec.structs.replace(
            lab.message(TAKES), variables={"1": "Ana", "2": 'con "comillas"'}
        )
        await lab.send(message)
        there = lab.at_twilio(message)
        assert (there.to, there.from_) == (f"whatsapp:{TAKES}", f"whatsapp:{OWN}")
        assert (there.body, there.content_sid) == ("", message.template)
        assert msgspec.json.decode(there.variables) == message.variables


# --- before anything is asked for ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"to": "56912345678"}, Refusal.INVALID_ADDRESS),
        ({"to": "deudor@example.com"}, Refusal.INVALID_ADDRESS),
        ({"text": "  "}, Refusal.CONTENT),
        ({"text": "x" * 1_601}, Refusal.CONTENT),
        ({"template": "welcome"}, Refusal.CONTENT),
    ],
)
async def test_what_would_be_refused_is_not_asked_for(
    lab: TwilioMessagesLab, changes: dict[str, str], refusal: Refusal
) -> None:
    message = msgspec.structs.replace(lab.message(TAKES), **changes)
    with pytest.raises(MessageRejected) as rejected:
        await lab.send(message)
    assert rejected.value.refusal is refusal
    assert rejected.value.provider_code.startswith("local:")
    assert lab.taken() == 0


async def test_free_text_on_whatsapp_needs_a_conversation() -> None:
    async with messages_lab(Channel.WHATSAPP) as lab:

        def free() -> OutboundMessage:
            return msgspec.structs.replace(lab.message(TAKES), template=None)

        with pytest.raises(MessageRejected) as rejected:
            await lab.send(free())
        assert rejected.value.refusal is Refusal.OUTSIDE_WINDOW
        await lab.hear(TAKES, "¿quién es?")
        await lab.send(free())
        await lab.pass_time(24 * 3600.0)
        with pytest.raises(MessageRejected):
            await lab.send(free())
        assert lab.taken() == 1


async def test_a_conversation_is_remembered_over_a_restart() -> None:
    async with messages_lab(Channel.WHATSAPP) as lab:
        await lab.hear(TAKES, "¿quién es?")
        await lab.adapter.stop()
        again = lab.make(lab.settings())
        lab.use(again)
        await again.start(lab.events.append)
        await lab.send(msgspec.structs.replace(lab.message(TAKES), template=None))
        await again.stop()
        assert lab.taken() == 1


def test_third_party_collection_by_sms_is_refused_as_a_campaign() -> None:
    lab = TwilioMessagesLab(Channel.SMS, None)
    messenger = lab.make(lab.settings(api_url="http://127.0.0.1:9"))
    found = messenger.objection(Channel.SMS, "US", CollectorRole.THIRD_PARTY)
    assert found is not None
    assert messenger.objection(Channel.SMS, "CL", CollectorRole.THIRD_PARTY) is None


# --- refusals and doubts -------------------------------------------------------------------------


async def test_too_many_is_tried_again_and_then_sent(lab: TwilioMessagesLab) -> None:
    lab.fake.messages.faults[TAKES] = Fault(create=CreateFault.TOO_MANY, times=2)
    began = lab.now()
    await lab.send_to(FarSide.TAKES)
    assert lab.taken() == 1
    assert (lab.now() - began).total_seconds() >= 2.0


async def test_who_has_opted_out_at_twilio_is_told_so(lab: TwilioMessagesLab) -> None:
    await lab.hear(TAKES, "STOP")
    with pytest.raises(MessageRejected) as rejected:
        await lab.send_to(FarSide.TAKES)
    assert rejected.value.refusal is Refusal.OPTED_OUT
    assert rejected.value.permanent
    assert rejected.value.provider_code == "twilio:21610"


async def test_a_doubtful_message_shows_itself_by_its_callback(lab: TwilioMessagesLab) -> None:
    message = lab.message(NUMBERS[FarSide.SILENT_TAKEN])
    with pytest.raises(OutcomeUnknown):
        await lab.send(message)
    await lab.moved(message, DeliveryState.DELIVERED)
    report = await lab.adapter.find(message.message_id)
    assert report is not None
    assert report.provider_id == lab.at_twilio(message).sid
    assert report.state is DeliveryState.DELIVERED


async def test_no_answer_at_all_is_a_doubt_after_the_time_limit() -> None:
    async with messages_lab(request_timeout_s=2.0) as lab:
        lab.fake.messages.faults[TAKES] = Fault(create=CreateFault.SILENT_PLACED)
        message = lab.message(TAKES)
        with pytest.raises(OutcomeUnknown, match="no answer"):
            await lab.send(message)
        await lab.moved(message, DeliveryState.DELIVERED)


async def test_a_doubt_is_not_settled_too_early(lab: TwilioMessagesLab) -> None:
    message = lab.message(NUMBERS[FarSide.SILENT_LOST])
    with pytest.raises(OutcomeUnknown):
        await lab.send(message)
    with pytest.raises(OutcomeUnknown):
        await lab.adapter.find(message.message_id)
    await lab.pass_time(31.0)
    assert await lab.adapter.find(message.message_id) is None
    with pytest.raises(DuplicateCall):
        await lab.send(message)


async def test_other_messages_to_the_number_are_not_taken_for_a_lost_one(
    lab: TwilioMessagesLab,
) -> None:
    to = NUMBERS[FarSide.SILENT_LOST]
    lab.fake.messages.faults[to] = Fault(
        create=CreateFault.SERVER_ERROR, times=1, lost=frozenset({"sent", "delivered"})
    )
    lost = lab.message(to, "Llámenos hoy")
    with pytest.raises(OutcomeUnknown):
        await lab.send(lost)
    await lab.send(lab.message(to, "Llámenos hoy"))  # ours, and known to be another
    other_program = {"To": [to], "From": [OWN], "Body": ["Llámenos mañana"]}
    lab.fake.messages.create(other_program)
    lab.fake.messages.someone_writes(to, OWN, "Llámenos hoy")
    await lab.pass_time(60.0)
    assert await lab.adapter.find(lost.message_id) is None


async def test_a_lost_answer_whose_callbacks_are_lost_too_is_found_in_the_list(
    lab: TwilioMessagesLab,
) -> None:
    to = NUMBERS[FarSide.SILENT_TAKEN]
    lab.fake.messages.faults[to] = Fault(
        create=CreateFault.SERVER_ERROR_PLACED, lost=frozenset({"sent", "delivered"})
    )
    message = lab.message(to)
    with pytest.raises(OutcomeUnknown):
        await lab.send(message)
    await lab.pass_time(60.0)
    assert lab.of(message) == []
    report = await lab.adapter.find(message.message_id)
    assert report is not None
    assert (report.provider_id, report.state) == (
        lab.at_twilio(message).sid,
        DeliveryState.DELIVERED,
    )


async def test_a_message_of_another_life_cannot_be_found_and_its_receipts_are_told(
    lab: TwilioMessagesLab,
) -> None:
    message = await lab.send_to(FarSide.TAKES)
    await lab.adapter.stop()
    again = lab.make(lab.settings())
    lab.use(again)
    await again.start(lab.events.append)
    with pytest.raises(OutcomeUnknown):
        await again.find(message.message_id)
    await lab.moved(message, DeliveryState.DELIVERED)
    await again.stop()


# --- receipts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Fault(repeats=2), Fault(late_s=3.0), Fault(out_of_order=True)], ids=str
)
async def test_receipts_late_twice_and_out_of_order_are_told_once_and_forward(
    fault: Fault,
) -> None:
    class Reader:
        def fate(self, message: OutboundMessage, past: int) -> Fate:
            read = PlannedMove(after_s=4.0, state=DeliveryState.READ)
            return Fate(moves=(SENT, DELIVERED, read))

    async with messages_lab(people=Reader()) as lab:
        lab.fake.messages.faults[TAKES] = fault
        message = await lab.send_to(FarSide.TAKES)
        await lab.pass_time(30.0)
        told = [event.state for event in lab.events if event in lab.of(message)]
        assert told[-1] is DeliveryState.READ
        assert len(set(told)) == len(told)
        assert all(b.follows(a) for a, b in zip(told, told[1:], strict=False))  # noqa: RUF007
        expected_repeats = {2: 6}.get(fault.repeats, 0)
        assert lab.adapter.counts["receipts_repeated"] >= expected_repeats


async def test_a_late_sent_after_delivered_changes_nothing(lab: TwilioMessagesLab) -> None:
    message = await lab.send_to(FarSide.TAKES)
    await lab.moved(message, DeliveryState.DELIVERED)
    told = len(lab.events)
    lab.fake.messages.moves(lab.at_twilio(message), SENT)
    await lab.pass_time(1.0)
    assert len(lab.events) == told
    assert lab.adapter.counts["receipts_repeated"] == 1


async def test_wrongly_signed_receipts_change_nothing(lab: TwilioMessagesLab) -> None:
    lab.fake.messages.faults[TAKES] = Fault(wrong_signature=True)
    message = await lab.send_to(FarSide.TAKES)
    await lab.pass_time(10.0)
    assert lab.of(message) == []
    assert lab.adapter.counts["webhooks_bad_signature"] == 2


# --- what people write ---------------------------------------------------------------------------


async def test_a_webhook_that_comes_three_times_is_told_once(lab: TwilioMessagesLab) -> None:
    lab.fake.messages.faults[TAKES] = Fault(repeats=2)
    await lab.hear(TAKES, "BAJA")
    await lab.pass_time(5.0)
    assert [event for event in lab.events if isinstance(event, MessageReceived)] == lab.received()
    assert len(lab.received()) == 1


async def test_what_was_written_while_nobody_listened_is_heard_at_the_start(
    lab: TwilioMessagesLab,
) -> None:
    await lab.adapter.stop()
    await lab.someone_writes(TAKES, "BAJA")
    await lab.pass_time(3600.0)
    again = lab.make(lab.settings())
    lab.use(again)
    await again.start(lab.events.append)
    (heard,) = lab.received()
    assert (heard.sender, heard.text) == (TAKES, "BAJA")
    assert (lab.now() - heard.at).total_seconds() == pytest.approx(3600.0, abs=1.0)
    await lab.pass_time(600.0)
    assert len(lab.received()) == 1
    await again.stop()


async def test_what_was_written_long_before_the_start_is_heard_since_the_last_that_was_kept(
    lab: TwilioMessagesLab,
) -> None:
    await lab.adapter.stop()
    since = lab.now()
    await lab.someone_writes(TAKES, "BAJA")
    await lab.pass_time(20 * 86_400.0)
    again = lab.make(lab.settings())
    lab.use(again)
    await again.start(lab.events.append, since=since)
    assert [event.text for event in lab.received()] == ["BAJA"]
    await again.stop()


async def test_what_cannot_be_kept_is_answered_with_an_error_and_heard_again(
    lab: TwilioMessagesLab,
) -> None:
    """Twilio is told so, and it is found in its list until somebody can keep it."""
    sender = lab.fake.exchange.sender
    told: list[asyncio.Future[bool]] = []

    def keep(event: AnyMessageEvent) -> Kept:
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        kept.set_result(len(told) > 0)
        told.append(kept)
        return kept

    await lab.adapter.stop()
    again = lab.make(lab.settings())
    lab.use(again)
    await again.start(keep)
    await lab.someone_writes(TAKES, "STOP")
    await lab.until(lambda: sender.failed == 1)
    assert again.counts["webhooks_not_kept"] == 1
    await lab.pass_time(301.0)
    assert [kept.result() for kept in told] == [False, True]
    await lab.pass_time(600.0)
    assert len(told) == 2
    await again.stop()


async def test_a_stop_whose_webhook_is_lost_is_heard_all_the_same(lab: TwilioMessagesLab) -> None:
    lab.fake.messages.inbound_url = ""
    await lab.someone_writes(TAKES, "STOP")
    await lab.pass_time(301.0)
    assert [event.text for event in lab.received()] == ["STOP"]
    assert lab.adapter.counts["received_without_webhook"] == 1


async def test_twilio_is_listened_to_again_after_it_was_away(lab: TwilioMessagesLab) -> None:
    await lab.lose_connection()
    await lab.pass_time(301.0)
    lab.fake.messages.inbound_url = ""
    await lab.someone_writes(TAKES, "STOP")
    await lab.restore_connection()
    await lab.pass_time(300.0)
    assert [event.text for event in lab.received()] == ["STOP"]


async def test_a_service_s_numbers_are_all_listened_to() -> None:
    async with messages_lab(messaging_service_sid="MG" + "a" * 32, sms_from=None) as lab:
        lab.fake.messages.inbound_url = ""
        lab.fake.messages.someone_writes(TAKES, "+13055550177", "BAJA")
        await lab.pass_time(301.0)
        assert [event.to for event in lab.received()] == ["+13055550177"]


async def test_a_reply_on_whatsapp_names_what_it_answers() -> None:
    class Talker:
        def fate(self, message: OutboundMessage, past: int) -> Fate:
            reply = PlannedReply(after_s=60.0, text="ya pagué")
            return Fate(moves=(SENT, DELIVERED), reply=reply)

    async with messages_lab(Channel.WHATSAPP, people=Talker()) as lab:
        provider_id = await lab.send(lab.message(TAKES))
        await lab.pass_time(61.0)
        (heard,) = lab.received()
        assert (heard.channel, heard.in_reply_to) == (Channel.WHATSAPP, provider_id)
        assert (heard.sender, heard.to) == (TAKES, OWN)


# --- one account for calls and messages ----------------------------------------------------------


async def test_calls_and_messages_share_one_door() -> None:
    lab = TwilioMessagesLab(Channel.SMS, None)
    await lab.fake.start()
    settings = lab.settings(caller_ids=(OWN,))
    carrier = TwilioAdapter(settings, lab.clock, twilio_now=lab.clock.now)
    messenger = TwilioMessenger(settings, lab.clock, door=carrier.door, twilio_now=lab.clock.now)
    lab.use(messenger)
    await carrier.start(lambda _: None)
    await messenger.start(lab.events.append)
    first = await lab.send_to(FarSide.TAKES)
    await lab.moved(first, DeliveryState.DELIVERED)
    await carrier.stop()
    second = await lab.send_to(FarSide.TAKES)
    await lab.moved(second, DeliveryState.DELIVERED)
    await messenger.stop()
    with pytest.raises(CarrierUnavailable):
        await lab.send_to(FarSide.TAKES)
    await lab.fake.stop()


async def test_wrong_credentials_are_told_at_the_start() -> None:
    lab = TwilioMessagesLab(Channel.SMS, None)
    await lab.fake.start()
    messenger = lab.make(lab.settings(auth_token="wrong"))
    with pytest.raises(CarrierUnavailable, match="credentials"):
        await messenger.start(lab.events.append)
    await lab.fake.stop()


async def test_many_at_once_are_each_sent_once(lab: TwilioMessagesLab) -> None:
    messages = [lab.message(TAKES, f"Llámenos {n}") for n in range(60)]
    sending = asyncio.gather(*(lab.send(message) for message in messages))
    await sending
    assert lab.taken() == 60
    await lab.pass_time(10.0)
    for message in messages:
        assert lab.of(message)[-1].state is DeliveryState.DELIVERED
    assert len({MessageId(one.sid) for one in lab.fake.messages.sent}) == 60
