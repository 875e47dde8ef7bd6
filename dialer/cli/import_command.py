"""`marcador import`: a creditor's file into a portfolio, from the command line."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.money import CURRENCY_OF_COUNTRY
from compliance.types import CollectorRole, CreditorId, DebtClass
from dialer.bootstrap import data_folder, open_stores
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.progress import Steps
from dialer.cli.shell import Shell, write_json
from dialer.cli.texts import Texts
from dialer.config import Config
from dialer.core.records import to_ms
from dialer.runtime.guessing import Guess, guess_place
from dialer.runtime.import_files import FileUnusable, look_at
from dialer.runtime.importing import (
    ImportJob,
    ImportProgress,
    ImportSummary,
    ProfileUnusable,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.portfolios import (
    Portfolio,
    ensure_portfolio,
    get_portfolio,
    portfolio_named,
)

WARNINGS_SHOWN: Final = 8
ID_CHARS: Final = 60


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to import, and what is known of it; None: as the portfolio has it, or guessed."""

    file: Path
    portfolio: str
    country: str | None = None
    currency: str | None = None
    creditor: str | None = None
    collector_role: CollectorRole | None = None
    debt_class: DebtClass | None = None
    synthetic: bool | None = None
    profile: Path | None = None
    save_profile: Path | None = None
    full_replace: bool = False


def import_and_tell(shell: Shell, options: ImportOptions) -> None:
    """The command: import, then the summary as words or as JSON."""
    try:
        summary = shell.run(run_import(shell.config, options, shell.told))
    except KeyboardInterrupt:
        shell.say(
            shell.texts.say(
                "Importación interrumpida: lo importado queda guardado. Repita la misma orden y "
                "seguirá sin importar nada dos veces.",
                "Import interrupted: what was imported is kept. Run the same command again: it "
                "goes on, and imports nothing twice.",
            )
        )
        raise
    if shell.json:
        write_json(msgspec.json.encode(summary))


async def run_import(config: Config, options: ImportOptions, console: Console) -> ImportSummary:
    """Import a file, with progress and a summary on `console`.

    Raises:
        CliError: the country cannot be told from the file; the profile cannot be read or saved.
        PortfolioExists: there is a portfolio of that name that says something else.
        ImportFailed: see `ImportJob.run`; what was imported is kept.
        LedgerUnavailable: the same.
    """
    texts = Texts(config.language)
    profile = await asyncio.to_thread(_read_profile, options.profile, texts)
    async with open_stores(config, mapped=False) as ledger:
        portfolio = await _portfolio(ledger, options, console, texts)
        title = f"{texts('importing')} {options.file.name}"
        with Steps(console, title, total=1) as steps:
            job = ImportJob(
                ledger,
                portfolio,
                options.file,
                reports_dir=data_folder(config) / "imports",
                now_ms=_now_ms,
                profile=profile,
                recall_missing=options.full_replace,
                on_progress=lambda at: steps.at(at.bytes_read, _note(at, texts), at.bytes_total),
            )
            summary = await job.run()
        if options.save_profile is not None:
            await _save_profile(ledger, portfolio, options.save_profile, console, texts)
    _tell(summary, portfolio, console, texts)
    return summary


# --- the portfolio ------------------------------------------------------------------------------


async def _portfolio(
    ledger: Ledger, options: ImportOptions, console: Console, texts: Texts
) -> Portfolio:
    """The portfolio of that name, made from what is given and what the file tells."""
    async with ledger.read() as conn:
        known = await portfolio_named(conn, options.portfolio)
    country = options.country or (known.country if known else None)
    currency = options.currency or (known.currency if known else None)
    if country is None or currency is None:
        country, currency = await _place(options, country, currency, console, texts)
    creditor = options.creditor or (known.creditor_name if known else options.portfolio)
    wanted = Portfolio(
        portfolio_id=new_id(),
        name=options.portfolio,
        creditor_id=_creditor_id(creditor),
        creditor_name=creditor,
        creditor_name_neutral=creditor,
        collector_role=options.collector_role or CollectorRole.THIRD_PARTY,
        country=country.upper(),
        currency=currency.upper(),
        debt_class=options.debt_class or DebtClass.CONSUMER,
        synthetic=bool(known and known.synthetic)
        if options.synthetic is None
        else options.synthetic,
        created_ms=_now_ms(),
    )
    async with ledger.write() as conn:
        return await ensure_portfolio(conn, wanted)


async def _place(
    options: ImportOptions,
    country: str | None,
    currency: str | None,
    console: Console,
    texts: Texts,
) -> tuple[str, str]:
    """Country and currency, guessed as far as they were not given; the guess is told."""
    if country is None:
        sample, _, _ = await asyncio.to_thread(look_at, options.file)
        try:
            guess = await asyncio.to_thread(guess_place, sample)
        except PortfolioError as error:
            raise ProfileUnusable(error) from error
        if guess.country is None:
            raise _untold(options.file, guess, texts)
        country = guess.country
        currency = currency or guess.currency
        signs = ", ".join(guess.candidates[0].signs)
        _line(
            console,
            texts.say(
                f"País deducido del archivo: {country}, moneda {currency} ({signs}). "
                "Si no es así, use --country y --currency con otro nombre de cartera.",
                f"Country told from the file: {country}, currency {currency} ({signs}). "
                "If that is wrong, give --country and --currency with another portfolio name.",
            ),
        )
    if currency is None:
        currency = CURRENCY_OF_COUNTRY.get(country.upper())
    if currency is None:
        raise CliError(
            ExitCode.BAD_INPUT,
            texts.say(
                f"No se conoce la moneda de {country!r}",
                f"The currency of {country!r} is not known",
            ),
            texts.say("indíquela con --currency (ISO 4217)", "give it with --currency (ISO 4217)"),
        )
    return country, currency


