"""Cases for the twin: from a definition, or from a campaign as the ledger knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import sqrt
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from campaigns.campaign import CampaignSettings
from compliance.packs import PackSet
from compliance.types import EventKind, Mode
from dialer.core.records import from_ms, to_ms
from dialer.core.snapshots import in_house
from dialer.runtime.shift import working_moment
from dialer.simulation.twin.definition import (
    MAX_ACCOUNTS,
    CallbackSpec,
    CallSpec,
    Duration,
    SegmentSpec,
    ShiftSpec,
    TwinDefinition,
    WhereSpec,
    WorkSpec,
    minute_of,
    rates_of,
)
from dialer.simulation.twin.law import LegalDay, LegalDays, Prober, context_of, plain_account
from dialer.simulation.twin.run import Case, check_mode
from dialer.stores.ledger.campaigns import Campaign
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.portfolios import get_portfolio
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.worked import (
    WorkedAttempt,
    last_worked_ms,
    open_accounts_by_bucket,
    open_callbacks,
    some_open_accounts,
    worked_attempts,
)
from telephony_adapters.simulator.rates import DEFAULT_STAGE, STAGES

OBSERVED: Final = timedelta(days=30)
"""How far back answer rates and talk times are taken from."""
PRIOR_DIALS: Final = 100
"""An observed rate weighs against the default as if that were so many dials."""
PRIOR_TALKS: Final = 20
ASKED_PER_SEGMENT: Final = 40
"""Accounts of each segment whose lawful day the gate is asked for; the others share theirs."""

Note = tuple[str, str]
LOOK_NOTE: Final[Note] = (
    "Vista previa: el libro no dice cuánto miran los agentes; se toman los valores de fábrica "
    "(una definición los cambia: [work] look, skipped)",
    "Preview: the ledger does not tell how long agents look; these are the defaults (a definition "
    "changes them: [work] look, skipped)",
)


def case_of_definition(definition: TwinDefinition, packs: PackSet, now: datetime) -> Case:
    """The definition on its day, under the law of plain debtors of its country."""
    day = definition.date or _working_day(definition.where.country, definition.timezone, now)
    opens_at = definition.starts_at(day)
    prober = _prober(definition, packs, opens_at)
    plain = prober.day_of(plain_account(definition.where, definition.segments[0].name, opens_at))
    return _case(definition, opens_at, {s.name: (plain,) for s in definition.segments}, ())


async def case_of_campaign(
    ledger: Ledger,
    packs: PackSet,
    campaign: Campaign,
    *,
    shift: ShiftSpec,
    day: date | None,
    now: datetime,
) -> Case:
    """A campaign of the ledger: its settings, its open accounts, the answers it has seen, and the
    lawful day of some accounts of each segment with the history that they have.

    Raises `LookupError` where there is nothing to dial.
    """
    check_mode(campaign.name, campaign.settings.mode)
    counts = await open_accounts_by_bucket(ledger, campaign.campaign_id)
    if not counts:
        raise LookupError(
            f"campaign {campaign.name!r} has no account left to dial; enrol some, or simulate a "
            "definition"
        )
    async with ledger.read() as conn:
        portfolio = await get_portfolio(conn, campaign.portfolio_id)
    if portfolio is None:
        raise LookupError(f"campaign {campaign.name!r} has no portfolio")
    seen = await _seen(ledger, campaign)
    zone = _zone(campaign.settings, portfolio.country, now)
    definition = TwinDefinition(
        name=campaign.name,
        where=WhereSpec(
            country=portfolio.country,
            collector_role=portfolio.collector_role,
            debt_class=portfolio.debt_class,
        ),
        timezone=zone,
        date=day or _working_day(portfolio.country, zone, now),
        segments=_segments(counts, seen, zone),
        shifts=(shift,),
        campaign=campaign.settings,
        calls=_calls(seen),
        work=_work(seen),
    )
    opens_at = definition.starts_at(definition.date or now.date())
    closes_at = opens_at + timedelta(seconds=definition.duration_s)
    promised = await open_callbacks(ledger, campaign.campaign_id, to_ms(opens_at), to_ms(closes_at))
    definition = msgspec.structs.replace(definition, callbacks=_callbacks(promised, opens_at, zone))
    legal = await _legal(ledger, packs, campaign, definition, opens_at)
    asked = sum(map(len, legal.values()))
    notes: tuple[Note, ...] = (
        (
            f"Tasas y duraciones: de {len(seen):,} intentos de 30 días, mezclados con los valores "
            f"de fábrica, que pesan como {PRIOR_DIALS} marcaciones por segmento",
            f"Rates and durations: of {len(seen):,} attempts of 30 days, mixed with the defaults, "
            f"which weigh as {PRIOR_DIALS} dials a segment",
        ),
        (
            f"Ley: la compuerta fue preguntada por {asked} cuentas con su historia; las demás de "
            "cada segmento las imitan",
            f"Law: the gate was asked about {asked} accounts with their history; the others of "
            "each segment are like them",
        ),
    )
    if definition.campaign.mode is Mode.PREVIEW:
        notes += (LOOK_NOTE,)
    return _case(definition, opens_at, legal, notes)


def _callbacks(promised: Sequence[tuple[int, bool]], opens_at: datetime, zone: str) -> CallbackSpec:
    """Open callbacks by the hour in which they can be kept: those overdue, as soon as we open."""
    by_hour: Counter[int] = Counter()
    for due_ms, _ in promised:
        by_hour[max(from_ms(due_ms), opens_at).astimezone(ZoneInfo(zone)).hour] += 1
    if not promised:
        return CallbackSpec()
    return CallbackSpec(
        by_hour=dict(by_hour), own_agent=sum(own for _, own in promised) / len(promised)
    )


async def _seen(ledger: Ledger, campaign: Campaign) -> list[WorkedAttempt]:
    """Attempts of the thirty days up to the last one: a simulated day may lie ahead of us."""
    last_ms = await last_worked_ms(ledger, campaign.campaign_id)
    if last_ms is None:
        return []
    since_ms = last_ms - round(OBSERVED.total_seconds() * 1000)
    return await worked_attempts(ledger, campaign.campaign_id, since_ms, last_ms + 1)


def _case(
    definition: TwinDefinition, opens_at: datetime, legal: LegalDays, notes: tuple[Note, ...]
) -> Case:
    law, opens = definition.law, definition.opens
    start_s = 60.0 * (minute_of(law.start) - opens)
    end_s = 60.0 * (minute_of(law.end) - opens)
    narrowed = {
        name: tuple(day.narrowed(start_s, end_s, law.dials_per_account) for day in days)
        for name, days in legal.items()
    }
    return Case(definition=definition, opens_at=opens_at, legal=narrowed, notes=notes)


def _prober(definition: TwinDefinition, packs: PackSet, opens_at: datetime) -> Prober:
    lookback = timedelta(days=packs.lookback_days + 3)
    context = context_of(definition.campaign, definition.where, lookback)
    return Prober(context, packs, opens_at, definition.duration_s)


async def _legal(
    ledger: Ledger,
    packs: PackSet,
    campaign: Campaign,
    definition: TwinDefinition,
    opens_at: datetime,
) -> LegalDays:
    reader = EventReader(ledger)
    prober = _prober(definition, packs, opens_at)
    since_ms = to_ms(opens_at - timedelta(days=packs.lookback_days + 3))
    legal: dict[str, tuple[LegalDay, ...]] = {}
    for segment in definition.segments:
        ids = await some_open_accounts(
            ledger, campaign.campaign_id, segment.name, ASKED_PER_SEGMENT
        )
        batch = await reader.read_batch(campaign.campaign_id, ids, since_ms)
        days = [prober.day_of(in_house(account, batch.house)) for account in batch.accounts]
        legal[segment.name] = tuple(days) or (LegalDay(),)
    return legal


def _zone(settings: CampaignSettings, country: str, now: datetime) -> str:
    zone = settings.timezone
    return zone if zone != "UTC" else working_moment(country, now)[1]


def _working_day(country: str, zone: str, now: datetime) -> date:
    midnight = datetime.combine(
        now.astimezone(ZoneInfo(zone)).date() + timedelta(days=1), time(), ZoneInfo(zone)
    )
    moment, _ = working_moment(country, midnight.astimezone(UTC))
    return moment.astimezone(ZoneInfo(zone)).date()


# --- what was seen ------------------------------------------------------------------------------


def _segments(
    counts: dict[str, int], seen: Sequence[WorkedAttempt], zone: str
) -> tuple[SegmentSpec, ...]:
    found = []
    for name, accounts in counts.items():
        mine = [a for a in seen if a.bucket == name and not _gone(a)]
        plain = SegmentSpec(name=name if name in STAGES else DEFAULT_STAGE, accounts=1)
        live, right_party, promise = rates_of(plain)
        answers = [a for a in mine if a.is_live]
        live = _mixed(len(answers), len(mine), live, PRIOR_DIALS)
        reached = [a for a in answers if not a.is_abandoned]
        right = [a for a in reached if a.is_right_party]
        found.append(
            SegmentSpec(
                name=name,
                accounts=min(accounts, MAX_ACCOUNTS),
                live_rate=live,
                live_rate_by_hour=_by_hour(mine, zone, live),
                right_party=_mixed(len(right), len(reached), right_party, PRIOR_TALKS),
                promise=_mixed(sum(a.is_promise for a in right), len(right), promise, PRIOR_TALKS),
            )
        )
    return tuple(found)


def _by_hour(seen: Sequence[WorkedAttempt], zone: str, live: float) -> dict[int, float]:
    """Rates of the hours that the campaign has dialed in."""
    place = ZoneInfo(zone)
    dials: dict[int, int] = {}
    answers: dict[int, int] = {}
    for a in seen:
        hour = datetime.fromtimestamp(a.planned_ms / 1000, UTC).astimezone(place).hour
        dials[hour] = dials.get(hour, 0) + 1
        answers[hour] = answers.get(hour, 0) + a.is_live
    return {h: _mixed(answers[h], dials[h], live, PRIOR_DIALS) for h in sorted(dials)}


def _calls(seen: Sequence[WorkedAttempt]) -> CallSpec:
    plain = CallSpec()
    gone = sum(map(_gone, seen))
    dials = len(seen) - gone
    failed = sum(a.failed for a in seen) - gone
    rings = [a.answered_after_ms / 1000 for a in seen if a.is_live and not a.is_abandoned]
    return msgspec.structs.replace(
        plain,
        machine_rate=_mixed(
            sum(a.is_machine for a in seen), dials, plain.machine_rate, PRIOR_DIALS
        ),
        out_of_service=_mixed(gone, len(seen), plain.out_of_service, PRIOR_DIALS),
        failed_rate=_mixed(failed, dials, plain.failed_rate, PRIOR_DIALS),
        answer=_duration(rings, plain.answer),
    )


def _work(seen: Sequence[WorkedAttempt]) -> WorkSpec:
    plain = WorkSpec()

    def of(which: Callable[[WorkedAttempt], bool]) -> list[WorkedAttempt]:
        return [a for a in seen if a.talk_ms is not None and which(a)]

    promise = of(lambda a: a.is_promise)
    right = of(lambda a: a.is_right_party and not a.is_promise)
    other = of(lambda a: a.is_live and not a.is_right_party)
    return WorkSpec(
        other=_duration(_talks(other), plain.other),
        right_party=_duration(_talks(right), plain.right_party),
        promise=_duration(_talks(promise), plain.promise),
        machine=_duration(_talks(of(lambda a: a.is_machine)), plain.machine),
        wrap_other=_duration(_wraps(other), plain.wrap_other),
        wrap_right_party=_duration(_wraps(right), plain.wrap_right_party),
        wrap_promise=_duration(_wraps(promise), plain.wrap_promise),
    )


def _gone(seen: WorkedAttempt) -> bool:
    """The number is nobody's any more."""
    return seen.outcome is EventKind.NOT_CONNECTED_OUT_OF_SERVICE


def _talks(seen: Sequence[WorkedAttempt]) -> list[float]:
    return [a.talk_ms / 1000 for a in seen if a.talk_ms]


def _wraps(seen: Sequence[WorkedAttempt]) -> list[float]:
    return [a.wrap_ms / 1000 for a in seen if a.wrap_ms]


def _mixed(seen: int, of: int, default: float, weight: int) -> float:
    """A share seen, drawn towards a default that weighs as so many observations."""
    return round((seen + default * weight) / (of + weight), 4)


def _duration(seen_s: Sequence[float], default: Duration) -> Duration:
    """Mean and spread of what was seen; the default where that is little."""
    if len(seen_s) < PRIOR_TALKS:
        return default
    mean_s = sum(seen_s) / len(seen_s)
    variance = sum((s - mean_s) ** 2 for s in seen_s) / (len(seen_s) - 1)
    cv = min(5.0, sqrt(variance) / mean_s)
    return Duration(mean_s=round(max(0.1, mean_s), 2), cv=round(cv, 3))
