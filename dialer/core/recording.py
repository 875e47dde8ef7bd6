"""Whether a conversation may be recorded, and what must come first. Pure.

The packs' rules on recording are asked as if the conversation were recorded: once as it is, and
once with an announcement before it. What neither allows is not recorded.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from campaigns.campaign import RECORDING_NOTICE, RecordPolicy
from compliance.gate import decide
from compliance.messages import ContactRequest, Facts
from compliance.packs import PackSet
from compliance.types import Channel, ConsentScope, RuleKind
from dialer.core.outcome import Contact
from dialer.core.planning import CampaignContext


class Basis(StrEnum):
    """Why a recording is lawful."""

    NOT_NEEDED = "not_needed"
    """No rule that binds asks for anything."""
    ANNOUNCED = "announced"
    CONSENT = "consent"


class Refusal(StrEnum):
    """Why nothing is recorded."""

    OFF = "off"
    CONSENT_NEEDED = "consent_needed"
    NO_ANNOUNCEMENT = "no_announcement"
    """An announcement would do, and the campaign has no prompt for it."""


def may_record(
    contact: Contact,
    campaign: CampaignContext,
    packs: PackSet,
    now: datetime,
    *,
    agreed: bool = False,
) -> Basis | Refusal:
    """What a recording of this conversation rests on, or why there is none.

    `agreed`: the person has said so in this conversation.
    """
    settings = campaign.settings
    if settings.record is RecordPolicy.OFF:
        return Refusal.OFF
    consented = agreed or has_consented(contact, now)
    if settings.record is RecordPolicy.ON_CONSENT and not consented:
        return Refusal.CONSENT_NEEDED
    if agreed:
        return Basis.CONSENT
    said = settings.statements or ()
    if _passes(contact, campaign, packs, now, said):
        return Basis.CONSENT if consented else Basis.NOT_NEEDED
    if not _passes(contact, campaign, packs, now, (*said, RECORDING_NOTICE)):
        return Refusal.CONSENT_NEEDED
    return Refusal.NO_ANNOUNCEMENT if settings.recording_prompt is None else Basis.ANNOUNCED


def has_consented(contact: Contact, now: datetime) -> bool:
    """Whether a consent to being recorded is on file and in force."""
    return any(
        consent.scope is ConsentScope.RECORDING
        and consent.given_at <= now
        and (consent.revoked_at is None or now < consent.revoked_at)
        and (consent.expires_at is None or now < consent.expires_at)
        for consent in contact.subject.consents
    )


def _passes(
    contact: Contact,
    campaign: CampaignContext,
    packs: PackSet,
    now: datetime,
    statements: tuple[str, ...],
) -> bool:
    settings = campaign.settings
    request = ContactRequest(
        decision_id=contact.attempt_id,
        person_id=contact.person_id,
        contact_point_id=contact.point.contact_point_id,
        channel=Channel.VOICE,
        mode=settings.mode,
        purpose=settings.purpose,
        debt_ids=contact.debt_ids,
        campaign_id=contact.campaign_id,
        statements=statements,
        recorded=True,
        recording_can_pause=True,
    )
    facts = Facts(subject=contact.subject, collector=campaign.collector)
    record = decide(request, facts, packs, now, horizon_days=1).record
    about = [f for f in record.findings if f.kind is RuleKind.RECORDING_CONSENT]
    return not any(finding.outcome.stops for finding in about)
