"""Recordings of texts, made by people: kept by hash, and played wherever those very words are said.

A recording belongs to its words, not to a place in a flow: when an approved text changes, the old
recording is not played any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from dialer.core.wav import Wav, telephone_wav

FOLDER: Final = "recordings"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
LANGUAGES: Final = ("es", "en")


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    language: str
    """es or en."""
    says: str
    """The words it speaks."""
    audio: str
    """SHA-256 of the WAV file."""
    duration_ms: int
    added_by: str
    added_at: datetime


class RecordingRefused(Exception):
    """A name, a language or words that cannot be used."""

    def __init__(self, es: str, en: str) -> None:
        super().__init__(en)
        self.es = es
        self.en = en


class Recordings:
    """The recordings in one folder; several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = folder / FOLDER
        self._read_at: tuple[int, int] | None = None
        self._known: dict[tuple[str, str], Recording] = {}

    def add(
        self, raw: bytes, *, name: str, language: str, says: str, actor: str, at: datetime
    ) -> Recording:
        """Keep a recording; one of the same name and language is replaced.

        Raises `BadRecording` for the file and `RecordingRefused` for the rest.
        """
        if not NAME.fullmatch(name):
            raise RecordingRefused(
                f"el nombre {name!r} no sirve; use a-z, 0-9, punto y guion",
                f"the name {name!r} cannot be used; take a-z, 0-9, dots and dashes",
            )
        if language not in LANGUAGES:
            raise RecordingRefused(
                f"el idioma {language!r} no sirve; es o en",
                f"the language {language!r} cannot be used; es or en",
            )
        if not same_words(says):
            raise RecordingRefused("falta lo que dice", "what it says is missing")
        wav = telephone_wav(raw)
        made = Recording(
            name=name,
            language=language,
            says=" ".join(says.split()),
            audio=keep_audio(self._folder, wav),
            duration_ms=wav.duration_ms,
            added_by=actor,
            added_at=at,
        )
        self._index.mkdir(mode=0o755, parents=True, exist_ok=True)
        _write(self._index / f"{name}.{language}.json", msgspec.json.encode(made))
        self._read_at = None
        return made

    def list(self) -> list[Recording]:
        """All of them, by name."""
        self._read()
        return sorted(self._known.values(), key=lambda r: (r.name, r.language))

    def of(self, text: str, language: str) -> Recording | None:
        """The recording of these words."""
        self._read()
        return self._known.get((language[:2], same_words(text)))

    def _read(self) -> None:
        try:
            stat = self._index.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._known = {}
            return
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp == self._read_at:
            return
        known: dict[tuple[str, str], Recording] = {}
        for path in sorted(self._index.glob("*.json")):
            found = msgspec.json.decode(path.read_bytes(), type=Recording)
            if audio_path(self._folder, found.audio).exists():
                known[found.language, same_words(found.says)] = found
        self._known, self._read_at = known, stamp


def same_words(text: str) -> str:
    """Words as an ear compares them: without case, punctuation and line breaks."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def audio_path(folder: Path, audio: str) -> Path:
    return folder / f"{audio}.wav"


def keep_audio(folder: Path, wav: Wav, name: str | None = None) -> str:
    """Write an audio file under its hash, or under `name`; gives that."""
    audio = name or hashlib.sha256(wav.data).hexdigest()
    path = audio_path(folder, audio)
    if not path.exists():
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        _write(path, wav.data)
    return audio


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: another process may be reading."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)  # a carrier on this machine is another user
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
