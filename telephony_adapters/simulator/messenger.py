"""The simulated provider of messages: the messaging port over seeded people, with faults on script.

It does what real providers do, in the clock's own time, and reaches nobody: every message is
answered by the `MessageWorld`. It keeps a provider's rules too: its own list of those who wrote
STOP to an SMS, WhatsApp's templates outside an open conversation, and a rate.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Final

import msgspec

from compliance.permit import ContactPermit
from compliance.types import Channel, CollectorRole
from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.clock import Clock
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    MessageRejected,
    NotOffered,
    OutcomeUnknown,
)
from telephony_adapters.messaging import (
    AnyMessageEvent,
    DeliveryState,
    MessageId,
    MessageMoved,
    MessageReceived,
    MessageReport,
    MessageSink,
    MessagingFacts,
    Objection,
    OutboundMessage,
    Refusal,
)
from telephony_adapters.simulator.correspondents import (
    Fate,
    MessageWorld,
    PlannedMove,
    PlannedReply,
)
from telephony_adapters.simulator.message_script import CALM, MessageFault, MessageScript
from telephony_adapters.simulator.script import Doubt, Outage

WRITTEN_CHANNELS: Final = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.EMAIL})
SENDERS: Final[Mapping[Channel, str]] = {
    Channel.SMS: "+13055550199",
    Channel.WHATSAPP: "+13055550199",
    Channel.EMAIL: "cobranza@example.com",
}
"""From whom messages come that name no sender."""
CONVERSATION: Final = timedelta(hours=24)
"""WhatsApp: how long one may write freely to somebody who has written."""
PROVIDER_STOPS: Final = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
)
"""Words after which SMS providers themselves let no further message through; English only, so
BAJA is the engine's business."""
PROVIDER_STARTS: Final = frozenset({"START", "UNSTOP", "YES"})
MOST_REMEMBERED: Final = 250_000
MOST_HELD: Final = 100_000


class _Taken(msgspec.Struct, gc=False):
    """A message that the simulated provider has taken."""

    message: OutboundMessage
    provider_id: str
    fault: MessageFault | None
    state: DeliveryState | None = None


