"""Words made ready to be said: by a recording, by the carrier's own voice, or by text to speech.

Audio is kept by hash, so what a campaign says to everybody is made once, before it starts. What
names a person is made for the call and thrown away soon after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from pathlib import Path
from typing import Final

import msgspec
import structlog

from dialer.core.wav import BadRecording, telephone_wav
from dialer.runtime.recordings import Recordings, audio_path, keep_audio
from dialer.runtime.speech import SpeechEngine, SpeechUnavailable
from telephony_adapters.prompts import Prompt

log = structlog.get_logger()

PERSONAL: Final = "personal"
"""Folder of marks: which audio files name a person."""
PERSONAL_LIFE_S: Final = 3_600.0
"""Audio of a person's own data is erased this long after it was last asked for (real time)."""
TIDY_EVERY_S: Final = 300.0


class Prompter:
    """Makes prompts for one carrier."""

    def __init__(self, folder: Path, engine: SpeechEngine | None, *, carrier_speaks: bool) -> None:
        self.folder = folder
        self.recordings = Recordings(folder)
        self._engine = engine
        self._carrier_speaks = carrier_speaks
        self._making: dict[str, asyncio.Task[None]] = {}
        self._tidied_s = 0.0

    @property
    def makes_audio(self) -> bool:
        """Whether words become audio here, and take their time."""
        return not self._carrier_speaks

    async def prompt(
        self, text: str, language: str, *, personal: bool = False, whole: bool = False
    ) -> Prompt:
        """A prompt that this carrier can play. Raises `SpeechUnavailable`.

        `personal` tells that the words name a person or what they owe.
        """
        recording = self.recordings.of(text, language)
        if recording is not None:
            audio = recording.audio
        elif self._carrier_speaks:
            return Prompt(text=text, language=language, whole=whole)
        else:
            audio = await self._spoken(text, language, personal=personal)
        return Prompt(text=text, language=language, audio=audio, whole=whole)

    def check_can_speak(self) -> None:
        """Raises `SpeechUnavailable` where words that differ from call to call cannot be said."""
        if self._carrier_speaks:
            return
        if self._engine is None:
            raise SpeechUnavailable(
                "nombra a la persona o su deuda, lo que ninguna grabación puede decir, y "
                "prompts.engine es none; póngalo en espeak",
                "it names the person or what is theirs, which no recording can say, and "
                "prompts.engine is none; set it to espeak",
            )
        lacks = self._engine.missing()
        if lacks is not None:
            raise lacks

    async def _spoken(self, text: str, language: str, *, personal: bool) -> str:
        engine = self._engine
        if engine is None:
            raise SpeechUnavailable(
                f"no hay grabación de «{_start(text)}» y prompts.engine es none: grábela con "
                "`marcador prompts add`, o ponga prompts.engine = espeak",
                f'there is no recording of "{_start(text)}" and prompts.engine is none: record '
                "it with `marcador prompts add`, or set prompts.engine = espeak",
            )
        key = msgspec.json.encode([engine.voice(language), language, text])
        audio = hashlib.sha256(key).hexdigest()
        if personal:
            self._mark(audio)
        if not audio_path(self.folder, audio).exists():
            making = self._making.get(audio)
            if making is None:
                making = asyncio.create_task(self._make(engine, text, language, audio))
                self._making[audio] = making
                making.add_done_callback(lambda _: self._making.pop(audio, None))
            await asyncio.shield(making)
        return audio

    async def _make(self, engine: SpeechEngine, text: str, language: str, audio: str) -> None:
        raw = await engine.speak(text, language)
        try:
            wav = await asyncio.to_thread(telephone_wav, raw)
            keep_audio(self.folder, wav, audio)
        except BadRecording as error:
            raise SpeechUnavailable(
                f"el audio de «{_start(text)}» no sirve: {error.es}",
                f'the audio of "{_start(text)}" cannot be used: {error.en}',
            ) from error
        except OSError as error:
            raise SpeechUnavailable(
                f"no se puede escribir en {self.folder}: {error.strerror}; revise prompts.folder",
                f"{self.folder} cannot be written to: {error.strerror}; check prompts.folder",
            ) from error

    # --- what names a person -------------------------------------------------------------------

    def _mark(self, audio: str) -> None:
        marks = self.folder / PERSONAL
        with contextlib.suppress(OSError):
            marks.mkdir(mode=0o700, parents=True, exist_ok=True)
            (marks / audio).touch()
        if time.monotonic() - self._tidied_s > TIDY_EVERY_S:
            self._tidied_s = time.monotonic()
            self.tidy(time.time())

    def tidy(self, now_s: float) -> int:
        """Erase audio that names a person and is not needed any more; how many files."""
        gone = 0
        for mark in (self.folder / PERSONAL).glob("*"):
            with contextlib.suppress(OSError):
                if mark.stat().st_mtime < now_s - PERSONAL_LIFE_S:
                    audio_path(self.folder, mark.name).unlink(missing_ok=True)
                    mark.unlink()
                    gone += 1
        return gone


def _start(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
