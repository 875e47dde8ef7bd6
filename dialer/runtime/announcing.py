"""What the house itself says on a call: the one place where conversations use prompts."""

from __future__ import annotations

import structlog

from dialer.runtime.prompting import Prompter
from dialer.runtime.speech import SpeechUnavailable
from telephony_adapters.messages import CallId
from telephony_adapters.port import TelephonyAdapter

log = structlog.get_logger()


class Announcer:
    """Says short, neutral sentences that are the same for everybody."""

    def __init__(self, adapter: TelephonyAdapter, prompter: Prompter, language: str) -> None:
        """`language` (BCP 47) is that of sentences whose own is not told."""
        self._adapter = adapter
        self._prompter = prompter
        self._language = language

    async def say(
        self, call_id: CallId, words: str, playback_id: str, language: str | None = None
    ) -> bool:
        """Begin to say something; `PlaybackFinished` follows. False: it cannot be said here.

        Raises `TelephonyError`.
        """
        if not self._adapter.facts.prompts:
            return False
        try:
            prompt = await self._prompter.prompt(words, language or self._language)
        except SpeechUnavailable as error:
            log.warning("announcement_not_spoken", call=call_id, error=str(error))
            return False
        await self._adapter.play(call_id, prompt, playback_id)
        return True
