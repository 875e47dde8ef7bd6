"""`marcador inbox` and `marcador messages`: what people wrote, and what became of ours."""

from __future__ import annotations

import msgspec
from rich.table import Table

from campaigns.campaign import CampaignSettings
from dialer.cli.export_command import actor_name
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.console.routes.inbox import ThreadDetail, ThreadView, view_of
from dialer.core.records import from_ms, to_ms
from dialer.runtime.clock import WallClock
from dialer.stores.ledger.campaigns import campaign_named, get_campaign
from dialer.stores.ledger.messages import (
    CampaignMessages,
    ThreadState,
    campaign_messages,
    close_thread,
    get_thread,
    lines_of,
    list_threads,
)


class MessagesOf(msgspec.Struct, frozen=True, kw_only=True):
    campaign: str
    settings: CampaignSettings
    messages: CampaignMessages


def show_threads(shell: Shell, state: str | None, limit: int) -> None:
    async def work() -> list[ThreadView]:
        async with existing_ledger(shell) as ledger, ledger.read() as conn:
            wanted = None if state is None else ThreadState(state)
            return [view_of(one) for one in await list_threads(conn, state=wanted, limit=limit)]

    threads = shell.run(work())
    if shell.json:
        shell.answer(threads)
        return
    say = shell.texts.say
    table = Table()
    for title in (
        say("desde", "since"),
        say("canal", "channel"),
        say("dirección", "address"),
        say("estado", "state"),
        say("motivo", "reason"),
        say("conversación", "thread"),
    ):
        table.add_column(title)
    for thread in threads:
        at = from_ms(thread.updated_ms)
        table.add_row(
            f"{at:%Y-%m-%d %H:%M}",
            thread.channel,
            thread.address,
            thread.state,
            thread.reason,
            thread.thread_id,
        )
    shell.out.print(table)


def show_thread(shell: Shell, thread_id: str) -> None:
    async def work() -> ThreadDetail:
        async with existing_ledger(shell) as ledger, ledger.read() as conn:
            thread = await get_thread(conn, thread_id)
            if thread is None:
                raise _unknown(thread_id)
            lines = await lines_of(conn, thread_id)
            return ThreadDetail(thread=view_of(thread), messages=lines)

    detail = shell.run(work())
    if shell.json:
        shell.answer(detail)
        return
    thread = detail.thread
    shell.say(f"{thread.channel} {thread.address}  {thread.state} {thread.reason}")
    for line in detail.messages:
        who = "<-" if line.direction == "in" else "->"
        more = " ".join(filter(None, (line.state, line.refusal, line.requests, line.author)))
        shell.say(f"{from_ms(line.at_ms):%Y-%m-%d %H:%M} {who} [{more}]")
        shell.out.print(f"   {line.text}", markup=False, highlight=False)


def end_thread(shell: Shell, thread_id: str, resolution: str) -> None:
    async def work() -> ThreadView:
        now_ms = to_ms(WallClock().now())
        async with existing_ledger(shell) as ledger:
            closed = await ledger.transact(
                lambda conn: close_thread(
                    conn, thread_id, resolution=resolution, actor=actor_name(), now_ms=now_ms
                )
            )
            return view_of(closed)

    closed = shell.run(work())
    if shell.json:
        shell.answer(closed)
        return
    shell.say(shell.texts.say("Conversación cerrada.", "Thread closed."))


def show_messages(shell: Shell, name: str) -> None:
    async def work() -> MessagesOf:
        async with existing_ledger(shell) as ledger, ledger.read() as conn:
            found = await campaign_named(conn, name) or await get_campaign(conn, name)
            if found is None:
                raise LookupError(f"there is no campaign {name!r}; see `marcador campaign list`")
            counts = await campaign_messages(conn, found.campaign_id)
            return MessagesOf(campaign=found.name, settings=found.settings, messages=counts)

    told = shell.run(work())
    if shell.json:
        shell.answer(told)
        return
    say, counts = shell.texts.say, told.messages
    table = Table(title=f"{told.campaign}: {told.settings.channel}")
    table.add_column("")
    table.add_column(say("mensajes", "messages"), justify="right")
    table.add_row(say("en total", "in all"), f"{counts.messages:,}")
    for state, spanish, english in (
        ("planned", "por confirmar", "to be confirmed"),
        ("not_sent", "no enviados", "not sent"),
        ("sent", "enviados", "sent"),
        ("delivered", "entregados", "delivered"),
        ("read", "leídos", "read"),
        ("failed", "fallidos", "failed"),
        ("bounced", "rebotados", "bounced"),
    ):
        table.add_row(say(spanish, english), f"{counts.states.get(state, 0):,}")
    for refusal, count in sorted(counts.refusals.items()):
        table.add_row(f"  {refusal}", f"{count:,}")
    table.add_row(say("respuestas", "replies"), f"{counts.replies:,}")
    for request, count in sorted(counts.requests.items()):
        table.add_row(f"  {request}", f"{count:,}")
    table.add_row(say("bajas", "opt-outs"), f"{counts.opt_outs:,}")
    for reason, count in sorted(counts.waiting.items()):
        table.add_row(f"{say('no enviado', 'not sent')}: {reason}", f"{count:,}")
    shell.out.print(table)


def _unknown(thread_id: str) -> LookupError:
    return LookupError(f"there is no thread {thread_id!r}; see `marcador inbox list`")
