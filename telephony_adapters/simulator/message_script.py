"""What goes wrong with messages, on script: which message meets which fault, and when the
provider is away. Pure; the messenger carries it out."""

from __future__ import annotations

from typing import Final

import msgspec

from telephony_adapters.messaging import Refusal
from telephony_adapters.simulator.script import Doubt, Match, Outage, check_order, first_match


class MessageFault(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What goes wrong with one message. Several things can."""

    reject: Refusal | None = None
    """`MessageRejected` for this reason: the message is not taken."""
    doubt: Doubt | None = None
    """`OutcomeUnknown` after the command's time limit; `PLACED`: the message was taken."""
    silent: bool = False
    """The message lives its life, and no receipt of it arrives."""
    late_s: float = 0.0
    """Every receipt arrives this much later than it happened."""
    repeats: int = 0
    """Every receipt arrives this many times more, with the same id."""
    out_of_order: bool = False
    """The first, third, ... receipt arrives after its successor."""


class MessageRule(Match, frozen=True, kw_only=True):
    """Which messages meet `fault`."""

    fault: MessageFault


class MessageScript(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's bad day. The first rule that matches a message decides."""

    rules: tuple[MessageRule, ...] = ()
    outages: tuple[Outage, ...] = ()
    """The provider cannot be reached; receipts and replies of that time come right after it."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_order(self.outages)

    def fault_of(self, n: int, address: str) -> MessageFault | None:
        """The fault of the `n`-th message (from 1), to `address`; None: all goes well."""
        rule = first_match(self.rules, n, address, self.seed)
        return rule.fault if rule is not None else None


CALM: Final = MessageScript()
"""Nothing goes wrong."""


def rough_post(seed: int, share: float = 0.01) -> MessageScript:
    """Every fault there is, each on `share` of the messages; no outage."""
    faults = (
        MessageFault(reject=Refusal.RATE),
        MessageFault(doubt=Doubt.PLACED),
        MessageFault(doubt=Doubt.NOT_PLACED),
        MessageFault(silent=True),
        MessageFault(late_s=30.0),
        MessageFault(repeats=2),
        MessageFault(out_of_order=True),
    )
    rules = tuple(MessageRule(fault=fault, share=share) for fault in faults)
    return MessageScript(rules=rules, seed=seed)
