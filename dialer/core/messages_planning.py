"""What to do with one claimed account of a campaign of messages: whom to write, and what.

Pure, as `planning` is for calls. The gate is shown the text as it was approved, with its fields
as marks: so the proof, which is kept for ever, holds no personal data and can be decided again.
What a person's own values may not say is found before, when the text is filled
(`campaigns.content.sending`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from campaigns.content.fields import FIELDS
from campaigns.content.render import MergeValue, Money, RenderContext, shown
from campaigns.content.sending import ApprovedTemplate, Prepared, SendPolicy, Skipped, prepare
from campaigns.content.style import has_opt_out
from campaigns.content.template import Template, field_uses, template_hash
from campaigns.next_contact import ContactChoice, choose
from compliance import gate
from compliance.messages import ContactPointFacts, ContactRequest, HistoryEvent
from compliance.packs import PackSet
from compliance.permit import Allowed, ContactPermit
from compliance.types import (
    AccountId,
    Channel,
    ContactPointId,
    DebtId,
    DecisionId,
    LineType,
    Mode,
    PersonId,
    StreamKey,
)
from dialer.core.deciding import (
    MISSING,
    MISSING_RECHECK,
    Blocked,
    CampaignContext,
    facts_of,
    headline,
    in_flight,
    in_order,
    point_of,
    refused,
    shared_streams,
    sleep,
    standing_place,
    stops_the_person,
)
from dialer.core.outcome import Contact, Place
from dialer.core.overriding import uses
from dialer.core.proofs import sealed, text_sha256
from dialer.core.records import AttemptPlanned, MessageProgress, fold_history, to_ms
from dialer.core.snapshots import AccountSnapshot, PersonSnapshot
from dialer.core.writes import KeepMessage, UseOverride

POINTS_TRIED: Final = 4
"""Contact points put to the gate for one claim, at most."""
IN_FLIGHT_RETRY: Final = timedelta(minutes=2)
SKIP_RETRY: Final = timedelta(hours=12)
"""Somebody whose text could not be filled is looked at again after this: the data may have come."""
BY_CAMPAIGN: Final = "campaign"
"""Author of a message that a campaign sends."""
OPT_OUT: Final = "opt_out"
"""Statement of a text that tells how to stop these messages (12 CFR 1006.6(e))."""
_NO_MESSAGES: Final = frozenset({LineType.FIXED, LineType.TOLL_FREE})
_DEAD_ENDS: Final = frozenset({"failed", "bounced"})


UnsubscribeUrl = Callable[[Channel, ContactPointId], str | None]
"""One-click address by which a person stops these messages; None: this house has none."""


class DebtValues(msgspec.Struct, frozen=True, gc=False):
    """What a text may tell of one debt."""

    debt_id: DebtId
    reference: str
    currency: str
    total_cents: int
    overdue_cents: int | None
    due_date: date | None
    balance_as_of: datetime


class PersonValues(msgspec.Struct, frozen=True, gc=False):
    """What a text may tell one person about one account."""

    full_name: str
    country: str | None
    product: str | None
    creditor: str
    company: str
    debts: tuple[DebtValues, ...]


ValuesOf = Mapping[tuple[AccountId, PersonId], PersonValues]


class Send(NamedTuple):
    """The gate allowed it: append body and record with the text, then send."""

    contact: Contact
    body: AttemptPlanned
    keep: KeepMessage
    record: bytes
    permit: ContactPermit
    prepared: Prepared
    provider_template: str | None
    variables: dict[str, str]
    unsubscribe_url: str | None
    overrides: tuple[UseOverride, ...]
    heads: dict[StreamKey, int]


class MessagePlan(NamedTuple):
    """What one claim came to. `blocked` are to be recorded in any case."""

    account_id: AccountId
    blocked: tuple[Blocked, ...]
    send: Send | None
    place: Place | None
    """Where the account goes when there is nothing to send now."""
    skipped: str | None = None
    """Why somebody's text could not be filled, where that is why nothing is sent."""


