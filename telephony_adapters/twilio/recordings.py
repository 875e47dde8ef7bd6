"""Commands about recordings: of the person's call, so that they follow it wherever it moves."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from telephony_adapters.errors import OutcomeUnknown, TelephonyError, UnknownCall
from telephony_adapters.messages import CallId
from telephony_adapters.recording_ids import check_recording_id, is_recording_id
from telephony_adapters.twilio.codec import RecordingTold
from telephony_adapters.twilio.notes import Note
from telephony_adapters.twilio.tapes import Tape, Todo
from telephony_adapters.twilio.transport import Refused
from telephony_adapters.twilio.voice_api import RecordingChange
from telephony_adapters.twilio.wire import Wire

log = structlog.get_logger()


class Recordings(Wire):
    """Recorded by Twilio, in one channel; its files are WAV."""

    async def record(self, call_id: CallId, recording_id: str) -> None:
        self._require_up()
        call, sid = self._calls.require_answered(call_id)
        check_recording_id(recording_id)
        tape = self._tapes.begin(call_id, recording_id)
        told_url = self._addresses.recording(call_id, recording_id)
        try:
            tape.sid = await self._asked(call, self.api.record(sid, told_url))
        except OutcomeUnknown:
            tape.given_up = True  # if it runs after all, it is stopped as soon as it is heard of
            raise
        except TelephonyError:
            self._tapes.drop(tape)
            raise
        note = Note(recording_id=recording_id, sid=tape.sid, began_at=self._clock.now())
        await asyncio.to_thread(self._notes.add, note)

    async def pause_recording(self, call_id: CallId, *, paused: bool) -> None:
        self._require_up()
        sid, tape = self._running(call_id)
        if tape.paused == paused:
            return
        await self._change(sid, tape, RecordingChange.PAUSE if paused else RecordingChange.GO_ON)
        tape.paused = paused

    async def stop_recording(self, call_id: CallId) -> None:
        self._require_up()
        sid, tape = self._running(call_id)
        tape.stopping = True
        try:
            await self._change(sid, tape, RecordingChange.STOP)
        except TelephonyError:
            tape.stopping = False
            raise

    async def fetch_recording(self, recording_id: str) -> bytes:
        self._require_up()
        sid = self._file_of(recording_id) if is_recording_id(recording_id) else None
        if sid is None:
            raise UnknownCall(f"there is no finished recording {recording_id!r}")
        try:
            file = await self._reached(self.api.recording_file(sid))
        except Refused as refused:
            if refused.is_gone:
                raise UnknownCall(f"Twilio has no recording {recording_id} any more") from refused
            raise
        self._tapes.fetched(recording_id, sid)
        return file

    async def delete_recording(self, recording_id: str) -> None:
        self._require_up()
        sid = self._file_of(recording_id) if is_recording_id(recording_id) else None
        if sid is None:
            if self._tapes.live(recording_id) is not None:
                raise TelephonyError(f"recording {recording_id} is being made")
            raise UnknownCall(f"there is no recording {recording_id!r}")
        await self._delete(sid)

    async def _delete(self, sid: str) -> None:
        """Raises `UnknownCall` when Twilio has it no more."""
        try:
            await self._reached(self.api.delete_recording(sid))
        except Refused as refused:
            if refused.is_gone:
                raise UnknownCall(f"Twilio has no recording {sid} any more") from refused
            raise

    async def _delete_unwanted(self, sid: str) -> None:
        with contextlib.suppress(UnknownCall):
            await self._delete(sid)

    def _file_of(self, recording_id: str) -> str | None:
        """Twilio's SID of a recording that is complete, or must be: its call has ended."""
        tape = self._tapes.live(recording_id)
        if tape is not None and tape.call_id not in self._calls.calls:
            return tape.sid  # the callback that it is complete may have been lost
        return self._tapes.file_of(recording_id)

    def _recording_told(self, recording_id: str, frame: RecordingTold) -> None:
        """A status callback of a recording."""
        tape = self._tapes.live(recording_id)
        todo = self._tapes.told(recording_id, frame, self._clock.now())
        if todo is None:
            self._board.repeats += 1
        elif todo is Todo.STOP and tape is not None:
            self._chores.start(f"tape:{recording_id}", self._stop_unwanted(tape))
        elif todo is Todo.DELETE:
            log.warning("twilio_recording_not_wanted", recording=recording_id)
            self._chores.start(f"tape:{recording_id}", self._delete_unwanted(frame.sid))

    async def _stop_unwanted(self, tape: Tape) -> None:
        call = self._calls.calls.get(tape.call_id)
        if call is not None and call.sid is not None:
            await self._change(call.sid, tape, RecordingChange.STOP)

    def _running(self, call_id: CallId) -> tuple[str, Tape]:
        """The recording of an answered call, and the call's SID. Raises `UnknownCall`."""
        _, sid = self._calls.require_answered(call_id)
        tape = self._tapes.of_call(call_id)
        if tape is None or tape.sid is None or tape.stopping:
            raise UnknownCall(f"call {call_id} is not being recorded")
        return sid, tape

    async def _change(self, sid: str, tape: Tape, change: RecordingChange) -> None:
        try:
            await self._reached(self.api.change_recording(sid, tape.sid or "", change))
        except Refused as refused:
            if refused.is_gone:
                raise UnknownCall(f"call {tape.call_id} is not being recorded") from refused
            raise
