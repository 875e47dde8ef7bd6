"""Reports of the compliance officer, each computed from the ledger alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from campaigns.effects import SuppressReason
from compliance.calendars import CalendarData, all_calendars
from compliance.messages import DecisionRecord, PackRef
from compliance.types import Outcome
from dialer.core.counters import BlockedBy, BlockTotals, CounterTotals, CounterUse
from dialer.core.hours_proof import Breach, Checked, Violation, Window, check, windows_of
from dialer.core.records import from_ms
from dialer.stores.ledger.archive import pack_texts, read_subject
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.oversight import (
    BLOCKED,
    PAGE,
    PLANNED,
    DecisionRow,
    OptOut,
    Period,
    answers,
    iterate_decisions,
    opt_outs,
)

VIOLATIONS_TOLD: Final = 1_000
"""Violations told one by one; all are counted."""
OPT_OUT_REASONS: Final = (
    SuppressReason.OPT_OUT,
    SuppressReason.CEASE,
)
ABANDONMENT_LIMIT_PCT: Final = 3.0
"""16 CFR 310.4(b)(4)(i); 47 CFR 64.1200(a)(7); Ofcom's persistent misuse statement."""
_SPANS: Final = (
    ("30_d", timedelta(days=30)),
    ("24_h", timedelta(hours=24)),
    ("30_min", timedelta(minutes=30)),
)

_record: Final = msgspec.json.Decoder(DecisionRecord)


# --- hours ----------------------------------------------------------------------------------------


class HoursProof(msgspec.Struct, frozen=True, kw_only=True):
    """Proof that no contact was made outside lawful hours, or the list of those that were."""

    period: Period
    attempts: int
    """Contacts that were made in the period: every one was checked."""
    clocks: int
    """Pairs of rule and zone that were compared."""
    violations: int
    by_breach: dict[str, int]
    lifted: dict[str, int]
    """Contacts outside hours that a consent, exception or override lifted, by rule and what."""
    told: tuple[Violation, ...]
    """The violations, `VIOLATIONS_TOLD` at most."""
    packs: tuple[PackRef, ...]
    """Every pack that decided in the period."""
    tzdata: dict[str, int]
    """Attempts by release of the zone rules that decided."""

    @property
    def holds(self) -> bool:
        return self.violations == 0


def _proof(row: DecisionRow) -> DecisionRecord | None:
    """None where it was not kept, or cannot be read."""
    if row.record is None:
        return None
    try:
        return _record.decode(row.record)
    except msgspec.MsgspecError:
        return None


class _HoursWork:
    """Checks decisions one after the other; packs are read once a set."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._windows: dict[str, Mapping[str, Window]] = {}
        self._calendars: Mapping[str, CalendarData] = all_calendars()
        self.packs: dict[PackRef, None] = {}
        self.tzdata: Counter[str] = Counter()

    async def check(self, row: DecisionRow) -> Checked:
        record = _proof(row)
        where = f"{row.person_id}/{row.seq}"
        if record is None:
            lacking = Violation(
                attempt_id=row.decision_id,
                event_id=where,
                at=from_ms(row.at_ms),
                breach=Breach.NO_PROOF,
            )
            return Checked(violations=(lacking,))
        self.packs |= dict.fromkeys(record.packs)
        self.tzdata[record.tzdata_version] += 1
        region = await self._region(record)
        windows = await self._windows_of(record.packs)
        return check(record, where, windows, self._calendars, region)

    async def _windows_of(self, refs: tuple[PackRef, ...]) -> Mapping[str, Window]:
        """Rules of hours of the packs that bound a contact, as far as the ledger has them whole."""
        missing = [ref for ref in refs if ref.sha256 not in self._windows]
        if missing:
            async with self._ledger.read() as conn:
                texts = await pack_texts(conn, [ref.sha256 for ref in missing])
            self._windows |= {
                ref.sha256: windows_of(texts[ref.sha256]) if ref.sha256 in texts else {}
                for ref in missing
            }
        return {k: w for ref in refs for k, w in self._windows[ref.sha256].items()}

    async def _region(self, record: DecisionRecord) -> str | None:
        """Where the person lived by what was known then; None: not known, or erased."""
        async with self._ledger.read() as conn:
            subject = await read_subject(conn, record.request.person_id, record.subject_sha256)
        residence = None if subject is None else subject.person.residence
        return None if residence is None else residence.subdivision


async def prove_hours(ledger: Ledger, period: Period) -> HoursProof:
    """Work out for every contact of a period whether it was made inside lawful hours.

    Raises:
        LedgerUnavailable: it cannot be read.
    """
    work = _HoursWork(ledger)
    attempts = clocks = violations = 0
    breaches: Counter[str] = Counter()
    lifted: Counter[str] = Counter()
    told: list[Violation] = []
    async for page in iterate_decisions(ledger, period, (PLANNED,)):
        for row in page:
            found = await work.check(row)
            attempts += 1
            clocks += found.clocks
            lifted.update(found.lifted)
            violations += bool(found.violations)
            breaches.update(v.breach for v in found.violations)
            told += found.violations[: VIOLATIONS_TOLD - len(told)]
        await asyncio.sleep(0)
    return HoursProof(
        period=period,
        attempts=attempts,
        clocks=clocks,
        violations=violations,
        by_breach=dict(sorted(breaches.items())),
        lifted=dict(sorted(lifted.items())),
        told=tuple(told),
        packs=tuple(sorted(work.packs, key=lambda ref: (ref.pack, ref.version, ref.sha256))),
        tzdata=dict(sorted(work.tzdata.items())),
    )


# --- blocks and counters --------------------------------------------------------------------------


class BlocksReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was not done in a period, by the rule that forbade it."""

    period: Period
    decided: int
    """Contacts that the gate decided on."""
    blocked: int
    rules: list[BlockedBy]


