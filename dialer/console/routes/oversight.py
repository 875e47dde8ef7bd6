"""Proofs and reports of the compliance officer, computed from the ledger when they are asked."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from dialer.console.errors import BAD_QUERY, BAD_UPLOAD, BODY_TOO_LARGE, BUSY, ApiError
from dialer.console.routes.evidence import PROOFS, Id, Page, no_decision
from dialer.console.table import (
    API,
    OFFICE,
    Call,
    Nothing,
    Route,
    route,
    stream,
)
from dialer.console.uploads import store_body
from dialer.core.records import to_ms
from dialer.runtime.listed_files import BadList
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
from dialer.runtime.reconciling import BadCdr, CdrOptions, Reconciliation, reconcile
from dialer.runtime.replaying import (
    Replayed,
    Replayer,
    ReplayReport,
    record_replay,
    replay_sample,
)
from dialer.runtime.screens import masked
from dialer.runtime.suppression_files import read_list, write_list
from dialer.stores.ledger.oversight import ConsentRow, Period, consents
from dialer.stores.ledger.suppression_lists import SuppressionRow, list_suppressions
from dialer.stores.ledger.users import Role

B = TypeVar("B")
Q = TypeVar("Q")
R = TypeVar("R")

OFFICERS: Final = frozenset({Role.COMPLIANCE})
CSV: Final = "text/csv"
REJECTS_TOLD: Final = 200
"""Lines of a reject file that an answer repeats, at most."""
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


class SuppressionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: Id | None = None
    portfolio_id: Id | None = None
    reason: Annotated[str, Meta(max_length=40)] | None = None
    ended: bool = False
    """Those that have ended, or not begun, too."""
    after: Id | None = None
    """`next_after` of the page before."""
    limit: Page = 100


class SuppressionList(msgspec.Struct, frozen=True, kw_only=True):
    suppressions: list[SuppressionRow]
    next_after: str | None


class ExportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    portfolio_id: Id | None = None
    ended: bool = False


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an uploaded list."""

    lines: int
    added: int
    known: int
    """Suppressions that stood already."""
    rejected: int
    rejects: list[str]
    """The reject file's first lines, its head among them."""


class CdrQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: Annotated[str, Meta(max_length=100)] | None = None
    """Name of the column with our call id. Of these, what is not given is guessed by name."""
    number: Annotated[str, Meta(max_length=100)] | None = None
    start: Annotated[str, Meta(max_length=100)] | None = None
    duration: Annotated[str, Meta(max_length=100)] | None = None
    """Column with billed seconds."""
    cause: Annotated[str, Meta(max_length=100)] | None = None
    zone: Annotated[str, Meta(max_length=64)] = "UTC"
    """IANA zone of instants that are written without an offset."""
    start_tolerance_s: Annotated[int, Meta(ge=0, le=3600)] = 120
    duration_tolerance_s: Annotated[int, Meta(ge=0, le=600)] = 5

    def options(self) -> CdrOptions:
        given = {
            name: value
            for name in ("call_id", "number", "start", "duration", "cause")
            if (value := getattr(self, name)) is not None
        }
        return CdrOptions(
            columns=given,
            zone=self.zone,
            start_tolerance_s=self.start_tolerance_s,
            duration_tolerance_s=self.duration_tolerance_s,
        )


class CdrAnswer(msgspec.Struct, frozen=True, kw_only=True):
    report: Reconciliation
    rejects: list[str]
    """The reject file's first lines, its head among them."""


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
    following = found[-1].consent_id if len(found) == query.limit else None
    if call.user.role is not Role.COMPLIANCE:
        found = [
            msgspec.structs.replace(row, address=masked(row.address)) if row.address else row
            for row in found
        ]
    return ConsentList(consents=found, next_after=following)


# --- suppressions ---------------------------------------------------------------------------------


async def suppressions(call: Call[Nothing, SuppressionQuery]) -> SuppressionList:
    query = call.query
    async with call.services.ledger.read() as conn:
        found = await list_suppressions(
            conn,
            now_ms=to_ms(call.services.clock.now()),
            standing=not query.ended,
            person_id=query.person_id,
            portfolio_id=query.portfolio_id,
            reason=query.reason,
            after=query.after or "",
            limit=query.limit,
        )
    following = found[-1].suppression_id if len(found) == query.limit else None
    if call.user.role is not Role.COMPLIANCE:
        found = [
            msgspec.structs.replace(row, address=masked(row.address)) if row.address else row
            for row in found
        ]
    return SuppressionList(suppressions=found, next_after=following)


