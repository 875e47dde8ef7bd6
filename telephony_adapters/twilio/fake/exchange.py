"""The fake's telephone network: queue, dialing, people, conferences and what is told of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import Final
from xml.etree import ElementTree

import msgspec
import structlog

from telephony_adapters.clock import Clock
from telephony_adapters.messages import AmdVerdict, CallId, Originate
from telephony_adapters.simulator.number_memory import NumberMemory
from telephony_adapters.simulator.world import NEVER, DialPlan, PickUp, World
from telephony_adapters.twilio.codec import CallStatus
from telephony_adapters.twilio.fake.calls import ENDINGS, FakeCall
from telephony_adapters.twilio.fake.documents import BadDocument, Follower, spoken_in
from telephony_adapters.twilio.fake.faults import NO_FAULT, Fault
from telephony_adapters.twilio.fake.recorder import Recorder
from telephony_adapters.twilio.fake.rooms import Room, Rooms
from telephony_adapters.twilio.fake.sender import Sender
from telephony_adapters.twilio.fake.voices import Voices
from telephony_adapters.twilio.tasks import Chores

log = structlog.get_logger()

_ANSWERED_BY: Final = {
    AmdVerdict.HUMAN: "human",
    AmdVerdict.MACHINE: "machine_start",
    AmdVerdict.FAX: "fax",
    AmdVerdict.UNSURE: "unknown",
}
ANONYMOUS: Final = "+266696687"
"""From whom a call with a withheld number comes."""
Act = Callable[[FakeCall], None]
REMEMBERED_PROMPTS: Final = 1_000
KEPT_CALLS: Final = 50_000
"""Ended calls that can still be fetched."""


class FakeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The account that the fake plays. Seconds of its own clock."""

    account_sid: str = "AC" + "0" * 31 + "1"
    auth_token: str = "loopback"  # noqa: S105 - opens nothing but this fake
    calls_per_s: float = 1.0
    """What is above waits in the queue, as at Twilio."""
    timeout_buffer_s: float = 5.0
    """Twilio lets it ring this much longer than `Timeout`."""
    agent_answers_s: float = 0.5
    prompt_s: float = 3.0
    """Length of every prompt."""
    pick_up_s: float = 0.2
    """From the document that answers a call that came in to its answer."""
    processing_s: float = 0.5
    """From the end of a recording to its file."""
    voice_url: str = ""
    """Where the account's numbers ask what to do with a call; empty: such a call fails."""
    voice_status_url: str = ""
    """Where they tell that it has ended; empty: nowhere."""
    inbound_url: str = ""
    """Where the account's numbers send messages that come in; empty: nowhere."""


