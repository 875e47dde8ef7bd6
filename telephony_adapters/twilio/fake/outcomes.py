"""What becomes of messages to a number of the fake, on script. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from telephony_adapters.messaging import DeliveryState, OutboundMessage, Refusal
from telephony_adapters.simulator.correspondents import (
    Fate,
    MessageWorld,
    PlannedMove,
    PlannedReply,
)

DELIVERED_S = 3.0
READ_S = 30.0
ANSWER_S = 45.0


class Ending(StrEnum):
    """How far messages to a number come."""

    DELIVERED = "delivered"
    READ = "read"
    UNKNOWN = "unknown"
    """Code 30005."""
    LANDLINE = "landline"
    """Code 30006."""
    UNREACHABLE = "unreachable"
    """Code 30003."""
    FILTERED = "filtered"
    """Code 30007."""
    INVALID = "invalid"
    """Refused on sending, code 21211."""


_REFUSALS = {
    Ending.UNKNOWN: Refusal.INVALID_ADDRESS,
    Ending.LANDLINE: Refusal.NOT_MOBILE,
    Ending.UNREACHABLE: Refusal.UNREACHABLE,
    Ending.FILTERED: Refusal.FILTERED,
}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One number's script."""

    ending: Ending
    answer: str = ""
    """What its owner writes back to each message that arrives; empty: nothing."""

    def fate(self) -> Fate:
        if self.ending is Ending.INVALID:
            return Fate(refused=Refusal.INVALID_ADDRESS)
        sent = PlannedMove(after_s=0.5, state=DeliveryState.SENT)
        refusal = _REFUSALS.get(self.ending)
        if refusal is not None:
            lost = PlannedMove(after_s=DELIVERED_S, state=DeliveryState.FAILED, refusal=refusal)
            return Fate(moves=(sent, lost))
        moves = [sent, PlannedMove(after_s=DELIVERED_S, state=DeliveryState.DELIVERED)]
        if self.ending is Ending.READ:
            moves.append(PlannedMove(after_s=READ_S, state=DeliveryState.READ))
        answer = PlannedReply(after_s=ANSWER_S, text=self.answer) if self.answer else None
        return Fate(moves=tuple(moves), reply=answer)


class UnreadableOutcome(Exception):
    """An outcome on the command line that says nothing we know."""


class ScriptedPeople:
    """A `MessageWorld`: some numbers on script, all others as another world has them."""

    def __init__(self, outcomes: Mapping[str, Outcome], others: MessageWorld) -> None:
        self._outcomes = outcomes
        self._others = others

    def fate(self, message: OutboundMessage, past: int) -> Fate:
        outcome = self._outcomes.get(message.to)
        return outcome.fate() if outcome is not None else self._others.fate(message, past)


def parse_outcome(text: str) -> tuple[str, Outcome]:
    """`NUMBER=OUTCOME[:ANSWER]`, e.g. `+56920000001=delivered:BAJA`. Raises `UnreadableOutcome`."""
    number, _, rest = text.partition("=")
    name, _, answer = rest.partition(":")
    try:
        return number, Outcome(ending=Ending(name), answer=answer)
    except ValueError as error:
        names = ", ".join(Ending)
        raise UnreadableOutcome(f"{text!r}: NUMBER=OUTCOME[:ANSWER]; outcomes: {names}") from error
