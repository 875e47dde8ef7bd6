"""Recordings by our ids, and what Twilio's callbacks mean for them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from telephony_adapters.call_ids import UsedCallIds
from telephony_adapters.errors import DuplicateCall, TelephonyError
from telephony_adapters.messages import AnyCarrierEvent, CallId, RecordingFinished
from telephony_adapters.twilio.codec import RecordingState, RecordingTold

REMEMBERED: Final = 100_000
"""Finished recordings whose file can be fetched; beyond that the oldest is forgotten."""


class Tape:
    """A recording between its start and the callback that its file is ready."""

    __slots__ = ("call_id", "given_up", "paused", "recording_id", "sid", "stopping")

    def __init__(self, call_id: CallId, recording_id: str) -> None:
        self.call_id = call_id
        self.recording_id = recording_id
        self.sid: str | None = None
        """Twilio's; None until its answer, or its first callback, has told."""
        self.paused = False
        self.stopping = False
        self.given_up = False
        """Its start got no answer: if it runs all the same, nobody knows, and it must not."""


class Todo(StrEnum):
    """What is to be done about a recording that nobody wants."""

    NOTHING = "nothing"
    STOP = "stop"
    DELETE = "delete"


class Tapes:
    """All recordings of one adapter. At most one a call at a time."""

    def __init__(self, tell: Callable[[AnyCarrierEvent], None]) -> None:
        self._tell = tell
        self._used = UsedCallIds(REMEMBERED)
        self._live: dict[str, Tape] = {}
        self._finished: dict[str, str] = {}
        """Twilio's SID by our id."""

    def remember(self, sids: Mapping[str, str]) -> None:
        """Recordings of an earlier life, by our id: whoever asks for one shall find it."""
        for recording_id, sid in sids.items():
            self._finish(recording_id, sid)

    def begin(self, call_id: CallId, recording_id: str) -> Tape:
        """A recording is about to start. Raises `DuplicateCall`, `TelephonyError`."""
        if recording_id in self._used or recording_id in self._finished:
            raise DuplicateCall(f"recording id {recording_id} was used before")
        if self.of_call(call_id) is not None:
            raise TelephonyError(f"call {call_id} is being recorded already")
        self._used.add(recording_id)
        tape = self._live[recording_id] = Tape(call_id, recording_id)
        return tape

    def drop(self, tape: Tape) -> None:
        """It certainly did not start."""
        self._live.pop(tape.recording_id, None)
        self._used.discard(tape.recording_id)

    def live(self, recording_id: str) -> Tape | None:
        return self._live.get(recording_id)

    def of_call(self, call_id: CallId) -> Tape | None:
        """The recording of a call that is not complete yet."""
        return next(
            (t for t in self._live.values() if t.call_id == call_id and not t.given_up), None
        )

    def file_of(self, recording_id: str) -> str | None:
        """Twilio's SID of a finished recording."""
        return self._finished.get(recording_id)

    def fetched(self, recording_id: str, sid: str) -> None:
        """Its file is there, so it is complete, whether that was told or not."""
        self._live.pop(recording_id, None)
        self._finish(recording_id, sid)

    def told(self, recording_id: str, frame: RecordingTold, at: datetime) -> Todo | None:
        """A status callback; None when it told nothing new."""
        tape = self._live.get(recording_id)
        if tape is None:
            if frame.state is not RecordingState.COMPLETED or recording_id in self._finished:
                return None
            # Of another life of this program: whoever asks for it shall find it.
            self._finish(recording_id, frame.sid)
            return Todo.NOTHING
        if tape.sid is None:
            tape.sid = frame.sid
        if tape.sid != frame.sid:
            return None
        if frame.state is RecordingState.IN_PROGRESS:
            return Todo.STOP if tape.given_up else Todo.NOTHING
        del self._live[recording_id]
        if tape.given_up:
            return Todo.DELETE
        failed = frame.state is not RecordingState.COMPLETED
        if not failed:
            self._finish(recording_id, frame.sid)
        self._tell(
            RecordingFinished(
                event_id=f"{frame.sid}:finished",
                at=at,
                call_id=tape.call_id,
                recording_id=recording_id,
                duration_ms=0 if failed else frame.duration_s * 1000,
                failed=failed,
            )
        )
        return Todo.NOTHING

    def _finish(self, recording_id: str, sid: str) -> None:
        while recording_id not in self._finished and len(self._finished) >= REMEMBERED:
            del self._finished[next(iter(self._finished))]
        self._finished[recording_id] = sid
