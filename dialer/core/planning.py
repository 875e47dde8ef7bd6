"""What to do with one claimed account: whom to call, on which number, and what the gate says.

Pure: the snapshot, the packs and the instant are arguments. The runtime appends what is planned
and, if the append wins, dials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import msgspec

from campaigns.model import Callback
from campaigns.next_contact import ContactChoice, choose
from compliance import gate
from compliance.messages import (
    ContactPointFacts,
    ContactRequest,
    DecisionRecord,
    HistoryEvent,
)
from compliance.packs import PackSet
from compliance.permit import Allowed, ContactPermit, Verdict
from compliance.types import (
    AccountId,
    Channel,
    ContactPointId,
    ContentClass,
    DecisionId,
    Mode,
    PersonId,
    ReasonGroup,
    RuleKind,
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
from dialer.core.proofs import sealed
from dialer.core.records import (
    AttemptPlanned,
    fold_history,
    from_ms,
    to_ms,
)
from dialer.core.snapshots import AccountSnapshot, OpenCallback, PersonSnapshot

POINTS_TRIED = 4
"""Contact points put to the gate for one claim, at most."""
IN_FLIGHT_RETRY = timedelta(minutes=2)
"""A person whose attempt is still open is looked at again after this."""
DIALLING_RETRY = timedelta(minutes=30)
"""An account that waits for the campaign as a whole (too many abandoned calls) rests this long."""
AGENT_RETRY = timedelta(seconds=30)
"""An account that needs an agent beforehand is looked at again after this."""
OWN_AGENT_PATIENCE = timedelta(minutes=15)
"""How long a callback waits for its own agent before any agent may take it."""


class Dial(NamedTuple):
    """The gate allowed it: append body and record, then dial."""

    contact: Contact
    body: AttemptPlanned
    record: DecisionRecord
    permit: ContactPermit
    agent_first: bool
    """An agent is reserved before anything leaves: a promised one, or whoever is idle for a
    callback to anybody and after an abandoned call."""
    own_agent_id: str | None
    heads: dict[StreamKey, int]
    """Where the facts were read at; the record names numbers only by their ids."""


class Plan(NamedTuple):
    """What one claim came to. `blocked` are to be recorded in any case."""

    account_id: AccountId
    blocked: tuple[Blocked, ...]
    dial: Dial | None
    place: Place | None
    """Where the account goes when there is nothing to dial now."""


AgentIsIdle = Callable[[str | None], bool]
"""Whether that agent could be reserved now; None asks for any agent of the campaign."""


def plan(
    account: AccountSnapshot,
    campaign: CampaignContext,
    packs: PackSet,
    now: datetime,
    new_id: Callable[[], str],
    agent_is_idle: AgentIsIdle,
    permit_lifetime_s: float,
) -> Plan:
    """Decide what to do with an account that this worker holds."""
    account_id = account.account_id
    place = standing_place(account, campaign.settings, now)
    if place is not None:
        return Plan(account_id, (), None, place)
    callback = _due_callback(account.callbacks, now)
    own_agent = None
    if callback is not None and callback.agent_id is not None:
        own_agent, wait = _own_agent(callback, now, agent_is_idle)
        if wait is not None:
            return Plan(account_id, (), None, wait)
    blocked: list[Blocked] = []
    later: list[tuple[datetime, str]] = []
    for person in in_order(account.people, callback):
        history = fold_history(person.history())
        asked = callback is not None and callback.person_id == person.person_id
        if in_flight(person, now):
            later.append((now + IN_FLIGHT_RETRY, "attempt_open"))
            continue
        found = _try_points(
            account,
            person,
            history,
            campaign,
            packs,
            now,
            new_id,
            callback if asked else None,
            own_agent if asked else None,
            permit_lifetime_s,
            agent_is_idle,
        )
        blocked += found.blocked
        if found.dial is not None:
            return Plan(account_id, tuple(blocked), found.dial, None)
        later += found.later
    return Plan(account_id, tuple(blocked), None, sleep(later, now, asked=bool(blocked)))


def _due_callback(callbacks: Sequence[OpenCallback], now: datetime) -> OpenCallback | None:
    now_ms = to_ms(now)
    due = [c for c in callbacks if c.due_ms <= now_ms < c.expires_ms]
    return min(due, key=lambda c: c.due_ms) if due else None


def _own_agent(
    callback: OpenCallback, now: datetime, agent_is_idle: AgentIsIdle
) -> tuple[str | None, Place | None]:
    """The agent to reserve, or where to wait for them; after a while anybody will do."""
    agent_id = callback.agent_id
    if agent_id is None or to_ms(now - OWN_AGENT_PATIENCE) > callback.due_ms:
        return None, None
    if agent_is_idle(agent_id):
        return agent_id, None
    return None, Place("waiting", to_ms(now + AGENT_RETRY), "own_agent_busy")


class _Found(NamedTuple):
    blocked: list[Blocked]
    dial: Dial | None
    later: list[tuple[datetime, str]]


def _try_points(
    account: AccountSnapshot,
    person: PersonSnapshot,
    history: tuple[HistoryEvent, ...],
    campaign: CampaignContext,
    packs: PackSet,
    now: datetime,
    new_id: Callable[[], str],
    callback: OpenCallback | None,
    own_agent: str | None,
    permit_lifetime_s: float,
    agent_is_idle: AgentIsIdle,
) -> _Found:
    """Put the person's best contact points to the gate, one after the other."""
    facts = facts_of(account, person, history, campaign, now)
    wish = _as_callback(callback)

    def ask(choice: ContactChoice) -> tuple[ContactRequest, Verdict]:
        point = point_of(person.subject, choice.contact_point_id)
        request = _request(choice, point, person, campaign, new_id, callback, own_agent)
        return request, gate.decide(request, facts, packs, now, permit_lifetime_s=permit_lifetime_s)

    blocked: list[Blocked] = []
    later: list[tuple[datetime, str]] = []
    tried: set[ContactPointId] = set()
    for _ in range(POINTS_TRIED):
        choice = choose(
            person.subject,
            account.account_id,
            history,
            now,
            callback=wish,
            exclude=frozenset(tried),
        )
        if not isinstance(choice, ContactChoice):
            if not blocked:
                later.append((now + MISSING_RECHECK, f"{MISSING}{choice.missing}"))
            break
        if (choice.preview_only or wish is not None) and not agent_is_idle(own_agent):
            later.append((now + AGENT_RETRY, "agent_first"))
            break
        point = point_of(person.subject, choice.contact_point_id)
        tried.add(point.contact_point_id)
        request, verdict = ask(choice)
        if not isinstance(verdict, Allowed) and _asks_for_an_agent(verdict.record):
            # With an agent reserved beforehand nobody is abandoned, and the campaign goes on.
            choice = msgspec.structs.replace(choice, preview_only=True)
            if not agent_is_idle(own_agent):
                later.append((now + AGENT_RETRY, "agent_first"))
                break
            request, verdict = ask(choice)
        if isinstance(verdict, Allowed):
            dial = _dial(
                account, person, history, campaign, choice, point, verdict, callback, own_agent
            )
            return _Found(blocked, dial, later)
        reason = headline(verdict.record)
        blocked.append(refused(account, person, request, verdict.record, reason))
        if verdict.first_allowed is not None:
            later.append((verdict.first_allowed, reason))
        elif _waits_for_the_campaign(verdict.record):
            later.append((now + DIALLING_RETRY, reason))
        if stops_the_person(verdict.record):
            break
    return _Found(blocked, None, later)


