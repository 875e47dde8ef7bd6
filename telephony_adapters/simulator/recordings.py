"""Recordings of simulated calls: a soft tone of the right length."""

from __future__ import annotations

import io
import math
import struct
import wave
from datetime import datetime
from typing import Final

from telephony_adapters.clock import Clock
from telephony_adapters.errors import DuplicateCall, TelephonyError, UnknownCall
from telephony_adapters.messages import CallId, RecordingFinished
from telephony_adapters.recording_ids import check_recording_id
from telephony_adapters.simulator.delivery import Delivery
from telephony_adapters.simulator.live_call import LiveCall

KEPT_RECORDINGS: Final = 100_000
"""Finished recordings that can be fetched; beyond that the oldest is forgotten."""
RATE_HZ: Final = 8_000
TONE_HZ: Final = 400
_PERIOD: Final = RATE_HZ // TONE_HZ
_TONE: Final = b"".join(
    struct.pack("<h", round(4_000 * math.sin(2 * math.pi * n / _PERIOD))) for n in range(_PERIOD)
)


def tone_file(duration_ms: int) -> bytes:
    """A soft tone of this length, as a WAV file."""
    samples = duration_ms * RATE_HZ // 1000
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes((_TONE * (samples // _PERIOD + 1))[: 2 * samples])
    return file.getvalue()


class Recording:
    """One that is under way."""

    __slots__ = ("before_s", "recording_id", "since")

    def __init__(self, recording_id: str, since: datetime) -> None:
        self.recording_id = recording_id
        self.since: datetime | None = since
        """None: paused."""
        self.before_s = 0.0
        """Recorded before the last pause."""

    def pause(self, now: datetime) -> None:
        if self.since is not None:
            self.before_s += (now - self.since).total_seconds()
            self.since = None


class Recordings:
    """At most one a call."""

    def __init__(self, clock: Clock, wire: Delivery) -> None:
        self._clock = clock
        self._wire = wire
        self._live: dict[CallId, Recording] = {}
        self._finished: dict[str, int] = {}

    def start(self, call: LiveCall, recording_id: str) -> None:
        """Raises `DuplicateCall` for an id used before."""
        if call.call_id in self._live:
            raise TelephonyError(f"call {call.call_id} is being recorded already")
        check_recording_id(recording_id)
        under_way = {live.recording_id for live in self._live.values()}
        if recording_id in self._finished or recording_id in under_way:
            raise DuplicateCall(f"recording id {recording_id} was used before")
        self._live[call.call_id] = Recording(recording_id, self._clock.now())

    def pause(self, call: LiveCall, *, paused: bool) -> None:
        """Leave out what follows, or go on. Raises `UnknownCall`."""
        recording = self._require(call)
        if paused:
            recording.pause(self._clock.now())
        elif recording.since is None:
            recording.since = self._clock.now()

    def stop(self, call: LiveCall) -> None:
        """Raises `UnknownCall`."""
        self._require(call)
        self.finish(call)

    def finish(self, call: LiveCall) -> None:
        """End the recording of a call, if there is one."""
        recording = self._live.pop(call.call_id, None)
        if recording is None:
            return
        now = self._clock.now()
        recording.pause(now)
        duration_ms = round(recording.before_s * 1000)
        if len(self._finished) >= KEPT_RECORDINGS:
            del self._finished[next(iter(self._finished))]
        self._finished[recording.recording_id] = duration_ms
        self._wire.of_call(
            call,
            RecordingFinished(
                event_id=self._wire.event_id(),
                at=now,
                call_id=call.call_id,
                recording_id=recording.recording_id,
                duration_ms=duration_ms,
            ),
        )

    def fetch(self, recording_id: str) -> bytes:
        """A WAV file. Raises `UnknownCall`."""
        duration_ms = self._finished.get(recording_id)
        if duration_ms is None:
            raise UnknownCall(f"there is no finished recording {recording_id}")
        return tone_file(duration_ms)

    def delete(self, recording_id: str) -> None:
        """Raises `UnknownCall`, and `TelephonyError` for one that is under way."""
        if any(live.recording_id == recording_id for live in self._live.values()):
            raise TelephonyError(f"recording {recording_id} is being made")
        if self._finished.pop(recording_id, None) is None:
            raise UnknownCall(f"there is no finished recording {recording_id}")

    def stored(self) -> frozenset[str]:
        """Which finished recordings are there."""
        return frozenset(self._finished)

    def _require(self, call: LiveCall) -> Recording:
        recording = self._live.get(call.call_id)
        if recording is None:
            raise UnknownCall(f"call {call.call_id} is not being recorded")
        return recording
