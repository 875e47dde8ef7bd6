"""The recordings under way, and what ARI's events mean for them. Pure.

A recording is a snoop channel on the person's own channel, recorded: it follows the call through
every room. Its name tells call and recording, so an end that comes in another life is understood.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

import msgspec

from telephony_adapters.asterisk.codec import RecordingFailed, RecordingFinished, RecordingStarted
from telephony_adapters.asterisk.lines import (
    Action,
    Began,
    HangUpChannel,
    MeasureRecording,
    Outcome,
)
from telephony_adapters.asterisk.naming import Names
from telephony_adapters.messages import CallId
from telephony_adapters.messages import RecordingFinished as Finished

WAV_HEADER_BYTES: Final = 44
LEAST_MISSING_MS: Final = 2_000
"""A file so much shorter than its recording was ended early: the disk is full, say."""


class Tape:
    """One recording under way."""

    __slots__ = ("before_ms", "call_id", "paused", "recording_id", "since", "stopping")

    def __init__(self, call_id: CallId, recording_id: str) -> None:
        self.call_id = call_id
        self.recording_id = recording_id
        self.paused = False
        self.stopping = False
        """We have asked for its end."""
        self.before_ms: float | None = 0.0
        """Recorded before the last pause; None: its start was not seen."""
        self.since: datetime | None = None

    def pause(self, now: datetime) -> None:
        """Nothing more is recorded."""
        self.paused = True
        if self.since is not None and self.before_ms is not None:
            self.before_ms += (now - self.since).total_seconds() * 1000
        self.since = None

    def go_on(self, now: datetime) -> None:
        """Recording begins, or goes on."""
        self.paused = False
        self.since = now


class Tapes:
    """At most one a call."""

    def __init__(self, names: Names, event_id: Callable[[], str]) -> None:
        self._names = names
        self._event_id = event_id
        self.live: dict[CallId, Tape] = {}

    def is_live(self, recording_id: str) -> bool:
        return any(tape.recording_id == recording_id for tape in self.live.values())

    def started(self, event: RecordingStarted, at: datetime) -> list[Action]:
        """Asterisk records."""
        tape = self._of(event.recording.target_uri, event.recording.name)
        if tape is not None and tape.since is None and not tape.paused:
            tape.go_on(at)
        return [Began(event.recording.name)]

    def ended(self, event: RecordingFinished | RecordingFailed, at: datetime) -> Outcome:
        """Asterisk records no longer."""
        channel = event.recording.target_uri.removeprefix("channel:")
        names = self._names.of_tape(channel)
        if names is None:
            return [], []
        call_id, recording_id = names
        tape = self._of(event.recording.target_uri, event.recording.name)
        duration_ms = (event.recording.duration or 0) * 1000
        if tape is not None:
            del self.live[call_id]
            tape.pause(at)
            if tape.before_ms is not None:
                duration_ms = round(tape.before_ms)
        actions: list[Action] = [HangUpChannel(channel), Began(recording_id)]
        if isinstance(event, RecordingFailed):
            return [self.finished(call_id, recording_id, None, at)], actions
        asked_for = tape is None or tape.stopping
        measure = MeasureRecording(call_id, recording_id, duration_ms, asked_for, at)
        return [], [*actions, measure]

    def finished(
        self,
        call_id: CallId,
        recording_id: str,
        found: Measured | None,
        at: datetime,
        expected_ms: int | None = None,
        *,
        early: bool = False,
    ) -> Finished:
        """That a recording is over, by what was found of its file; `early`: for no good reason."""
        short = found is not None and (expected_ms or 0) - found.duration_ms > LEAST_MISSING_MS
        return Finished(
            event_id=self._event_id(),
            at=at,
            call_id=call_id,
            recording_id=recording_id,
            duration_ms=found.duration_ms if found is not None else 0,
            failed=early or found is None or not found.whole or short,
        )

    def reconcile(self, channels: Collection[str], now: datetime) -> list[Action]:
        """After an outage: adopt what still records, ask for what has ended meanwhile."""
        found = {names for channel in channels if (names := self._names.of_tape(channel))}
        actions: list[Action] = []
        for tape in list(self.live.values()):
            if (tape.call_id, tape.recording_id) not in found:
                del self.live[tape.call_id]
                actions.append(MeasureRecording(tape.call_id, tape.recording_id, None, True, now))
        for call_id, recording_id in found:
            if call_id not in self.live:
                tape = self.live[call_id] = Tape(call_id, recording_id)
                tape.before_ms = None
        return actions

    def _of(self, target_uri: str, name: str) -> Tape | None:
        names = self._names.of_tape(target_uri.removeprefix("channel:"))
        tape = self.live.get(names[0]) if names is not None else None
        return tape if tape is not None and tape.recording_id == name else None


class Measured(msgspec.Struct, frozen=True):
    """What a file holds."""

    duration_ms: int
    whole: bool
    """Its header says as much as there is; Asterisk writes that at the end."""


def measured(head: bytes, file_bytes: int) -> Measured | None:
    """A WAV file by its beginning and its size; None where it is none."""
    try:
        with wave.open(io.BytesIO(head), "rb") as sound:
            frame_bytes = sound.getnchannels() * sound.getsampwidth()
            told, rate_hz = sound.getnframes(), sound.getframerate()
    except (wave.Error, EOFError):
        return None
    there = max(0, file_bytes - WAV_HEADER_BYTES) // frame_bytes
    return Measured(there * 1000 // rate_hz, 0 < there == told)
