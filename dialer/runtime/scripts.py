"""Gets ready what a campaign says by machine, or tells why the campaign cannot start.

A person who answers must never meet silence: whatever a call may need is approved, complete and
made into audio before the first number is dialed.
"""

from __future__ import annotations

import structlog

from campaigns.campaign import CampaignSettings
from campaigns.content.render import RenderContext
from campaigns.content.sending import Skipped
from campaigns.flows.model import Flow, flow_hash
from campaigns.flows.samples import sample_flows
from compliance.types import CollectorRole, Mode
from dialer.core.script import (
    Script,
    Scripts,
    house_values,
    lines_for_everybody,
    make_script,
    missing_house_fields,
    speaks_to_persons,
)
from dialer.runtime.clock import Clock
from dialer.runtime.prompting import Prompter
from dialer.runtime.safety import UnsafeDialing
from dialer.runtime.speech import SpeechUnavailable
from dialer.stores.ledger.content import ContentKind, approved_version
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.portfolios import Portfolio
from telephony_adapters.messages import AdapterFacts

log = structlog.get_logger()

SHIPPED_FAREWELL = "no-agent"
"""The flow that ships with Marcador for abandoned calls."""


class NothingToSay(UnsafeDialing):
    """The campaign cannot say what it would have to: why, and how to mend it."""


async def approved_flow(ledger: Ledger, name: str) -> tuple[Flow, str]:
    """A flow that may be used, and its hash. Raises `NothingToSay`."""
    async with ledger.read() as conn:
        found = await approved_version(conn, ContentKind.FLOW, name)
    if found is None or not isinstance(found.document, Flow):
        raise NothingToSay(
            es=f"el flujo `{name}` no está aprobado; un gestor lo presenta (POST /api/v1/flows, "
            "luego .../submit) y cumplimiento lo aprueba",
            en=f"flow `{name}` is not approved; a manager submits it (POST /api/v1/flows, then "
            ".../submit) and compliance approves it",
        )
    return found.document, found.info.sha256


async def check_flows(ledger: Ledger, settings: CampaignSettings) -> None:
    """That the flows of a campaign are approved. Raises `NothingToSay`."""
    for name in filter(None, (settings.flow, settings.abandon_flow, settings.inbound_flow)):
        await approved_flow(ledger, name)


