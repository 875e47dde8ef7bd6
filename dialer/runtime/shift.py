"""The main job: a campaign over a portfolio, worked by simulated agents, from start to summary."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy import func, select

from campaigns.campaign import CampaignAction, CampaignSettings, CampaignState
from compliance.calendars import Calendar, calendar_data
from compliance.types import CampaignId
from compliance.zones import country_zones
from dialer.bootstrap import Marcador
from dialer.core.figures import LiveFigures
from dialer.core.identity import Factor
from dialer.core.records import from_ms, to_ms
from dialer.runtime.inbound import InboundFigures
from dialer.simulation.agent_client import SimulatedAgent
from dialer.simulation.flows import approve_shipped
from dialer.simulation.headsets import headsets_for
from dialer.simulation.keypads import LANGUAGE, Keypads
from dialer.simulation.returns import ReturnCalls
from dialer.stores.ledger.campaigns import Campaign, campaign_named, create_campaign, enrol
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.messages import CampaignMessages, campaign_messages
from dialer.stores.ledger.portfolios import Portfolio
from dialer.stores.ledger.schema import ledger_event
from dialer.stores.ledger.screens import read_person_on_screen
from dialer.stores.ledger.users import (
    Language,
    Role,
    create_user,
    credentials_of,
    hash_password,
    set_password,
)
from dialer.stores.ledger.verify import VerifyReport, verify_ledger
from telephony_adapters.messages import CallId
from telephony_adapters.simulator.carrier import SimulatedCarrier

log = structlog.get_logger()

ACTOR = "marcador run"
WORKING_HOURS = (time(9, 30), time(17, 0))
OPENING = time(10, 0)
CALENDAR_DAYS = 30
MAIN_ZONES: Mapping[str, str] = {"US": "America/Denver", "CL": "America/Santiago"}
"""Where the simulated day is set in countries of several zones."""


class ShiftSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a shift came to; the report's JSON."""

    portfolio: str
    campaign: str
    started_at: datetime
    ended_at: datetime
    agents: int
    figures: LiveFigures
    dialed_per_agent_hour: float
    messages: CampaignMessages | None = None
    """Of a campaign of messages: what became of them, and what people wrote back."""
    inbound: InboundFigures | None = None
    """People who called us; None: nobody could."""
    queue_conserved: bool
    ledger: VerifyReport | None
    refused_to_agents: dict[str, int]
    """Requests of the simulated agents that the server refused, by code."""


def working_moment(country: str, not_before: datetime) -> tuple[datetime, str]:
    """The first moment at or after `not_before` at which a call centre works there, and its zone.

    Only a choice of when a simulated day begins; what may be dialed then is the gate's to say.
    """
    zone_name = MAIN_ZONES.get(country) or (country_zones(country) or ("UTC",))[0]
    zone = ZoneInfo(zone_name)
    local = not_before.astimezone(zone)
    calendar = Calendar(calendar_data(country)) if _has_calendar(country) else None
    for days in range(CALENDAR_DAYS):
        day = local.date() + timedelta(days=days)
        if day.isoweekday() > 5 or (calendar is not None and calendar.holiday(day, None)):
            continue
        if days == 0 and WORKING_HOURS[0] <= local.time() <= WORKING_HOURS[1]:
            return not_before, zone_name
        opening = datetime.combine(day, OPENING, zone)
        if opening >= local:
            return opening.astimezone(UTC), zone_name
    return not_before, zone_name


def _has_calendar(country: str) -> bool:
    try:
        calendar_data(country)
    except KeyError:
        return False
    return True


async def last_event_at(ledger: Ledger) -> datetime | None:
    """When the newest event of the ledger happened; a simulated clock never starts before it."""
    async with ledger.read() as conn:
        at_ms = (await conn.execute(select(func.max(ledger_event.c.at_ms)))).scalar_one_or_none()
    return None if at_ms is None else from_ms(at_ms)


