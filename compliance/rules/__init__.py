"""Rule kinds: one class a kind, registered here. A pack that uses any other does not load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from compliance.calendars import Calendar
from compliance.rules.base import Head, PackRule, Rule
from compliance.rules.consent import ChannelAuthorisation, ConsentRequirement
from compliance.rules.content import ContentRule
from compliance.rules.counters import (
    ChannelExclusivity,
    Cooldown,
    FrequencyCap,
    MinSpacing,
    RedialGuard,
    SequenceGate,
)
from compliance.rules.people import OptOut, RecipientRule, StatusGate
from compliance.rules.windows import Blackout, ConsumerTimePreference, ContactWindow, PlaceRule
from compliance.schema import Doc
from compliance.types import RuleKind

_Builder = type[PackRule[Doc]]


def _kind(rule: object) -> _Builder:
    if not (isinstance(rule, type) and issubclass(rule, PackRule)):
        raise TypeError(f"{rule!r} is no rule kind")
    return rule


KINDS: Final[Mapping[RuleKind, _Builder]] = {
    RuleKind.CONTACT_WINDOW: _kind(ContactWindow),
    RuleKind.BLACKOUT: _kind(Blackout),
    RuleKind.CONSUMER_TIME_PREFERENCE: _kind(ConsumerTimePreference),
    RuleKind.PLACE_RULE: _kind(PlaceRule),
    RuleKind.FREQUENCY_CAP: _kind(FrequencyCap),
    RuleKind.COOLDOWN: _kind(Cooldown),
    RuleKind.MIN_SPACING: _kind(MinSpacing),
    RuleKind.CHANNEL_EXCLUSIVITY: _kind(ChannelExclusivity),
    RuleKind.CHANNEL_AUTHORISATION: _kind(ChannelAuthorisation),
    RuleKind.RECIPIENT_RULE: _kind(RecipientRule),
    RuleKind.STATUS_GATE: _kind(StatusGate),
    RuleKind.SEQUENCE_GATE: _kind(SequenceGate),
    RuleKind.CONSENT_REQUIREMENT: _kind(ConsentRequirement),
    RuleKind.OPT_OUT: _kind(OptOut),
    RuleKind.CONTENT_RULE: _kind(ContentRule),
    RuleKind.REDIAL_GUARD: _kind(RedialGuard),
}


def bind(head: Head, params: dict[str, object], calendars: Mapping[str, Calendar]) -> Rule:
    """Make a rule of its kind. Raises `msgspec.ValidationError` or `ParamError`."""
    builder = KINDS[head.kind]
    return builder(head, msgspec.convert(params, builder.params_type), calendars)
