"""A text that a flow sends while the person is on the line: to which address, and what it says.

As for a campaign of messages the gate decides, with a permit of its own. But the account is not
claimed and goes nowhere: the call has it, so the message belongs to no campaign, as a reply does.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from campaigns.campaign import CampaignSettings, MessageSettings, TextSettings
from campaigns.content.sending import ApprovedTemplate, Skipped, prepare
from campaigns.content.template import field_uses
from campaigns.flows.model import LinkPurpose
from campaigns.next_contact import ContactChoice, Exhausted, choose
from compliance import gate
from compliance.permit import Allowed
from compliance.types import CampaignId, ContactPointId, ContentClass, Mode, Purpose
from dialer.core.deciding import Blocked, CampaignContext, facts_of, headline, point_of, refused
from dialer.core.messages_planning import (
    Asked,
    PersonValues,
    Send,
    merge_values,
    render_context,
    request_of,
    send_of,
    send_policy,
    skip_reason,
    template_for,
    unusable,
)
from dialer.core.records import fold_history
from dialer.core.snapshots import AccountSnapshot, PersonSnapshot

KNOWN_FIELDS: Final = frozenset(
    {
        "company", "creditor", "person_name", "first_name", "message_date", "opt_out_link",
        "product", "amount", "balance_as_of", "overdue", "due_date", "reference",
    }
)  # fmt: skip
"""Merge fields that the ledger may know of a person and account; all others are settings."""

_NEUTRAL: Final = ContentClass.NEUTRAL


class NotSent(NamedTuple):
    """Nothing leaves, and why."""

    reason: str
    blocked: Blocked | None = None
    """The gate forbade it: to be recorded."""


def link_campaign(
    campaign: CampaignContext, texts: TextSettings, approved: ApprovedTemplate, purpose: LinkPurpose
) -> CampaignContext:
    """A campaign of calls, as one that would send just this text."""
    template, settings = approved.template, campaign.settings
    message = MessageSettings(
        templates=(template.name,),
        values=texts.values,
        sender=texts.sender,
        max_balance_age_s=texts.max_balance_age_s,
        provider_templates=texts.provider_templates,
    )
    return CampaignContext(
        campaign_id=CampaignId(""),
        name=campaign.name,
        settings=CampaignSettings(
            mode=Mode.BLAST,
            # A page that asks who one is serves the person; a way to pay is collection.
            purpose=Purpose.SERVICE if purpose is LinkPurpose.VERIFY else settings.purpose,
            channel=template.channel,
            message=message,
            sender_name=settings.sender_name,
            language=template.language.value,
            timezone=settings.timezone,
        ),
        collector=campaign.collector,
        lookback=campaign.lookback,
        started_at=campaign.started_at,
    )


def plan_link(
    account: AccountSnapshot,
    person: PersonSnapshot,
    own: PersonValues,
    call_point: ContactPointId,
    asked: Asked,
) -> Send | NotSent:
    """Decide on one text: to the number of the call where it can take it, else to the best."""
    campaign, now = asked.campaign, asked.now
    history = fold_history(person.history())
    choice = _choose(account, person, call_point, asked)
    if not isinstance(choice, ContactChoice):
        return NotSent(f"no_address:{choice.missing}")
    point = point_of(person.subject, choice.contact_point_id)
    template = template_for(asked.templates, campaign.settings.language)
    if choice.neutral_until_verified and template.template.content_class is not _NEUTRAL:
        return NotSent("address_is_shared")
    context = render_context(own, person, point, now)
    known = merge_values(own, choice.debt_ids, point, asked)
    text = prepare(template, known, context, send_policy(campaign))
    if isinstance(text, Skipped):
        return NotSent(skip_reason(text))
    request = request_of(choice, point, person, template.template, asked)
    facts = facts_of(account, person, history, campaign, now)
    verdict = gate.decide(
        request, facts, asked.packs, now, permit_lifetime_s=asked.permit_lifetime_s
    )
    if isinstance(verdict, Allowed):
        return send_of(
            account, person, history, choice, point, verdict, text, template, known, context, asked
        )
    reason = headline(verdict.record)
    return NotSent(reason, refused(account, person, request, verdict.record, reason))


def _choose(
    account: AccountSnapshot, person: PersonSnapshot, call_point: ContactPointId, asked: Asked
) -> ContactChoice | Exhausted:
    channel = asked.campaign.settings.channel
    history = fold_history(person.history())
    dead = unusable(person, channel, asked.campaign.campaign_id)
    others = {p.contact_point_id for p in person.subject.contact_points} - {call_point}

    def best(exclude: set[ContactPointId]) -> ContactChoice | Exhausted:
        return choose(
            person.subject,
            account.account_id,
            history,
            asked.now,
            channel=channel,
            exclude=frozenset(exclude),
        )

    found = best(dead | others)
    return found if isinstance(found, ContactChoice) else best(dead)


def missing_values(approved: ApprovedTemplate, texts: TextSettings) -> tuple[str, ...]:
    """Merge fields of a text that neither the ledger nor the settings have."""
    parts = approved.template.parts()
    named = {use.name for _, part in parts for use in field_uses(part)}
    return tuple(sorted(named - KNOWN_FIELDS - set(texts.values)))
