"""Text to speech, behind one door; espeak-ng is the free engine that comes by default."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import Final, Protocol

from dialer.config import PromptsConfig

SPEAK_TIMEOUT_S: Final = 20.0
"""A sentence takes tens of milliseconds; an engine that takes this long does not work."""
AT_ONCE: Final = 2
"""Texts that are spoken at the same time, at most."""


class SpeechUnavailable(Exception):
    """A text could not be spoken: what is wrong, in both languages, with the way to mend it."""

    def __init__(self, es: str, en: str) -> None:
        super().__init__(en)
        self.es = es
        self.en = en


class SpeechEngine(Protocol):
    """Turns words into audio."""

    def voice(self, language: str) -> str:
        """What decides how words sound beside the words: engine, voice, speed."""

    def missing(self) -> SpeechUnavailable | None:
        """Why it cannot work on this machine; None when it can."""

    async def speak(self, text: str, language: str) -> bytes:
        """A WAV file. Raises `SpeechUnavailable`."""


class Espeak:
    """espeak-ng, as a program: Debian has it as a package."""

    def __init__(self, config: PromptsConfig) -> None:
        self._config = config
        self._turn = asyncio.Semaphore(AT_ONCE)

    def voice(self, language: str) -> str:
        spanish = language.startswith("es")
        name = self._config.voice_es if spanish else self._config.voice_en
        return f"espeak-ng {name} {self._config.words_per_minute}"

    def missing(self) -> SpeechUnavailable | None:
        command = self._config.command
        if shutil.which(command) is not None:
            return None
        return SpeechUnavailable(
            f"falta el programa `{command}` para convertir texto en voz: apt-get install espeak-ng "
            "(o prompts.command), o grabe los textos con `marcador prompts add`",
            f"the program `{command}` that turns text into speech is missing: "
            "apt-get install espeak-ng (or prompts.command), or record the texts with "
            "`marcador prompts add`",
        )

    async def speak(self, text: str, language: str) -> bytes:
        lacks = self.missing()
        if lacks is not None:
            raise lacks
        config = self._config
        voice = config.voice_es if language.startswith("es") else config.voice_en
        # The words come by standard input: they are never part of a command line.
        options = ("-v", voice, "-s", str(config.words_per_minute), "-b", "1")
        async with self._turn:
            child = await asyncio.create_subprocess_exec(
                config.command,
                *options,
                "--stdin",
                "--stdout",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                async with asyncio.timeout(SPEAK_TIMEOUT_S):
                    audio, said = await child.communicate(text.encode())
            except TimeoutError:
                raise _failed(f"no audio within {SPEAK_TIMEOUT_S:g} s") from None
            finally:
                if child.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        child.kill()
                    await child.wait()
        if child.returncode != 0 or not audio:
            raise _failed(" ".join(said.decode(errors="replace").split())[-200:] or "no audio")
        return audio


def _failed(why: str) -> SpeechUnavailable:
    return SpeechUnavailable(
        f"espeak-ng no pudo hablar: {why}; revise prompts.voice_es y prompts.voice_en",
        f"espeak-ng could not speak: {why}; check prompts.voice_es and prompts.voice_en",
    )


def engine_of(config: PromptsConfig) -> SpeechEngine | None:
    """The engine of the configuration; None: every text needs a recording."""
    return Espeak(config) if config.engine == "espeak" else None