class Shift:
    """One run of a campaign with simulated agents.

    Raises `UnsafeDialing` on a carrier that reaches real people.
    """

    def __init__(self, marcador: Marcador, portfolio: Portfolio, agents: int, url: str) -> None:
        self._marcador = marcador
        self._headsets = headsets_for(marcador.config, marcador.adapter, self._number_of)
        self._keypads = Keypads(
            clock=marcador.clock, flows=marcador.engine.flows, knowledge=self._knowledge
        )
        if isinstance(marcador.adapter, SimulatedCarrier):
            self._keypads.listen_at(marcador.adapter)
        self._returns: ReturnCalls | None = None
        self._portfolio = portfolio
        self._agents = agents
        self._url = url
        self._stop = asyncio.Event()
        self._clients: list[SimulatedAgent] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.campaign: Campaign | None = None
        self.started_at = marcador.clock.now()

    async def begin(self, settings: CampaignSettings | None = None) -> Campaign:
        """Create or find the campaign, enrol, start, and send the agents to work."""
        engine = self._marcador.engine
        now_ms = to_ms(self._marcador.clock.now())
        chosen = settings or CampaignSettings()
        for flow in filter(None, (chosen.flow, chosen.inbound_flow)):
            await approve_shipped(self._marcador.ledger, flow, now_ms)
        kind = chosen.flow or (chosen.channel if chosen.writes else chosen.mode.value)
        name = f"{self._portfolio.name} {kind}"
        async with self._marcador.ledger.write() as conn:
            campaign = await campaign_named(conn, name)
            if campaign is None or campaign.state.is_final:
                if campaign is not None:
                    name = f"{name} {now_ms}"
                campaign = await create_campaign(
                    conn,
                    name=name,
                    portfolio_id=self._portfolio.portfolio_id,
                    settings=chosen,
                    actor=ACTOR,
                    now_ms=now_ms,
                )
        await enrol(self._marcador.ledger, campaign, now_ms=now_ms)
        action = {
            CampaignState.DRAFT: CampaignAction.START,
            CampaignState.PAUSED: CampaignAction.RESUME,
        }.get(campaign.state)
        if action is not None:
            campaign = await engine.act(campaign.campaign_id, action, actor=ACTOR)
        await engine.own_campaigns()
        self.campaign = campaign
        if not campaign.settings.writes:
            await self._hire()
        self._expect_callers(campaign.settings)
        return campaign

    def _expect_callers(self, settings: CampaignSettings) -> None:
        """Simulated people call back where the campaign has something to tell them."""
        carrier, number = self._marcador.adapter, settings.spoken.return_number
        if isinstance(carrier, SimulatedCarrier) and settings.inbound_flow and number:
            self._returns = ReturnCalls(
                clock=self._marcador.clock,
                ledger=self._marcador.ledger,
                carrier=carrier,
                our_number=number,
            )
            self._marcador.engine.calls.observe(self._returns)

    async def _hire(self) -> None:
        passwords = [secrets.token_urlsafe(12) for _ in range(self._agents)]
        hashes = await asyncio.gather(*(asyncio.to_thread(hash_password, p) for p in passwords))
        for number, (password, hashed) in enumerate(zip(passwords, hashes, strict=True), 1):
            username = f"sim-agent-{number:02d}"
            await self._ensure_user(username, hashed, number)
            client = SimulatedAgent(
                base_url=self._url,
                username=username,
                password=password,
                clock=self._marcador.clock,
                listen=self._headsets.listen,
                knowledge=self._knowledge,
                converses=self._marcador.adapter.facts.control,
            )
            self._clients.append(client)
            self._tasks.append(
                asyncio.create_task(client.work(self._stop), name=f"agent:{username}")
            )

    async def _ensure_user(self, username: str, hashed: str, number: int) -> None:
        now_ms = to_ms(self._marcador.clock.now())
        async with self._marcador.ledger.write() as conn:
            known = await credentials_of(conn, username)
            if known is not None:
                await set_password(conn, known.user.user_id, hashed, actor=ACTOR, now_ms=now_ms)
                return
            await create_user(
                conn,
                username=username,
                display_name=f"Agente simulado {number:02d}",
                role=Role.AGENT,
                language=Language.ES,
                password_hash=hashed,
                actor=ACTOR,
                now_ms=now_ms,
            )

    def _number_of(self, call_id: CallId) -> tuple[str, str] | None:
        live = self._marcador.engine.outcomes.contacts.get(call_id)
        return None if live is None else (live.contact.point.address, live.contact.segment)

    async def _knowledge(self, call_id: str) -> Mapping[str, str]:
        """What the right party knows of themselves: simulated people remember their data."""
        live = self._marcador.engine.outcomes.contacts.get(call_id)
        if live is None:
            return {}
        contact = live.contact
        person = await read_person_on_screen(
            self._marcador.ledger,
            contact.person_id,
            contact.account_id,
            contact.point.contact_point_id,
        )
        own = person.identity
        truth = {
            Factor.DOCUMENT_LAST4: own.document_number,
            Factor.BIRTH_DATE: own.birth_date,
            Factor.POSTAL_CODE: own.postal_code,
            Factor.CONTRACT: own.contract,
        }
        known = {str(factor): value for factor, value in truth.items() if value}
        return known | ({LANGUAGE: person.language} if person.language else {})

    async def watch(
        self, until: datetime | None, show: Callable[[LiveFigures], Awaitable[None]]
    ) -> None:
        """Show figures every second until the shift is over (`until`, or cancelled)."""
        while until is None or self._marcador.clock.now() < until:
            await asyncio.sleep(1.0)
            figures = await self._figures()
            if figures is not None:
                await show(figures)
            for task in self._tasks:
                if task.done() and (error := task.exception()) is not None:
                    raise error

    async def _figures(self) -> LiveFigures | None:
        if self.campaign is None:
            return None
        return await self._marcador.engine.figures(self.campaign.campaign_id)

    async def end(self, drain_s: float) -> ShiftSummary:
        """Drain, send the agents home, and add everything up."""
        engine = self._marcador.engine
        campaign = self._campaign
        worked = await self._figures()
        if self._returns is not None:
            await self._returns.close()
        await engine.drain(drain_s)
        figures = await self._figures()
        if figures is not None and worked is not None:
            # Agents who wait for the last calls of a drain are not idle by the pacer's fault.
            figures = msgspec.structs.replace(figures, occupancy_pct=worked.occupancy_pct)
        ended_at = self._marcador.clock.now()
        self._stop.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._keypads.close()
        await self._headsets.close()
        await engine.recorder.flush()
        counts = await engine.queue_of(campaign.campaign_id).counts(to_ms(ended_at))
        messages = None
        if campaign.settings.writes:
            await engine.post.settled()
            async with self._marcador.ledger.read() as conn:
                messages = await campaign_messages(conn, campaign.campaign_id)
        report = await verify_ledger(self._marcador.ledger)
        refused: dict[str, int] = {}
        for client in self._clients:
            for refusal in client.refused:
                refused[refusal.code] = refused.get(refusal.code, 0) + 1
        if figures is None:
            raise RuntimeError("this worker does not drive the campaign any more")
        hours = (ended_at - self.started_at) / timedelta(hours=1)
        return ShiftSummary(
            portfolio=self._portfolio.name,
            campaign=campaign.name,
            started_at=self.started_at,
            ended_at=ended_at,
            agents=len(self._clients),
            figures=figures,
            dialed_per_agent_hour=round(figures.dialed / max(hours * self._agents, 0.001), 1),
            messages=messages,
            inbound=engine.floor.inbound.figures() if self._returns is not None else None,
            queue_conserved=counts.conserved,
            ledger=report,
            refused_to_agents=refused,
        )

    @property
    def _campaign(self) -> Campaign:
        if self.campaign is None:
            raise RuntimeError("the shift has not begun")
        return self.campaign

    @property
    def campaign_id(self) -> CampaignId:
        return self._campaign.campaign_id


