"""The gate: one pure function decides whether a contact may be made, and proves why.

`decide` evaluates *all* rules that bind a contact, in fixed order and without short cuts. Any
rule that denies, denies; numbers of different rules are never merged. A rule that fails for any
reason denies. Whatever the answer, the record holds every finding, the local times, the packs
and the streams that the answer depended on. The same request, facts, packs and `now` give an
equal record for ever.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Final, NamedTuple

import msgspec

from compliance import consents, overrides
from compliance.calendars import holidays_version
from compliance.context import Context
from compliance.hours import day_start, local_date
from compliance.messages import (
    ContactRequest,
    DecisionRecord,
    Facts,
    Finding,
    HistoryEvent,
    Subject,
)
from compliance.packs import PackSet
from compliance.permit import _MINT, Allowed, Blocked, ContactPermit, Verdict
from compliance.plan import Plan
from compliance.rules.base import HORIZON_DAYS, Rule
from compliance.rules.structure import FAULT_HEAD
from compliance.schema import RuleException
from compliance.types import EventKind, Mode, Outcome, RuleKind, StreamKey
from compliance.zones import tzdata_version, zone

PERMIT_LIFETIME_S: Final = 10.0
_MAX_STEPS: Final = 1_000
"""Rounds of the search for `first_allowed`; every round moves at least a second."""
_REPLY_TO: Final = frozenset({EventKind.INBOUND_MESSAGE, EventKind.INBOUND_CALL})
_CALLBACK_TO: Final = frozenset({EventKind.CALLBACK_REQUESTED, EventKind.INBOUND_CALL})
_CALLBACK_LASTS: Final = timedelta(days=7)
_PASS: Final = Outcome.PASS
_FACTS_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def decide(
    request: ContactRequest,
    facts: Facts,
    packs: PackSet,
    now: datetime,
    *,
    permit_lifetime_s: float = PERMIT_LIFETIME_S,
    horizon_days: int = HORIZON_DAYS,
) -> Verdict:
    """Decide one contact at `now` (timezone-aware).

    Returns `Allowed` with a permit that lives `permit_lifetime_s` seconds, or `Blocked` with
    the first instant, exact to the second and at most `horizon_days` ahead, at which all rules
    together would allow it; None where only an event can. Raises `ValueError` for a naive
    `now`, and nothing else.
    """
    if now.tzinfo is None:
        raise ValueError("now must be timezone-aware; pass e.g. datetime.now(UTC)")
    now = now.astimezone(UTC)
    try:
        ctx = Context(request, facts, now)
        plan = packs.plan(ctx, now)
    except Exception as error:
        return Blocked(_unreadable(request, facts, packs, now, error))
    said = _evaluate(plan, ctx, now)
    if said.stops:
        first_allowed, event = _first_allowed(said.stops, ctx, packs, now, horizon_days)
        return Blocked(_record(ctx, packs, plan, said, now, False, first_allowed, event))
    record = _record(ctx, packs, plan, said, now, True, now, None)
    expires_at = _until(said.told, now + timedelta(seconds=permit_lifetime_s))
    return Allowed(record, _permit(ctx, expires_at))


def replay(record: DecisionRecord, facts: Facts, packs: PackSet) -> DecisionRecord:
    """Decide a recorded request again, at its own instant, with the facts and packs given.

    With the facts and packs of then, the result equals `record`.
    """
    return decide(record.request, facts, packs, record.at).record


def streams(subject: Subject, request: ContactRequest) -> tuple[StreamKey, ...]:
    """Every stream that the verdict on a request may depend on: what facts must be read from."""
    keys = [StreamKey(subject.person.person_id)]
    for point in subject.contact_points:
        if point.contact_point_id == request.contact_point_id:
            keys.append(StreamKey(f"number:{point.address}"))
    for debt in subject.debts:
        if debt.debt_id in request.debt_ids:
            keys.append(StreamKey(f"account:{debt.account_id}"))
    return tuple(dict.fromkeys(keys))


# --- evaluation ---------------------------------------------------------------------------------


class _Said(NamedTuple):
    """What the rules of a plan say at an instant, in the plan's order."""

    told: list[Finding]
    """All but the passes that have nothing to add."""
    stops: list[Finding]
    """Those of them that stop the contact."""
    passed: tuple[str, ...]
    """Ids of the rules that passed with nothing to add."""


def _evaluate(plan: Plan, ctx: Context, at: datetime) -> _Said:
    told: list[Finding] = []
    stops: list[Finding] = []
    places: list[int] = []
    for place, rule, settled in plan.steps(ctx.signals, ctx.declared):
        try:
            finding = settled or rule.evaluate(ctx, at)
            if finding is rule.passed:
                continue
            if finding.outcome is not _PASS and settled is None:
                finding = _lifted(rule, finding, ctx, at)
        except Exception as error:
            finding = _fault(rule.head.id, error)
        if finding.outcome is not _PASS and finding.outcome.stops:
            stops.append(finding)
        places.append(place)
        told.append(finding)
    return _Said(told, stops, plan.passed(tuple(places)))