def _request(
    choice: ContactChoice,
    point: ContactPointFacts,
    person: PersonSnapshot,
    campaign: CampaignContext,
    new_id: Callable[[], str],
    callback: OpenCallback | None,
    own_agent: str | None,
) -> ContactRequest:
    settings = campaign.settings
    mode = _mode(choice, settings.mode, callback)
    flow = campaign.scripts.flow if mode is Mode.IVR else None
    return ContactRequest(
        decision_id=DecisionId(new_id()),
        person_id=person.person_id,
        contact_point_id=point.contact_point_id,
        channel=Channel.VOICE,
        mode=mode,
        purpose=settings.purpose,
        content_class=ContentClass.LIVE_AGENT if flow is None else flow.content_class,
        prerecorded=flow is not None,
        template_hash=None if flow is None else flow.sha256,
        debt_ids=choice.debt_ids,
        campaign_id=campaign.campaign_id,
        agent_id=own_agent,
        caller_id=caller_id_of(person.person_id, settings.caller_ids),
        caller_id_withheld=False,
        attestation=settings.attestation,
        sender_name=settings.sender_name,
        statements=settings.says if flow is None else flow.statements_with(settings),
        abandon_message=campaign.scripts.abandon_message,
        language=settings.language or person.subject.person.language,
        ring_timeout_s=settings.least_ring_s,
        connect_limit_ms=settings.connect_limit_ms,
        recorded=settings.is_recorded,
        recording_can_pause=settings.can_pause,
        answers_event_id=callback.event_id if callback is not None else None,
    )