class ScriptReader:
    """Makes the scripts of campaigns for one carrier."""

    def __init__(
        self, *, ledger: Ledger, clock: Clock, facts: AdapterFacts, prompter: Prompter
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._facts = facts
        self._prompter = prompter

    async def read(self, name: str, settings: CampaignSettings, portfolio: Portfolio) -> Scripts:
        """What a campaign says. Raises `NothingToSay`."""
        flow = farewell = inbound = None
        if settings.mode is Mode.IVR and settings.flow is not None:
            flow = await self._approved(name, settings.flow, settings, portfolio)
        if settings.abandon_flow is not None:
            farewell = await self._approved(name, settings.abandon_flow, settings, portfolio)
        elif self._facts.prompts:
            farewell = await self._shipped_farewell(name, settings, portfolio)
        if settings.inbound_flow is not None:
            inbound = await self._approved(
                name, settings.inbound_flow, settings, portfolio, inbound=True
            )
        return Scripts(flow, farewell, inbound)

    async def _approved(
        self,
        campaign: str,
        flow_name: str,
        settings: CampaignSettings,
        portfolio: Portfolio,
        *,
        inbound: bool = False,
    ) -> Script:
        if not (self._facts.prompts and self._facts.dtmf):
            raise NothingToSay(
                es=f"la campaña `{campaign}` usa el flujo `{flow_name}`, y el operador "
                f"`{self._facts.name}` no dice textos o no oye teclas; use otro operador",
                en=f"campaign `{campaign}` runs flow `{flow_name}`, and carrier "
                f"`{self._facts.name}` plays no prompts or hears no keys; use another carrier",
            )
        flow, sha256 = await approved_flow(self._ledger, flow_name)
        if inbound and not self._facts.inbound:
            raise NothingToSay(
                es=f"la campaña `{campaign}` tiene `inbound_flow`, y el operador "
                f"`{self._facts.name}` no trae llamadas entrantes; quítelo, o use otro operador",
                en=f"campaign `{campaign}` has an `inbound_flow`, and carrier "
                f"`{self._facts.name}` brings no calls in; take it out, or use another carrier",
            )
        if inbound and not flow.inbound:
            raise NothingToSay(
                es=f"el flujo `{flow_name}` es para llamadas salientes; `inbound_flow` pide uno "
                "que diga `inbound: true`",
                en=f"flow `{flow_name}` is for outbound calls; `inbound_flow` needs one that says "
                "`inbound: true`",
            )
        if flow.inbound and not inbound:
            raise NothingToSay(
                es=f"el flujo `{flow_name}` es para quien nos llama; elija uno de llamadas "
                "salientes",
                en=f"flow `{flow_name}` is for people who call in; choose one for outbound calls",
            )
        return await self._ready(campaign, flow, sha256, settings, portfolio)

    async def _shipped_farewell(
        self, campaign: str, settings: CampaignSettings, portfolio: Portfolio
    ) -> Script | None:
        """The shipped message, where it can be said: nothing depends on it but a pack's rule."""
        flow = next(flow for flow in sample_flows() if flow.name == SHIPPED_FAREWELL)
        try:
            return await self._ready(campaign, flow, flow_hash(flow), settings, portfolio)
        except NothingToSay as error:
            log.warning("no_abandon_message", campaign=campaign, why=str(error))
            return None

    async def _ready(
        self,
        campaign: str,
        flow: Flow,
        sha256: str,
        settings: CampaignSettings,
        portfolio: Portfolio,
    ) -> Script:
        house = house_values(settings, portfolio.creditor_name_neutral)
        missing = sorted(missing_house_fields(flow, house, machine=settings.leave_message))
        if missing:
            keys = ", ".join(f"spoken.{field}" for field in missing)
            raise NothingToSay(
                es=f"campaña `{campaign}`: el flujo `{flow.name}` dice {', '.join(missing)}, que "
                f"nadie ha dado; ponga {keys} en los ajustes de la campaña (las horas como "
                "hours_es y hours_en)",
                en=f"campaign `{campaign}`: flow `{flow.name}` tells {', '.join(missing)}, which "
                f"nobody has given; set {keys} in the campaign's settings (hours as hours_es and "
                "hours_en)",
            )
        script = make_script(
            flow,
            sha256,
            house,
            settings,
            third_party=portfolio.collector_role is not CollectorRole.FIRST_PARTY,
            country=portfolio.country,
        )
        try:
            await self._make_audio(campaign, script, settings, portfolio)
        except SpeechUnavailable as error:
            raise NothingToSay(
                es=f"campaña `{campaign}`: el flujo `{flow.name}` no se puede decir: {error.es}",
                en=f"campaign `{campaign}`: flow `{flow.name}` cannot be spoken: {error.en}",
            ) from error
        return script

    async def _make_audio(
        self, campaign: str, script: Script, settings: CampaignSettings, portfolio: Portfolio
    ) -> None:
        context = RenderContext(now=self._clock.now(), country=portfolio.country)
        lines = lines_for_everybody(script, context, machine=settings.leave_message)
        for line in lines:
            if isinstance(line, Skipped):
                why = ", ".join((*line.fields, *line.codes))
                raise NothingToSay(
                    es=f"campaña `{campaign}`: el flujo `{script.label}` diría lo que no puede "
                    f"({line.reason}: {why}); corrija los ajustes `spoken` de la campaña",
                    en=f"campaign `{campaign}`: flow `{script.label}` would say what it may not "
                    f"({line.reason}: {why}); correct the campaign's `spoken` settings",
                )
            await self._prompter.prompt(line.text, line.language)
        if speaks_to_persons(script):
            self._prompter.check_can_speak()
