"""What the compliance officer orders on the command line.

Whoever decides logs in with their own password, so that two people are two people here too.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.rules.windows import emergency_codes
from dialer.bootstrap import load_rule_packs
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.export_command import actor_name
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.core.records import from_ms, to_ms
from dialer.runtime.recordings import remove_erased
from dialer.runtime.suppression_files import write_list
from dialer.stores.ledger import erasing, overrides
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.emergencies import (
    declare_emergency,
    end_emergency,
    list_emergencies,
)
from dialer.stores.ledger.erasing import (
    Erasure,
    Retired,
    decide_erasure,
    list_erasures,
    list_holds,
    past_retention,
    place_hold,
    release_hold,
    request_erasure,
    would_erase,
)
from dialer.stores.ledger.overrides import (
    OverrideAsked,
    decide_override,
    list_overrides,
    request_override,
    revoke_override,
)
from dialer.stores.ledger.portfolios import get_portfolio, portfolio_named
from dialer.stores.ledger.suppression_lists import AlreadyEnded, release_suppression
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
_LISTED: Final = 1_000


def now_ms() -> int:
    return to_ms(datetime.now(UTC))


# --- suppressions ---------------------------------------------------------------------------------


def export_suppressions(shell: Shell, out: Path, *, portfolio: str | None, ended: bool) -> None:
    async def work() -> int:
        async with existing_ledger(shell) as ledger:
            portfolio_id = await _portfolio(shell, ledger, portfolio)
            write = partial(
                write_list,
                ledger,
                actor=actor_name(),
                now_ms=now_ms(),
                standing=not ended,
                portfolio_id=portfolio_id,
            )
            if str(out) == "-":
                return await write(out=sys.stdout)
            with out.open("w", encoding="utf-8", newline="") as file:
                return await write(out=file)

    count = shell.run(work())
    if str(out) == "-":
        return
    if shell.json:
        shell.answer({"file": str(out), "suppressions": count})
    else:
        shell.say(
            shell.texts.say(f"{out}: {count:,} supresiones", f"{out}: {count:,} suppressions")
        )


def release(
    shell: Shell, suppression_id: str, reason: str, username: str, *, password_stdin: bool
) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await release_suppression(
            conn, suppression_id, reason=reason, actor=user.user_id, now_ms=now_ms()
        )

    _order(shell, order, username, OFFICERS, password_stdin=password_stdin)


# --- emergencies ----------------------------------------------------------------------------------


def declare(shell: Shell, code: str, username: str, *, password_stdin: bool) -> None:
    packs = load_rule_packs(shell.config).packs
    known = emergency_codes(rule for pack in packs for rule in pack.rules)

    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await declare_emergency(conn, code, known=known, actor=user.user_id, now_ms=now_ms())

    _order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def end(shell: Shell, code: str, username: str, *, password_stdin: bool) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await end_emergency(conn, code, actor=user.user_id, now_ms=now_ms())

    _order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def show_emergencies(shell: Shell, code: str | None) -> None:
    _list(
        shell,
        lambda conn, after: list_emergencies(conn, code=code, after=after, limit=_LISTED),
        lambda found: found.emergency_id,
    )


# --- overrides ------------------------------------------------------------------------------------


def request_exception(
    shell: Shell,
    person: str,
    *,
    rule: str,
    reason: str,
    username: str,
    hours: int,
    contact_point: str | None,
    repeated: bool,
    password_stdin: bool,
) -> None:
    heads = load_rule_packs(shell.config).heads

    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        at = datetime.now(UTC)
        asked = OverrideAsked(
            person_id=person,
            rule_id=rule,
            reason=reason,
            starts_ms=to_ms(at),
            ends_ms=to_ms(at + timedelta(hours=hours)),
            contact_point_id=contact_point,
            single_use=not repeated,
        )
        return await request_override(conn, asked, heads, actor=user.user_id, now_ms=to_ms(at))

    _order(shell, order, username, ASKERS, password_stdin=password_stdin)


def decide_exception(
    shell: Shell, override_id: str, username: str, word: str, *, password_stdin: bool
) -> None:
    """`word` is approve, refuse or revoke."""

    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        if word == "revoke":
            return await revoke_override(conn, override_id, actor=user.user_id, now_ms=now_ms())
        return await decide_override(
            conn, override_id, approve=word == "approve", actor=user.user_id, now_ms=now_ms()
        )

    _order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def show_overrides(shell: Shell, person: str | None) -> None:
    _list(
        shell,
        lambda conn, after: list_overrides(conn, person_id=person, after=after, limit=_LISTED),
        lambda found: found.override_id,
    )


# --- holds, erasure, retention --------------------------------------------------------------------


def place(shell: Shell, person: str, matter: str, username: str, *, password_stdin: bool) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await place_hold(conn, person, matter=matter, actor=user.user_id, now_ms=now_ms())

    _order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def lift(shell: Shell, hold_id: str, reason: str, username: str, *, password_stdin: bool) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await release_hold(conn, hold_id, reason=reason, actor=user.user_id, now_ms=now_ms())

    _order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def show_holds(shell: Shell, person: str | None, *, released: bool) -> None:
    _list(
        shell,
        lambda conn, after: list_holds(
            conn, person_id=person, standing=not released, after=after, limit=_LISTED
        ),
        lambda found: found.hold_id,
    )


def preview(shell: Shell, person: str) -> None:
    async def work() -> erasing.WouldErase:
        async with existing_ledger(shell) as ledger, ledger.read() as conn:
            return await would_erase(conn, person)

    found = _refusing(shell, lambda: shell.run(work()))
    _tell(shell, found)
    if not found.may:
        raise typer.Exit(ExitCode.NO)


def ask_erasure(
    shell: Shell, person: str, reason: str, username: str, *, password_stdin: bool
) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await request_erasure(
            conn, person, reason=reason, actor=user.user_id, now_ms=now_ms()
        )

    _order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def settle_erasure(
    shell: Shell, erasure_id: str, username: str, *, approve: bool, password_stdin: bool
) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await decide_erasure(
            conn, erasure_id, approve=approve, actor=user.user_id, now_ms=now_ms()
        )

    _order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def show_erasures(shell: Shell) -> None:
    _list(
        shell,
        lambda conn, after: list_erasures(conn, after=after, limit=_LISTED),
        lambda found: found.erasure_id,
    )


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """Who is past retention, and what was asked for."""

    keep_days: int
    last_activity_before: datetime
    people: tuple[Retired, ...]
    requests: tuple[Erasure, ...] = ()


def run_retention(
    shell: Shell,
    *,
    keep_days: int | None,
    request: bool,
    username: str | None,
    password_stdin: bool,
) -> None:
    days = keep_days or shell.config.retention.keep_days
    before = datetime.now(UTC) - timedelta(days=days)
    if request and username is None:
        raise CliError(
            ExitCode.USAGE,
            shell.texts.say("--request pide --user", "--request needs --user"),
            shell.texts.say("diga quién lo pide", "say who asks"),
        )

    async def work() -> Retention:
        async with existing_ledger(shell) as ledger:
            people = await _past(ledger, to_ms(before))
            asked: list[Erasure] = []
            if request and username is not None:
                user = await _login(shell, ledger, username, OFFICERS, stdin=password_stdin)
                for retired in people:
                    asked.append(await ledger.transact(partial(_ask, retired, days, user.user_id)))
            return Retention(
                keep_days=days,
                last_activity_before=before,
                people=tuple(people),
                requests=tuple(asked),
            )

    found = _refusing(shell, lambda: shell.run(work()))
    if shell.json:
        shell.answer(found)
        return
    shell.say(
        shell.texts.say(
            f"{len(found.people):,} personas sin actividad en {days:,} días; "
            f"{len(found.requests):,} borrados pedidos",
            f"{len(found.people):,} people without activity for {days:,} days; "
            f"{len(found.requests):,} erasures asked for",
        )
    )
    for retired in found.people:
        shell.say(f"  {retired.person_id}  {from_ms(retired.last_activity_ms):%Y-%m-%d}")


async def _past(ledger: Ledger, before_ms: int) -> list[Retired]:
    found: list[Retired] = []
    after = ""
    while True:
        async with ledger.read() as conn:
            page = await past_retention(conn, before_ms=before_ms, after=after)
        found += page
        if not page:
            return found
        after = page[-1].person_id


async def _ask(retired: Retired, days: int, actor: str, conn: AsyncConnection) -> Erasure:
    return await request_erasure(
        conn,
        retired.person_id,
        reason=f"retention: {days} days after the last activity",
        actor=actor,
        now_ms=now_ms(),
    )


# --- what they share ------------------------------------------------------------------------------


def _order(
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
            user = await _login(shell, ledger, username, roles, stdin=password_stdin)
            done = await ledger.transact(lambda conn: order(conn, user))
            # What an erasure took away in the ledger must not stay as a file.
            await remove_erased(ledger, RecordingFiles(shell.config.recordings_path))
            return done

    _tell(shell, _refusing(shell, lambda: shell.run(work())))


async def _login(
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


def _refusing(shell: Shell, work: Callable[[], T]) -> T:
    """Turn a refusal into an error in words."""
    try:
        return work()
    except _REFUSALS as error:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"No se puede hacer: {error}", f"That cannot be done: {error}"),
            shell.texts.say("vea docs/officer.md", "see docs/officer.md"),
        ) from error


def _list(
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
                if len(page) < _LISTED:
                    return found

    found = shell.run(work())
    if shell.json:
        shell.answer(found)
        return
    for one in found:
        _tell(shell, one)


def _tell(shell: Shell, found: object) -> None:
    if shell.json and isinstance(found, msgspec.Struct):
        shell.answer(found)
        return
    values = msgspec.to_builtins(found)
    shell.say("  ".join(f"{key}={value}" for key, value in values.items() if value is not None))


async def _portfolio(shell: Shell, ledger: Ledger, asked: str | None) -> str | None:
    if asked is None:
        return None
    async with ledger.read() as conn:
        found = await portfolio_named(conn, asked) or await get_portfolio(conn, asked)
    if found is None:
        raise CliError(
            ExitCode.BAD_INPUT,
            shell.texts.say(f"No hay cartera {asked!r}", f"There is no portfolio {asked!r}"),
            shell.texts.say("compruebe el nombre", "check the name"),
        )
    return found.portfolio_id