def _lifted(rule: Rule, finding: Finding, ctx: Context, at: datetime) -> Finding:
    """The finding after exceptions and consents that the rule itself names, and overrides.

    Where none applies, `first_ok` is brought forward to the rule's lapse and to the start of a
    consent already known.
    """
    head = rule.head
    if not finding.outcome.stops:
        return finding
    for exception in head.exceptions:
        answered = _exception(exception, ctx, at)
        if answered is not None:
            return _lift(finding, f"{exception}:{answered.event_id}")
    earlier: list[datetime] = []
    for match in head.lifted_by:
        consent = consents.in_force(match, ctx, at)
        if consent is not None:
            return _lift(finding, f"consent:{consent.consent_id}")
        begins = consents.next_start(match, ctx, at)
        if begins is not None:
            earlier.append(begins)
    if ctx.subject.overrides:
        override = overrides.in_force(head, finding, ctx, at)
        if override is not None:
            return _lift(finding, f"{overrides.PREFIX}{override.override_id}")
        starts = overrides.next_start(head, finding, ctx, at)
        if starts is not None:
            earlier.append(starts)
    if head.lapses is not None:
        earlier.append(head.lapses)
    if earlier:
        first_ok = min(earlier if finding.first_ok is None else [finding.first_ok, *earlier])
        return msgspec.structs.replace(finding, first_ok=first_ok, releasing_event=None)
    return finding


def _lift(finding: Finding, by: str) -> Finding:
    return msgspec.structs.replace(
        finding, outcome=Outcome.LIFTED, lifted_by=by, first_ok=None, releasing_event=None
    )


def _exception(exception: RuleException, ctx: Context, at: datetime) -> HistoryEvent | None:
    """The event of the person that an exception rests on, or None where it does not apply."""
    request = ctx.request
    reply = exception is RuleException.REPLY_TO_INBOUND
    if request.answers_event_id is None or request.mode is not (
        Mode.REPLY if reply else Mode.CALLBACK
    ):
        return None
    found: HistoryEvent | None = None
    for event in ctx.events:
        if event.event_id == request.answers_event_id:
            found = event
        elif event.answers_event_id == request.answers_event_id and event.mode is not None:
            return None  # answered before: once per message or request
    if found is None or found.at > ctx.now:
        return None
    if reply:
        fits = found.kind in _REPLY_TO and found.channel is request.channel
    else:
        fits = found.kind in _CALLBACK_TO and at < _callback_ends(found.at, ctx)
    return found if fits else None


def _callback_ends(asked_at: datetime, ctx: Context) -> datetime:
    """A request to be called is consent for seven dates, its own the first (1006.14(b)(3)(i))."""
    return min(day_start(name, local_date(asked_at, name) + _CALLBACK_LASTS) for name in ctx.zones)


def _fault(rule_id: str, error: Exception) -> Finding:
    return Finding(
        rule_id=FAULT_HEAD.id,
        pack=FAULT_HEAD.pack,
        kind=FAULT_HEAD.kind,
        group=FAULT_HEAD.group,
        outcome=Outcome.DENY,
        severity=FAULT_HEAD.severity,
        basis=FAULT_HEAD.basis,
        code="rule_failed",
        releasing_event="facts_corrected",
        detail={"rule": rule_id, "error": f"{type(error).__name__}: {error}"},
    )


# --- first allowed instant ----------------------------------------------------------------------


def _first_allowed(
    stops: list[Finding],
    ctx: Context,
    packs: PackSet,
    now: datetime,
    horizon_days: int,
) -> tuple[datetime | None, str | None]:
    """Least fixed point of all rules from `now` on, or the event that would release it.

    Every rule moves the instant forward to its own least passing one; no common passing
    instant can lie before any of them, so the first instant at which nothing moves is least.
    """
    limit = now + timedelta(days=horizon_days)
    at = now
    for _ in range(_MAX_STEPS):
        if not stops:
            return at, None
        for finding in stops:
            if finding.first_ok is None:
                return None, finding.releasing_event or "facts_changed"
        following = max(_ceil_second(f.first_ok) for f in stops if f.first_ok is not None)
        if following <= at or following > limit:
            break
        at = following
        stops = _evaluate(packs.plan(ctx, at), ctx, at).stops
    return None, "nothing_within_horizon"


def _ceil_second(at: datetime) -> datetime:
    if at.microsecond == 0:
        return at
    return at.replace(microsecond=0) + timedelta(seconds=1)


# --- record and permit --------------------------------------------------------------------------


