"""`marcador campaign`: campaigns in the ledger. A running engine follows what is written there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.table import Table

from campaigns.campaign import (
    CampaignAction,
    CampaignSettings,
    CampaignSettingsError,
    load_settings,
)
from dialer.bootstrap import carrier_of, messengers_of
from dialer.cli.export_command import actor_name
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.core.records import to_ms
from dialer.runtime.clock import WallClock
from dialer.runtime.link_check import check_links
from dialer.runtime.prompting import Prompter
from dialer.runtime.scripts import ScriptReader, check_flows
from dialer.runtime.speech import engine_of
from dialer.stores.ledger.campaigns import (
    Campaign,
    EnrolmentCounts,
    act_on_campaign,
    campaign_called,
    create_campaign,
    enrol,
    enrolment_counts,
    list_campaigns,
)
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.portfolios import get_portfolio, list_portfolios, portfolio_named


class CampaignLine(msgspec.Struct, frozen=True, kw_only=True):
    campaign: Campaign
    accounts: EnrolmentCounts


def make_campaign(
    shell: Shell,
    name: str,
    *,
    portfolio: str,
    settings: Path | None,
    mode: str | None = None,
    flow: str | None = None,
) -> None:
    """Make a campaign in draft and enrol the portfolio's accounts.

    `mode` and `flow` win over the file.
    """
    chosen = _settings(settings, {"mode": mode, "flow": flow})

    async def work() -> CampaignLine:
        async with existing_ledger(shell) as ledger:
            async with ledger.read() as conn:
                found = await portfolio_named(conn, portfolio)
                names = [known.name for known in await list_portfolios(conn)]
            if found is None:
                known = ", ".join(names) or "-"
                raise LookupError(f"there is no portfolio {portfolio!r}; there are: {known}")
            await check_flows(ledger, chosen)
            async with ledger.write() as conn:
                made = await create_campaign(
                    conn,
                    name=name,
                    portfolio_id=found.portfolio_id,
                    settings=chosen,
                    actor=actor_name(),
                    now_ms=_now_ms(),
                )
            await enrol(ledger, made, now_ms=_now_ms())
            return await _line(ledger, made)

    _tell(shell, shell.run(work()))


def show_campaigns(shell: Shell) -> None:
    """All campaigns and how their accounts stand."""

    async def work() -> list[CampaignLine]:
        async with existing_ledger(shell) as ledger:
            async with ledger.read() as conn:
                found = await list_campaigns(conn)
            return [await _line(ledger, campaign) for campaign in found]

    lines = shell.run(work())
    if shell.json:
        shell.answer(list(lines))
        return
    texts = shell.texts
    table = Table()
    for title in (
        texts.say("campaña", "campaign"),
        texts("state"),
        texts.say("modo", "mode"),
        texts("queue_ready"),
        texts("queue_waiting"),
        texts("queue_done"),
        "id",
    ):
        table.add_column(title)
    for line in lines:
        counts, campaign = line.accounts, line.campaign
        table.add_row(
            campaign.name,
            texts(f"state_{campaign.state}"),
            campaign.settings.mode,
            f"{counts.ready:,}",
            f"{counts.waiting:,}",
            f"{counts.done:,}",
            campaign.campaign_id,
        )
    shell.out.print(table)


def change_state(shell: Shell, name: str, action: CampaignAction) -> None:
    """Start, pause, resume or stop a campaign; a running engine sees it within a second."""

    async def work() -> CampaignLine:
        async with existing_ledger(shell) as ledger:
            async with ledger.write() as conn:
                found = await campaign_called(conn, name)
            if action in (CampaignAction.START, CampaignAction.RESUME):
                await _check_scripts(shell, ledger, found)
            async with ledger.write() as conn:
                after = await act_on_campaign(
                    conn, found.campaign_id, action, actor=actor_name(), now_ms=_now_ms()
                )
            return await _line(ledger, after)

    _tell(shell, shell.run(work()))


def _settings(file: Path | None, given: Mapping[str, str | None]) -> CampaignSettings:
    """Raises `CampaignSettingsError` with the key that is wrong."""
    chosen = {key: value for key, value in given.items() if value is not None}
    if file is None:
        return load_settings(dict(chosen))
    raw = sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()
    if not chosen:
        return load_settings(raw)
    try:
        tree = msgspec.json.decode(raw, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise CampaignSettingsError("", f"not valid JSON: {error}") from error
    return load_settings({**tree, **chosen})


async def _check_scripts(shell: Shell, ledger: Ledger, campaign: Campaign) -> None:
    """That the flows of a campaign can be spoken, and their texts sent, here; makes their audio.

    The engine makes sure of it again. Raises `NothingToSay`, `CannotSend`.
    """
    settings, config = campaign.settings, shell.config
    if not (settings.flow or settings.abandon_flow or settings.inbound_flow):
        return
    async with ledger.read() as conn:
        portfolio = await get_portfolio(conn, campaign.portfolio_id)
    if portfolio is None:
        return  # the engine tells of it
    clock = WallClock()
    carrier = carrier_of(config, clock)
    facts = carrier.facts
    prompter = Prompter(config.prompts_path, engine_of(config.prompts), carrier_speaks=facts.voice)
    reader = ScriptReader(ledger=ledger, clock=clock, facts=facts, prompter=prompter)
    scripts = await reader.read(campaign.name, settings, portfolio)
    messengers = messengers_of(config, clock, carrier)
    await check_links(ledger, messengers, settings, portfolio, scripts)


async def _line(ledger: Ledger, campaign: Campaign) -> CampaignLine:
    async with ledger.read() as conn:
        counts = await enrolment_counts(conn, campaign.campaign_id)
    return CampaignLine(campaign=campaign, accounts=counts)


def _tell(shell: Shell, line: CampaignLine) -> None:
    if shell.json:
        shell.answer(line)
        return
    texts, campaign = shell.texts, line.campaign
    accounts = texts.say("cuentas", "accounts")
    shell.say(
        f"{campaign.name}: {texts(f'state_{campaign.state}')}, {line.accounts.total:,} {accounts} "
        f"({campaign.campaign_id})"
    )


def _now_ms() -> int:
    return to_ms(datetime.now(UTC))
