"""What is said to a person by a machine."""

from __future__ import annotations

import msgspec


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """Words, and perhaps a recording of them.

    A carrier with a voice of its own may say the words; every other one plays the recording, which
    lies where carrier and engine both find it, under its hash.
    """

    text: str
    language: str
    """BCP 47."""
    audio: str | None = None
    """SHA-256 of the WAV file (8 kHz, 16 bit, mono) of these words; None: there is no recording."""
    whole: bool = False
    """Said to its end, whatever keys are pressed meanwhile; their events come all the same."""

    def __repr__(self) -> str:
        # The words may name a person and what they owe.
        return f"Prompt({len(self.text)} characters, {self.language})"
