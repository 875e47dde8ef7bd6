"""What orders of the command line share: a login, one transaction, and refusals told in words.

Whoever decides logs in with their own password, so that two people are two people here too.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.core.records import to_ms
from dialer.runtime.recorded_calls import remove_erased
from dialer.stores.ledger import erasing, overrides
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.suppression_lists import AlreadyEnded
from dialer.stores.ledger.users import Role, User, credentials_of, verify_password
from dialer.stores.recording_files import RecordingFiles

T = TypeVar("T")

OFFICERS: Final = frozenset({Role.COMPLIANCE})
ASKERS: Final = frozenset({Role.COMPLIANCE, Role.SUPERVISOR, Role.MANAGER})
_REFUSALS: Final = (
    LookupError,
    ValueError,
    AlreadyEnded,
    overrides.AlreadyDecided,
    erasing.AlreadyDecided,
    erasing.OnHold,
)
LISTED: Final = 1_000


def now_ms() -> int:
    return to_ms(datetime.now(UTC))


def give_order(
    shell: Shell,
    order: Callable[[AsyncConnection, User], Awaitable[msgspec.Struct]],
    username: str,
    roles: frozenset[Role],
    *,
    password_stdin: bool,
) -> None:
    """Log in, do it in one transaction, tell what stands then."""

    async def work() -> msgspec.Struct:
        async with existing_ledger(shell) as ledger:
            user = await log_in(shell, ledger, username, roles, stdin=password_stdin)
            done = await ledger.transact(lambda conn: order(conn, user))
            # What an erasure took away in the ledger must not stay as a file.
            await remove_erased(ledger, RecordingFiles(shell.config.recordings_path))
            return done

    tell(shell, refusing(shell, lambda: shell.run(work())))


async def log_in(
    shell: Shell, ledger: Ledger, username: str, roles: frozenset[Role], *, stdin: bool
) -> User:
    """Raises `CliError` for a wrong name, password or role."""
    password = await asyncio.to_thread(_password, shell, stdin=stdin)
    async with ledger.read() as conn:
        found = await credentials_of(conn, username)
    known = found.password_hash if found is not None else None
    texts = shell.texts
    if not await asyncio.to_thread(verify_password, known, password) or found is None:
        raise CliError(
            ExitCode.BAD_INPUT,
            texts.say("Usuario o contraseña incorrectos", "Wrong user name or password"),
            texts.say("`marcador users list` los muestra", "`marcador users list` shows them"),
        )
    if found.user.role not in roles:
        raise CliError(
            ExitCode.BAD_INPUT,
            texts.say(
                f"{username} tiene el rol {found.user.role}",
                f"{username} has the role {found.user.role}",
            ),
            texts.say(
                f"hace falta: {', '.join(sorted(roles))}", f"needed: {', '.join(sorted(roles))}"
            ),
        )
    return found.user


def _password(shell: Shell, *, stdin: bool) -> str:
    if stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt(shell.texts.say("Contraseña", "Password"), hide_input=True, err=True))


def refusing(shell: Shell, work: Callable[[], T]) -> T:
    """Turn a refusal into an error in words."""
    try:
        return work()
    except _REFUSALS as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"No se puede hacer: {error}", f"That cannot be done: {error}"),
            shell.texts.say("vea docs/officer.md", "see docs/officer.md"),
        ) from error


def list_all(
    shell: Shell,
    read: Callable[[AsyncConnection, str], Awaitable[list[T]]],
    id_of: Callable[[T], str],
) -> None:
    """All of a list, a page at a time."""

    async def work() -> list[T]:
        found: list[T] = []
        async with existing_ledger(shell) as ledger:
            while True:
                async with ledger.read() as conn:
                    page = await read(conn, id_of(found[-1]) if found else "")
                found += page
                if len(page) < LISTED:
                    return found

    found = shell.run(work())
    if shell.json:
        shell.answer(found)
        return
    for one in found:
        tell(shell, one)


def tell(shell: Shell, found: object) -> None:
    if shell.json and isinstance(found, msgspec.Struct):
        shell.answer(found)
        return
    values = msgspec.to_builtins(found)
    shell.say("  ".join(f"{key}={value}" for key, value in values.items() if value is not None))
