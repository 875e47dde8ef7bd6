"""`marcador retention`: whose data has been kept as long as it must be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from compliance.retention import Keep, schedule
from dialer.bootstrap import load_rule_packs
from dialer.cli.deciding import OFFICERS, log_in, now_ms, refusing
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.core.records import from_ms, to_ms
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.erasing import Erasure, request_erasure
from dialer.stores.ledger.retaining import Retired, past_retention


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

    periods = schedule(load_rule_packs(shell.config), datetime.now(UTC))

    async def work() -> Retention:
        async with existing_ledger(shell) as ledger:
            people = await _past(ledger, to_ms(before), periods)
            asked: list[Erasure] = []
            if request and username is not None:
                user = await log_in(shell, ledger, username, OFFICERS, stdin=password_stdin)
                for retired in people:
                    asked.append(await ledger.transact(partial(_ask, retired, days, user.user_id)))
            return Retention(
                keep_days=days,
                last_activity_before=before,
                people=tuple(people),
                requests=tuple(asked),
            )

    found = refusing(shell, lambda: shell.run(work()))
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


async def _past(ledger: Ledger, before_ms: int, periods: tuple[Keep, ...]) -> list[Retired]:
    found: list[Retired] = []
    after: str | None = ""
    now = datetime.now(UTC)
    while after is not None:
        async with ledger.read() as conn:
            page = await past_retention(
                conn, before_ms=before_ms, at=now, periods=periods, after=after
            )
        found += page.people
        after = page.next_after
    return found


async def _ask(retired: Retired, days: int, actor: str, conn: AsyncConnection) -> Erasure:
    return await request_erasure(
        conn,
        retired.person_id,
        reason=f"retention: {days} days after the last activity",
        actor=actor,
        now_ms=now_ms(),
    )
