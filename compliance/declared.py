"""What a contact declares of itself, apart from the person that it is for.

A campaign declares the same for all of its calls. What a rule makes of it alone is therefore
found once and remembered (`Rule.settled`, `Plan.steps`); a `Declared` is all that such a rule
is given, so that the key of what is remembered holds everything that was read.
"""

from __future__ import annotations

from typing import NamedTuple

from compliance.messages import Collector, ContactRequest
from compliance.types import Attestation, ContentClass


class Declared(NamedTuple):
    """Fields of a `ContactRequest` and of its `Collector`, with the meaning they have there."""

    content_class: ContentClass
    caller_id: str | None
    caller_id_withheld: bool | None
    attestation: Attestation | None
    sender_name: str | None
    text: str | None
    statements: tuple[str, ...] | None
    language: str | None
    ring_timeout_s: int | None
    connect_limit_ms: int | None
    abandon_message: tuple[str, ...] | None
    recorded: bool | None
    recording_can_pause: bool | None
    name_neutral: str

    @classmethod
    def of(cls, request: ContactRequest, collector: Collector) -> Declared:
        return cls(
            request.content_class,
            request.caller_id,
            request.caller_id_withheld,
            request.attestation,
            request.sender_name,
            request.text,
            request.statements,
            request.language,
            request.ring_timeout_s,
            request.connect_limit_ms,
            request.abandon_message,
            request.recorded,
            request.recording_can_pause,
            collector.name_neutral,
        )
