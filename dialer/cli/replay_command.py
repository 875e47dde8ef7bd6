"""`marcador replay-decisions`: recorded decisions made again, and compared."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import typer

from dialer.cli.exits import ExitCode
from dialer.cli.export_command import actor_name
from dialer.cli.periods import instant_of
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.core.records import to_ms
from dialer.runtime.replaying import (
    Outcome,
    Replayed,
    ReplayReport,
    record_replay,
    replay_sample,
)

_SEED_BITS = 32


def run_replay(
    shell: Shell, *, sample: int, since: str | None, until: str | None, seed: int | None
) -> None:
    """Replay a sample of a period. Exits with `NO` where one comes out otherwise."""
    start = instant_of(shell, "--since", since)
    end = instant_of(shell, "--until", until)
    chosen = secrets.randbits(_SEED_BITS) if seed is None else seed

    async def work() -> ReplayReport:
        async with existing_ledger(shell) as ledger:
            report = await replay_sample(ledger, sample=sample, seed=chosen, since=start, until=end)
            now_ms = to_ms(datetime.now(UTC))
            await record_replay(ledger, report, actor=actor_name(), now_ms=now_ms)
            return report

    report = shell.run(work())
    if shell.json:
        shell.answer(report)
    else:
        _tell(shell, report)
    if not report.holds:
        raise typer.Exit(ExitCode.NO)


def _tell(shell: Shell, report: ReplayReport) -> None:
    texts = shell.texts
    shell.say(
        texts.say(
            f"{report.replayed:,} de {report.decisions:,} decisiones rehechas (semilla "
            f"{report.seed}): {report.same:,} iguales, {report.alarms:,} por revisar",
            f"{report.replayed:,} of {report.decisions:,} decisions replayed (seed "
            f"{report.seed}): {report.same:,} the same, {report.alarms:,} to look at",
        ),
        style="green" if report.holds else "red bold",
    )
    for reason, count in report.not_replayable.items():
        told = texts.say("sin rehacer", "not replayable")
        shell.say(f"  {told}, {reason}: {count:,}")
    for found in report.findings:
        for line in replay_lines(shell, found):
            shell.say(f"  {line}")


def replay_lines(shell: Shell, found: Replayed) -> list[str]:
    """How one replay came out, in words."""
    texts = shell.texts
    packs = ", ".join(f"{ref.pack} {ref.version}" for ref in found.packs)
    match found.outcome:
        case Outcome.SAME:
            return [
                texts.say(
                    f"Rehecha con {packs}: mismo veredicto y mismos motivos",
                    f"Replayed with {packs}: same verdict, same findings",
                )
            ]
        case Outcome.NOT_REPLAYABLE:
            return [
                texts.say(
                    f"No se puede rehacer: {found.missing}", f"Cannot be replayed: {found.missing}"
                )
            ]
    lines = [
        texts.say(
            f"{found.decision_id} SALE DISTINTA con {packs}",
            f"{found.decision_id} COMES OUT DIFFERENTLY with {packs}",
        )
    ]
    for change in (*found.differences, *found.environment):
        lines.append(f"  {change.field}: {change.recorded} -> {change.replayed}")
    return lines