class Asked(NamedTuple):
    """What is the same for all accounts of a batch."""

    campaign: CampaignContext
    templates: Sequence[ApprovedTemplate]
    packs: PackSet
    now: datetime
    new_id: Callable[[], str]
    permit_lifetime_s: float
    unsubscribe_url: UnsubscribeUrl
    author: str = BY_CAMPAIGN


def plan_message(account: AccountSnapshot, values: ValuesOf, asked: Asked) -> MessagePlan:
    """Decide what to write about an account that this worker holds."""
    account_id, now = account.account_id, asked.now
    place = standing_place(account, asked.campaign.settings, now)
    if place is not None:
        return MessagePlan(account_id, (), None, place)
    found = _Found([], None, [], None)
    for person in in_order(account.people, None):
        if in_flight(person, now):
            found.later.append((now + IN_FLIGHT_RETRY, "attempt_open"))
            continue
        own = values.get((account_id, person.person_id))
        if own is None:
            continue
        found = _try_points(account, person, own, asked, found)
        if found.send is not None:
            return MessagePlan(account_id, tuple(found.blocked), found.send, None)
    place = sleep(found.later, now, asked=bool(found.blocked))
    return MessagePlan(account_id, tuple(found.blocked), None, place, found.skipped)


class _Found(NamedTuple):
    blocked: list[Blocked]
    send: Send | None
    later: list[tuple[datetime, str]]
    skipped: str | None


def _try_points(
    account: AccountSnapshot,
    person: PersonSnapshot,
    own: PersonValues,
    asked: Asked,
    found: _Found,
) -> _Found:
    """Put the person's best addresses to the gate, one after the other."""
    campaign, now = asked.campaign, asked.now
    settings = campaign.settings
    history = fold_history(person.history())
    facts = facts_of(account, person, history, campaign, now)
    template = template_for(asked.templates, settings.language or person.subject.person.language)
    tried = unusable(person, settings.channel, campaign.campaign_id)
    for _ in range(POINTS_TRIED):
        choice = choose(
            person.subject,
            account.account_id,
            history,
            now,
            channel=settings.channel,
            exclude=frozenset(tried),
        )
        if not isinstance(choice, ContactChoice):
            if not found.blocked:
                found.later.append((now + MISSING_RECHECK, f"{MISSING}{choice.missing}"))
            break
        point = point_of(person.subject, choice.contact_point_id)
        tried.add(point.contact_point_id)
        context = render_context(own, person, point, now)
        known = merge_values(own, choice.debt_ids, point, asked)
        text = prepare(template, known, context, send_policy(campaign))
        if isinstance(text, Skipped):
            why = skip_reason(text)
            found.later.append((now + SKIP_RETRY, why))
            return found._replace(skipped=why)
        request = request_of(choice, point, person, template.template, asked)
        verdict = gate.decide(
            request, facts, asked.packs, now, permit_lifetime_s=asked.permit_lifetime_s
        )
        if isinstance(verdict, Allowed):
            send = send_of(
                account, person, history, choice, point, verdict, text, template, known, context,
                asked,
            )  # fmt: skip
            return found._replace(send=send)
        reason = headline(verdict.record)
        found.blocked.append(refused(account, person, request, verdict.record, reason))
        if verdict.first_allowed is not None:
            found.later.append((verdict.first_allowed, reason))
        if stops_the_person(verdict.record):
            break
    return found


def skip_reason(skipped: Skipped) -> str:
    """Why somebody's text could not be filled, with the first field that is to blame."""
    return ":".join(("text", skipped.reason, *skipped.fields[:1]))


def template_for(templates: Sequence[ApprovedTemplate], language: str | None) -> ApprovedTemplate:
    """The text in the person's language; the first where there is none."""
    wanted = (language or "").partition("-")[0].casefold()
    return next((t for t in templates if t.template.language.value == wanted), templates[0])


