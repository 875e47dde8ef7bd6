"""The telephony port over Asterisk's ARI: one application, one WebSocket, one switchboard."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from compliance.permit import ContactPermit
from compliance.types import Channel
from telephony_adapters.asterisk import codec
from telephony_adapters.asterisk.client import AriClient, AriSilent, AriUnreachable, Body
from telephony_adapters.asterisk.clock_offset import ClockOffset
from telephony_adapters.asterisk.conversations import Conversations
from telephony_adapters.asterisk.lines import DropBridge, HangUpChannel, LegLine, Outcome
from telephony_adapters.asterisk.recordings import Recordings
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.asterisk.wire import LATE_END_S, reached
from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.clock import Clock
from telephony_adapters.errors import (
    CarrierUnavailable,
    DuplicateCall,
    NoAudio,
    OriginateRejected,
    OutcomeUnknown,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.keys import check_keys
from telephony_adapters.messages import (
    AdapterFacts,
    CallId,
    CallReport,
    CarrierDown,
    CarrierUp,
    LegId,
    Originate,
)
from telephony_adapters.port import EventSink
from telephony_adapters.prompts import Prompt

log = structlog.get_logger()

NAME: Final = "asterisk"
FOLLOWS_REDIRECTS: Final = "uri_pjsip"
"""The `redirect_method` by which an endpoint calls whatever address a SIP 302 names."""
REPLACED: Final = "application_replaced"


class AsteriskCarrier(Conversations, Recordings):
    """A `TelephonyAdapter` for one Asterisk node (16 or newer)."""

    def __init__(self, settings: AsteriskSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._used = UsedCallIds()
        self._app_seen_s = 0.0
        self._listening: asyncio.Task[None] | None = None
        self.malformed_frames = 0
        """Frames that were not what ARI documents, since the start."""

    @property
    def facts(self) -> AdapterFacts:
        return AdapterFacts(
            name=NAME,
            simulated=False,
            loopback=self._settings.reaches_nobody,
            amd=self._settings.amd_context is not None,
            dtmf=True,
            prompts=self._settings.prompts_media is not None,
            control=True,
            recording=True,
            dtmf_out=True,
            inbound=True,
            max_originates_per_s=self._settings.max_originates_per_s,
        )

    # --- life ---------------------------------------------------------------------------------

    async def start(self, sink: EventSink) -> None:
        faults = self._settings.faults()
        if faults:
            raise CarrierUnavailable(f"settings of Asterisk: {'; '.join(faults)}")
        self._client = AriClient(self._settings)
        self._sink = sink
        try:
            _, actions = await self._connect(self._client)
        except CarrierUnavailable:
            await self.stop()
            raise
        self._up = True
        self._carry_out(actions)
        self._listening = asyncio.create_task(self._listen(self._client), name="asterisk:events")

    async def stop(self) -> None:
        self._up = False
        self._sink = None
        tasks = [*self._errands, *([self._listening] if self._listening is not None else [])]
        self._listening = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _refuse_a_detour(self, client: AriClient) -> None:
        """A laboratory's trunk goes where its dial string says, or nothing is dialed."""
        endpoint = self._settings.trunk_endpoint
        if not self._settings.laboratory or endpoint is None:
            return
        path = f"/asterisk/config/dynamic/res_pjsip/endpoint/{endpoint}"
        reply = await reached(client.request("GET", path))
        if not reply.ok:
            raise CarrierUnavailable(f"asterisk.laboratory: endpoint `{endpoint}`: {reply.message}")
        try:
            known = codec.parse_attributes(reply.body)
            proxy = known["outbound_proxy"]
            redirect = known.get("redirect_method", "")  # Asterisk 16 does not tell
        except (codec.MalformedFrame, KeyError) as error:
            raise CarrierUnavailable(f"endpoint `{endpoint}` cannot be looked at") from error
        if proxy or redirect == FOLLOWS_REDIRECTS:
            raise CarrierUnavailable(
                f"asterisk.laboratory is set, but endpoint `{endpoint}` can send calls elsewhere: "
                f"outbound_proxy={proxy or 'none'}, redirect_method={redirect}"
            )

    async def _connect(self, client: AriClient) -> Outcome:
        """Open the WebSocket and see what lives. Raises `CarrierUnavailable`."""
        await self._refuse_a_detour(client)
        try:
            await client.connect()
        except AriUnreachable as error:
            raise CarrierUnavailable(f"no connection to {self._settings.url}: {error}") from error
        await self._check_app(client)
        await self._make_hold_bridge(client)
        channels, bridges = await self._lists(client)
        return self._board.reconcile(channels, bridges, self._clock.now())

    async def _make_hold_bridge(self, client: AriClient) -> None:
        """Without the modules for it all the rest works; `hold` says what is missing then."""
        bridge = f"/bridges/{self._names.hold_bridge}"
        await self._quietly(client, "POST", bridge, {"type": "holding"})

    async def _listen(self, client: AriClient) -> None:
        """Take events for ever; connect again when the connection is lost."""
        while True:
            reason = await self._take_frames(client)
            self._up = False
            await client.disconnect()
            self._tell(CarrierDown(event_id=self._event_id(), at=self._clock.now(), reason=reason))
            if reason == REPLACED:
                # Somebody else serves this application now. To take it back would only start a war.
                return
            events, actions = await self._connect_again(client)
            self._up = True
            self._tell(CarrierUp(event_id=self._event_id(), at=self._clock.now()))
            self._apply((events, actions))

    async def _connect_again(self, client: AriClient) -> Outcome:
        pause_s = self._settings.reconnect_least_s
        while True:
            await asyncio.sleep(pause_s)
            try:
                return await self._connect(client)
            except CarrierUnavailable:
                await client.disconnect()
                pause_s = min(pause_s * 2, self._settings.reconnect_most_s)

    async def _take_frames(self, client: AriClient) -> str:
        """Handle frames until there are no more; gives the reason."""
        offset = ClockOffset()
        async for frame in client.frames():
            try:
                event = codec.parse_event(frame)
                if isinstance(event, codec.ApplicationReplaced):
                    if event.application == self._settings.app:
                        return REPLACED
                elif event is not None:
                    at = offset.ours(event.at, self._clock.now())
                    self._apply(self._board.handle(event, at))
            except codec.MalformedFrame as error:
                self._count_malformed(error)
            except Exception as error:
                # Deaf, it must not go on dialing. A new connection starts from Asterisk's lists.
                return f"fault in an event: {type(error).__name__}: {error}"
        return "connection lost"

    def _count_malformed(self, error: codec.MalformedFrame) -> None:
        self.malformed_frames += 1
        if self.malformed_frames.bit_count() == 1:  # 1, 2, 4, 8 ...: a flood does not fill the log
            log.warning("ari_frame_refused", so_far=self.malformed_frames, error=str(error))

    def _apply(self, outcome: Outcome) -> None:
        events, actions = outcome
        self._tell_all(events)
        self._carry_out(actions)

    # --- commands -----------------------------------------------------------------------------

    async def originate(self, command: Originate, permit: ContactPermit) -> None:
        permit.spend(address=command.to, channel=Channel.VOICE, now=self._clock.now())
        client = self._connected()
        target = self._settings.dial_string(command.to, command.trunk)
        if target is None:
            raise OriginateRejected(f"not an E.164 number: {len(command.to)} characters")
        if command.amd and self._settings.amd_context is None:
            raise OriginateRejected("detection is asked for, but asterisk.amd_context is not set")
        if command.call_id in self._used:
            raise DuplicateCall(f"call id {command.call_id} was used before; it was not repeated")
        if asyncio.get_running_loop().time() - self._app_seen_s > self._settings.app_check_s:
            await self._check_app(client)
        self._used.add(command.call_id)
        call = self._board.place(command, self._clock.now())
        try:
            await self._place(client, command, target)
        except (OriginateRejected, CarrierUnavailable, DuplicateCall):
            self._board.forget_call(command.call_id)
            raise
        finally:
            call.placing = False
            if call.hung_up and call.call_id in self._board.calls:
                self._errand(self._delete(client, call.channel))

    async def _place(self, client: AriClient, command: Originate, target: str) -> None:
        path = f"/channels/{self._names.call_channel(command.call_id)}"
        body: Body = {
            "endpoint": target,
            "app": self._settings.app,
            "appArgs": "call",
            "callerId": command.caller_id or self._settings.caller_id or "",
            "timeout": command.ring_timeout_s,
            "variables": {"MARCADOR_APP": self._settings.app},
        }
        try:
            reply = await client.request("POST", path, body)
        except AriUnreachable as error:
            raise CarrierUnavailable(f"Asterisk is not there: {error}") from error
        except AriSilent as error:
            raise OutcomeUnknown(f"no answer to an originate: {error}") from error
        if reply.ok:
            return
        code = f"http:{reply.status}"
        if reply.status == 409:
            raise DuplicateCall(f"Asterisk has this channel: {reply.message}", provider_code=code)
        if reply.status == 503:
            raise CarrierUnavailable(f"Asterisk stops: {reply.message}", provider_code=code)
        if reply.status >= 500 and await self._exists(client, path):
            return
        raise OriginateRejected(f"Asterisk refused: {reply.message}", provider_code=code)

    async def _exists(self, client: AriClient, path: str) -> bool:
        """Whether a channel that was answered with an error is there. Raises `OutcomeUnknown`."""
        try:
            reply = await client.request("GET", path)
        except (AriUnreachable, AriSilent) as error:
            raise OutcomeUnknown(f"an originate failed in the middle: {error}") from error
        if not reply.ok and reply.status != 404:
            raise OutcomeUnknown(f"an originate failed in the middle: {reply.message}")
        return reply.ok

    async def hangup(self, call_id: CallId) -> None:
        client = self._connected()
        call = self._board.calls.get(call_id)
        if call is None:
            raise UnknownCall(f"there is no live call {call_id}")
        call.hung_up = True
        if call.placing:
            return  # it goes as soon as Asterisk says that it is there
        try:
            await self._command(client, "DELETE", f"/channels/{call.channel}")
        except UnknownCall:
            # The person was quicker: the end is on its way, unless it was lost.
            await asyncio.sleep(LATE_END_S)
            if call_id in self._board.calls:
                raise

    async def answer(self, call_id: CallId) -> None:
        client = self._connected()
        call = self._board.calls.get(call_id)
        if call is None or not call.waits_for_us:
            raise UnknownCall(f"call {call_id} does not wait for an answer")
        call.waits_for_us = False
        await self._command(client, "POST", f"/channels/{call.channel}/answer")
        if call_id in self._board.calls:
            self._tell_all(self._board.taken(call, self._clock.now()))

    async def send_dtmf(self, call_id: CallId, digits: str) -> None:
        client = self._connected()
        check_keys(digits)
        call = self._answered_call(call_id)
        await self._command(client, "POST", f"/channels/{call.channel}/dtmf", {"dtmf": digits})

    async def open_agent_leg(self, leg_id: LegId, endpoint: str) -> None:
        client = self._connected()
        target = self._settings.leg_dial_string(endpoint)
        if target is None:
            raise OriginateRejected(
                "a leg is `agent:NAME` (letters, digits, . _ -), or an E.164 number outside"
            )
        if leg_id in self._board.legs:
            raise DuplicateCall(f"agent leg {leg_id} is open already")
        self._board.legs[leg_id] = LegLine(leg_id)
        body: Body = {
            "endpoint": target,
            "app": self._settings.app,
            "appArgs": "leg",
            "callerId": self._settings.caller_id or "",
            "timeout": self._settings.agent_ring_timeout_s,
        }
        try:
            await self._make_room(client, leg_id)
            await self._command(
                client, "POST", f"/channels/{self._names.leg_channel(leg_id)}", body
            )
        except TelephonyError:
            self._board.legs.pop(leg_id, None)
            self._carry_out([DropBridge(leg_id), HangUpChannel(self._names.leg_channel(leg_id))])
            raise

    async def _make_room(self, client: AriClient, leg_id: LegId) -> None:
        """The bridge of a leg; one that is still there since its device hung up will do."""
        room = self._room(leg_id)
        try:
            await self._command(client, "POST", room, {"type": "mixing"})
        except (CarrierUnavailable, OutcomeUnknown):
            raise
        except TelephonyError as refused:
            try:
                await self._command(client, "GET", room)
            except UnknownCall:
                raise refused from None

    async def close_agent_leg(self, leg_id: LegId) -> None:
        client = self._connected()
        if leg_id not in self._board.legs:
            raise UnknownCall(f"there is no agent leg {leg_id}")
        await self._command(client, "DELETE", f"/channels/{self._names.leg_channel(leg_id)}")

    async def play(self, call_id: CallId, prompt: Prompt, playback_id: str) -> None:
        client = self._connected()
        call = self._answered_call(call_id)
        media = self._settings.media_of(prompt.audio)
        if media is None:
            raise NoAudio("Asterisk has no voice of its own: this prompt has no recording")
        place = f"/channels/{call.channel}"
        if call.leg_id is not None:
            # Asterisk plays nothing to a channel in a bridge, only to the whole bridge.
            place = f"/bridges/{self._names.leg_bridge(call.leg_id)}"
        name = self._board.start_playback(call_id, playback_id)
        try:
            await self._command(client, "POST", f"{place}/play/{name}", {"media": media})
        except TelephonyError:
            self._board.drop_playback(name)
            raise

    async def stop_playing(self, call_id: CallId, playback_id: str) -> None:
        client = self._connected()
        self._answered_call(call_id)
        name = self._board.playback_of(call_id, playback_id)
        if name is not None:
            with contextlib.suppress(UnknownCall):  # over already: its end is on the way
                await self._command(client, "DELETE", f"/playbacks/{name}")

    async def list_calls(self) -> list[CallReport]:
        channels, bridges = await self._lists(self._connected())
        return self._board.reports(channels, bridges, self._clock.now())

    # --- questions -----------------------------------------------------------------------------

    async def _check_app(self, client: AriClient) -> None:
        """Asterisk dials for an application that nobody serves, too, and nobody would be there.

        Raises `CarrierUnavailable`.
        """
        reply = await reached(client.request("GET", f"/applications/{self._settings.app}"))
        if not reply.ok:
            raise CarrierUnavailable(
                f"Asterisk has no application `{self._settings.app}`: {reply.message}"
            )
        self._app_seen_s = asyncio.get_running_loop().time()

    async def _lists(self, client: AriClient) -> tuple[list[codec.Channel], list[codec.Bridge]]:
        channels = await reached(client.request("GET", "/channels"))
        bridges = await reached(client.request("GET", "/bridges"))
        for reply in (channels, bridges):
            if not reply.ok:
                raise CarrierUnavailable(f"Asterisk does not list its calls: {reply.message}")
        try:
            return codec.parse_channels(channels.body), codec.parse_bridges(bridges.body)
        except codec.MalformedFrame as error:
            raise CarrierUnavailable(f"Asterisk's list cannot be read: {error}") from error
