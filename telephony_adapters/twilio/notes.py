"""Which recording at Twilio bears which id of ours, on disk: Twilio keeps no word of ours with it.

So a recording whose end came while Marcador was down is found by the next life. No number and no
name is noted.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog

log = structlog.get_logger()

KEPT: Final = timedelta(days=7)
"""Longer than any recording waits to be fetched."""
MODE: Final = 0o600


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One recording."""

    recording_id: str
    sid: str
    began_at: datetime


class RecordingNotes:
    """A file of lines; without a folder nothing is noted. It blocks: call it in a thread."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self._path = None if folder is None else folder / name

    def read(self, now: datetime) -> Mapping[str, str]:
        """Twilio's SID by our id, of the last days. What is older is thrown away."""
        if self._path is None:
            return {}
        try:
            notes = [note for note in self._notes() if now - note.began_at < KEPT]
            self._write(notes)
        except OSError as error:
            log.warning("twilio_notes_not_read", path=str(self._path), error=str(error))
            return {}
        return {note.recording_id: note.sid for note in notes}

    def add(self, note: Note) -> None:
        """Note one more. A disk that is full costs a note, never a recording."""
        if self._path is None:
            return
        try:
            with open(os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, MODE), "ab") as f:
                f.write(msgspec.json.encode(note) + b"\n")
        except OSError as error:
            log.warning("twilio_note_not_written", path=str(self._path), error=str(error))

    def _notes(self) -> Iterator[Note]:
        if self._path is None or not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            with contextlib.suppress(msgspec.DecodeError):  # a line that a crash cut short
                yield msgspec.json.decode(line, type=Note)

    def _write(self, notes: list[Note]) -> None:
        if self._path is None or not (notes or self._path.exists()):
            return
        fresh = self._path.with_suffix(".new")
        with open(os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, MODE), "wb") as f:
            f.writelines(msgspec.json.encode(note) + b"\n" for note in notes)
        fresh.replace(self._path)
