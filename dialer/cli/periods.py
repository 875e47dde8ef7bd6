"""Periods on the command line: a date or an instant from which, and before which."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell


def instant_of(shell: Shell, option: str, text: str | None) -> datetime | None:
    """`2026-11-24` (its first instant in UTC) or `2026-11-24T09:00:00-03:00`; None for None.

    Raises `CliError`.
    """
    if text is None:
        return None
    try:
        if len(text) == len("2026-11-24"):
            return datetime.combine(date.fromisoformat(text), time(0), UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(
                f"{option} {text}: no es una fecha ni un instante con su desfase",
                f"{option} {text}: neither a date nor an instant with its offset",
            ),
            shell.texts.say(
                "escriba 2026-11-24 o 2026-11-24T09:00:00-03:00",
                "write 2026-11-24 or 2026-11-24T09:00:00-03:00",
            ),
        )
    return found.astimezone(UTC)
