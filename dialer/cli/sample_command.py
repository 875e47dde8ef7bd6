"""`marcador sample`: a portfolio of invented people in a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from campaigns.sample.generator import (
    SampleCounts,
    SampleSettings,
    generate,
    layout_for,
)
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.progress import Steps
from dialer.cli.shell import Shell


class SampleOptions(msgspec.Struct, frozen=True, kw_only=True):
    country: str
    out: Path
    accounts: int
    seed: int
    clean: bool = False
    force: bool = False


class SampleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `marcador sample --json` prints."""

    file: str
    country: str
    seed: int
    accounts: int
    people: int
    rows: int
    spoiled: int


def write_sample(
    path: Path, settings: SampleSettings, on_row: Callable[[int], None] | None = None
) -> SampleCounts:
    """Write a portfolio of invented people to a file, whole or not at all.

    Args:
        on_row: told the number of accounts written, every thousand.

    Raises:
        PortfolioError: settings that make no sense.
        OSError: the file cannot be written.
    """
    layout = layout_for(settings.country)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("w", encoding=layout.encoding, errors="replace", newline="") as out:
            counts = generate(out, settings, on_row)
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    return counts


def run_sample(shell: Shell, options: SampleOptions) -> None:
    """Generate a portfolio and tell what is in it."""
    texts = shell.texts
    if options.out.exists() and not options.force:
        raise CliError(
            ExitCode.BAD_INPUT,
            texts.say(f"{options.out} ya existe", f"{options.out} exists already"),
            texts.say("elija otro nombre, o reemplácelo con --force", "use another, or --force"),
        )
    settings = SampleSettings(
        country=options.country.upper(),
        accounts=options.accounts,
        seed=options.seed,
        today=datetime.now(UTC).date(),
        dirt=not options.clean,
    )
    with Steps(shell.err, texts.say("Generando", "Generating"), options.accounts) as steps:
        counts = write_sample(options.out, settings, steps.at)
    if shell.json:
        shell.answer(
            SampleAnswer(
                file=str(options.out),
                country=settings.country,
                seed=settings.seed,
                **msgspec.structs.asdict(counts),
            )
        )
        return
    shell.say(
        texts.say(
            f"{options.out}: {counts.rows:,} filas, {counts.accounts:,} cuentas de "
            f"{counts.people:,} personas inventadas ({settings.country}, semilla {settings.seed})",
            f"{options.out}: {counts.rows:,} rows, {counts.accounts:,} accounts of "
            f"{counts.people:,} invented people ({settings.country}, seed {settings.seed})",
        )
    )