def write_reports(summary: ShiftSummary, folder: Path) -> Path:
    """Write the summary as JSON and as a page of text; gives the folder of this run."""
    place = folder / f"{summary.started_at:%Y%m%dT%H%M%S}-{summary.campaign.replace('/', '-')}"
    place.mkdir(parents=True, exist_ok=True)
    pretty = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    (place / "summary.json").write_bytes(pretty)
    lines = [
        f"# {summary.campaign}",
        "",
        f"{summary.started_at:%Y-%m-%d %H:%M} - {summary.ended_at:%H:%M} UTC, "
        f"{summary.agents} agents",
        "",
        "| figure | value |",
        "|---|---|",
    ]
    for name, value in msgspec.structs.asdict(summary.figures).items():
        if isinstance(value, int | float | str):
            lines.append(f"| {name} | {value} |")
    messages, called = summary.messages, summary.inbound
    for title, table in (
        ("Messages", {} if messages is None else messages.states),
        ("Replies", {} if messages is None else messages.requests),
        ("Calls to us", {} if called is None else msgspec.structs.asdict(called)),
        ("Blocked by rule", summary.figures.blocked_by_rule),
        ("Outcomes", summary.figures.outcomes),
        ("Queue", summary.figures.queue),
    ):
        if not table:
            continue
        lines += ["", f"## {title}", "", "| | |", "|---|---|"]
        lines += [f"| {key} | {count} |" for key, count in table.items()]
    (place / "summary.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place