def unusable(person: PersonSnapshot, channel: Channel, campaign_id: str) -> set[ContactPointId]:
    """Addresses that take no such message, or to which this campaign has written in vain."""
    found = {
        point.contact_point_id
        for point in person.subject.contact_points
        if channel is Channel.SMS and point.line in _NO_MESSAGES
    }
    planned: dict[str, ContactPointId] = {}
    for row in person.rows:
        body = row.body
        if isinstance(body, AttemptPlanned) and body.campaign_id == campaign_id:
            planned[body.attempt_id] = body.contact_point_id
        elif isinstance(body, MessageProgress) and body.state in _DEAD_ENDS:
            point = planned.get(body.attempt_id)
            if point is not None:
                found.add(point)
    return found


def send_policy(campaign: CampaignContext) -> SendPolicy:
    message = campaign.settings.message
    return (
        SendPolicy() if message is None else SendPolicy(max_balance_age_s=message.max_balance_age_s)
    )


def render_context(
    own: PersonValues, person: PersonSnapshot, point: ContactPointFacts, now: datetime
) -> RenderContext:
    who = person.subject.person
    zones = (who.declared_zone,) if who.declared_zone else who.zones or point.zones
    return RenderContext(now=now, country=own.country, zone=zones[0] if zones else "UTC")


def merge_values(
    own: PersonValues, debt_ids: Sequence[DebtId], point: ContactPointFacts, asked: Asked
) -> dict[str, MergeValue]:
    """Values for one person's text. What cannot be told truly for all debts named is left out."""
    message = asked.campaign.settings.message
    found: dict[str, MergeValue] = dict(message.values) if message is not None else {}
    found |= {
        "company": own.company,
        "creditor": own.creditor,
        "person_name": own.full_name,
        "first_name": own.full_name.split(maxsplit=1)[0] if own.full_name.split() else "",
        "message_date": asked.now,
    }
    link = asked.unsubscribe_url(asked.campaign.settings.channel, point.contact_point_id)
    if link is not None:
        found["opt_out_link"] = link
    if own.product:
        found["product"] = own.product
    named = [debt for debt in own.debts if debt.debt_id in debt_ids]
    if named and len({debt.currency for debt in named}) == 1:
        found |= _debt_values(named)
    return found


def _debt_values(named: Sequence[DebtValues]) -> dict[str, MergeValue]:
    currency = named[0].currency
    found: dict[str, MergeValue] = {
        "amount": Money(cents=sum(debt.total_cents for debt in named), currency=currency),
        "balance_as_of": min(debt.balance_as_of for debt in named),
    }
    overdue = [debt.overdue_cents for debt in named if debt.overdue_cents is not None]
    if len(overdue) == len(named):
        found["overdue"] = Money(cents=sum(overdue), currency=currency)
    due = [debt.due_date for debt in named if debt.due_date is not None]
    if due:
        found["due_date"] = min(due)
    if len(named) == 1:
        found["reference"] = f"•••• {named[0].reference[-4:]}"
    return found


