"""`marcador verify-ledger`: recompute every hash, and say exactly where it differs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import typer

from compliance.types import PersonId
from dialer.bootstrap import data_folder
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.init_command import KEY_FILE
from dialer.cli.progress import Steps
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.config import Config
from dialer.runtime.sealing import heads_of, newest_checkpoint
from dialer.stores.ledger.checkpoints import Checkpoint, load_or_create_key
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.reads import EventReader
from dialer.stores.ledger.verify import VerifyReport, verify_ledger, verify_person

PROBLEMS_SHOWN = 20


class VerifyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `marcador verify-ledger --json` prints."""

    holds: bool
    ledger: str
    report: VerifyReport
    last_checkpoint: Checkpoint | None = None
    """Keep it outside: with `--known` it shows a ledger that was rolled back as a whole."""


def run_verify(shell: Shell, *, person: str | None, known: Path | None) -> None:
    """Verify the whole ledger or one person. Exits with `NO` where anything differs."""
    config = shell.config
    answer = shell.run(_verify(shell, config, person, _known(shell, known)))
    if shell.json:
        shell.answer(answer)
    else:
        _tell(shell, answer)
    if not answer.holds:
        raise typer.Exit(ExitCode.NO)


def _known(shell: Shell, file: Path | None) -> Checkpoint | None:
    if file is None:
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=Checkpoint)
    except msgspec.MsgspecError as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(
                f"{file}: no es un punto de control: {error}", f"{file}: no checkpoint: {error}"
            ),
            shell.texts.say(
                "es el `last_checkpoint` de `marcador verify-ledger --json`",
                "it is the `last_checkpoint` of `marcador verify-ledger --json`",
            ),
        ) from error


async def _verify(
    shell: Shell, config: Config, person: str | None, known: Checkpoint | None
) -> VerifyAnswer:
    async with existing_ledger(shell) as ledger:
        if person is not None:
            report = await _verify_one(shell, ledger, PersonId(person))
            return VerifyAnswer(holds=report.holds, ledger=ledger.where, report=report)
        title = shell.texts.say("Verificando el libro", "Verifying the ledger")
        with Steps(shell.err, title, 1) as steps:
            report = await verify_ledger(
                ledger,
                public_key=_public_key(config),
                known=known,
                progress=lambda done, total: steps.at(done, f"{done:,}", total),
            )
        return VerifyAnswer(
            holds=report.holds,
            ledger=ledger.where,
            report=report,
            last_checkpoint=await _newest(ledger),
        )


async def _newest(ledger: Ledger) -> Checkpoint | None:
    async with ledger.read() as conn:
        return await newest_checkpoint(conn)


def _public_key(config: Config) -> str | None:
    """The key that must have signed, where this data folder has it; verifying makes none."""
    path = data_folder(config) / KEY_FILE
    return load_or_create_key(path).public_hex if path.exists() else None


async def _verify_one(shell: Shell, ledger: Ledger, person_id: PersonId) -> VerifyReport:
    # Heads before events: streams only grow, so nothing is signed that is not read.
    async with ledger.read() as conn:
        heads = await heads_of(conn, person_id)
    events = await EventReader(ledger).read_person(person_id)
    if not events and not heads:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(
                f"El libro no conoce a la persona {person_id!r}",
                f"The ledger knows no person {person_id!r}",
            ),
            shell.texts.say("compruebe el id", "check the id"),
        )
    return verify_person(person_id, events, heads)


def _tell(shell: Shell, answer: VerifyAnswer) -> None:
    report, texts = answer.report, shell.texts
    if answer.holds:
        shell.say(texts("ledger_ok", events=report.events, people=report.people), style="green")
    else:
        shell.say(
            texts.say(
                f"EL LIBRO NO VERIFICA: {report.problem_count:,} diferencias",
                f"THE LEDGER DOES NOT VERIFY: {report.problem_count:,} differences",
            ),
            style="red bold",
        )
        for problem in report.problems[:PROBLEMS_SHOWN]:
            shell.say(f"  {problem}")
    if report.checkpoints:
        shell.say(
            texts.say(
                f"{report.checkpoints:,} puntos de control; {report.events_after_checkpoint:,} "
                "eventos aún sin firmar",
                f"{report.checkpoints:,} checkpoints; {report.events_after_checkpoint:,} events "
                "not signed yet",
            )
        )
