"""Proofs and reports of the compliance officer, computed from the ledger when they are asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from dialer.console.errors import BAD_QUERY, BUSY, ApiError
from dialer.console.routes.evidence import PROOFS, Id, Page, no_decision
from dialer.console.routes.ordering import OFFICERS, following, for_reader
from dialer.console.table import (
    API,
    OFFICE,
    Call,
    Nothing,
    Route,
    route,
)
from dialer.core.records import to_ms
from dialer.runtime.incidents import IncidentReport, complaints, wrong_parties
from dialer.runtime.oversight import (
    AbandonmentReport,
    BlocksReport,
    CountersReport,
    HoursProof,
    OptOutReport,
    abandonment,
    blocks_by_rule,
    counters_used,
    opt_out_latency,
    prove_hours,
)
from dialer.runtime.replaying import (
    Replayed,
    Replayer,
    ReplayReport,
    record_replay,
    replay_sample,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.oversight import ConsentRow, Period, consents

B = TypeVar("B")
Q = TypeVar("Q")
R = TypeVar("R")

Instant = Annotated[datetime, Meta(tz=True)]
"""With its offset from UTC: `2026-11-24T00:00:00Z`."""


class PeriodQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    since: Instant
    """From there on."""
    until: Instant
    """Before it."""
    campaign_id: Id | None = None
    portfolio_id: Id | None = None

    def period(self) -> Period:
        """Raises `ApiError`."""
        if self.until <= self.since:
            raise ApiError(
                BAD_QUERY, where="until", es="no es después de since", en="it is not after since"
            )
        return Period(
            since=self.since,
            until=self.until,
            campaign_id=self.campaign_id,
            portfolio_id=self.portfolio_id,
        )


class AtQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: Instant | None = None
    """None: now."""
    campaign_id: Id | None = None
    portfolio_id: Id | None = None


class ConsentQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: Id | None = None
    portfolio_id: Id | None = None
    after: Id | None = None
    """`next_after` of the page before."""
    limit: Page = 100


class ConsentList(msgspec.Struct, frozen=True, kw_only=True):
    consents: list[ConsentRow]
    next_after: str | None


class ReplayOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    since: Instant
    until: Instant
    sample: Annotated[int, Meta(ge=1, le=2_000)] = 500
    seed: Annotated[int, Meta(ge=0)] = 0


async def _alone(call: Call[B, Q], work: Coroutine[None, None, R]) -> R:
    """Compute a report, unless enough of them are being computed. Raises `ApiError`."""
    turn = call.console.reporting
    if turn.locked():
        work.close()
        raise ApiError(BUSY, retry_after_s=5)
    async with turn:
        return await work


# --- proofs and reports ---------------------------------------------------------------------------


async def replay_decision(call: Call[Nothing, Nothing]) -> Replayed:
    found = await Replayer(call.services.ledger).replay(call.param("decision_id"))
    if found is None:
        raise no_decision()
    return found


async def replay_decisions(call: Call[ReplayOrder, Nothing]) -> ReplayReport:
    body, ledger = call.body, call.services.ledger
    work = replay_sample(
        ledger, sample=body.sample, seed=body.seed, since=body.since, until=body.until
    )
    report = await _alone(call, work)
    now_ms = to_ms(call.services.clock.now())
    await record_replay(ledger, report, actor=call.user.user_id, now_ms=now_ms)
    return report


async def hours_report(call: Call[Nothing, PeriodQuery]) -> HoursProof:
    return await _alone(call, prove_hours(call.services.ledger, call.query.period()))


async def blocks_report(call: Call[Nothing, PeriodQuery]) -> BlocksReport:
    return await _alone(call, blocks_by_rule(call.services.ledger, call.query.period()))


async def counters_report(call: Call[Nothing, PeriodQuery]) -> CountersReport:
    return await _alone(call, counters_used(call.services.ledger, call.query.period()))


async def abandonment_report(call: Call[Nothing, AtQuery]) -> AbandonmentReport:
    query = call.query
    return await abandonment(
        call.services.ledger,
        query.at or call.services.clock.now(),
        campaign_id=query.campaign_id,
        portfolio_id=query.portfolio_id,
    )


async def opt_outs_report(call: Call[Nothing, PeriodQuery]) -> OptOutReport:
    return await _alone(call, opt_out_latency(call.services.ledger, call.query.period()))


async def wrong_parties_report(call: Call[Nothing, PeriodQuery]) -> IncidentReport:
    return await _incidents(call, wrong_parties)


async def complaints_report(call: Call[Nothing, PeriodQuery]) -> IncidentReport:
    return await _incidents(call, complaints)


async def _incidents(
    call: Call[Nothing, PeriodQuery],
    compute: Callable[[Ledger, Period], Coroutine[None, None, IncidentReport]],
) -> IncidentReport:
    report = await _alone(call, compute(call.services.ledger, call.query.period()))
    told = [for_reader(call, incident) for incident in report.told]
    return msgspec.structs.replace(report, told=told)


async def consent_evidence(call: Call[Nothing, ConsentQuery]) -> ConsentList:
    query = call.query
    async with call.services.ledger.read() as conn:
        found = await consents(
            conn,
            person_id=query.person_id,
            portfolio_id=query.portfolio_id,
            after=query.after or "",
            limit=query.limit,
        )
    return ConsentList(
        consents=[for_reader(call, row) for row in found],
        next_after=following(found, query.limit, lambda row: row.consent_id),
    )


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/decisions/{{decision_id}}/replay",
        replay_decision,
        body=Nothing,
        query=Nothing,
        answer=Replayed,
        roles=PROOFS,
        tag="oversight",
        en="Decide again from the recorded facts and packs, and compare",
        es="Decidir de nuevo con los hechos y paquetes registrados, y comparar",
    ),
    route(
        "POST",
        f"{API}/oversight/replays",
        replay_decisions,
        body=ReplayOrder,
        query=Nothing,
        answer=ReplayReport,
        roles=OFFICERS,
        tag="oversight",
        en="Replay a sample of the decisions of a period; differences go to the review list",
        es="Rehacer una muestra de las decisiones de un período; las diferencias van a revisión",
        errors=(BUSY,),
    ),
    route(
        "GET",
        f"{API}/oversight/hours",
        hours_report,
        body=Nothing,
        query=PeriodQuery,
        answer=HoursProof,
        roles=PROOFS,
        tag="oversight",
        en="Proof that no contact was made outside lawful hours, or those that were",
        es="Prueba de que ningún contacto fue fuera de horario, o los que lo fueron",
        errors=(BUSY,),
    ),
    route(
        "GET",
        f"{API}/oversight/blocks",
        blocks_report,
        body=Nothing,
        query=PeriodQuery,
        answer=BlocksReport,
        roles=OFFICE,
        tag="oversight",
        en="Contacts that were not made, by the rule that forbade them",
        es="Contactos que no se hicieron, por la regla que los prohibió",
        errors=(BUSY,),
    ),
    route(
        "GET",
        f"{API}/oversight/counters",
        counters_report,
        body=Nothing,
        query=PeriodQuery,
        answer=CountersReport,
        roles=PROOFS,
        tag="oversight",
        en="How near to their limits contacts came, by rule and jurisdiction",
        es="Cuán cerca de sus límites llegaron los contactos, por regla y jurisdicción",
        errors=(BUSY,),
    ),
    route(
        "GET",
        f"{API}/oversight/abandonment",
        abandonment_report,
        body=Nothing,
        query=AtQuery,
        answer=AbandonmentReport,
        roles=OFFICE,
        tag="oversight",
        en="Abandoned calls by campaign over 30 days, 24 hours and 30 minutes",
        es="Llamadas abandonadas por campaña en 30 días, 24 horas y 30 minutos",
    ),
    route(
        "GET",
        f"{API}/oversight/opt-outs",
        opt_outs_report,
        body=Nothing,
        query=PeriodQuery,
        answer=OptOutReport,
        roles=PROOFS,
        tag="oversight",
        en="How fast requests to stop took effect, and contacts after them",
        es="Cuánto tardaron en valer las peticiones de no contactar, y contactos posteriores",
        errors=(BUSY,),
    ),
    route(
        "GET",
        f"{API}/oversight/wrong-parties",
        wrong_parties_report,
        body=Nothing,
        query=PeriodQuery,
        answer=IncidentReport,
        roles=PROOFS,
        tag="oversight",
        en="Calls to numbers that were another's, and calls that other people answered",
        es="Llamadas a números que eran de otra persona, y las que contestó otra persona",
        errors=(BUSY,),
    ),
    route(
        "GET",
        f"{API}/oversight/complaints",
        complaints_report,
        body=Nothing,
        query=PeriodQuery,
        answer=IncidentReport,
        roles=PROOFS,
        tag="oversight",
        en="Complaints in calls and from lists, by campaign",
        es="Quejas en llamadas y de listas, por campaña",
        errors=(BUSY,),
    ),
    route(
        "GET",
        f"{API}/oversight/consents",
        consent_evidence,
        body=Nothing,
        query=ConsentQuery,
        answer=ConsentList,
        roles=PROOFS,
        tag="oversight",
        en="Consents with their evidence",
        es="Consentimientos con su evidencia",
    ),
)