class _Stop(msgspec.Struct, frozen=True):
    rule_id: str
    outcome: Outcome


class _Stops(msgspec.Struct, frozen=True):
    findings: tuple[_Stop, ...]


class _Headline(msgspec.Struct, frozen=True):
    rule_id: str


_stops: Final = msgspec.json.Decoder(_Stops)
_headline: Final = msgspec.json.Decoder(_Headline)


def _stopping(row: DecisionRow) -> list[str]:
    """Every rule that stopped a contact; none where the proof was not kept, or cannot be read."""
    try:
        findings = _stops.decode(row.record or "").findings
    except msgspec.MsgspecError:
        return []
    return [finding.rule_id for finding in findings if finding.outcome.stops]


async def blocks_by_rule(ledger: Ledger, period: Period) -> BlocksReport:
    """Raises `LedgerUnavailable`."""
    totals = BlockTotals()
    decided = 0
    async for page in iterate_decisions(ledger, period):
        for row in page:
            decided += 1
            if row.kind != BLOCKED:
                continue
            headline = _headline.decode(row.body).rule_id
            totals.add(from_ms(row.at_ms), headline, _stopping(row))
        await asyncio.sleep(0)
    return BlocksReport(
        period=period, decided=decided, blocked=totals.blocked, rules=totals.sorted()
    )


class CountersReport(msgspec.Struct, frozen=True, kw_only=True):
    """How far the counters of law and house were used: 7 in 7 days, per state, a week ..."""

    period: Period
    decisions: int
    counters: list[CounterUse]

    @property
    def holds(self) -> bool:
        return not any(use.exceeded for use in self.counters)


async def counters_used(ledger: Ledger, period: Period) -> CountersReport:
    """By rule, and so by jurisdiction: a rule's pack names it. Raises `LedgerUnavailable`."""
    totals = CounterTotals()
    decisions = 0
    async for page in iterate_decisions(ledger, period):
        for row in page:
            decisions += 1
            record = _proof(row)
            if record is not None:
                totals.add(record)
        await asyncio.sleep(0)
    return CountersReport(period=period, decisions=decisions, counters=totals.sorted())


# --- abandonment ----------------------------------------------------------------------------------


class AbandonmentSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's abandonment in a span that ends at the report's instant."""

    campaign_id: str
    campaign: str
    span: str
    """`30_d`, `24_h` or `30_min`."""
    live_answered: int
    abandoned: int
    abandoned_pct: float
    within_limit: bool


class AbandonmentReport(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    limit_pct: float
    spans: list[AbandonmentSpan]

    @property
    def holds(self) -> bool:
        return all(span.within_limit for span in self.spans)


async def abandonment(
    ledger: Ledger, at: datetime, *, campaign_id: str | None, portfolio_id: str | None
) -> AbandonmentReport:
    """Abandoned calls among live answers, over 30 days, 24 hours and 30 minutes before `at`.
    Raises `LedgerUnavailable`."""
    spans: list[AbandonmentSpan] = []
    async with ledger.read() as conn:
        for name, length in _SPANS:
            period = Period(
                since=at - length, until=at, campaign_id=campaign_id, portfolio_id=portfolio_id
            )
            for found in await answers(conn, period):
                pct = 100 * found.abandoned / found.live_answered
                spans.append(
                    AbandonmentSpan(
                        campaign_id=found.campaign_id,
                        campaign=found.campaign,
                        span=name,
                        live_answered=found.live_answered,
                        abandoned=found.abandoned,
                        abandoned_pct=round(pct, 3),
                        within_limit=pct <= ABANDONMENT_LIMIT_PCT,
                    )
                )
    return AbandonmentReport(at=at, limit_pct=ABANDONMENT_LIMIT_PCT, spans=spans)


# --- opt-outs and consents ------------------------------------------------------------------------


class OptOutReport(msgspec.Struct, frozen=True, kw_only=True):
    """How fast requests to stop took effect, and whether anybody was contacted after."""

    period: Period
    requests: int
    longest_ms: int
    """From the request to the suppression's start."""
    contacted_after: int
    """Requests after which there was a contact within their scope. Must be 0."""
    told: list[OptOut]
    """Those that were contacted after, and the slowest: `PAGE` at most."""

    @property
    def holds(self) -> bool:
        return self.contacted_after == 0


async def opt_out_latency(ledger: Ledger, period: Period) -> OptOutReport:
    """Raises `LedgerUnavailable`."""
    requests = contacted = longest = 0
    told: list[OptOut] = []
    after = ""
    while True:
        async with ledger.read() as conn:
            page = await opt_outs(conn, period, OPT_OUT_REASONS, after)
        if not page:
            break
        after = page[-1].suppression_id
        requests += len(page)
        contacted += sum(found.contacts_after > 0 for found in page)
        longest = max(longest, *(found.latency_ms for found in page))
        told = sorted([*told, *page], key=lambda f: (-f.contacts_after, -f.latency_ms))[:PAGE]
    return OptOutReport(
        period=period,
        requests=requests,
        longest_ms=longest,
        contacted_after=contacted,
        told=told,
    )