class SimulatedMessenger:
    """A `MessagingAdapter` whose far end is a `MessageWorld`.

    Beside the port it has what only a simulator can offer: levers that make the far end or the
    wire do something at once (`someone_writes`, `moves`, `lose_connection`,
    `restore_connection`), and `taken`, the messages that came through.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        world: MessageWorld,
        script: MessageScript = CALM,
        channels: frozenset[Channel] = WRITTEN_CHANNELS,
        senders: Mapping[Channel, str] = SENDERS,
        name: str = "simulator",
        max_per_s: float = 0.0,
        command_limit_s: float = 5.0,
    ) -> None:
        self._clock = clock
        self._world = world
        self._script = script
        self._channels = channels
        self._senders = senders
        self._name = name
        self._max_per_s = max_per_s
        self._command_limit_s = command_limit_s
        self._sink: MessageSink | None = None
        self._up = True
        self._outages_set = False
        self._used = UsedCallIds()
        self._taken: dict[MessageId, _Taken] = {}
        self._counts: Counter[tuple[Channel, str]] = Counter()
        self._wrote_at: dict[tuple[Channel, str], datetime] = {}
        self._stopped: set[str] = set()
        self._recent: deque[datetime] = deque()
        self._held: deque[AnyMessageEvent] = deque(maxlen=MOST_HELD)
        self._commands = 0
        self._events = 0
        self._prefix = f"{name}-{int(clock.now().timestamp() * 1000):x}-m"

    # --- the port -----------------------------------------------------------------------------

    @property
    def facts(self) -> MessagingFacts:
        return MessagingFacts(
            name=self._name,
            channels=self._channels,
            simulated=True,
            loopback=True,
            receipts=True,
            inbound=True,
            findable=True,
            max_per_s=self._max_per_s,
        )

    async def start(self, sink: MessageSink, *, since: datetime | None = None) -> None:
        if not self._up:
            raise CarrierUnavailable("the simulated provider has an outage; start again later")
        self._sink = sink
        if not self._outages_set:
            self._outages_set = True
            for outage in self._script.outages:
                self._clock.call_later(outage.after_s, partial(self._begin_outage, outage))
        self._tell_held()

    async def stop(self) -> None:
        """Listen no more. Messages live on; what happens is told after the next start."""
        self._sink = None

    async def send(self, message: OutboundMessage, permit: ContactPermit) -> str:
        now = self._clock.now()
        permit.spend(address=message.to, channel=message.channel, now=now)
        self._require_connection()
        if message.channel not in self._channels:
            raise NotOffered(f"{self._name} carries no {message.channel}")
        if message.message_id in self._used:
            raise DuplicateCall(f"message id {message.message_id} was used before; not repeated")
        self._commands += 1
        fault = self._script.fault_of(self._commands, message.to)
        doubt = fault.doubt if fault is not None else None
        refusal = fault.reject if fault is not None else None
        refusal = refusal or self._house_refusal(message, now)
        if refusal is not None:
            raise _rejected(refusal)
        self._used.add(message.message_id)
        if doubt is not Doubt.NOT_PLACED:
            self._take(message, fault)
        if doubt is not None:
            await self._clock.sleep(self._command_limit_s)
            raise OutcomeUnknown(
                f"no answer to the sending of {message.message_id} within "
                f"{self._command_limit_s:g} s"
            )
        return self._taken[message.message_id].provider_id

    def objection(self, channel: Channel, country: str, role: CollectorRole) -> Objection | None:
        return None

    async def find(self, message_id: MessageId) -> MessageReport | None:
        self._require_connection()
        taken = self._taken.get(message_id)
        if taken is None:
            return None
        return MessageReport(
            message_id=message_id, provider_id=taken.provider_id, state=taken.state
        )

    # --- what only a simulator has ------------------------------------------------------------

    @property
    def taken(self) -> tuple[OutboundMessage, ...]:
        """The messages that were taken, in order; the oldest are forgotten after many."""
        return tuple(taken.message for taken in self._taken.values())

    def someone_writes(
        self,
        channel: Channel,
        sender: str,
        to: str,
        text: str,
        *,
        in_reply_to: str | None = None,
        automatic: bool = False,
    ) -> str:
        """Somebody writes to us now; the provider's id of what they wrote."""
        now = self._clock.now()
        self._wrote_at[(channel, sender)] = now
        if channel is Channel.SMS:
            word = text.strip().upper()
            if word in PROVIDER_STOPS:
                self._stopped.add(sender)
            elif word in PROVIDER_STARTS:
                self._stopped.discard(sender)
        event_id = self._event_id()
        self._tell(
            MessageReceived(
                event_id=event_id,
                at=now,
                channel=channel,
                sender=sender,
                to=to,
                text=text,
                provider_id=event_id,
                in_reply_to=in_reply_to,
                automatic=automatic,
            )
        )
        return event_id

    def moves(
        self, message_id: MessageId, state: DeliveryState, refusal: Refusal | None = None
    ) -> None:
        """A taken message comes so far now, whatever its state was. Raises `KeyError`."""
        self._moved(
            self._taken[message_id], PlannedMove(after_s=0.0, state=state, refusal=refusal), 0.0
        )

    def lose_connection(self) -> None:
        """The provider cannot be reached; what happens meanwhile is told afterwards."""
        self._up = False

    def restore_connection(self) -> None:
        self._up = True
        self._tell_held()

    # --- the provider's rules -------------------------------------------------------------------

    def _house_refusal(self, message: OutboundMessage, now: datetime) -> Refusal | None:
        if not self._within_rate(now):
            return Refusal.RATE
        if message.channel is Channel.SMS and message.to in self._stopped:
            return Refusal.OPTED_OUT
        if message.channel is Channel.WHATSAPP and message.template is None:
            wrote_at = self._wrote_at.get((message.channel, message.to))
            if wrote_at is None or now - wrote_at > CONVERSATION:
                return Refusal.OUTSIDE_WINDOW
        return None

    def _within_rate(self, now: datetime) -> bool:
        if self._max_per_s <= 0:
            return True
        while self._recent and now - self._recent[0] >= timedelta(seconds=1):
            self._recent.popleft()
        if len(self._recent) >= self._max_per_s:
            return False
        self._recent.append(now)
        return True

    # --- a message's life -----------------------------------------------------------------------

    def _take(self, message: OutboundMessage, fault: MessageFault | None) -> None:
        """Raises `MessageRejected` when the world turns it away at once."""
        place = (message.channel, message.to)
        fate = self._world.fate(message, self._counts[place])
        self._counts[place] += 1
        if fate.refused is not None:
            self._used.discard(message.message_id)
            raise _rejected(fate.refused)
        digest = blake2b(message.message_id.encode(), digest_size=16).hexdigest()
        if len(self._taken) >= MOST_REMEMBERED:
            del self._taken[next(iter(self._taken))]
        taken = _Taken(message, f"SM{digest}", fault)
        self._taken[message.message_id] = taken
        self._plan(taken, fate)

    def _plan(self, taken: _Taken, fate: Fate) -> None:
        fault = taken.fault
        for position, move in enumerate(fate.moves):
            late_s = 0.0 if fault is None else fault.late_s
            following = fate.moves[position + 1 : position + 2]
            if fault is not None and fault.out_of_order and position % 2 == 0 and following:
                late_s += following[0].after_s - move.after_s + 1.0
            self._clock.call_later(move.after_s, partial(self._moved, taken, move, late_s))
        if fate.reply is not None:
            self._clock.call_later(fate.reply.after_s, partial(self._answered, taken, fate.reply))

    def _moved(self, taken: _Taken, move: PlannedMove, late_s: float) -> None:
        """It happened; it is told `late_s` later."""
        if move.state.follows(taken.state):
            taken.state = move.state
        fault = taken.fault
        if fault is not None and fault.silent:
            return
        event = MessageMoved(
            event_id=self._event_id(),
            at=self._clock.now(),
            message_id=taken.message.message_id,
            state=move.state,
            refusal=move.refusal,
            provider_code=move.provider_code,
        )
        for _ in range(1 + (fault.repeats if fault is not None else 0)):
            if late_s > 0:
                self._clock.call_later(late_s, partial(self._tell, event))
            else:
                self._tell(event)

    def _answered(self, taken: _Taken, reply: PlannedReply) -> None:
        message = taken.message
        self.someone_writes(
            message.channel,
            message.to,
            message.sender or self._senders[message.channel],
            reply.text,
            in_reply_to=taken.provider_id,
            automatic=reply.automatic,
        )

    # --- the wire -------------------------------------------------------------------------------

    def _tell(self, event: AnyMessageEvent) -> None:
        if self._sink is None or not self._up:
            self._held.append(event)
        else:
            self._sink(event)

    def _tell_held(self) -> None:
        while self._held and self._sink is not None and self._up:
            self._sink(self._held.popleft())

    def _begin_outage(self, outage: Outage) -> None:
        self.lose_connection()
        self._clock.call_later(outage.for_s, self.restore_connection)

    def _require_connection(self) -> None:
        if self._sink is None or not self._up:
            raise CarrierUnavailable("there is no connection to the simulated provider")

    def _event_id(self) -> str:
        self._events += 1
        return f"{self._prefix}{self._events}"


def _rejected(refusal: Refusal) -> MessageRejected:
    return MessageRejected(
        f"refused by the simulated provider: {refusal}",
        refusal=refusal,
        provider_code=f"sim:{refusal}",
    )
