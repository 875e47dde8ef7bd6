"""The suite that every adapter for messages passes.

A test class for an adapter inherits `EveryMessenger`, the groups of what its facts declare
(`ReceiptCases`, `InboundCases`, `FindCases`), and gives a fixture `lab`. `FactsCases` fails when
facts and groups differ.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from itertools import pairwise

import pytest

from compliance.permit import PermitProblem, PermitRefused
from compliance.types import Channel
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    MessageRejected,
    NotOffered,
    OutcomeUnknown,
)
from telephony_adapters.messaging import DeliveryState, MessageId, Refusal
from tests.adapters.messaging_lab import (
    BreakableMessagingLab,
    FarSide,
    MessagingLab,
    WritingLab,
    with_channel,
)
from tests.support.permits import permit_for

LONG_S = 3600.0
"""Longer than any receipt of a laboratory takes."""
SETTLED_S = 60.0
"""After so long a provider knows what it has taken."""
UNSENT = MessageId("9" * 26)


class FactsCases:
    """An adapter is tested for exactly what it declares."""

    async def test_the_cases_are_those_that_the_facts_declare(self, lab: MessagingLab) -> None:
        facts = lab.adapter.facts
        assert facts.name
        assert lab.channel in facts.channels
        assert Channel.VOICE not in facts.channels
        assert facts.receipts == isinstance(self, ReceiptCases)
        assert facts.inbound == isinstance(self, InboundCases)
        assert facts.findable == isinstance(self, FindCases)

    async def test_start_itself_tells_no_event(self, lab: MessagingLab) -> None:
        assert lab.events == []

    async def test_what_is_not_declared_is_not_offered(self, lab: MessagingLab) -> None:
        if not lab.adapter.facts.findable:
            with pytest.raises(NotOffered):
                await lab.adapter.find(UNSENT)
        message = with_channel(lab.message(lab.address(FarSide.TAKES)), Channel.VOICE)
        permit = permit_for(message.to, lab.now(), channel=Channel.VOICE)
        with pytest.raises(NotOffered):
            await lab.adapter.send(message, permit)
        assert lab.taken() == 0


class PermitCases:
    """Without a good permit not a byte leaves."""

    async def test_sending_uses_the_permit_up(self, lab: MessagingLab) -> None:
        message = lab.message(lab.address(FarSide.TAKES))
        permit = permit_for(message.to, lab.now(), channel=lab.channel)
        await lab.adapter.send(message, permit)
        assert permit.spent
        again = lab.message(message.to)
        with pytest.raises(PermitRefused) as refusal:
            await lab.adapter.send(again, permit)
        assert refusal.value.problem is PermitProblem.SPENT
        assert lab.taken() == 1

    async def test_an_expired_permit_sends_nothing(self, lab: MessagingLab) -> None:
        message = lab.message(lab.address(FarSide.TAKES))
        permit = permit_for(message.to, lab.now() - timedelta(minutes=1), channel=lab.channel)
        with pytest.raises(PermitRefused) as refusal:
            await lab.adapter.send(message, permit)
        assert refusal.value.problem is PermitProblem.EXPIRED
        assert lab.taken() == 0

    async def test_a_permit_for_another_address_sends_nothing(self, lab: MessagingLab) -> None:
        message = lab.message(lab.address(FarSide.TAKES))
        permit = permit_for(lab.address(FarSide.BOUNCES), lab.now(), channel=lab.channel)
        with pytest.raises(PermitRefused) as refusal:
            await lab.adapter.send(message, permit)
        assert refusal.value.problem is PermitProblem.WRONG_ADDRESS
        assert lab.taken() == 0

    async def test_a_permit_for_another_channel_sends_nothing(self, lab: MessagingLab) -> None:
        message = lab.message(lab.address(FarSide.TAKES))
        permit = permit_for(message.to, lab.now(), channel=Channel.VOICE)
        with pytest.raises(PermitRefused) as refusal:
            await lab.adapter.send(message, permit)
        assert refusal.value.problem is PermitProblem.WRONG_CHANNEL
        assert lab.taken() == 0


class IdentityCases:
    """A message leaves once."""

    async def test_a_message_id_is_sent_once(self, lab: MessagingLab) -> None:
        message = lab.message(lab.address(FarSide.TAKES))
        await lab.send(message)
        with pytest.raises(DuplicateCall):
            await lab.send(message)
        assert lab.taken() == 1

    async def test_a_doubtful_message_is_not_sent_again(self, lab: MessagingLab) -> None:
        message = lab.message(lab.address(FarSide.SILENT_TAKEN))
        with pytest.raises(OutcomeUnknown):
            await lab.send(message)
        with pytest.raises(DuplicateCall):
            await lab.send(message)
        assert lab.taken() == 1

    async def test_each_message_has_an_id_of_the_provider(self, lab: MessagingLab) -> None:
        to = lab.address(FarSide.TAKES)
        ids = [await lab.send(lab.message(to)) for _ in range(5)]
        assert all(ids)
        assert len(set(ids)) == 5


class RefusalCases:
    """What is refused on sending is told with its reason, and nothing was sent."""

    async def test_an_address_that_does_not_exist_is_refused_for_good(
        self, lab: MessagingLab
    ) -> None:
        with pytest.raises(MessageRejected) as rejected:
            await lab.send_to(FarSide.INVALID)
        assert rejected.value.refusal is Refusal.INVALID_ADDRESS
        assert rejected.value.permanent
        assert rejected.value.provider_code
        assert lab.taken() == 0

    async def test_a_refusal_for_the_moment_is_not_for_good(self, lab: MessagingLab) -> None:
        with pytest.raises(MessageRejected) as rejected:
            await lab.send_to(FarSide.BUSY)
        assert not rejected.value.permanent
        assert lab.taken() == 0

    async def test_after_a_refusal_the_next_message_leaves(self, lab: MessagingLab) -> None:
        with pytest.raises(MessageRejected):
            await lab.send_to(FarSide.INVALID)
        await lab.send_to(FarSide.TAKES)
        assert lab.taken() == 1

    async def test_what_was_certainly_not_sent_may_be_tried_again(self, lab: MessagingLab) -> None:
        for side in (FarSide.BUSY, FarSide.INVALID):
            message = lab.message(lab.address(side))
            for _ in range(2):
                with pytest.raises(MessageRejected):
                    await lab.send(message)
        assert lab.taken() == 0

    async def test_no_answer_is_a_doubt(self, lab: MessagingLab) -> None:
        for side, taken in ((FarSide.SILENT_LOST, 0), (FarSide.SILENT_TAKEN, 1)):
            with pytest.raises(OutcomeUnknown):
                await lab.send_to(side)
            assert lab.taken() == taken


class ReceiptCases:
    """For adapters that tell what becomes of a message."""

    async def test_a_message_comes_as_far_as_it_can(self, lab: MessagingLab) -> None:
        before = lab.now()
        message = await lab.send_to(FarSide.TAKES)
        best = await lab.moved(message, lab.best)
        await lab.pass_time(5.0)
        states = [event.state for event in lab.of(message)]
        assert states[-1] is lab.best
        for earlier, later in pairwise(states):
            assert later.follows(earlier)
        assert best.refusal is None
        assert best.at.tzinfo is not None
        assert before - timedelta(seconds=2) <= best.at <= lab.now() + timedelta(seconds=2)

    async def test_a_bounce_is_told_with_its_reason(self, lab: MessagingLab) -> None:
        message = await lab.send_to(FarSide.BOUNCES)
        bounced = await lab.moved(message, DeliveryState.BOUNCED)
        assert bounced.refusal is Refusal.INVALID_ADDRESS
        assert bounced.provider_code
        assert [event.state for event in lab.of(message)].count(DeliveryState.BOUNCED) == 1

    async def test_receipts_of_several_messages_are_told_apart(self, lab: MessagingLab) -> None:
        good = [await lab.send_to(FarSide.TAKES) for _ in range(3)]
        bad = await lab.send_to(FarSide.BOUNCES)
        await lab.moved(bad, DeliveryState.BOUNCED)
        for message in good:
            await lab.moved(message, lab.best)
            assert DeliveryState.BOUNCED not in [event.state for event in lab.of(message)]


class InboundCases:
    """For adapters that tell what people write to us."""

    async def test_what_somebody_writes_is_told_once(self, lab: WritingLab) -> None:
        sender = lab.address(FarSide.TAKES)
        heard = await lab.hear(sender, "ya pagué, ¿quién es?")
        assert heard.sender == sender
        assert heard.channel is lab.channel
        assert heard.text == "ya pagué, ¿quién es?"
        assert heard.to
        assert heard.provider_id
        assert heard.at.tzinfo is not None
        assert not heard.automatic
        await lab.pass_time(5.0)
        assert len(lab.received()) == 1

    async def test_two_messages_of_one_person_are_two(self, lab: WritingLab) -> None:
        sender = lab.address(FarSide.TAKES)
        first = await lab.hear(sender, "BAJA")
        second = await lab.hear(sender, "BAJA")
        assert first.event_id != second.event_id
        assert first.provider_id != second.provider_id

    async def test_strangers_may_write(self, lab: WritingLab) -> None:
        heard = await lab.hear(lab.address(FarSide.INVALID), "número equivocado")
        assert heard.text == "número equivocado"


class FindCases:
    """For adapters that can be asked what became of a doubtful message."""

    async def test_a_doubtful_message_that_was_taken_is_found(self, lab: MessagingLab) -> None:
        message = lab.message(lab.address(FarSide.SILENT_TAKEN))
        with pytest.raises(OutcomeUnknown):
            await lab.send(message)
        await lab.pass_time(SETTLED_S)
        report = await lab.adapter.find(message.message_id)
        assert report is not None
        assert report.message_id == message.message_id
        assert report.provider_id

    async def test_a_doubtful_message_that_was_lost_is_not_found(self, lab: MessagingLab) -> None:
        other = await lab.send_to(FarSide.TAKES)
        message = lab.message(lab.address(FarSide.SILENT_LOST))
        with pytest.raises(OutcomeUnknown):
            await lab.send(message)
        await lab.pass_time(SETTLED_S)
        assert await lab.adapter.find(message.message_id) is None
        assert await lab.adapter.find(other.message_id) is not None

    async def test_a_message_of_nobody_is_not_found(self, lab: MessagingLab) -> None:
        await lab.send_to(FarSide.TAKES)
        with suppress(OutcomeUnknown):
            assert await lab.adapter.find(UNSENT) is None

    async def test_the_report_names_the_state(self, lab: MessagingLab) -> None:
        message = lab.message(lab.address(FarSide.TAKES))
        provider_id = await lab.send(message)
        await lab.moved(message, lab.best)
        report = await lab.adapter.find(message.message_id)
        assert report is not None
        assert report.provider_id == provider_id
        assert report.state is lab.best


class OutageCases:
    """The provider is away and comes back."""

    async def test_nothing_is_sent_while_the_provider_is_away(
        self, lab: BreakableMessagingLab
    ) -> None:
        await lab.lose_connection()
        message = lab.message(lab.address(FarSide.TAKES))
        with pytest.raises(CarrierUnavailable):
            await lab.send(message)
        assert lab.taken() == 0
        await lab.restore_connection()
        await lab.send_to(FarSide.TAKES)
        assert lab.taken() == 1


class EveryMessenger(FactsCases, PermitCases, IdentityCases, RefusalCases, OutageCases):
    """What every adapter for messages passes; add the groups that it declares."""
