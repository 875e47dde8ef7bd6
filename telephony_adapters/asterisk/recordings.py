"""Commands about recordings: a snoop channel on the person's channel, and ARI's recorder on it."""

from __future__ import annotations

from telephony_adapters.asterisk.client import AriClient
from telephony_adapters.asterisk.tapes import Tape
from telephony_adapters.asterisk.wire import FETCH_TIMEOUT_S, Wire, reached, stored_file
from telephony_adapters.errors import DuplicateCall, TelephonyError, UnknownCall
from telephony_adapters.messages import CallId
from telephony_adapters.recording_ids import check_recording_id, is_recording_id


class Recordings(Wire):
    """Recorded as 16-bit WAV at 8 kHz, which every player knows."""

    async def record(self, call_id: CallId, recording_id: str) -> None:
        client = self._connected()
        call = self._answered_call(call_id)
        tapes = self._board.tapes
        check_recording_id(recording_id)
        if tapes.is_live(recording_id):
            raise DuplicateCall(f"recording id {recording_id} is in use")
        if call_id in tapes.live:
            raise TelephonyError(f"call {call_id} is being recorded already")
        tapes.live[call_id] = Tape(call_id, recording_id)
        tape = self._names.tape(call_id, recording_id)
        try:
            await self._refuse_repeat(client, recording_id)
            await self._snoop(client, call.channel, tape)
            body = {"name": recording_id, "format": "wav", "ifExists": "fail"}
            # A recording that has not begun yet cannot be stopped or paused.
            await self._begin(client, f"/channels/{tape}/record", body, recording_id)
        except TelephonyError:
            tapes.live.pop(call_id, None)
            await self._delete(client, tape)
            raise

    async def pause_recording(self, call_id: CallId, *, paused: bool) -> None:
        client = self._connected()
        tape = self._tape(call_id)
        if tape.paused == paused:
            return
        path = f"/recordings/live/{tape.recording_id}/pause"
        await self._command(client, "POST" if paused else "DELETE", path)
        if paused:
            tape.pause(self._clock.now())
        else:
            tape.go_on(self._clock.now())

    async def stop_recording(self, call_id: CallId) -> None:
        client = self._connected()
        tape = self._tape(call_id)
        tape.stopping = True
        await self._command(client, "POST", f"/recordings/live/{tape.recording_id}/stop")

    async def fetch_recording(self, recording_id: str) -> bytes:
        client = self._connected()
        if not is_recording_id(recording_id) or self._board.tapes.is_live(recording_id):
            raise UnknownCall(f"there is no finished recording {recording_id!r}")
        path = stored_file(recording_id)
        return (await self._command(client, "GET", path, timeout_s=FETCH_TIMEOUT_S)).body

    async def delete_recording(self, recording_id: str) -> None:
        client = self._connected()
        if not is_recording_id(recording_id):
            raise UnknownCall(f"there is no recording {recording_id!r}")
        if self._board.tapes.is_live(recording_id):
            raise TelephonyError(f"recording {recording_id} is being made")
        await self._command(client, "DELETE", f"/recordings/stored/{recording_id}")

    def _tape(self, call_id: CallId) -> Tape:
        self._answered_call(call_id)
        tape = self._board.tapes.live.get(call_id)
        if tape is None:
            raise UnknownCall(f"call {call_id} is not being recorded")
        return tape

    async def _refuse_repeat(self, client: AriClient, recording_id: str) -> None:
        """Asterisk would say only that something is in conflict."""
        if (await reached(client.request("GET", f"/recordings/stored/{recording_id}"))).ok:
            raise DuplicateCall(f"recording id {recording_id} was used before")
