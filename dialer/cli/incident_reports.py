"""Reports that name people's numbers: wrong parties, complaints, evidence about a person."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.export_command import actor_name
from dialer.cli.officer_reports import Compute, filtered, on_record, print_table
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.core.masking import masked
from dialer.core.records import from_ms, to_ms
from dialer.runtime.incidents import IncidentReport
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.evidence import PersonEvidence, evidence_of
from dialer.stores.ledger.incidents import IncidentKind

_WORDS: Final[dict[str, tuple[str, str]]] = {
    IncidentKind.WRONG_PARTY: ("número de otra persona", "another's number"),
    IncidentKind.THIRD_PARTY: ("contestó un tercero", "third party answered"),
    IncidentKind.COMPLAINT: ("queja", "complaint"),
    IncidentKind.SERVICE_COMPLAINT: ("reclamo de servicio", "service complaint"),
    IncidentKind.LISTED_COMPLAINT: ("queja por lista", "listed complaint"),
}


def show_incidents(
    shell: Shell,
    compute: Compute[IncidentReport],
    since: str | None,
    until: str | None,
    campaign: str | None,
    portfolio: str | None,
    *,
    whole: bool,
) -> None:
    """Counts by campaign, and the list; numbers are masked unless they are asked for whole."""

    async def work() -> IncidentReport:
        async with filtered(shell, since, until, campaign, portfolio) as (ledger, period):
            found = await compute(ledger, period)
            if whole:
                await ledger.transact(partial(_listed_whole, len(found.told)))
            return found

    report = shell.run(work())
    if not whole:
        told = [
            msgspec.structs.replace(one, address=masked(one.address)) if one.address else one
            for one in report.told
        ]
        report = msgspec.structs.replace(report, told=told)
    if shell.json:
        shell.answer(report)
        return
    texts = shell.texts
    kinds = [kind for kind in IncidentKind if kind in report.by_kind]
    words = {kind: texts.say(*_WORDS[kind]) for kind in kinds}
    counts = ", ".join(f"{words[kind]}: {report.by_kind[kind]:,}" for kind in kinds)
    shell.say(texts.say(f"{report.total:,} casos ({counts})", f"{report.total:,} cases ({counts})"))
    of_campaigns = [k for k in kinds if k is not IncidentKind.LISTED_COMPLAINT]
    print_table(
        shell,
        (
            texts.say("campaña", "campaign"),
            texts.say("contestadas", "live"),
            *(words[kind] for kind in of_campaigns),
        ),
        (
            (c.campaign, f"{c.live_answered:,}", *(str(c.by_kind[kind]) for kind in of_campaigns))
            for c in report.campaigns
        ),
    )
    for one in report.told:
        shell.say(
            f"{from_ms(one.at_ms):%Y-%m-%d %H:%M} UTC  {words[one.kind]}  {one.address or '-'}  "
            f"{one.code or '-'}  {one.person_id or '-'}  {one.incident_id}"
        )


def show_evidence(shell: Shell, person: str, *, whole: bool) -> None:
    """Notices and checks of one person."""

    async def work() -> PersonEvidence | None:
        async with existing_ledger(shell) as ledger:
            async with ledger.read() as conn:
                found = await evidence_of(conn, person)
            if whole and found is not None:
                await ledger.transact(partial(on_record, person))
            return found

    found = shell.run(work())
    texts = shell.texts
    if found is None:
        raise CliError(
            ExitCode.BAD_INPUT,
            texts.say(f"No hay persona {person!r}", f"There is no person {person!r}"),
            texts.say(
                "`marcador explain TELÉFONO` muestra los ids", "`marcador explain PHONE` shows ids"
            ),
        )
    if not whole:
        checks = [
            msgspec.structs.replace(check, address=masked(check.address)) for check in found.checks
        ]
        found = msgspec.structs.replace(found, checks=checks)
    if shell.json:
        shell.answer(found)
        return
    for notice in found.notices:
        about = " ".join(notice.debt_ids) or texts.say("todas las deudas", "all debts")
        shell.say(f"{_day(notice.at_ms)}  {notice.kind}  {about}  {notice.source}")
    for dated in found.dated:
        source = texts.say("fecha en la cartera", "date in the portfolio")
        shell.say(f"{_day(dated.at_ms)}  notice_given  {dated.debt_id}  {source}")
    for check in found.checks:
        shell.say(f"{_day(check.checked_ms)}  {check.kind}  {check.answer}  {check.address}")


def _day(at_ms: int) -> str:
    return f"{from_ms(at_ms):%Y-%m-%d}"


async def _listed_whole(count: int, conn: AsyncConnection) -> int:
    return await record_audit(
        conn,
        at_ms=to_ms(datetime.now(UTC)),
        actor=actor_name(),
        action="incidents.read",
        target="report",
        detail={"numbers": count},
    )
