"""What every part of the adapter stands on: commands to Asterisk, errands, events to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Final

import structlog

from telephony_adapters.asterisk.client import AriClient, AriSilent, AriUnreachable, Body, Reply
from telephony_adapters.asterisk.lines import (
    Action,
    Arrived,
    Began,
    CallLine,
    DoubtEar,
    DropBridge,
    HangUpChannel,
    JoinOwnBridge,
    MeasureRecording,
    RingBack,
    StartDetection,
)
from telephony_adapters.asterisk.naming import Names
from telephony_adapters.asterisk.settings import AsteriskSettings
from telephony_adapters.asterisk.switchboard import Switchboard
from telephony_adapters.asterisk.tapes import WAV_HEADER_BYTES, measured
from telephony_adapters.clock import Clock
from telephony_adapters.errors import (
    CarrierUnavailable,
    OutcomeUnknown,
    TelephonyError,
    UnknownCall,
)
from telephony_adapters.messages import AnyCarrierEvent, CallId, LegId
from telephony_adapters.port import EventSink

log = structlog.get_logger()

GONE: Final = frozenset({400, 404, 409, 412, 422})
"""ARI's statuses for a command on a channel or bridge that is not there or not in our hands."""
LATE_END_S: Final = 0.5
"""How long the end of a call or leg may be on its way when what hung on it is gone already."""
DELETE_TRIES: Final = 3
"""Of a channel that is to go, while Asterisk does not reply."""
FETCH_TIMEOUT_S: Final = 60.0
"""Longest wait for the file of a recording."""


