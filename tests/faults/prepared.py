"""A small campaign that is ready to run: made once, and copied for every test that breaks it."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from campaigns.campaign import CampaignAction, CampaignSettings
from campaigns.sample.generator import SampleSettings, generate, layout_for
from compliance.types import CampaignId, CollectorRole, CreditorId, DebtClass, Mode
from dialer.core.records import to_ms
from dialer.runtime.importing import ImportJob
from dialer.stores.ledger.campaigns import act_on_campaign, create_campaign, enrol
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.portfolios import Portfolio, ensure_portfolio

MORNING: Final = datetime(2026, 6, 3, 17, 0, tzinfo=UTC)
"""A Wednesday, 11:00 in Denver and 13:00 in Santiago: everybody here may be called."""
PORTFOLIO: Final = "portfolio"
CURRENCIES: Final = {"CL": "CLP", "US": "USD"}

PERIOD_H: Final = 24
ATTEMPTS_A_DAY: Final = 3
"""What the tight pack allows a person in `PERIOD_H` hours, whatever came of the attempts."""

# No outcome is left out: a limit that counts everything is the one that a lost or doubled attempt
# shows in at once.
_HEAD: Final = """
pack = "tight"
version = "2026.6.1"
kind = "house_policy"
status = "machine_checked"
title = "Few attempts, so that limits bind at a test's speed"
"""
_RULE: Final = """
[[rules]]
id = "few_attempts_{key}"
kind = "frequency_cap"
channels = ["voice"]
basis = "policy"
confidence = "read"
explain = {{ es = "{{counter}} de {{limit}} intentos", en = "{{counter}} of {{limit}} attempts" }}
citation = {{ instrument = "House policy", locator = "tests" }}
[rules.params]
max = {most}
window = {{ unit = "rolling_hours", n = {hours} }}
[rules.params.count]
events = [
  "dial_requested", "not_connected_busy", "not_connected_out_of_service",
  "not_connected_network", "rang_no_answer", "machine_no_message", "machine_message",
  "mailbox_full", "ringless_voicemail", "fax", "answered_dropped", "abandoned",
  "answered_wrong_party", "answered_third_party", "conversation",
]
channels = ["voice"]
key = "{key}"
"""


def pack_of(limits: dict[str, int]) -> str:
    """A house pack that allows so many attempts in `PERIOD_H` hours, by key (`person` ...)."""
    rules = [_RULE.format(key=key, most=most, hours=PERIOD_H) for key, most in limits.items()]
    return "".join([_HEAD, *rules])


TIGHT_PACK: Final = pack_of({"person": ATTEMPTS_A_DAY})


def write_packs(folder: Path, pack: str) -> Path:
    """The folder of house packs that workers are told to load."""
    folder.mkdir(exist_ok=True)
    (folder / "tight.toml").write_text(pack, encoding="utf-8")
    return folder


def sample_file(path: Path, country: str, *, accounts: int, seed: int) -> Path:
    """A portfolio of invented people."""
    encoding = layout_for(country).encoding
    settings = SampleSettings(
        country=country, accounts=accounts, seed=seed, today=date(2026, 6, 1), dirt=False
    )
    with path.open("w", encoding=encoding, errors="replace", newline="") as out:
        generate(out, settings)
    return path


def portfolio(country: str) -> Portfolio:
    return Portfolio(
        portfolio_id=PORTFOLIO,
        name="faults",
        creditor_id=CreditorId("creditor"),
        creditor_name="Creditor",
        creditor_name_neutral="Office",
        collector_role=CollectorRole.THIRD_PARTY,
        country=country,
        currency=CURRENCIES[country],
        debt_class=DebtClass.CONSUMER,
        synthetic=True,
        created_ms=to_ms(MORNING),
    )


async def import_sample(ledger: Ledger, country: str, path: Path, reports: Path) -> None:
    async with ledger.write() as conn:
        known = await ensure_portfolio(conn, portfolio(country))
    await ImportJob(ledger, known, path, reports_dir=reports, now_ms=lambda: to_ms(MORNING)).run()


async def start_campaign(ledger: Ledger, name: str, mode: Mode = Mode.PREDICTIVE) -> CampaignId:
    """A campaign over the whole portfolio, enrolled and started."""
    now_ms = to_ms(MORNING)
    settings = CampaignSettings(mode=mode, max_lines_per_agent=20, ring_timeout_s=15)
    async with ledger.write() as conn:
        made = await create_campaign(
            conn,
            name=name,
            portfolio_id=PORTFOLIO,
            settings=settings,
            actor="test",
            now_ms=now_ms,
        )
    await enrol(ledger, made, now_ms=now_ms)
    async with ledger.write() as conn:
        await act_on_campaign(
            conn, made.campaign_id, CampaignAction.START, actor="test", now_ms=now_ms
        )
    return made.campaign_id


def ledger_url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'ledger.db'}"


async def populate(
    ledger: Ledger, folder: Path, country: str, *, accounts: int, campaigns: int
) -> list[CampaignId]:
    """Import a portfolio into an empty ledger and start campaigns over it."""
    sample = sample_file(folder / "portfolio.csv", country, accounts=accounts, seed=1)
    await import_sample(ledger, country, sample, folder / "reports")
    return [await start_campaign(ledger, f"campaign {number}") for number in range(campaigns)]


def prepare(folder: Path, country: str, *, accounts: int, campaigns: int = 1) -> Path:
    """A ledger and packs in an empty folder; returns the folder."""

    async def work() -> None:
        ledger = await open_ledger(ledger_url(folder), now_ms=to_ms(MORNING))
        try:
            await populate(ledger, folder, country, accounts=accounts, campaigns=campaigns)
        finally:
            await ledger.close()

    write_packs(folder / "packs", TIGHT_PACK)
    asyncio.run(work())
    return folder


def copy_of(prepared: Path, folder: Path) -> Path:
    """A copy of a prepared folder, in a place of its own."""
    shutil.copytree(prepared, folder)
    return folder