def caller_id_of(person_id: PersonId, caller_ids: Sequence[str]) -> str | None:
    """The number that this person always sees; None where the campaign names none.

    The people are spread evenly. Where a number is added or taken away, only those move who get
    the new one, or had the old one (rendezvous hashing; Thaler and Ravishankar, 1998).
    """
    return max(
        caller_ids,
        key=lambda caller_id: sha256(f"{person_id}\n{caller_id}".encode()).digest(),
        default=None,
    )


def _mode(choice: ContactChoice, mode: Mode, callback: OpenCallback | None) -> Mode:
    """A call with its agent reserved beforehand is a guaranteed one, never predictive."""
    if callback is not None:
        return Mode.CALLBACK
    return Mode.PREVIEW if choice.preview_only else mode


def _dial(
    account: AccountSnapshot,
    person: PersonSnapshot,
    history: tuple[HistoryEvent, ...],
    campaign: CampaignContext,
    choice: ContactChoice,
    point: ContactPointFacts,
    verdict: Allowed,
    callback: OpenCallback | None,
    own_agent: str | None,
) -> Dial:
    request = verdict.record.request
    debts = {d.debt_id: d for d in person.subject.debts}
    named = [debts[d] for d in choice.debt_ids if d in debts]
    contact = Contact(
        attempt_id=request.decision_id,
        person_id=person.person_id,
        account_id=account.account_id,
        campaign_id=campaign.campaign_id,
        point=point,
        debt_ids=choice.debt_ids,
        subject=person.subject,
        history=history,
        links=shared_streams(verdict.record.guards, person),
        segment=account.bucket,
        callback=_as_callback(callback),
        callback_id=callback.callback_id if callback is not None else None,
        attempts=1 + (account.enrolment.attempts if account.enrolment is not None else 0),
        retry=campaign.settings.retry,
    )
    body = AttemptPlanned(
        attempt_id=request.decision_id,
        campaign_id=campaign.campaign_id,
        account_id=account.account_id,
        contact_point_id=point.contact_point_id,
        channel=request.channel,
        mode=request.mode,
        debt_ids=choice.debt_ids,
        creditor_id=named[0].creditor_id if named else None,
        label=point.label,
        content_class=request.content_class,
        purpose=request.purpose,
        prerecorded=request.prerecorded,
        agent_id=own_agent,
        answers_event_id=request.answers_event_id,
    )
    agent_first = request.mode in (Mode.PREVIEW, Mode.CALLBACK)
    record = sealed(verdict.record, person.subject)
    return Dial(contact, body, record, verdict.permit, agent_first, own_agent, person.heads)


def _waits_for_the_campaign(record: DecisionRecord) -> bool:
    """Whether what stops is the campaign's dialling alone, which mends itself in time."""
    stops = [finding for finding in record.findings if finding.outcome.stops]
    return all(finding.group is ReasonGroup.PACING for finding in stops)


def _asks_for_an_agent(record: DecisionRecord) -> bool:
    """Whether all that stops a call is that the campaign has abandoned too many."""
    stops = [finding for finding in record.findings if finding.outcome.stops]
    return all(finding.kind is RuleKind.ABANDONMENT_LIMIT for finding in stops)


def _as_callback(callback: OpenCallback | None) -> Callback | None:
    if callback is None:
        return None
    return Callback(
        event_id=callback.event_id,
        due_at=from_ms(callback.due_ms),
        contact_point_id=callback.contact_point_id,
        agent_id=callback.agent_id,
    )