class Wire:
    """One application of one Asterisk."""

    def __init__(self, settings: AsteriskSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._names = Names(settings.app)
        self._prefix = f"{settings.app}-{int(clock.now().timestamp() * 1000):x}-"
        self._count = 0
        self._board = Switchboard(self._names, self._event_id)
        self._client: AriClient | None = None
        self._sink: EventSink | None = None
        self._up = False
        self._errands: set[asyncio.Task[None]] = set()
        self._awaited: dict[str, asyncio.Event] = {}
        """Snoop channels and recordings that somebody waits for."""

    # --- errands: what events ask for ---------------------------------------------------------

    def _carry_out(self, actions: Iterable[Action]) -> None:
        client = self._client
        if client is None:
            return
        for action in actions:
            match action:
                case StartDetection():
                    self._errand(self._start_detection(client, action.call_id))
                case JoinOwnBridge():
                    self._errand(self._join_own_bridge(client, action.leg_id))
                case DropBridge():
                    self._errand(self._drop_room(client, action))
                case HangUpChannel():
                    self._errand(self._delete(client, action.channel))
                case RingBack():
                    ring = f"/channels/{action.channel}/ring"
                    self._errand(self._quietly(client, "POST", ring))
                case Arrived():
                    self._arrived(client, action.channel)
                case Began():
                    if action.recording_id in self._awaited:
                        self._awaited[action.recording_id].set()
                case DoubtEar():
                    self._errand(self._doubt_ear(action))
                case MeasureRecording():
                    self._errand(self._measure(client, action))

    async def _start_detection(self, client: AriClient, call_id: CallId) -> None:
        path = f"/channels/{self._names.call_channel(call_id)}/continue"
        body: Body = {"context": self._settings.amd_context, "extension": "s", "priority": 1}
        try:
            await self._command(client, "POST", path, body)
        except TelephonyError:
            self._tell_all(self._board.undetected(call_id, self._clock.now()))

    async def _join_own_bridge(self, client: AriClient, leg_id: LegId) -> None:
        channel = self._names.leg_channel(leg_id)
        try:
            await self._add(client, leg_id, channel)
        except TelephonyError:
            await self._delete(client, channel)  # its end is told as `AgentLegDown`

    async def _drop_room(self, client: AriClient, drop: DropBridge) -> None:
        if drop.has_guests:
            await asyncio.sleep(LATE_END_S)
            if drop.leg_id in self._board.legs:
                return  # its device has been rung again meanwhile
        await self._quietly(client, "DELETE", self._room(drop.leg_id))

    async def _doubt_ear(self, doubt: DoubtEar) -> None:
        await asyncio.sleep(LATE_END_S)
        lost = self._board.floor.ear_lost(doubt.call_id, doubt.leg_id, doubt.ear, self._clock.now())
        self._tell_all(lost)

    async def _measure(self, client: AriClient, action: MeasureRecording) -> None:
        early = False
        if not action.asked_for:
            await asyncio.sleep(LATE_END_S)
            early = action.call_id in self._board.calls
        path = stored_file(action.recording_id)
        found = None
        try:
            head, size = await client.measure(path, WAV_HEADER_BYTES, FETCH_TIMEOUT_S)
            found = measured(head.body, size) if head.ok else None
        except (AriUnreachable, AriSilent) as error:
            log.warning("recording_not_found", recording=action.recording_id, error=str(error))
        told = self._board.tapes.finished(
            action.call_id,
            action.recording_id,
            found,
            action.at,
            action.expected_ms,
            early=early,
        )
        self._tell(told)

    def _arrived(self, client: AriClient, channel: str) -> None:
        awaited = self._awaited.get(channel)
        if awaited is not None:
            awaited.set()
        else:
            self._errand(self._delete(client, channel))

    async def _delete(self, client: AriClient, channel: str) -> None:
        """Hang up for certain: an ear that stays would overhear the next call."""
        for _ in range(DELETE_TRIES):
            try:
                await self._command(client, "DELETE", f"/channels/{channel}")
            except OutcomeUnknown:
                continue
            except TelephonyError:
                return  # gone already, or the next reconciliation finds it
            return

    async def _quietly(
        self, client: AriClient, method: str, path: str, body: Body | None = None
    ) -> None:
        """For what may be gone already; the next reconciliation finds what was left."""
        try:
            await self._command(client, method, path, body)
        except TelephonyError:
            return

    def _errand(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.create_task(work, name="asterisk:errand")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # --- commands -----------------------------------------------------------------------------

    async def _command(
        self,
        client: AriClient,
        method: str,
        path: str,
        body: Body | None = None,
        timeout_s: float | None = None,
    ) -> Reply:
        """A command on a channel or bridge. Raises the port's errors."""
        try:
            reply = await client.request(method, path, body, timeout_s=timeout_s)
        except AriUnreachable as error:
            raise CarrierUnavailable(f"Asterisk is not there: {error}") from error
        except AriSilent as error:
            raise OutcomeUnknown(f"no answer to {method}: {error}") from error
        if reply.ok:
            return reply
        code = f"http:{reply.status}"
        if reply.status in GONE:
            raise UnknownCall(f"{reply.message} ({method} {path})", provider_code=code)
        raise TelephonyError(f"{reply.message} ({method} {path})", provider_code=code)

    def _room(self, leg_id: LegId) -> str:
        return f"/bridges/{self._names.leg_bridge(leg_id)}"

    async def _add(self, client: AriClient, leg_id: LegId, channel: str) -> None:
        """Move a channel into the room of a leg. Raises the port's errors."""
        body = {"channel": channel}
        await self._command(client, "POST", f"{self._room(leg_id)}/addChannel", body)

    async def _snoop(self, client: AriClient, on: str, name: str, *, whisper: bool = False) -> None:
        """Make a channel that hears all of another, and return when it is in our hands.

        What is said into it reaches whoever is at `on` where it may whisper, and nobody else.
        Raises the port's errors.
        """
        body: Body = {
            "spy": "both",
            "whisper": "out" if whisper else "none",
            "app": self._settings.app,
            "appArgs": "snoop",
        }
        await self._begin(client, f"/channels/{on}/snoop/{name}", body, name)

    async def _begin(self, client: AriClient, path: str, body: Body, awaited: str) -> None:
        """A command whose effect is to be waited for. Raises the port's errors."""
        there = self._awaited[awaited] = asyncio.Event()
        try:
            await self._command(client, "POST", path, body)
            async with asyncio.timeout(self._settings.command_timeout_s):
                await there.wait()
        except TimeoutError as error:
            raise OutcomeUnknown(f"{awaited} does not begin (POST {path})") from error
        finally:
            del self._awaited[awaited]

    def channel_of(self, call_id: CallId) -> str:
        """Asterisk's own name of a live call, for whoever looks into Asterisk.

        Raises `UnknownCall`.
        """
        call = self._board.calls.get(call_id)
        if call is None:
            raise UnknownCall(f"there is no live call {call_id}")
        return call.channel

    def _connected(self) -> AriClient:
        if self._client is None or not self._up:
            raise CarrierUnavailable("there is no connection to Asterisk")
        return self._client

    def _answered_call(self, call_id: CallId) -> CallLine:
        call = self._board.calls.get(call_id)
        if call is None:
            raise UnknownCall(f"there is no live call {call_id}")
        if not call.told_answer:
            raise UnknownCall(f"call {call_id} is not answered yet")
        return call

    # --- events -------------------------------------------------------------------------------

    def _tell(self, event: AnyCarrierEvent) -> None:
        if self._sink is not None:
            self._sink(event)

    def _tell_all(self, events: Iterable[AnyCarrierEvent]) -> None:
        for event in events:
            self._tell(event)

    def _event_id(self) -> str:
        """ARI numbers no event, and a WebSocket repeats none: ours are unique over restarts."""
        self._count += 1
        return f"{self._prefix}{self._count}"


def stored_file(recording_id: str) -> str:
    """Where ARI has the file of a recording."""
    return f"/recordings/stored/{recording_id}/file"


async def reached(request: Coroutine[object, None, Reply]) -> Reply:
    """For questions: no answer is as bad as no connection. Raises `CarrierUnavailable`."""
    try:
        return await request
    except (AriUnreachable, AriSilent) as error:
        raise CarrierUnavailable(f"Asterisk does not answer: {error}") from error