def statements_of(template: Template, declared: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """What the text says, by the ids that packs know: as declared, and whether one can stop it."""
    says = has_opt_out(template.body, template.language)
    if declared is None:
        return (OPT_OUT,) if says else ()
    return (*declared, OPT_OUT) if says and OPT_OUT not in declared else declared


def request_of(
    choice: ContactChoice,
    point: ContactPointFacts,
    person: PersonSnapshot,
    template: Template,
    asked: Asked,
) -> ContactRequest:
    settings = asked.campaign.settings
    return ContactRequest(
        decision_id=DecisionId(asked.new_id()),
        person_id=person.person_id,
        contact_point_id=point.contact_point_id,
        channel=settings.channel,
        mode=Mode.BLAST,
        purpose=settings.purpose,
        content_class=template.content_class,
        debt_ids=choice.debt_ids,
        campaign_id=asked.campaign.campaign_id or None,
        sender_name=settings.sender_name or asked.campaign.collector.name_neutral or None,
        text=template.body,
        statements=statements_of(template, settings.statements),
        template_hash=template_hash(template),
        language=template.language.value,
    )


def send_of(
    account: AccountSnapshot,
    person: PersonSnapshot,
    history: tuple[HistoryEvent, ...],
    choice: ContactChoice,
    point: ContactPointFacts,
    verdict: Allowed,
    text: Prepared,
    approved: ApprovedTemplate,
    values: Mapping[str, MergeValue],
    context: RenderContext,
    asked: Asked,
) -> Send:
    """What is appended and sent, now that the gate has allowed it."""
    request, template = verdict.record.request, approved.template
    named = f"{template.name}/{template.version}"
    digest = text_sha256(text.text)
    contact = message_contact(
        account, person, point, history, request, verdict.record.guards, asked.campaign
    )
    body = planned_body(
        account, person, request, point, template=named, text_sha256=digest, answers=None
    )
    keep = KeepMessage(
        message_id=request.decision_id,
        person_id=person.person_id,
        account_id=account.account_id,
        campaign_id=asked.campaign.campaign_id or None,
        contact_point_id=point.contact_point_id,
        channel=request.channel,
        address=point.address,
        subject=text.subject or None,
        text=text.text,
        text_sha256=digest,
        template=named,
        language=text.language,
        author=asked.author,
        answers=None,
        at_ms=to_ms(asked.now),
    )
    message = asked.campaign.settings.message
    provider = message.provider_templates.get(template.name) if message is not None else None
    variables = {} if provider is None else numbered(template, values, context)
    record = msgspec.json.encode(sealed(verdict.record, person.subject))
    channel = request.channel
    is_mail = channel is Channel.EMAIL
    return Send(
        contact=contact,
        body=body,
        keep=keep,
        record=record,
        permit=verdict.permit,
        prepared=text,
        provider_template=provider,
        variables=variables,
        unsubscribe_url=(
            asked.unsubscribe_url(channel, point.contact_point_id) if is_mail else None
        ),
        overrides=uses(verdict.record, to_ms(asked.now)),
        heads=person.heads,
    )


def numbered(
    template: Template, values: Mapping[str, MergeValue], context: RenderContext
) -> dict[str, str]:
    """The values of a provider's template: its fields by number, in the order of first use."""
    names = dict.fromkeys(use.name for use in field_uses(template.body))
    return {
        str(number): shown(FIELDS[name], values[name], template, context)
        for number, name in enumerate(names, 1)
    }


def message_contact(
    account: AccountSnapshot,
    person: PersonSnapshot,
    point: ContactPointFacts,
    history: tuple[HistoryEvent, ...],
    request: ContactRequest,
    guards: tuple[StreamKey, ...],
    campaign: CampaignContext,
) -> Contact:
    return Contact(
        attempt_id=request.decision_id,
        person_id=person.person_id,
        account_id=account.account_id,
        campaign_id=campaign.campaign_id,
        point=point,
        debt_ids=request.debt_ids,
        subject=person.subject,
        history=history,
        links=shared_streams(guards, person),
        segment=account.bucket,
        channel=request.channel,
        attempts=1 + (account.enrolment.attempts if account.enrolment is not None else 0),
        retry=campaign.settings.retry,
    )


def planned_body(
    account: AccountSnapshot,
    person: PersonSnapshot,
    request: ContactRequest,
    point: ContactPointFacts,
    *,
    template: str | None,
    text_sha256: str,
    answers: str | None,
) -> AttemptPlanned:
    debts = {debt.debt_id: debt for debt in person.subject.debts}
    named = [debts[d] for d in request.debt_ids if d in debts]
    return AttemptPlanned(
        attempt_id=request.decision_id,
        campaign_id=request.campaign_id,
        account_id=account.account_id,
        contact_point_id=point.contact_point_id,
        channel=request.channel,
        mode=request.mode,
        debt_ids=request.debt_ids,
        creditor_id=named[0].creditor_id if named else None,
        label=point.label,
        content_class=request.content_class,
        purpose=request.purpose,
        agent_id=request.agent_id,
        answers_event_id=answers,
        template=template,
        template_hash=request.template_hash,
        text_sha256=text_sha256,
    )
