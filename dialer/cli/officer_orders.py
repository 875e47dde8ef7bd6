"""What the compliance officer orders on the command line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.rules.windows import emergency_codes
from dialer.bootstrap import load_rule_packs
from dialer.cli.deciding import (
    ASKERS,
    LISTED,
    OFFICERS,
    give_order,
    list_all,
    now_ms,
    refusing,
    tell,
)
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.export_command import actor_name
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.core.records import to_ms
from dialer.runtime.suppression_files import write_list
from dialer.stores.ledger import erasing
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.emergencies import (
    declare_emergency,
    end_emergency,
    list_emergencies,
)
from dialer.stores.ledger.erasing import (
    decide_erasure,
    list_erasures,
    list_holds,
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
from dialer.stores.ledger.suppression_lists import release_suppression
from dialer.stores.ledger.users import User

T = TypeVar("T")

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

    give_order(shell, order, username, OFFICERS, password_stdin=password_stdin)


# --- emergencies ----------------------------------------------------------------------------------


def declare(shell: Shell, code: str, username: str, *, password_stdin: bool) -> None:
    packs = load_rule_packs(shell.config).packs
    known = emergency_codes(rule for pack in packs for rule in pack.rules)

    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await declare_emergency(conn, code, known=known, actor=user.user_id, now_ms=now_ms())

    give_order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def end(shell: Shell, code: str, username: str, *, password_stdin: bool) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await end_emergency(conn, code, actor=user.user_id, now_ms=now_ms())

    give_order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def show_emergencies(shell: Shell, code: str | None) -> None:
    list_all(
        shell,
        lambda conn, after: list_emergencies(conn, code=code, after=after, limit=LISTED),
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

    give_order(shell, order, username, ASKERS, password_stdin=password_stdin)


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

    give_order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def show_overrides(shell: Shell, person: str | None) -> None:
    list_all(
        shell,
        lambda conn, after: list_overrides(conn, person_id=person, after=after, limit=LISTED),
        lambda found: found.override_id,
    )


# --- holds, erasure, retention --------------------------------------------------------------------


def place(shell: Shell, person: str, matter: str, username: str, *, password_stdin: bool) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await place_hold(conn, person, matter=matter, actor=user.user_id, now_ms=now_ms())

    give_order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def lift(shell: Shell, hold_id: str, reason: str, username: str, *, password_stdin: bool) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await release_hold(conn, hold_id, reason=reason, actor=user.user_id, now_ms=now_ms())

    give_order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def show_holds(shell: Shell, person: str | None, *, released: bool) -> None:
    list_all(
        shell,
        lambda conn, after: list_holds(
            conn, person_id=person, standing=not released, after=after, limit=LISTED
        ),
        lambda found: found.hold_id,
    )


def preview(shell: Shell, person: str) -> None:
    async def work() -> erasing.WouldErase:
        async with existing_ledger(shell) as ledger, ledger.read() as conn:
            return await would_erase(conn, person)

    found = refusing(shell, lambda: shell.run(work()))
    tell(shell, found)
    if not found.may:
        raise typer.Exit(ExitCode.NO)


def ask_erasure(
    shell: Shell, person: str, reason: str, username: str, *, password_stdin: bool
) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await request_erasure(
            conn, person, reason=reason, actor=user.user_id, now_ms=now_ms()
        )

    give_order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def settle_erasure(
    shell: Shell, erasure_id: str, username: str, *, approve: bool, password_stdin: bool
) -> None:
    async def order(conn: AsyncConnection, user: User) -> msgspec.Struct:
        return await decide_erasure(
            conn, erasure_id, approve=approve, actor=user.user_id, now_ms=now_ms()
        )

    give_order(shell, order, username, OFFICERS, password_stdin=password_stdin)


def show_erasures(shell: Shell) -> None:
    list_all(
        shell,
        lambda conn, after: list_erasures(conn, after=after, limit=LISTED),
        lambda found: found.erasure_id,
    )


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
