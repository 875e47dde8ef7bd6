"""What a simulated agent hears when a call is joined with his leg."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from telephony_adapters.messages import CallId


class Speaker(StrEnum):
    """Who or what is on the line."""

    RIGHT_PARTY = "right_party"
    WRONG_PARTY = "wrong_party"
    """Does not know the person."""
    THIRD_PARTY = "third_party"
    """Knows the person: family, a colleague."""
    MACHINE = "machine"
    FAX = "fax"
    SILENCE = "silence"
    """Nobody any more: the call has left the leg."""

    @property
    def is_live(self) -> bool:
        """A human being."""
        return self in (Speaker.RIGHT_PARTY, Speaker.WRONG_PARTY, Speaker.THIRD_PARTY)


class Intent(StrEnum):
    """What the speaker is going to say, if he is given the time."""

    PROMISE = "promise"
    """Pays `promise_share` of what is overdue in `promise_days` days."""
    WILLING = "willing"
    """Will pay, names no date."""
    REFUSE = "refuse"
    ALREADY_PAID = "already_paid"
    CALLBACK = "callback"
    """Asks to be called in `callback_min` minutes."""
    HARDSHIP = "hardship"
    DISPUTE = "dispute"
    HANG_UP = "hang_up"
    """Ends the call without a result."""
    CEASE = "cease"
    """Wants no further contact."""
    WRONG_NUMBER = "wrong_number"
    TAKES_MESSAGE = "takes_message"
    NONE = "none"
    """A machine, a fax or nobody: there is no intention."""


class Heard(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One voice in the agent's ear, from the moment the call is joined to his leg."""

    call_id: CallId
    speaker: Speaker
    intent: Intent = Intent.NONE
    verification_answers: bool = False
    """Answers the verification questions, and rightly."""
    promise_share: float | None = None
    """Share of the overdue amount that is promised, above 0 and up to 1."""
    promise_days: int | None = None
    """Days from today to the promised payment; 0 = today."""
    callback_min: int | None = None
    """Minutes from now."""
    talk_s: float = 0.0
    """The speaker hangs up by himself after this long; an agent may end the call before."""
    wrap_up_s: float = 0.0
    """How long this call's after-work takes a usual agent."""
