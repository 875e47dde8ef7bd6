"""Rule kinds: one class a kind, every kind of `RuleKind`, registered here."""

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
from compliance.rules.dialling import AbandonMessage, AgentConnectMax, RingMin
from compliance.rules.identity import SenderIdentity
from compliance.rules.numbers import NumberCheck
from compliance.rules.people import OptOut, RecipientRule, StatusGate
from compliance.rules.prerecorded import PrerecordedCap
from compliance.rules.recording import RecordingConsent
from compliance.rules.retention import Retention
from compliance.rules.statements import Disclosure, LanguageAccess
from compliance.rules.traffic import AbandonmentLimit, TrafficShape
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
    RuleKind.NUMBER_CHECK: _kind(NumberCheck),
    RuleKind.DISCLOSURE: _kind(Disclosure),
    RuleKind.SENDER_IDENTITY: _kind(SenderIdentity),
    RuleKind.ABANDONMENT_LIMIT: _kind(AbandonmentLimit),
    RuleKind.RING_MIN: _kind(RingMin),
    RuleKind.AGENT_CONNECT_MAX: _kind(AgentConnectMax),
    RuleKind.ABANDON_MESSAGE: _kind(AbandonMessage),
    RuleKind.PRERECORDED_CAP: _kind(PrerecordedCap),
    RuleKind.TRAFFIC_SHAPE: _kind(TrafficShape),
    RuleKind.RECORDING_CONSENT: _kind(RecordingConsent),
    RuleKind.RETENTION: _kind(Retention),
    RuleKind.LANGUAGE_ACCESS: _kind(LanguageAccess),
}


def bind(head: Head, params: dict[str, object], calendars: Mapping[str, Calendar]) -> Rule:
    """Make a rule of its kind. Raises `msgspec.ValidationError` or `ParamError`."""
    builder = KINDS[head.kind]
    return builder(head, msgspec.convert(params, builder.params_type), calendars)
