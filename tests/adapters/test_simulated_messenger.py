"""The simulated provider of messages passes the suite of all, and keeps what it promises."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.types import Channel
from telephony_adapters.errors import CarrierUnavailable, MessageRejected, OutcomeUnknown
from telephony_adapters.messaging import (
    DeliveryState,
    MessageId,
    MessageMoved,
    OutboundMessage,
    Refusal,
)
from telephony_adapters.simulator.correspondents import (
    AWAY,
    WRITTEN,
    Fate,
    PlannedReply,
    SeededCorrespondents,
    WrittenIntent,
)
from telephony_adapters.simulator.message_script import (
    CALM,
    MessageFault,
    MessageRule,
    MessageScript,
    rough_post,
)
from telephony_adapters.simulator.messenger import SENDERS, SimulatedMessenger
from telephony_adapters.simulator.script import Doubt, Outage
from telephony_adapters.simulator.world import NumberOwner, SeededWorld
from tests.adapters.lab import PATIENCE_S
from tests.adapters.messaging_conformance import (
    LONG_S,
    EveryMessenger,
    FindCases,
    InboundCases,
    ReceiptCases,
)
from tests.adapters.messaging_lab import BreakableMessagingLab, FarSide, WritingLab
from tests.support.fixed_people import DELIVERED, SENT, FixedPeople
from tests.support.manual_clock import ManualClock

SIDES = list(FarSide)


class SimulatedMessagingLab(WritingLab, BreakableMessagingLab):
    """A simulated provider whose clock the cases move."""

    def __init__(
        self,
        channel: Channel = Channel.SMS,
        script: MessageScript | None = None,
        *,
        repeats: int = 0,
        max_per_s: float = 0.0,
    ) -> None:
        super().__init__()
        self.channel = channel
        self.clock = ManualClock()
        self.messenger = SimulatedMessenger(
            clock=self.clock,
            world=FixedPeople({self.address(side): side for side in SIDES}),
            script=script if script is not None else self._script(repeats),
            max_per_s=max_per_s,
        )

    def _script(self, repeats: int) -> MessageScript:
        faults = {
            FarSide.BUSY: MessageFault(reject=Refusal.RATE),
            FarSide.SILENT_TAKEN: MessageFault(doubt=Doubt.PLACED, repeats=repeats),
            FarSide.SILENT_LOST: MessageFault(doubt=Doubt.NOT_PLACED),
        }
        rules = [
            MessageRule(fault=fault, number=self.address(side)) for side, fault in faults.items()
        ]
        return MessageScript(rules=(*rules, MessageRule(fault=MessageFault(repeats=repeats))))

    @property
    def adapter(self) -> SimulatedMessenger:
        return self.messenger

    def now(self) -> datetime:
        return self.clock.now()

    def address(self, side: FarSide) -> str:
        if self.channel is Channel.EMAIL:
            return f"{side}@example.com"
        return f"+1305555{SIDES.index(side):04d}"

    def taken(self) -> int:
        return len(self.messenger.taken)

    async def until(self, condition: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        await self.clock.run_until(condition, limit_s)

    async def pass_time(self, delay_s: float) -> None:
        await self.clock.advance(delay_s)

    async def send(self, message: OutboundMessage) -> str:
        """The answer that does not come takes time, which only the clock can give."""
        sending = asyncio.ensure_future(super().send(message))
        await self.clock.run_until(sending.done)
        return await sending

    async def someone_writes(
        self, sender: str, text: str, *, answers: OutboundMessage | None = None
    ) -> None:
        self.messenger.someone_writes(self.channel, sender, SENDERS[self.channel], text)

    async def lose_connection(self) -> None:
        self.messenger.lose_connection()

    async def restore_connection(self) -> None:
        self.messenger.restore_connection()


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.WHATSAPP, Channel.EMAIL])
class TestSimulatedMessenger(EveryMessenger, ReceiptCases, InboundCases, FindCases):
    @pytest.fixture(params=[0, 2], ids=["once", "repeats"])
    async def lab(self, channel: Channel, request: pytest.FixtureRequest) -> SimulatedMessagingLab:
        lab = SimulatedMessagingLab(channel, repeats=request.param)
        await lab.messenger.start(lab.events.append)
        return lab


async def started(
    channel: Channel = Channel.SMS, script: MessageScript = CALM, *, max_per_s: float = 0.0
) -> SimulatedMessagingLab:
    lab = SimulatedMessagingLab(channel, script, max_per_s=max_per_s)
    await lab.messenger.start(lab.events.append)
    return lab


def test_it_reaches_no_real_person() -> None:
    facts = SimulatedMessagingLab().messenger.facts
    assert facts.simulated
    assert facts.loopback


# --- the provider's own rules --------------------------------------------------------------------


async def test_after_stop_the_provider_itself_refuses_sms_until_start() -> None:
    lab = await started()
    to = lab.address(FarSide.TAKES)
    await lab.someone_writes(to, " stop ")
    with pytest.raises(MessageRejected) as rejected:
        await lab.send_to(FarSide.TAKES)
    assert rejected.value.refusal is Refusal.OPTED_OUT
    assert rejected.value.permanent
    await lab.someone_writes(to, "START")
    await lab.send_to(FarSide.TAKES)


async def test_the_provider_does_not_know_baja() -> None:
    lab = await started()
    await lab.someone_writes(lab.address(FarSide.TAKES), "BAJA")
    await lab.send_to(FarSide.TAKES)
    assert lab.taken() == 1


async def test_whatsapp_without_template_needs_an_open_conversation() -> None:
    lab = await started(Channel.WHATSAPP)
    to = lab.address(FarSide.TAKES)
    free = msgspec.structs.replace(lab.message(to), template=None)
    with pytest.raises(MessageRejected) as rejected:
        await lab.send(free)
    assert rejected.value.refusal is Refusal.OUTSIDE_WINDOW
    assert not rejected.value.permanent
    await lab.someone_writes(to, "¿quién es?")
    await lab.send(msgspec.structs.replace(lab.message(to), template=None))
    await lab.pass_time(24 * 3600.0 + 1)
    with pytest.raises(MessageRejected):
        await lab.send(msgspec.structs.replace(lab.message(to), template=None))
    await lab.send(lab.message(to))


async def test_more_than_the_rate_is_refused() -> None:
    lab = await started(max_per_s=2)
    to = lab.address(FarSide.TAKES)
    for _ in range(2):
        await lab.send(lab.message(to))
    with pytest.raises(MessageRejected) as rejected:
        await lab.send(lab.message(to))
    assert rejected.value.refusal is Refusal.RATE
    await lab.pass_time(1.0)
    await lab.send(lab.message(to))
    assert lab.taken() == 3


# --- the script ----------------------------------------------------------------------------------


async def test_receipts_out_of_order_late_and_silent() -> None:
    late, swapped, silent = "+13055550901", "+13055550902", "+13055550903"
    rules = (
        MessageRule(fault=MessageFault(late_s=60.0), number=late),
        MessageRule(fault=MessageFault(out_of_order=True), number=swapped),
        MessageRule(fault=MessageFault(silent=True), number=silent),
    )
    lab = await started(script=MessageScript(rules=rules))
    messages = {to: lab.message(to) for to in (late, swapped, silent)}
    for message in messages.values():
        await lab.send(message)
    await lab.pass_time(10.0)
    assert [event.state for event in lab.of(messages[swapped])] == [
        DeliveryState.DELIVERED,
        DeliveryState.SENT,
    ]
    assert lab.of(messages[late]) == []
    await lab.pass_time(LONG_S)
    assert [event.state for event in lab.of(messages[late])] == [
        DeliveryState.SENT,
        DeliveryState.DELIVERED,
    ]
    assert lab.of(messages[silent]) == []
    report = await lab.messenger.find(messages[silent].message_id)
    assert report is not None
    assert report.state is DeliveryState.DELIVERED


async def test_what_happens_in_an_outage_is_told_after_it() -> None:
    lab = await started(script=MessageScript(outages=(Outage(after_s=1.0, for_s=100.0),)))
    message = await lab.send_to(FarSide.TAKES)
    await lab.pass_time(50.0)
    await lab.someone_writes(message.to, "BAJA")
    assert [event.state for event in lab.of(message)] == [DeliveryState.SENT]
    with pytest.raises(CarrierUnavailable):
        await lab.send_to(FarSide.TAKES)
    with pytest.raises(CarrierUnavailable):
        await lab.messenger.find(message.message_id)
    with pytest.raises(CarrierUnavailable):
        await lab.messenger.start(lab.events.append)
    await lab.pass_time(60.0)
    assert [event.state for event in lab.of(message)][-1] is DeliveryState.DELIVERED
    assert [event.text for event in lab.received()] == ["BAJA"]


async def test_what_happens_while_nobody_listens_is_told_at_the_next_start() -> None:
    lab = await started()
    message = await lab.send_to(FarSide.TAKES)
    await lab.messenger.stop()
    await lab.pass_time(60.0)
    assert lab.events == []
    await lab.messenger.start(lab.events.append)
    assert [event.state for event in lab.of(message)] == [
        DeliveryState.SENT,
        DeliveryState.DELIVERED,
    ]


async def test_a_lever_moves_a_message() -> None:
    lab = await started()
    message = await lab.send_to(FarSide.TAKES)
    lab.messenger.moves(message.message_id, DeliveryState.FAILED, Refusal.FILTERED)
    told = lab.of(message)[-1]
    assert (told.state, told.refusal) == (DeliveryState.FAILED, Refusal.FILTERED)
    await lab.pass_time(10.0)
    report = await lab.messenger.find(message.message_id)
    assert report is not None
    assert report.state is DeliveryState.FAILED


@pytest.mark.parametrize(
    "outages",
    [(Outage(after_s=5, for_s=10), Outage(after_s=10, for_s=5)), (Outage(after_s=0, for_s=0),)],
)
def test_outages_that_overlap_or_do_not_last_are_refused(outages: tuple[Outage, ...]) -> None:
    with pytest.raises(ValueError, match="outages must last"):
        MessageScript(outages=outages)


# --- the seeded people ---------------------------------------------------------------------------


def post(n: int, channel: Channel = Channel.SMS, to: str | None = None) -> OutboundMessage:
    address = f"deudor{n}@example.com" if channel is Channel.EMAIL else f"+5691{n:07d}"
    return OutboundMessage(
        message_id=MessageId(f"{n:026d}"), channel=channel, to=to or address, text="Llámenos"
    )


@given(
    st.integers(0, 10_000),
    st.integers(0, 50),
    st.sampled_from([Channel.SMS, Channel.WHATSAPP, Channel.EMAIL]),
)
def test_a_fate_depends_on_nothing_but_seed_address_and_past(
    n: int, past: int, channel: Channel
) -> None:
    message = post(n, channel)
    fate = SeededCorrespondents(7).fate(message, past)
    again = msgspec.structs.replace(message, message_id=MessageId("another"), text="otro")
    assert SeededCorrespondents(7).fate(again, past) == fate
    instants = [move.after_s for move in fate.moves]
    assert instants == sorted(instants)
    assert bool(fate.moves) == (fate.refused is None)
    state: DeliveryState | None = None
    for move in fate.moves:
        assert move.state.follows(state)
        state = move.state
        assert (move.refusal is not None) == (move.state in (
            DeliveryState.FAILED, DeliveryState.BOUNCED))  # fmt: skip
    if fate.reply is not None:
        assert fate.reply.after_s > fate.moves[1].after_s
        assert fate.moves[1].state is DeliveryState.DELIVERED


def test_the_shares_are_those_of_the_rates() -> None:
    world = SeededCorrespondents(3)
    ends: Counter[str] = Counter()
    replies = 0
    for n in range(20_000):
        fate = world.fate(post(n), 0)
        ends["refused" if fate.refused else fate.moves[-1].state] += 1
        replies += fate.reply is not None
    assert 0.88 < ends[DeliveryState.DELIVERED] / 20_000 < 0.93
    assert 0.02 < (ends["refused"] + ends[DeliveryState.BOUNCED]) / 20_000 < 0.08
    assert 0.03 < replies / 20_000 < 0.045


def test_a_wrong_number_says_so_in_writing_too() -> None:
    numbers = SeededWorld(5)

    def owner(number: str) -> NumberOwner:
        return numbers.traits(number).owner

    world = SeededCorrespondents(5, owner_of=owner)
    wrong = set(WRITTEN[WrittenIntent.WRONG_NUMBER][0])
    said: Counter[tuple[bool, bool]] = Counter()
    for n in range(4_000):
        message = post(n)
        for past in range(5):
            fate = world.fate(message, past)
            if fate.reply is not None and not fate.reply.automatic:
                stranger = owner(message.to) is not NumberOwner.RIGHT_PARTY
                said[(stranger, fate.reply.text in wrong)] += 1
    assert said[(False, True)] == 0
    assert said[(True, True)] > said[(True, False)] > 0
    assert said[(False, False)] > 0


async def test_replies_arrive_with_what_they_answer() -> None:
    class Talker:
        def fate(self, message: OutboundMessage, past: int) -> Fate:
            reply = PlannedReply(after_s=60.0, text=AWAY[0], automatic=True)
            return Fate(moves=(SENT, DELIVERED), reply=reply)

    clock = ManualClock()
    lab = SimulatedMessagingLab(Channel.EMAIL)
    lab.clock = clock
    lab.messenger = SimulatedMessenger(clock=clock, world=Talker())
    await lab.messenger.start(lab.events.append)
    message = lab.message("deudor@example.com")
    provider_id = await lab.send(message)
    await lab.pass_time(61.0)
    (heard,) = lab.received()
    assert heard.in_reply_to == provider_id
    assert heard.automatic
    assert (heard.sender, heard.to) == ("deudor@example.com", SENDERS[Channel.EMAIL])


async def test_a_rough_day_loses_no_message_that_is_not_in_doubt() -> None:
    lab = await started(script=rough_post(seed=11, share=0.05))
    told: Counter[str] = Counter()
    sent: list[OutboundMessage] = []
    for n in range(300):
        message = lab.message(f"+1305556{n:04d}")
        try:
            await lab.send(message)
            sent.append(message)
            told["sent"] += 1
        except MessageRejected:
            told["rejected"] += 1
        except OutcomeUnknown:
            told["doubt"] += 1
            found = await lab.messenger.find(message.message_id)
            told["found" if found else "lost"] += 1
    await lab.pass_time(LONG_S)
    assert min(told.values()) > 0
    assert told["sent"] + told["found"] == lab.taken()
    moved = {event.message_id for event in lab.unique() if isinstance(event, MessageMoved)}
    silent = sum(1 for message in sent if message.message_id not in moved)
    assert 0 < silent < 40
