"""The compliance officer's reports on the command line: JSON for programs, a table for people."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.export_command import actor_name
from dialer.cli.periods import instant_of
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.console.contact_log import ContactLog, masked_log, read_contact_log
from dialer.core.records import to_ms
from dialer.runtime.oversight import (
    AbandonmentReport,
    abandonment,
    blocks_by_rule,
    counters_used,
    opt_out_latency,
    prove_hours,
)
from dialer.runtime.reconciling import FIELDS, BadCdr, CdrOptions, Reconciliation, reconcile
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.campaigns import campaign_named, get_campaign
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.oversight import PAGE, ConsentRow, Period, consents
from dialer.stores.ledger.portfolios import get_portfolio, portfolio_named

R = TypeVar("R", bound=msgspec.Struct)
Compute = Callable[[Ledger, Period], Awaitable[R]]


def show_hours(
    shell: Shell, since: str | None, until: str | None, campaign: str | None, portfolio: str | None
) -> None:
    report = computed(shell, prove_hours, since, until, campaign, portfolio)
    texts = shell.texts
    if shell.json:
        shell.answer(report)
    else:
        shell.say(
            texts.say(
                f"{report.attempts:,} contactos revisados en {report.clocks:,} relojes: "
                f"{report.violations:,} fuera de horario",
                f"{report.attempts:,} contacts checked on {report.clocks:,} clocks: "
                f"{report.violations:,} outside lawful hours",
            ),
            style="green" if report.holds else "red bold",
        )
        for violation in report.told:
            shell.say(
                f"  {violation.attempt_id}  {violation.breach}  {violation.rule_id}  "
                f"{violation.local_time or violation.at.isoformat()}  {violation.zone}"
            )
        for what, count in report.lifted.items():
            shell.say(texts.say(f"  levantado: {what}: {count}", f"  lifted: {what}: {count}"))
        packs = ", ".join(f"{ref.pack} {ref.version}" for ref in report.packs)
        shell.say(texts.say(f"Paquetes: {packs or '-'}", f"Packs: {packs or '-'}"))
    _ends(report.holds)


def show_blocks(
    shell: Shell, since: str | None, until: str | None, campaign: str | None, portfolio: str | None
) -> None:
    report = computed(shell, blocks_by_rule, since, until, campaign, portfolio)
    if shell.json:
        shell.answer(report)
        return
    texts = shell.texts
    shell.say(
        texts.say(
            f"{report.blocked:,} de {report.decided:,} contactos no se hicieron",
            f"{report.blocked:,} of {report.decided:,} contacts were not made",
        )
    )
    titles = ("rule", texts.say("primer motivo", "headline"), texts.say("en total", "any"))
    print_table(shell, titles, ((r.rule_id, str(r.headline), str(r.any)) for r in report.rules))


def show_counters(
    shell: Shell, since: str | None, until: str | None, campaign: str | None, portfolio: str | None
) -> None:
    report = computed(shell, counters_used, since, until, campaign, portfolio)
    if shell.json:
        shell.answer(report)
    else:
        texts = shell.texts
        titles = (
            "rule",
            texts.say("límite", "limit"),
            texts.say("máximo", "most"),
            texts.say("al límite", "at limit"),
            texts.say("a uno", "one left"),
            texts.say("detenidos", "stopped"),
            texts.say("excedidos", "exceeded"),
        )
        rows = (
            (
                use.rule_id,
                "-" if use.limit is None else str(use.limit),
                str(use.most),
                str(use.at_limit),
                str(use.near),
                str(use.stopped),
                str(use.exceeded),
            )
            for use in report.counters
        )
        print_table(shell, titles, rows)
    _ends(report.holds)


def show_abandonment(
    shell: Shell, at: str | None, campaign: str | None, portfolio: str | None
) -> None:
    moment = instant_of(shell, "--at", at) or datetime.now(UTC)

    async def work() -> AbandonmentReport:
        async with filtered(shell, None, None, campaign, portfolio) as (ledger, period):
            return await abandonment(
                ledger,
                moment,
                campaign_id=period.campaign_id,
                portfolio_id=period.portfolio_id,
            )

    report = shell.run(work())
    if shell.json:
        shell.answer(report)
    else:
        texts = shell.texts
        titles = (
            texts.say("campaña", "campaign"),
            texts.say("lapso", "span"),
            texts.say("contestadas", "live"),
            texts.say("abandonadas", "abandoned"),
            "%",
        )
        rows = (
            (s.campaign, s.span, str(s.live_answered), str(s.abandoned), f"{s.abandoned_pct:.2f}")
            for s in report.spans
        )
        print_table(shell, titles, rows)
    _ends(report.holds)


def show_opt_outs(
    shell: Shell, since: str | None, until: str | None, campaign: str | None, portfolio: str | None
) -> None:
    report = computed(shell, opt_out_latency, since, until, campaign, portfolio)
    if shell.json:
        shell.answer(report)
    else:
        slowest = f"{report.longest_ms / 1000:.1f} s"
        shell.say(
            shell.texts.say(
                f"{report.requests:,} peticiones; la más lenta tardó {slowest}; "
                f"contactos después en {report.contacted_after:,}",
                f"{report.requests:,} requests; the slowest took {slowest}; "
                f"contacts after {report.contacted_after:,} of them",
            ),
            style="green" if report.holds else "red bold",
        )
        for told in report.told:
            if told.contacts_after:
                shell.say(f"  {told.person_id}  {told.reason}  {told.contacts_after}")
    _ends(report.holds)


def show_consents(shell: Shell, person: str | None, portfolio: str | None) -> None:
    """A page at a time: a portfolio may have very many."""

    def tell(row: ConsentRow, number: int) -> None:
        if shell.json:
            sys.stdout.write((",\n" if number else "") + msgspec.json.encode(row).decode())
        else:
            shell.say(f"{row.consent_id}  {row.person_id}  {row.scope} {row.type}  {row.evidence}")

    async def work() -> int:
        count, after = 0, ""
        async with filtered(shell, None, None, None, portfolio) as (ledger, period):
            while True:
                async with ledger.read() as conn:
                    page = await consents(
                        conn, person_id=person, portfolio_id=period.portfolio_id, after=after
                    )
                for row in page:
                    tell(row, count)
                    count += 1
                if len(page) < PAGE:
                    return count
                after = page[-1].consent_id

    if shell.json:
        sys.stdout.write("[")
        shell.run(work())
        sys.stdout.write("]\n")
        return
    count = shell.run(work())
    shell.say(shell.texts.say(f"{count:,} consentimientos", f"{count:,} consents"))


def show_contacts(shell: Shell, person: str, *, limit: int, whole: bool) -> None:
    async def work() -> ContactLog | None:
        async with existing_ledger(shell) as ledger:
            log = await read_contact_log(ledger, person, before=None, limit=limit)
            if whole and log is not None:
                await ledger.transact(partial(on_record, person))
            return log

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
    log = found if whole else masked_log(found)
    if shell.json:
        shell.answer(log)
        return
    for entry in log.entries:
        point = getattr(entry.body, "contact_point_id", None)
        where = log.addresses.get(point, "") if point is not None else ""
        shell.say(f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.kind}  {where}  {entry.event_id}")
        for counter in entry.counters:
            limit_text = "-" if counter.limit is None else str(counter.limit)
            shell.say(
                texts.say(
                    f"    {counter.rule_id}: {counter.before} de {limit_text}",
                    f"    {counter.rule_id}: {counter.before} of {limit_text}",
                )
            )


async def on_record(person: str, conn: AsyncConnection) -> int:
    """That somebody looked at whole numbers."""
    return await record_audit(
        conn,
        at_ms=to_ms(datetime.now(UTC)),
        actor=actor_name(),
        action="person.read",
        target=person,
    )


def run_reconcile(
    shell: Shell, file: Path, *, columns: Sequence[str], zone: str, rejects: Path | None
) -> None:
    texts = shell.texts
    mapping: dict[str, str] = {}
    for given in columns:
        field, mark, column = given.partition("=")
        if not mark or field not in FIELDS:
            raise CliError(
                ExitCode.USAGE,
                texts.say(f"--map {given}: no se entiende", f"--map {given} cannot be understood"),
                texts.say(
                    f"escriba CAMPO=COLUMNA; campos: {', '.join(FIELDS)}",
                    f"write FIELD=COLUMN; fields: {', '.join(FIELDS)}",
                ),
            )
        mapping[field] = column

    async def work() -> Reconciliation:
        async with existing_ledger(shell) as ledger:
            return await reconcile(
                ledger,
                file,
                CdrOptions(columns=mapping, zone=zone),
                rejects=rejects or file.with_suffix(".rejects.csv"),
                actor=actor_name(),
                now=datetime.now(UTC),
            )

    try:
        report = shell.run(work())
    except BadCdr as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            texts.say(f"No se puede leer: {error}", f"It cannot be read: {error}"),
            texts.say("vea --map y --zone", "see --map and --zone"),
        ) from error
    if shell.json:
        shell.answer(report)
    else:
        shell.say(
            texts.say(
                f"{report.rows:,} filas ({report.rejected:,} rechazadas), {report.attempts:,} "
                f"intentos: {report.by_call_id:,} por id, {report.by_number:,} por número; "
                f"{report.without_attempt:,} sin intento, {report.without_cdr:,} sin CDR, "
                f"{report.different:,} distintas",
                f"{report.rows:,} rows ({report.rejected:,} rejected), {report.attempts:,} "
                f"attempts: {report.by_call_id:,} by id, {report.by_number:,} by number; "
                f"{report.without_attempt:,} without an attempt, {report.without_cdr:,} without a "
                f"CDR, {report.different:,} different",
            ),
            style="green" if report.holds else "red bold",
        )
        if report.reject_file is not None:
            shell.say(report.reject_file)
    _ends(report.holds)


# --- what they share ------------------------------------------------------------------------------


def computed(
    shell: Shell,
    compute: Compute[R],
    since: str | None,
    until: str | None,
    campaign: str | None,
    portfolio: str | None,
) -> R:
    async def work() -> R:
        async with filtered(shell, since, until, campaign, portfolio) as (ledger, period):
            return await compute(ledger, period)

    return shell.run(work())


@asynccontextmanager
async def filtered(
    shell: Shell, since: str | None, until: str | None, campaign: str | None, portfolio: str | None
) -> AsyncIterator[tuple[Ledger, Period]]:
    """The ledger, and the period and part of the house that options mean. Raises `CliError`."""
    start, end = instant_of(shell, "--since", since), instant_of(shell, "--until", until)
    async with existing_ledger(shell) as ledger:
        campaign_id = portfolio_id = None
        async with ledger.read() as conn:
            if campaign is not None:
                found = await campaign_named(conn, campaign) or await get_campaign(conn, campaign)
                campaign_id = None if found is None else found.campaign_id
                _must(shell, campaign_id, "--campaign", campaign)
            if portfolio is not None:
                house = await portfolio_named(conn, portfolio) or await get_portfolio(
                    conn, portfolio
                )
                portfolio_id = None if house is None else house.portfolio_id
                _must(shell, portfolio_id, "--portfolio", portfolio)
        yield (
            ledger,
            Period(since=start, until=end, campaign_id=campaign_id, portfolio_id=portfolio_id),
        )


def _must(shell: Shell, found: str | None, option: str, asked: str) -> None:
    if found is None:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"{option} {asked}: no existe", f"{option} {asked}: there is none"),
            shell.texts.say(
                "`marcador campaign list` las muestra", "`marcador campaign list` shows them"
            ),
        )


def print_table(shell: Shell, titles: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table()
    for title in titles:
        table.add_column(title)
    for row in rows:
        table.add_row(*row)
    shell.out.print(table)


def _ends(holds: bool) -> None:
    if not holds:
        raise typer.Exit(ExitCode.NO)
