"""Every call, leg and playback of ours, and what ARI's events mean for them. No I/O.

    handle(event, at) -> (events for the engine, actions for the adapter)

The adapter carries the actions out. A channel that is not ours, or an event that makes no sense
in the present state, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from telephony_adapters.asterisk.causes import Ending, classify, inbound_cause
from telephony_adapters.asterisk.codec import (
    VERDICTS,
    AnyAriEvent,
    Bridge,
    Channel,
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelEnteredBridge,
    ChannelLeftBridge,
    ChannelStateChange,
    Dial,
    PlaybackFinished,
    RecordingFailed,
    RecordingFinished,
    RecordingStarted,
    StasisEnd,
    StasisStart,
    instant,
)
from telephony_adapters.asterisk.floor import Floor
from telephony_adapters.asterisk.inbound import caller_of, inbound_id, is_inbound
from telephony_adapters.asterisk.lines import (
    Action,
    Arrived,
    CallLine,
    DropBridge,
    HangUpChannel,
    JoinOwnBridge,
    LegLine,
    Outcome,
    RingBack,
    StartDetection,
)
from telephony_adapters.asterisk.naming import Names
from telephony_adapters.asterisk.tapes import Tapes
from telephony_adapters.messages import (
    AgentLegDown,
    AgentLegUp,
    AmdResult,
    AmdVerdict,
    AnyCarrierEvent,
    CallAnswered,
    CallBridged,
    CallEnded,
    CallId,
    CallPhase,
    CallProgress,
    CallReport,
    CallRinging,
    DtmfReceived,
    InboundCall,
    LegId,
    Originate,
)
from telephony_adapters.messages import PlaybackFinished as PromptFinished

TIMER_TOLERANCE_S: Final = 0.1
"""By how much Asterisk may end a ringing call early."""
FORGOTTEN_AFTER_S: Final = 30.0
"""A call that Asterisk does not list this long after its ring timeout has never been."""


class Switchboard:
    """State of one adapter."""

    def __init__(self, names: Names, event_id: Callable[[], str]) -> None:
        self._names = names
        self._event_id = event_id
        self.calls: dict[CallId, CallLine] = {}
        self.legs: dict[LegId, LegLine] = {}
        self.floor = Floor(names, event_id, self.calls, self.legs)
        self.tapes = Tapes(names, event_id)
        self._inbound: dict[str, CallId] = {}
        """Calls that came to us, by their channels."""
        self._playbacks: dict[str, tuple[CallId, str]] = {}
        self._playbacks_made = 0

    # --- what the adapter sets out ----------------------------------------------------------

    def place(self, command: Originate, now: datetime) -> CallLine:
        """A call is about to be dialed; its events may come at once."""
        channel = self._names.call_channel(command.call_id)
        call = self.calls[command.call_id] = CallLine(command.call_id, channel)
        call.amd = command.amd
        call.ring_timeout_s = command.ring_timeout_s
        call.placing = True
        call.forget_at = now + timedelta(seconds=command.ring_timeout_s + FORGOTTEN_AFTER_S)
        return call

    def forget_call(self, call_id: CallId) -> None:
        """It was certainly not placed."""
        self.calls.pop(call_id, None)

    def start_playback(self, call_id: CallId, playback_id: str) -> str:
        """A playback is about to start; gives the id by which Asterisk shall know it."""
        self._playbacks_made += 1
        name = self._names.playback(call_id, self._playbacks_made)
        self._playbacks[name] = (call_id, playback_id)
        return name

    def playback_of(self, call_id: CallId, playback_id: str) -> str | None:
        """Asterisk's id of a playback under way; None when it is over."""
        wanted = (call_id, playback_id)
        return next((name for name, known in self._playbacks.items() if known == wanted), None)

    def drop_playback(self, name: str) -> None:
        """It did not start."""
        self._playbacks.pop(name, None)

    def want_bridge(self, call: CallLine, leg: LegLine) -> None:
        """A call is about to be moved to a leg."""
        self.give_up_bridge(call)
        call.wanted_leg = leg.leg_id
        leg.call_id = call.call_id

    def give_up_bridge(self, call: CallLine) -> None:
        """A call is not on its way to a leg (any more)."""
        leg = self.legs.get(call.wanted_leg) if call.wanted_leg is not None else None
        if leg is not None and call.leg_id != leg.leg_id:
            leg.call_id = None
        call.wanted_leg = None

    def undetected(self, call_id: CallId, at: datetime) -> list[AnyCarrierEvent]:
        """The detection could not be started: nobody knows who is there."""
        call = self.calls.get(call_id)
        return [] if call is None else self._verdict(call, AmdVerdict.UNSURE, at)

    # --- events -------------------------------------------------------------------------------

    def handle(self, event: AnyAriEvent, at: datetime) -> Outcome:
        """Take an event into account; `at` is when it happened, by our clock."""
        match event:
            case Dial():
                return self._dial(event, at), []
            case ChannelStateChange():
                return self._state(event, at), []
            case StasisStart():
                return self._stasis(event, at)
            case StasisEnd():
                return self._left_us(event, at)
            case ChannelEnteredBridge():
                return self._entered(event, at)
            case ChannelLeftBridge():
                self._left(event)
                return [], []
            case ChannelDtmfReceived():
                return self._pressed(event, at), []
            case PlaybackFinished():
                return self._played(event, at), []
            case RecordingStarted():
                return [], self.tapes.started(event, at)
            case RecordingFinished() | RecordingFailed():
                return self.tapes.ended(event, at)
            case ChannelDestroyed():
                return self._destroyed(event, at)
            case _:
                return [], []

    def _dial(self, event: Dial, at: datetime) -> list[AnyCarrierEvent]:
        call = self._call(event.peer)
        if call is None or call.answered_at is not None:
            return []
        if event.dialstatus == "RINGING":
            return self._rings(call, at)
        if event.dialstatus == "PROGRESS" and not call.progressed and not call.ringing:
            call.progressed = True
            return [CallProgress(event_id=self._event_id(), at=at, call_id=call.call_id)]
        return []

    def _state(self, event: ChannelStateChange, at: datetime) -> list[AnyCarrierEvent]:
        call = self._call(event.channel)
        if call is None or call.answered_at is not None:
            return []
        if event.channel.state == "Up":
            if call.inbound:
                return self.taken(call, at)
            call.answered_at = at
        elif event.channel.state == "Ringing":
            return self._rings(call, at)
        return []

    def _rings(self, call: CallLine, at: datetime) -> list[AnyCarrierEvent]:
        if call.ringing:
            return []
        call.ringing = True
        return [CallRinging(event_id=self._event_id(), at=at, call_id=call.call_id)]

    def _stasis(self, event: StasisStart, at: datetime) -> Outcome:
        leg_id = self._names.leg_of(event.channel.id)
        if leg_id is not None:
            if leg_id in self.legs:
                return [], [JoinOwnBridge(leg_id)]
            return [], [HangUpChannel(event.channel.id)]
        ours = (self._names.leg_of_ear, self._names.of_tape)
        if any(of(event.channel.id) is not None for of in ours):
            return [], [Arrived(event.channel.id)]
        call = self._call(event.channel)
        if call is None:
            return self._comes_in(event, at)
        if event.args[:1] == ("amd",):
            verdict = VERDICTS.get(event.args[1]) if len(event.args) > 1 else None
            return ([] if verdict is None else self._verdict(call, verdict, at)), []
        return self._answered(call, at)

    def _comes_in(self, event: StasisStart, at: datetime) -> Outcome:
        """A channel that we have not made: somebody calls us, if the dialplan says so."""
        if event.args[:1] != ("inbound",) or self._names.call_of(event.channel.id) is not None:
            return [], []
        call = self._adopt_inbound(event.channel)
        told = InboundCall(
            event_id=self._event_id(),
            at=at,
            call_id=call.call_id,
            caller=caller_of(event.channel, event.args[1:]),
            called=event.channel.dialplan.exten,
        )
        return [told], [RingBack(event.channel.id)]

    def _adopt_inbound(self, channel: Channel) -> CallLine:
        call_id = inbound_id(self._names.app, channel)
        call = self.calls[call_id] = CallLine(call_id, channel.id)
        call.inbound = call.waits_for_us = call.ringing = True
        self._inbound[channel.id] = call_id
        return call

    def taken(self, call: CallLine, at: datetime) -> list[AnyCarrierEvent]:
        """Somebody who calls us is answered; told once."""
        if call.told_answer:
            return []
        call.told_answer = True
        call.waits_for_us = False
        call.answered_at = at
        return [CallAnswered(event_id=self._event_id(), at=at, call_id=call.call_id)]

    def _answered(self, call: CallLine, at: datetime) -> Outcome:
        """Told once Asterisk lets us act on the call, with the instant of the answer."""
        if call.told_answer:
            return [], []
        call.told_answer = True
        call.answered_at = call.answered_at or at
        told = CallAnswered(event_id=self._event_id(), at=call.answered_at, call_id=call.call_id)
        return [told], [StartDetection(call.call_id)] if call.amd else []

    def _verdict(self, call: CallLine, verdict: AmdVerdict, at: datetime) -> list[AnyCarrierEvent]:
        if not call.amd or call.answered_at is None:
            return []
        call.amd = False  # once
        took_ms = round((at - call.answered_at).total_seconds() * 1000)
        return [
            AmdResult(
                event_id=self._event_id(),
                at=at,
                call_id=call.call_id,
                verdict=verdict,
                took_ms=max(0, took_ms),
            )
        ]

    def _entered(self, event: ChannelEnteredBridge, at: datetime) -> Outcome:
        call = self._call(event.channel)
        if event.bridge.id == self._names.hold_bridge:
            return ([] if call is None else self.floor.held(call, at)), []
        room = self._leg(event.bridge.id)
        if room is None:
            return [], []
        leg_id = self._names.leg_of(event.channel.id)
        guest = self.legs.get(leg_id) if leg_id is not None else None
        if guest is not None:
            guest.room = room.leg_id
            return (
                self._at_home(guest, at) if guest is room else self.floor.visited(room, guest, at)
            )
        if self._names.leg_of_ear(event.channel.id) == room.leg_id:
            return self.floor.listens(room, event.channel.id, at)
        if call is None or call.wanted_leg != room.leg_id:
            return [], []
        call.leg_id, call.wanted_leg, call.held = room.leg_id, None, False
        return [self.bridged(call, room.leg_id, at)], []

    def _at_home(self, leg: LegLine, at: datetime) -> Outcome:
        if leg.up:
            return [], []
        leg.up = True
        return [AgentLegUp(event_id=self._event_id(), at=at, leg_id=leg.leg_id)], []

    def bridged(self, call: CallLine, leg_id: LegId, at: datetime) -> CallBridged:
        """That a call is in a leg's bridge."""
        return CallBridged(event_id=self._event_id(), at=at, call_id=call.call_id, leg_id=leg_id)

    def _left(self, event: ChannelLeftBridge) -> None:
        call = self._call(event.channel)
        leg = self._leg(event.bridge.id)
        if call is not None and leg is not None:
            self.left_room(call, leg.leg_id)

    def left_room(self, call: CallLine, leg_id: LegId) -> None:
        """A call is in the room of a leg no more."""
        if call.leg_id == leg_id:
            call.leg_id = None
        leg = self.legs.get(leg_id)
        if leg is not None and leg.call_id == call.call_id and call.wanted_leg != leg_id:
            leg.call_id = None

    def _pressed(self, event: ChannelDtmfReceived, at: datetime) -> list[AnyCarrierEvent]:
        call = self._call(event.channel)
        if call is None:
            return []
        return [
            DtmfReceived(event_id=self._event_id(), at=at, call_id=call.call_id, digit=event.digit)
        ]

    def _played(self, event: PlaybackFinished, at: datetime) -> list[AnyCarrierEvent]:
        call_id, playback_id = self._playbacks.pop(event.playback.id, (None, ""))
        if call_id is None or call_id not in self.calls:
            return []
        return [
            PromptFinished(
                event_id=self._event_id(), at=at, call_id=call_id, playback_id=playback_id
            )
        ]

    # --- ends ---------------------------------------------------------------------------------

    def _destroyed(self, event: ChannelDestroyed, at: datetime) -> Outcome:
        leg_id = self._names.leg_of(event.channel.id)
        if leg_id is not None:
            ending = Ending(cause=event.cause, tech_cause=event.tech_cause)
            return self._leg_gone(leg_id, at, ending.provider_code)
        call = self._call(event.channel)
        if call is None or call.inbound:
            return [], []
        actions = self._forget(call)
        lived_s = (event.at - instant(event.channel.creationtime)).total_seconds()
        limit_s = call.ring_timeout_s
        ending = Ending(
            cause=event.cause,
            tech_cause=event.tech_cause,
            answered=call.answered_at is not None,
            hung_up=call.hung_up,
            rang=call.ringing or call.progressed,
            timed_out=limit_s is not None and lived_s >= limit_s - TIMER_TOLERANCE_S,
        )
        told = CallEnded(
            event_id=self._event_id(),
            at=at,
            call_id=call.call_id,
            cause=classify(ending),
            provider_code=ending.provider_code,
        )
        return [told], actions

    def _left_us(self, event: StasisEnd, at: datetime) -> Outcome:
        """Of a channel that it has not originated, an application is told this end only."""
        ear_of = self._names.leg_of_ear(event.channel.id)
        if ear_of is not None:
            return [], self.floor.ear_gone(ear_of, event.channel.id)
        call = self._call(event.channel)
        if call is None or not call.inbound:
            return [], []
        actions = self._forget(call)
        cause = inbound_cause(answered=call.told_answer, hung_up=call.hung_up)
        told = CallEnded(event_id=self._event_id(), at=at, call_id=call.call_id, cause=cause)
        return [told], actions

    def _leg_gone(self, leg_id: LegId, at: datetime, reason: str) -> Outcome:
        leg = self.legs.pop(leg_id, None)
        if leg is None:
            return [], []
        parted, actions = self.floor.leg_gone(leg, at)
        call = self.calls.get(leg.call_id) if leg.call_id is not None else None
        if call is not None:
            if call.leg_id == leg_id:
                call.leg_id = None
            if call.wanted_leg == leg_id:
                call.wanted_leg = None
        told = AgentLegDown(event_id=self._event_id(), at=at, leg_id=leg_id, reason=reason)
        has_guests = any(isinstance(action, JoinOwnBridge) for action in actions)
        return [told, *parted], [*actions, DropBridge(leg_id, has_guests)]

    def _forget(self, call: CallLine) -> list[Action]:
        del self.calls[call.call_id]
        self._inbound.pop(call.channel, None)
        for leg_id in {call.leg_id, call.wanted_leg} - {None}:
            leg = self.legs.get(leg_id) if leg_id is not None else None
            if leg is not None and leg.call_id == call.call_id:
                leg.call_id = None
        for name in [n for n, (owner, _) in self._playbacks.items() if owner == call.call_id]:
            del self._playbacks[name]
        return self.floor.call_gone(call)

    # --- reports ------------------------------------------------------------------------------

    def reports(
        self, channels: Sequence[Channel], bridges: Sequence[Bridge], now: datetime
    ) -> list[CallReport]:
        """Our live calls, out of Asterisk's own lists."""
        places = {
            channel: leg_id
            for bridge in bridges
            if (leg_id := self._names.leg_of_bridge(bridge.id)) is not None
            and self._names.leg_channel(leg_id) in bridge.channels
            for channel in bridge.channels
        }
        listed = {
            call_id: CallReport(
                call_id=call_id, phase=channel.phase, bridged_leg=places.get(channel.id)
            )
            for call_id, channel in self._ours(channels).items()
        }
        for call in list(self.calls.values()):
            overdue = call.forget_at is not None and call.forget_at < now
            if overdue and not call.placing and call.call_id not in listed:
                self._forget(call)
        return list(listed.values())

    def reconcile(
        self, channels: Sequence[Channel], bridges: Sequence[Bridge], now: datetime
    ) -> Outcome:
        """After a connection: what of ours lives on, whatever was told before.

        Calls are adopted or forgotten, to be asked for; what became of legs, and of bridges that
        we had asked for, is told. Legs and bridges that belong to nobody here are of an earlier
        life and are ended.
        """
        reports = {report.call_id: report for report in self.reports(channels, bridges, now)}
        held = {
            c for bridge in bridges if bridge.id == self._names.hold_bridge for c in bridge.channels
        }
        gone: list[Action] = []
        for call in list(self.calls.values()):
            if call.call_id not in reports and not call.placing:
                gone += self._forget(call)
        events: list[AnyCarrierEvent] = []
        for call_id, channel in self._ours(channels).items():
            events += self._adopt(reports[call_id], channel, channel.id in held, now)
        states = {channel.id: channel.phase for channel in channels}
        legs, actions = self._reconcile_legs(states, bridges, now)
        actions = [*gone, *actions]
        for orphan in states:
            leg_id = self._names.leg_of(orphan)
            if leg_id is not None and leg_id not in self.legs:
                actions.append(HangUpChannel(orphan))
        for bridge in bridges:
            leg_id = self._names.leg_of_bridge(bridge.id)
            if leg_id is not None and leg_id not in self.legs:
                actions.append(DropBridge(leg_id))
        rooms = {
            channel: leg_id
            for bridge in bridges
            if (leg_id := self._names.leg_of_bridge(bridge.id)) is not None
            for channel in bridge.channels
        }
        parts, wanted = self.floor.reconcile(rooms, states, now)
        tapes = self.tapes.reconcile(states, now)
        return [*legs, *events, *parts], [*actions, *wanted, *tapes]

    def _ours(self, channels: Sequence[Channel]) -> dict[CallId, Channel]:
        """Channels of persons, by call."""
        found = {}
        for channel in channels:
            call_id = self._names.call_of(channel.id) or self._inbound.get(channel.id)
            if call_id is None and is_inbound(self._names.app, channel):
                call_id = inbound_id(self._names.app, channel)
            if call_id is not None:
                found[call_id] = channel
        return found

    def _adopt(
        self, report: CallReport, channel: Channel, held: bool, now: datetime
    ) -> list[AnyCarrierEvent]:
        call = self.calls.get(report.call_id)
        if call is None and self._names.call_of(channel.id) is None:
            call = self._adopt_inbound(channel)
        if call is None:
            call = self.calls[report.call_id] = CallLine(report.call_id, channel.id)
        if report.phase is CallPhase.ANSWERED:
            call.answered_at = call.answered_at or now
            call.told_answer = True
            call.waits_for_us = False
        call.ringing = call.ringing or report.phase is not CallPhase.DIALING
        call.leg_id = report.bridged_leg
        if held and not call.held:
            return self.floor.held(call, now)  # our own command, whose effect was not heard
        call.held = held
        if call.leg_id is None or call.leg_id != call.wanted_leg:
            return []
        call.wanted_leg = None
        return [self.bridged(call, call.leg_id, now)]  # our own command, whose effect was not heard

    def _reconcile_legs(
        self, states: Mapping[str, CallPhase], bridges: Sequence[Bridge], now: datetime
    ) -> Outcome:
        events: list[AnyCarrierEvent] = []
        actions: list[Action] = []
        joined = {channel for bridge in bridges for channel in bridge.channels}
        for leg in list(self.legs.values()):
            channel = self._names.leg_channel(leg.leg_id)
            if channel not in states:
                told, wanted = self._leg_gone(leg.leg_id, now, "gone")
                events += told
                actions += wanted
            elif not leg.up and channel in joined:
                leg.up = True
                events.append(AgentLegUp(event_id=self._event_id(), at=now, leg_id=leg.leg_id))
            elif not leg.up and states[channel] is CallPhase.ANSWERED:
                actions.append(JoinOwnBridge(leg.leg_id))
            carried = self.calls.get(leg.call_id) if leg.call_id is not None else None
            if carried is None or leg.leg_id not in (carried.leg_id, carried.wanted_leg):
                leg.call_id = None
        return events, actions

    # --- helpers ------------------------------------------------------------------------------

    def _call(self, channel: Channel) -> CallLine | None:
        call_id = self._names.call_of(channel.id) or self._inbound.get(channel.id)
        return None if call_id is None else self.calls.get(call_id)

    def _leg(self, bridge: str) -> LegLine | None:
        leg_id = self._names.leg_of_bridge(bridge)
        return None if leg_id is None else self.legs.get(leg_id)