class Exchange:
    """Calls and conferences of one account."""

    def __init__(
        self,
        settings: FakeSettings,
        clock: Clock,
        world: World,
        faults: Mapping[str, Fault] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.sender = Sender(settings.auth_token, clock)
        self.faults: dict[str, Fault] = dict(faults or {})
        self.calls: dict[str, FakeCall] = {}
        self.dialed = 0
        """Calls that have left the queue."""
        self.rooms = Rooms(self._tell_room)
        self._world = world
        self._numbers = NumberMemory()
        self._next_slot = clock.now()
        self._chores = Chores()
        self.voices = Voices(clock, self.calls, self.far_end_hangs_up)
        self.recorder = Recorder(
            settings.account_sid,
            clock,
            self.calls,
            self._callback,
            processing_s=settings.processing_s,
        )
        self.lost: set[str] = set()
        """Events of whole conferences that never arrive."""
        self.voice_url = settings.voice_url
        self.voice_status_url = settings.voice_status_url
        self.said: deque[str] = deque(maxlen=REMEMBERED_PROMPTS)
        """What was lately said to people, and the addresses of what was played."""

    def open(self) -> None:
        self.sender.open()

    async def close(self) -> None:
        for call in self.calls.values():
            call.stop()
        await self._chores.cancel()
        await self.sender.close()

    # --- what the REST API asks -----------------------------------------------------------------

    def create(self, form: Mapping[str, list[str]]) -> FakeCall:
        """Take a call into the queue; it leaves at the account's rate."""
        now = self.clock.now()
        to = form.get("To", [""])[0]
        call = FakeCall(form, now, self.faults.get(to, NO_FAULT))
        self.calls[call.sid] = call
        self._forget_old()
        slot = max(self._next_slot, now)
        self._next_slot = slot + timedelta(seconds=1 / self.settings.calls_per_s)
        self._later(call, (slot - now).total_seconds(), self._dial)
        return call

    def redirect(self, call: FakeCall, document: str) -> None:
        """Follow another document from now on."""
        if call.follower is not None:
            call.follower.cancel()
        self._part(call)
        self._follow(call, document)

    def hang_up(self, call: FakeCall) -> None:
        """Our own side ends the call, in any state."""
        self._end(call, CallStatus.COMPLETED if call.is_answered else CallStatus.CANCELED)

    def cancel(self, call: FakeCall) -> None:
        """Only a call that is not answered yet can be cancelled."""
        if not call.is_answered:
            self._end(call, CallStatus.CANCELED)

    def end_room(self, room: Room) -> None:
        """Everybody leaves; each call goes on with the rest of its document."""
        for sid in list(room.inside):
            self._part(self.calls[sid])

    def announce(self, room: Room, url: str) -> None:
        """Everybody in the room hears what the document there says."""
        self._chores.start(f"announce:{room.sid}", self._announced(room, url))

    async def _announced(self, room: Room, url: str) -> None:
        fields = {"AccountSid": self.settings.account_sid, "ConferenceSid": room.sid}
        document = await self.sender.post(url, fields, NO_FAULT)
        words = spoken_in(document) if document is not None else []
        for said in words:
            self.said.append(said)
            await self.clock.sleep(self.settings.prompt_s)
        end = "announcement-end" if words else "announcement-fail"
        if "announcement" in room.events and end not in self.lost:
            told = {
                **fields,
                "SequenceNumber": str(room.next_sequence()),
                "StatusCallbackEvent": end,
                "AnnounceUrl": url,
                "Timestamp": format_datetime(self.clock.now()),
            }
            await self.sender.callback(room.callback_url, told, NO_FAULT, 1)

    # --- levers ---------------------------------------------------------------------------------

    def somebody_calls(self, caller: str | None, called: str, *, patience_s: float) -> FakeCall:
        """Somebody calls a number of the account; without a `caller` the number is withheld."""
        now = self.clock.now()
        form = {
            "To": [called],
            "From": [caller or ANONYMOUS],
            "Url": [self.voice_url],
            "StatusCallback": [self.voice_status_url],
        }
        fault = self.faults.get(caller or "", NO_FAULT)
        call = FakeCall(form, now, fault, inbound=True)
        call.status = CallStatus.RINGING
        dial = Originate(
            call_id=CallId(call.sid), to=caller or "", caller_id=None, trunk="", ring_timeout_s=0
        )
        heard = self._world.conversation(dial, self._numbers.record(caller or "", now))
        call.pick_up = PickUp(
            heard=heard, patience_s=patience_s, amd_verdict=AmdVerdict.HUMAN, amd_s=0.0
        )
        call.talk_left_s = heard.talk_s
        self.calls[call.sid] = call
        self._forget_old()
        self.voices.await_patience(call)
        self._follow(call, "")
        return call

    def far_end_hangs_up(self, call: FakeCall) -> None:
        """The person, or the agent's device, ends the answered call now; who calls gives up."""
        if call.is_answered:
            self._end(call, CallStatus.COMPLETED)
        elif call.is_ringing_in:
            self._end(call, CallStatus.NO_ANSWER)

    # --- dialing --------------------------------------------------------------------------------

    def _dial(self, call: FakeCall) -> None:
        self.dialed += 1
        self._status(call, CallStatus.INITIATED, "initiated")
        if call.is_agent:
            self._later(call, self.settings.agent_answers_s / 2, self._ring)
            self._later(call, self.settings.agent_answers_s, self._answer)
            return
        command = Originate(
            call_id=CallId(call.sid),
            to=call.to,
            caller_id=call.from_,
            trunk="twilio",
            ring_timeout_s=round(call.timeout_s),
            amd=call.wants_amd,
        )
        now = self.clock.now()
        plan = self._world.dial(command, now, self._numbers.record(call.to, now))
        limit_s = call.timeout_s + self.settings.timeout_buffer_s
        if plan.ringing_s is not None and plan.ringing_s < limit_s:
            self._later(call, plan.ringing_s, self._ring)
        if plan.final_s >= limit_s:
            self._later(call, limit_s, partial(self._end, status=CallStatus.NO_ANSWER, sip=487))
            return
        self._later(call, plan.final_s, partial(self._final, plan=plan))

    def _ring(self, call: FakeCall) -> None:
        self._status(call, CallStatus.RINGING, "ringing")

    def _final(self, call: FakeCall, *, plan: DialPlan) -> None:
        if plan.pick_up is not None and plan.final_s < NEVER:
            call.pick_up = plan.pick_up
            call.talk_left_s = plan.pick_up.heard.talk_s
            self._answer(call)
            return
        status, sip = ENDINGS.get(plan.cause, (CallStatus.FAILED, 500))
        self._end(call, status, sip)

    def _answer(self, call: FakeCall) -> None:
        call.answered_at = self.clock.now()
        self._status(call, CallStatus.IN_PROGRESS, "answered")
        pick_up = call.pick_up
        if pick_up is not None:
            if call.wants_amd:
                self._later(call, pick_up.amd_s, self._detected)
            for after_s, key in pick_up.digits:
                self._later(call, after_s, partial(self.far_end_presses, key=key))
            self.voices.await_patience(call)
        self._follow(call, call.twiml)

    async def picks_up(self, call: FakeCall) -> None:
        """Twilio answers a call that came in."""
        await self.clock.sleep(self.settings.pick_up_s)
        if call.is_ringing_in:
            call.answered_at = self.clock.now()
            self._status(call, CallStatus.IN_PROGRESS, "answered")
            self.voices.await_patience(call)

    def rejects(self, call: FakeCall) -> None:
        """Twilio does not answer a call that came in."""
        self._end(call, CallStatus.BUSY)

    def _detected(self, call: FakeCall) -> None:
        pick_up = call.pick_up
        if pick_up is None or "amd" in call.fault.lost:
            return
        fields = {
            **call.fields(self.settings.account_sid),
            "AnsweredBy": _ANSWERED_BY[pick_up.amd_verdict],
            "MachineDetectionDuration": str(round(pick_up.amd_s * 1000)),
        }
        self._callback(call, call.amd_url, fields)

    def far_end_presses(self, call: FakeCall, *, key: str) -> None:
        """The person presses a key; nobody hears it unless a document listens."""
        if call.keys is not None:
            call.keys.put_nowait(key)

    def _end(self, call: FakeCall, status: CallStatus, sip: int | None = None) -> None:
        if call.status.is_final:
            return
        call.stop()
        self._part(call)
        call.ended_at = self.clock.now()
        call.sip_code = sip if sip is not None else (200 if call.answered_at else 487)
        self.voices.device_gone(call)
        self._status(call, status, "completed")
        self.recorder.call_ended(call)

    # --- documents ------------------------------------------------------------------------------

    def _follow(self, call: FakeCall, document: str) -> None:
        call.follower = asyncio.create_task(self._followed(call, document), name=f"fake:{call.sid}")

    async def _followed(self, call: FakeCall, document: str) -> None:
        follower = Follower(_Caller(self, call), self.clock, self.settings.prompt_s)
        try:
            if not document:
                document = await self.fetch(call, call.url, {}) or "<Response/>"
            await follower.follow(document)
        except BadDocument as error:
            log.warning("fake_twilio_bad_document", call=call.sid, error=str(error))
        if call.follower is asyncio.current_task():
            call.follower = None
            self._end(call, CallStatus.FAILED if call.is_ringing_in else CallStatus.COMPLETED)

    async def fetch(self, call: FakeCall, url: str, more: dict[str, str]) -> str | None:
        """A document from a webhook; None when it could not be had."""
        fields = {**call.fields(self.settings.account_sid), **more}
        return await self.sender.post(url, fields, NO_FAULT)

    # --- rooms ----------------------------------------------------------------------------------

    async def stay(self, call: FakeCall, element: ElementTree.Element) -> None:
        """Be in a room until the call leaves it, or the room is ended."""
        room = call.room = self.rooms.enter(call.sid, element)
        left = call.left_room = asyncio.Event()
        self.voices.entered(call, room)
        try:
            await left.wait()
        finally:
            if call.room is room:
                self._part(call)

    def _part(self, call: FakeCall) -> None:
        """Leave the room, if in one."""
        room, call.room = call.room, None
        if room is None:
            return
        call.left_room.set()
        label = room.inside[call.sid].label
        self.rooms.leave(call.sid, room)
        self.voices.left(call, room, label)

    # --- telling --------------------------------------------------------------------------------

    def _status(self, call: FakeCall, status: CallStatus, event: str) -> None:
        call.status = status
        fields = call.status_fields(self.settings.account_sid, self.clock.now())
        if event in call.events and event not in call.fault.lost:
            self._callback(call, call.status_url, fields)

    def _tell_room(self, room: Room, event: str, sid: str) -> None:
        fields = {
            "AccountSid": self.settings.account_sid,
            "ConferenceSid": room.sid,
            "FriendlyName": room.name,
            "SequenceNumber": str(room.next_sequence()),
            "StatusCallbackEvent": event,
            "Timestamp": format_datetime(self.clock.now()),
        }
        call = self.calls.get(sid)
        if call is not None:
            fields["CallSid"] = sid
            fields["ParticipantLabel"] = room.inside[sid].label
        # Start and end of a room are not asked for by anybody here.
        asked_for = event.removeprefix("participant-") in room.events
        if call is not None and asked_for and event not in call.fault.lost:
            self._callback(call, room.callback_url, fields)

    def _callback(self, call: FakeCall, url: str, fields: dict[str, str]) -> None:
        if url:
            number = call.next_callback()
            self._chores.start("callback", self._in_order(call, url, fields, number))

    async def _in_order(
        self, call: FakeCall, url: str, fields: dict[str, str], number: int
    ) -> None:
        if call.fault.late_s or call.fault.out_of_order:
            await self.sender.callback(url, fields, call.fault, number)
            return
        async with call.order:
            await self.sender.callback(url, fields, call.fault, number)

    def _later(self, call: FakeCall, delay_s: float, act: Act) -> None:
        call.timers.append(self.clock.call_later(delay_s, partial(act, call)))

    def _forget_old(self) -> None:
        while len(self.calls) > KEPT_CALLS:
            oldest = next(iter(self.calls.values()))
            if not oldest.status.is_final:
                return
            del self.calls[oldest.sid]


class _Caller:
    """A call as the follower of its documents sees it."""

    def __init__(self, exchange: Exchange, call: FakeCall) -> None:
        self._exchange = exchange
        self._call = call

    async def fetch(self, url: str, fields: dict[str, str]) -> str | None:
        return await self._exchange.fetch(self._call, url, fields)

    @property
    def is_ringing(self) -> bool:
        return self._call.is_ringing_in

    async def pick_up(self) -> None:
        await self._exchange.picks_up(self._call)

    def reject(self) -> None:
        self._exchange.rejects(self._call)

    def hears_keys(self, digits: str) -> None:
        self._call.keys_heard += digits

    async def stay_in_room(self, element: ElementTree.Element) -> None:
        await self._exchange.stay(self._call, element)

    def hears(self, said: str) -> None:
        self._exchange.said.append(said)

    def playing(self, *, on: bool) -> None:
        self._exchange.voices.playing(self._call, on=on)

    @property
    def keys(self) -> asyncio.Queue[str] | None:
        return self._call.keys

    @keys.setter
    def keys(self, queue: asyncio.Queue[str] | None) -> None:
        self._call.keys = queue
