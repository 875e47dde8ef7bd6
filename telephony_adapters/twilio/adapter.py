"""Twilio behind the telephony port.

There is no connection to Twilio: commands are requests, events are webhooks. The adapter makes
one of both, looks from time to time whether the API is there, and counts a request that never got
an answer as unknown: no call is ever asked for twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
import structlog

from compliance.permit import ContactPermit
from compliance.types import Channel
from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.clock import Clock
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    OriginateRejected,
    OutcomeUnknown,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.messages import (
    AdapterFacts,
    CallId,
    CallPhase,
    CallReport,
    CarrierUp,
    LegId,
    Originate,
)
from telephony_adapters.port import EventSink
from telephony_adapters.prompts import Prompt
from telephony_adapters.twilio import twiml
from telephony_adapters.twilio.client import CallInfo, NewCall
from telephony_adapters.twilio.codec import LISTED, PHASES, CallStatus, OurEnd
from telephony_adapters.twilio.conferences import Conferences
from telephony_adapters.twilio.door import Door, WebhookCounts
from telephony_adapters.twilio.inbound import Lobby
from telephony_adapters.twilio.live import LiveCall, LiveLeg
from telephony_adapters.twilio.recordings import Recordings
from telephony_adapters.twilio.recovery import adopt_rooms
from telephony_adapters.twilio.settings import TwilioSettings, leg_address
from telephony_adapters.twilio.transport import Refused
from telephony_adapters.twilio.webhooks import Webhooks
from telephony_adapters.twilio.wire import NAME

log = structlog.get_logger()

AGENT_RING_S: Final = 30
LOST_AFTER: Final = timedelta(seconds=90)
"""A call whose create got no answer, and which no callback and no list has shown for this long,
was never placed."""
LISTS_TO_BE_GONE: Final = 2
"""Its last callback may be on the way while the first list without it is read."""
SENT_SLACK: Final = timedelta(seconds=5)
"""How far the clocks of Twilio and of this machine may be apart."""


class TwilioAdapter(Conferences, Recordings):
    """A `TelephonyAdapter` over one Twilio account. Raises `SettingsProblem`.

    `twilio_now` is the time in which Twilio's instants are told: the wall's, even where `clock`
    is a simulated day. `notes` is a folder that outlasts this life of the program: recordings that
    ended in between are found by what is noted there.
    """

    def __init__(
        self,
        settings: TwilioSettings,
        clock: Clock,
        *,
        twilio_now: Callable[[], datetime] = partial(datetime.now, UTC),
        notes: Path | None = None,
    ) -> None:
        super().__init__(settings, clock, twilio_now, notes)
        self._lobby = Lobby(self._board, self._addresses, clock, self._chores, self._look_at_call)
        self.door = Door(settings)
        """Where Twilio's webhooks arrive; messages of the same account may share it."""
        Webhooks(self.door, self._board, self._lobby, self._recording_told)
        self._used = UsedCallIds()
        self._probe: asyncio.Task[None] | None = None

    # --- life -----------------------------------------------------------------------------------

    @property
    def facts(self) -> AdapterFacts:
        return AdapterFacts(
            name=NAME,
            simulated=False,
            loopback=self.settings.is_loopback,
            amd=True,
            dtmf=True,
            prompts=True,
            voice=True,
            control=True,
            recording=True,
            dtmf_out=True,
            inbound=True,
            max_originates_per_s=self.settings.calls_per_s,
        )

    @property
    def webhook_counts(self) -> WebhookCounts:
        return self.door.counts

    @property
    def counts(self) -> Mapping[str, int]:
        """For whoever watches: webhooks taken and refused, and callbacks that told nothing new."""
        webhooks = msgspec.structs.asdict(self.door.counts)
        return {
            **{f"webhooks_{name}": count for name, count in webhooks.items()},
            "webhooks_repeated": self._board.repeats,
        }

    @property
    def requests_in_flight(self) -> int:
        """REST requests that wait for their answer."""
        return self.api.in_flight

    async def start(self, sink: EventSink) -> None:
        """Check the credentials and open the door for webhooks. Raises `CarrierUnavailable`."""
        self.api.open()
        try:
            await self._check_account()
            await self.door.open(self)
            await adopt_rooms(self.api, self._calls, self._addresses.room_prefix)
            self._tapes.remember(await asyncio.to_thread(self._notes.read, self._clock.now()))
        except TelephonyError as error:
            await self.door.close(self)
            await self.api.close()
            if isinstance(error, CarrierUnavailable):
                raise
            raise CarrierUnavailable(str(error), provider_code=error.provider_code) from error
        self._sink = sink
        self._board.sink = self._deliver
        self._up = True
        self._probe = asyncio.create_task(self._watch(), name="twilio:probe")

    async def stop(self) -> None:
        self._sink = self._board.sink = None
        self._kept_back.clear()
        self._up = False
        probe, self._probe = self._probe, None
        if probe is not None:
            probe.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probe
        for call in self._calls.calls.values():
            call.stop_timers()
        await self.door.close(self)
        await self._chores.cancel()
        await self.api.close()

    async def _check_account(self) -> None:
        status = await self.api.account_status()
        if status != "active":
            raise CarrierUnavailable(
                f"the Twilio account is {status}, not active; see the Twilio console"
            )

    # --- calls ----------------------------------------------------------------------------------

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        permit.spend(address=command.to, channel=Channel.VOICE, now=self._clock.now())
        self._require_up()
        call_id = command.call_id
        if call_id in self._used:
            raise DuplicateCall(f"call id {call_id} was used before; it was not repeated")
        self._used.add(call_id)
        call = LiveCall(call_id, command.to, self._clock.now(), amd=command.amd)
        self._calls.calls[call_id] = call
        self._set_timer(call, float(command.ring_timeout_s), self._ring_timeout)
        keys_url = self._addresses.keys(call_id, call.turn)
        new = NewCall(
            to=command.to,
            from_=command.caller_id or self._caller_id(command.to),
            twiml=twiml.waiting(keys_url),
            status_url=self._addresses.status(call_id),
            timeout_s=command.ring_timeout_s,
            amd_url=self._addresses.amd(call_id) if command.amd else None,
            amd_timeout_s=self.settings.amd_timeout_s,
        )
        try:
            info = await self._reached(self.api.create_call(new, not_after=permit.expires_at))
        except Refused as refused:
            self._board.end_call(call)
            raise OriginateRejected(str(refused), provider_code=refused.provider_code) from refused
        except CarrierUnavailable:
            self._board.end_call(call)
            raise
        except (OutcomeUnknown, asyncio.CancelledError):
            call.doubtful = call.sid is None
            raise
        await self._placed(call, info)

    async def _placed(self, call: LiveCall, info: CallInfo) -> None:
        """Twilio has taken the call; its events may have been quicker than this answer."""
        if not self._calls.bind(call, info.sid):
            log.error("twilio_two_calls_of_one_id", call=call.call_id, sid=info.sid)
            await self._finish(info.sid, OurEnd.HANGUP)
            return
        if call.call_id not in self._calls.calls:
            return
        if call.ours is not None:
            await self._finish(info.sid, call.ours)
        elif not call.progressed:
            self._set_timer(call, self.settings.queued_call_expiry_s, self._queue_expired)

    async def hangup(self, call_id: CallId) -> None:
        self._require_up()
        stranger = self._calls.adopted.get(call_id)
        if stranger is not None:
            await self._end(call_id, stranger)
            return
        call = self._calls.require_call(call_id)
        call.ours = OurEnd.HANGUP
        if call.inbound and call.phase is CallPhase.RINGING and not call.picking_up:
            return  # it is rejected when it asks the next time
        if call.sid is None and call.doubtful:
            await self._find_doubtful()
        if call.sid is not None:
            await self._end(call_id, call.sid)
        elif call.doubtful and self._clock.now() - call.asked_at > LOST_AFTER:
            self._board.end_call(call)
            raise UnknownCall(f"Twilio never showed call {call_id}: it was not placed")
        # Otherwise its SID is on the way, and the end is asked for when it has come.

    async def _end(self, call_id: CallId, sid: str) -> None:
        try:
            await self._reached(self.api.end_call(sid))
        except Refused as refused:
            if not refused.is_gone:
                raise
            self._board.forget(call_id)
            raise UnknownCall(f"Twilio has no live call {call_id}") from refused

    async def answer(self, call_id: CallId) -> None:
        self._require_up()
        self._lobby.answer(call_id)

    async def _look_at_call(self, sid: str) -> CallInfo:
        return await self._reached(self.api.call(sid))

    async def play(self, call_id: CallId, prompt: Prompt, playback_id: str) -> None:
        self._require_up()
        call, sid = self._calls.require_answered(call_id)
        said = twiml.spoken(prompt, self.settings.prompts_url)
        if call.wanted_leg is not None:
            await self._announce(call, said, playback_id)
            return
        self._board.playback_over(call)
        call.playback_id, call.spoken = playback_id, said
        await self._redirect(call, sid)

    async def stop_playing(self, call_id: CallId, playback_id: str) -> None:
        self._require_up()
        call, sid = self._calls.require_answered(call_id)
        if call.playback_id != playback_id:
            return
        if call.announced is not None:
            raise TelephonyError("Twilio does not stop what is said into a conversation")
        self._board.playback_over(call)
        await self._redirect(call, sid)

    async def list_calls(self) -> list[CallReport]:
        self._require_up()
        reports: dict[CallId, CallReport] = {}
        for info in await self._list_live():
            call_id = self._calls.call_id_of(info.sid)
            call = self._calls.calls.get(call_id) if call_id is not None else None
            if call is not None and call.inbound and not call.confirmed:
                continue
            if call_id is not None:
                reports[call_id] = CallReport(
                    call_id=call_id,
                    phase=_phase(info, call),
                    bridged_leg=call.leg_id if call is not None else None,
                )
        self._forget_missing(reports)
        return list(reports.values())

    def _forget_missing(self, listed: Collection[CallId]) -> None:
        """A call whose end was lost on the way must not be kept for ever."""
        old = self._clock.now() - LOST_AFTER
        for call in list(self._calls.calls.values()):
            call.missed_lists = 0 if call.call_id in listed else call.missed_lists + 1
            if call.missed_lists >= LISTS_TO_BE_GONE and call.asked_at < old:
                self._board.forget(call.call_id)

    async def _list_live(self) -> list[CallInfo]:
        """Live calls of the account, asked for in the order in which a call lives, so that one
        that moves on meanwhile is met later. Doubtful calls are recognised on the way."""
        live: dict[str, CallInfo] = {}
        for status in LISTED:
            for info in await self._reached(self.api.calls(status)):
                live[info.sid] = info
        for call in self._calls.doubtful():
            self._recognise(call, list(live.values()))
        return list(live.values())

    async def _find_doubtful(self) -> None:
        with contextlib.suppress(TelephonyError):
            await self._list_live()

    def _recognise(self, call: LiveCall, live: list[CallInfo]) -> None:
        """Which of the listed calls is the one whose create got no answer: to that number, made
        since, and nobody else's. With two such, neither: a callback will tell."""
        found = [
            info
            for info in live
            if info.to == call.to
            and not info.inbound
            and self._calls.call_id_of(info.sid) is None
            and (info.created_at is None or info.created_at >= call.asked_at - SENT_SLACK)
        ]
        if len(found) == 1 and self._calls.bind(call, found[0].sid):
            log.info("twilio_doubtful_call_found", call=call.call_id, sid=found[0].sid)

    # --- timers ---------------------------------------------------------------------------------

    def _set_timer(self, call: LiveCall, delay_s: float, due: Callable[[LiveCall], None]) -> None:
        call.timers.append(self._clock.call_later(delay_s, partial(due, call)))

    def _ring_timeout(self, call: LiveCall) -> None:
        self._give_up(call, OurEnd.RING_TIMEOUT)

    def _queue_expired(self, call: LiveCall) -> None:
        if not call.progressed:
            self._chores.start(f"queue:{call.call_id}", self._expire(call))

    async def _expire(self, call: LiveCall) -> None:
        """A call that Twilio still holds back is worthless: the agent it was for is busy again."""
        if call.sid is None:
            return
        info = await self._reached(self.api.call(call.sid))
        if info.status is CallStatus.QUEUED:
            log.warning("twilio_queued_call_expired", call=call.call_id)
            self._give_up(call, OurEnd.QUEUE_EXPIRED)

    def _give_up(self, call: LiveCall, why: OurEnd) -> None:
        if call.phase is CallPhase.ANSWERED or call.ours is not None:
            return
        call.ours = why
        if call.sid is not None:
            self._chores.start(f"cancel:{call.call_id}", self._finish(call.sid, why))

    # --- agents' legs ---------------------------------------------------------------------------

    async def open_agent_leg(self, leg_id: LegId, endpoint: str) -> None:
        self._require_up()
        address = leg_address(self.settings, endpoint)
        if address is None:
            raise OriginateRejected(
                "a leg is `agent:NAME` (letters, digits, . _ -), or an E.164 number outside"
            )
        known = self._calls.legs.get(leg_id)
        if known is not None and not known.never_shown:
            raise DuplicateCall(f"agent leg {leg_id} is open already")
        leg = self._calls.legs[leg_id] = LiveLeg(leg_id)
        new = NewCall(
            to=address,
            from_=self.settings.caller_ids[0],
            twiml=self._board.leg_document(leg),
            status_url=self._addresses.leg_status(leg_id),
            timeout_s=AGENT_RING_S,
        )
        try:
            info = await self._reached(self.api.create_call(new))
        except OutcomeUnknown:
            leg.closing = True  # if it rings after all, it is hung up as soon as it is heard of
            raise
        except TelephonyError:
            del self._calls.legs[leg_id]
            raise
        if leg.sid is None:
            leg.sid = info.sid
        elif leg.sid != info.sid:
            # An earlier create that had got no answer was carried out after all: one device, one
            # leg, and the first is in the room already.
            await self._finish(info.sid, OurEnd.HANGUP)

    async def close_agent_leg(self, leg_id: LegId) -> None:
        self._require_up()
        leg = self._calls.legs.get(leg_id)
        if leg is None:
            raise UnknownCall(f"there is no agent leg {leg_id}")
        leg.closing = True
        if leg.sid is not None:
            try:
                await self._reached(self.api.end_call(leg.sid))
            except Refused as refused:
                if not refused.is_gone:
                    raise
                self._floor.leg_gone(leg, "gone", self._clock.now())

    # --- is the API there? ------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(self.settings.probe_s)
            try:
                await self._check_account()
                if not self._up:
                    await self._found_again()
            except TelephonyError as error:
                self._lost(str(error))

    async def _found_again(self) -> None:
        """Say so, then which legs have changed meanwhile."""
        gone: list[tuple[LiveLeg, str]] = []
        for leg in list(self._calls.legs.values()):
            status = await self._leg_status(leg)
            if status is not None:
                gone.append((leg, status))
        self._up = True
        self._deliver(CarrierUp(event_id=self._change_id("up"), at=self._clock.now()))
        kept_back, self._kept_back = self._kept_back, []
        for event in kept_back:
            self._deliver(event)
        for leg, status in gone:
            self._floor.leg_gone(leg, f"twilio:{status}", self._clock.now())
        await self._find_arrivals()

    async def _leg_status(self, leg: LiveLeg) -> str | None:
        """The final status of a leg that is gone; None while it lives."""
        if leg.sid is None:
            return None
        try:
            status = (await self.api.call(leg.sid)).status
        except Refused as refused:
            if refused.is_gone:
                return "gone"
            raise
        return status.value if status.is_final else None

    def _caller_id(self, to: str) -> str:
        """Always the same of our numbers for the same person's number."""
        numbers = self.settings.caller_ids
        digest = blake2b(to.encode(), digest_size=4).digest()
        return numbers[int.from_bytes(digest, "big") % len(numbers)]


def _phase(info: CallInfo, call: LiveCall | None) -> CallPhase:
    """Where a call is. One that came to us rings until we answer, whatever Twilio calls it."""
    return call.phase if call is not None and call.inbound else PHASES[info.status]