def _record(
    ctx: Context,
    packs: PackSet,
    plan: Plan,
    said: _Said,
    now: datetime,
    allowed: bool,
    first_allowed: datetime | None,
    releasing_event: str | None,
) -> DecisionRecord:
    facts_hash, subject_hash = _fingerprints(ctx.facts)
    return DecisionRecord(
        decision_id=ctx.request.decision_id,
        at=now,
        request=ctx.request,
        allowed=allowed,
        findings=tuple(said.told),
        passed=said.passed,
        packs=plan.refs,
        calendars=plan.calendars,
        zones=ctx.zones,
        local_times=_local_times(now, ctx.zones),
        heads=ctx.facts.heads,
        guards=_guards(ctx, plan),
        first_allowed=first_allowed,
        releasing_event=releasing_event,
        tzdata_version=tzdata_version(),
        facts_sha256=facts_hash,
        holidays_version=holidays_version(),
        software=software(),
        pack_set=packs.sha256,
        subject_sha256=subject_hash,
        collector=ctx.facts.collector,
        creditor_ids=tuple(
            dict.fromkeys(d.creditor_id for d in ctx.debts if d.creditor_id is not None)
        ),
        wide=ctx.facts.wide,
        abandonment=ctx.facts.abandonment,
        traffic=ctx.facts.traffic,
        emergencies=ctx.facts.emergencies,
        ended_emergencies=ctx.facts.ended_emergencies,
        campaign_started_at=ctx.facts.campaign_started_at,
        history_from=ctx.facts.complete_from,
    )


@lru_cache(maxsize=1_024)
def _local_times(now: datetime, names: tuple[str, ...]) -> dict[str, str]:
    """Decisions of one batch share their instant, and most of them their zones."""
    return {name: now.astimezone(zone(name)).isoformat() for name in names}


def facts_sha256(facts: Facts) -> str:
    """Fingerprint of facts: SHA-256 of their canonical JSON."""
    return _fingerprints(facts)[0]


def subject_sha256(subject: Subject) -> str:
    """Fingerprint of what is known of a person: SHA-256 of its JSON as the ledger keeps it."""
    return hashlib.sha256(_FACTS_ENCODER.encode(subject)).hexdigest()


def _fingerprints(facts: Facts) -> tuple[str, str]:
    """Of the facts and of the person in them, whose JSON is made once for both."""
    subject = _FACTS_ENCODER.encode(facts.subject)
    # `Raw` stands in the JSON as it is: the bytes are those of the facts themselves.
    whole = _FACTS_ENCODER.encode(msgspec.structs.replace(facts, subject=msgspec.Raw(subject)))
    return hashlib.sha256(whole).hexdigest(), hashlib.sha256(subject).hexdigest()


@cache
def software() -> str:
    """Name and release of what decides."""
    try:
        return f"marcador {importlib.metadata.version('marcador')}"
    except importlib.metadata.PackageNotFoundError:
        return "marcador, not installed"


def _guards(ctx: Context, plan: Plan) -> tuple[StreamKey, ...]:
    keys = [StreamKey(ctx.person.person_id)]
    point = ctx.point
    if point is not None and (plan.counts_number or point.shared_with):
        keys.append(StreamKey(f"number:{point.address}"))
    if plan.counts_account:
        keys += [StreamKey(f"account:{debt.account_id}") for debt in ctx.debts]
    return tuple(dict.fromkeys(keys))


def _unreadable(
    request: ContactRequest, facts: Facts, packs: PackSet, now: datetime, error: Exception
) -> DecisionRecord:
    """Record of a decision whose facts could not even be laid out."""
    finding = _fault("facts", error)
    facts_hash, subject_hash = _fingerprints(facts)
    return DecisionRecord(
        decision_id=request.decision_id,
        at=now,
        request=request,
        allowed=False,
        findings=(finding,),
        packs=packs.refs,
        heads=facts.heads,
        guards=(StreamKey(request.person_id),),
        releasing_event=finding.releasing_event,
        tzdata_version=tzdata_version(),
        facts_sha256=facts_hash,
        holidays_version=holidays_version(),
        software=software(),
        pack_set=packs.sha256,
        subject_sha256=subject_hash,
        collector=facts.collector,
        wide=facts.wide,
        abandonment=facts.abandonment,
        traffic=facts.traffic,
        emergencies=facts.emergencies,
        ended_emergencies=facts.ended_emergencies,
        campaign_started_at=facts.campaign_started_at,
        history_from=facts.complete_from,
    )


def _until(findings: Sequence[Finding], expires_at: datetime) -> datetime:
    """A permit never outlives the hours it was given in."""
    for finding in findings:
        if finding.kind is RuleKind.CONTACT_WINDOW and finding.window_end is not None:
            expires_at = min(expires_at, finding.window_end)
    return expires_at


def _permit(ctx: Context, expires_at: datetime) -> ContactPermit:
    request, point = ctx.request, ctx.point
    if point is None:
        raise AssertionError("an allowed contact has a contact point")
    return ContactPermit(
        _MINT,
        decision_id=request.decision_id,
        person_id=request.person_id,
        address=point.address,
        contact_point_id=request.contact_point_id,
        channel=request.channel,
        mode=request.mode,
        content_class=request.content_class,
        debt_ids=request.debt_ids,
        campaign_id=request.campaign_id,
        expires_at=expires_at,
    )