async def export_suppressions(call: Call[Nothing, ExportQuery]) -> web.StreamResponse:
    """The list as a file; it is written to disk first, so that a broken one is never sent."""
    query, services = call.query, call.services
    async with _folder(services.config.data_path) as folder:
        path = folder / "suppressions.csv"
        with path.open("w", encoding="utf-8", newline="") as out:
            await write_list(
                services.ledger,
                out,
                actor=call.user.user_id,
                now_ms=to_ms(services.clock.now()),
                standing=not query.ended,
                portfolio_id=query.portfolio_id,
            )
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: f"{CSV}; charset=utf-8",
                hdrs.CONTENT_DISPOSITION: 'attachment; filename="suppressions.csv"',
            }
        )
        await response.prepare(call.request)
        with path.open("rb") as file:
            while block := await asyncio.to_thread(file.read, 1 << 16):
                await response.write(block)
        await response.write_eof()
    return response


async def import_suppressions(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    services = call.services
    async with _uploaded(call) as (file, rejects):
        try:
            read = await read_list(
                services.ledger,
                file,
                rejects=rejects,
                actor=call.user.user_id,
                now=services.clock.now(),
            )
        except BadList as error:
            raise ApiError(BAD_UPLOAD, es=str(error), en=str(error)) from error
        told = ListAnswer(
            lines=read.lines,
            added=read.added,
            known=read.known,
            rejected=read.rejected,
            rejects=await _told(rejects, read.reject_file),
        )
    return web.json_response(body=msgspec.json.encode(told))


async def reconcile_calls(call: Call[Nothing, CdrQuery]) -> web.StreamResponse:
    services = call.services
    async with _uploaded(call) as (file, rejects):
        try:
            report = await reconcile(
                services.ledger,
                file,
                call.query.options(),
                rejects=rejects,
                actor=call.user.user_id,
                now=services.clock.now(),
            )
        except BadCdr as error:
            raise ApiError(BAD_UPLOAD, es=str(error), en=str(error)) from error
        told = await _told(rejects, report.reject_file)
    report = msgspec.structs.replace(report, reject_file=None)
    return web.json_response(body=msgspec.json.encode(CdrAnswer(report=report, rejects=told)))


@asynccontextmanager
async def _folder(data: Path) -> AsyncIterator[Path]:
    """A folder that only this user may read, for as long as a request lasts."""
    make = partial(tempfile.mkdtemp, prefix="oversight-", dir=data)
    folder = Path(await asyncio.to_thread(make))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@asynccontextmanager
async def _uploaded(call: Call[Nothing, Q]) -> AsyncIterator[tuple[Path, Path]]:
    """The body as a file, and where bad lines go. Both are deleted at the end."""
    config = call.services.config
    limit = config.http.max_upload_bytes
    if (call.request.content_length or 0) > limit:
        raise ApiError(BODY_TOO_LARGE, limit=limit)
    async with _folder(config.data_path) as folder:
        file = folder / "upload.csv"
        await store_body(call.request, file, limit)
        yield file, folder / "rejects.csv"


async def _told(rejects: Path, written: str | None) -> list[str]:
    if written is None:
        return []
    text = await asyncio.to_thread(rejects.read_text, "utf-8")
    return text.splitlines()[: REJECTS_TOLD + 1]


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
    route(
        "GET",
        f"{API}/suppressions",
        suppressions,
        body=Nothing,
        query=SuppressionQuery,
        answer=SuppressionList,
        roles=PROOFS,
        tag="oversight",
        en="Suppressions that stand",
        es="Supresiones vigentes",
    ),
    stream(
        "GET",
        f"{API}/suppressions/file",
        export_suppressions,
        query=ExportQuery,
        media_type=CSV,
        roles=OFFICERS,
        tag="oversight",
        en="Suppressions as a CSV file",
        es="Supresiones como archivo CSV",
    ),
    stream(
        "POST",
        f"{API}/suppressions/file",
        import_suppressions,
        query=Nothing,
        media_type="application/json",
        upload_type=CSV,
        answer=ListAnswer,
        roles=OFFICERS,
        tag="oversight",
        en="Add the suppressions of a CSV list; the same list again changes nothing",
        es="Agregar las supresiones de una lista CSV; la misma otra vez no cambia nada",
        errors=(BAD_UPLOAD, BODY_TOO_LARGE),
    ),
    stream(
        "POST",
        f"{API}/oversight/reconciliations",
        reconcile_calls,
        query=CdrQuery,
        media_type="application/json",
        upload_type=CSV,
        answer=CdrAnswer,
        roles=OFFICERS,
        tag="oversight",
        en="Compare a carrier's CDR file with the ledger; differences go to the review list",
        es="Comparar el archivo CDR de un operador con el libro; lo distinto va a revisión",
        errors=(BAD_UPLOAD, BODY_TOO_LARGE),
    ),
)