def _untold(file: Path, guess: Guess, texts: Texts) -> CliError:
    near = ", ".join(evidence.country for evidence in guess.candidates)
    return CliError(
        ExitCode.BAD_INPUT,
        texts.say(
            f"{file}: no se puede deducir el país (¿{near}?)",
            f"{file}: the country cannot be told from the file ({near}?)",
        ),
        texts.say(
            "indíquelo con --country, dos letras ISO 3166: --country CL",
            "give it with --country, two letters of ISO 3166: --country US",
        ),
    )


def _creditor_id(name: str) -> CreditorId:
    """The same name is the same creditor, however it is spaced or capitalised."""
    words = re.sub(r"[^\w]+", "-", name.casefold()).strip("-")
    return CreditorId(words[:ID_CHARS] or "creditor")


# --- profiles -----------------------------------------------------------------------------------


def _read_profile(path: Path | None, texts: Texts) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnusable(
            texts.say(
                f"{path}: no se puede leer el perfil ({error}); compruebe la ruta",
                f"{path}: the profile cannot be read ({error}); check the path",
            )
        ) from error


async def _save_profile(
    ledger: Ledger, portfolio: Portfolio, path: Path, console: Console, texts: Texts
) -> None:
    async with ledger.read() as conn:
        used = await get_portfolio(conn, portfolio.portfolio_id)
    text = used.import_profile if used is not None else None
    await asyncio.to_thread(path.write_text, text or "", "utf-8")
    _line(console, texts.say(f"Perfil guardado: {path}", f"Profile saved: {path}"))


# --- telling ------------------------------------------------------------------------------------


def _note(at: ImportProgress, texts: Texts) -> str:
    if at.marking_shared:
        return texts.say("buscando teléfonos compartidos", "looking for shared phones")
    return texts.say(
        f"{at.rows:,} filas, {at.rejected:,} rechazadas",
        f"{at.rows:,} rows, {at.rejected:,} rejected",
    )


def _tell(summary: ImportSummary, portfolio: Portfolio, console: Console, texts: Texts) -> None:
    kind = texts.say("sintética", "synthetic") if portfolio.synthetic else "real"
    table = Table(
        title=f"{portfolio.name} ({portfolio.country}, {portfolio.currency}, {kind})",
        title_justify="left",
        show_header=False,
    )
    table.add_column()
    table.add_column(justify="right")
    for label, count in _figures(summary, texts):
        table.add_row(label, f"{count:,}")
    console.print(table)
    seconds = f"{summary.seconds:.1f} s, {summary.rows_per_s:,.0f} {texts.say('filas/s', 'rows/s')}"
    _line(console, seconds)
    worst = sorted(summary.warnings.items(), key=lambda item: -item[1])[:WARNINGS_SHOWN]
    for title, counts in (
        (texts.say("Avisos", "Warnings"), dict(worst)),
        (texts.say("Marcas con efecto legal", "Flags with legal meaning"), summary.flags),
    ):
        if counts:
            _line(console, f"{title}: " + ", ".join(f"{k} {n:,}" for k, n in counts.items()))
    if summary.unmapped_columns:
        label = texts.say("Columnas sin usar", "Columns that are not used")
        _line(console, f"{label}: {', '.join(summary.unmapped_columns)}")
    for doubt in summary.doubts:
        _line(console, f"? {texts.say(doubt.es, doubt.en)}")
    if summary.reject_path is not None:
        label = texts.say(
            "Filas rechazadas y celdas sin usar, con su remedio",
            "Rejected rows and unused cells, and how to mend them",
        )
        _line(console, f"{label}: {summary.reject_path}")


def _figures(summary: ImportSummary, texts: Texts) -> list[tuple[str, int]]:
    accounts = summary.accounts
    return [
        (texts.say("filas", "rows"), summary.rows),
        (texts.say("aceptadas", "accepted"), summary.accepted),
        (texts.say("rechazadas", "rejected"), summary.rejected),
        (texts.say("repetidas", "repeated"), summary.duplicates),
        (texts.say("cuentas nuevas", "new accounts"), accounts.new),
        (texts.say("cuentas actualizadas", "accounts updated"), accounts.updated),
        (texts.say("cuentas sin cambios", "accounts unchanged"), accounts.unchanged),
        (
            texts.say("cuentas retiradas", "accounts recalled"),
            accounts.recalled + summary.missing_recalled,
        ),
        (texts.say("personas nuevas", "new people"), accounts.persons),
        (texts.say("puntos de contacto nuevos", "new contact points"), accounts.contact_points),
        (texts.say("supresiones", "suppressions"), accounts.suppressions),
        (texts.say("para revisar", "to review"), accounts.reviews),
        (texts.say("teléfonos de relleno", "dummy phones"), summary.dummy_phones),
        (texts.say("teléfonos compartidos", "shared phones"), summary.shared.shared),
        (
            texts.say("teléfonos que también son de una referencia", "phones also of a reference"),
            summary.shared.also_reference,
        ),
        (
            texts.say("inscritas en campañas", "enrolled in campaigns"),
            sum(summary.enrolled.values()),
        ),
    ]


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _now_ms() -> int:
    return to_ms(datetime.now(UTC))
