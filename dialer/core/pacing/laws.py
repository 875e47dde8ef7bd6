"""The control law of a campaign that calls, and what its pacer is made of."""

from __future__ import annotations

from typing import Final

from campaigns.campaign import CampaignSettings
from compliance.types import Mode
from dialer.core.pacing.messages import Law, PacingConfig

_LAWS: Final = {
    Mode.PREDICTIVE: Law.PREDICTIVE,
    Mode.PROGRESSIVE: Law.PROGRESSIVE,
    Mode.PREVIEW: Law.PREVIEW,
    Mode.IVR: Law.LINES,
}


def law_of(settings: CampaignSettings) -> Law:
    """The law that these settings ask for. Raises `KeyError` for a campaign that does not call."""
    law = _LAWS[settings.mode]
    if law is Law.PROGRESSIVE and settings.lines_per_idle_agent > 1.0:
        return Law.FIXED_RATIO
    return law


def is_for_agents(mode: Mode) -> bool:
    """Whether every call of such a campaign is for an agent."""
    return _LAWS.get(mode) in (Law.PREDICTIVE, Law.PROGRESSIVE, Law.PREVIEW)


def paces_agents(mode: Mode) -> bool:
    """Whether a law decides when calls are placed for agents; in preview they do it themselves."""
    return is_for_agents(mode) and mode is not Mode.PREVIEW


def pacing_config(settings: CampaignSettings, *, for_agents: bool = False) -> PacingConfig:
    """What the pacer of a campaign is made of, live and in its twin.

    `for_agents`: its flow may pass people on to agents.
    """
    return PacingConfig(
        law=law_of(settings),
        target_abandonment=settings.target_abandonment,
        lines_per_idle_agent=settings.lines_per_idle_agent,
        max_lines_per_agent=settings.max_lines_per_agent,
        lines=settings.lines,
        for_agents=for_agents,
        ring_timeout_s=float(settings.ring_timeout_s),
        give_up_after_s=settings.give_up_after_s,
        connect_limit_s=settings.connect_limit_ms / 1000,
        amd=settings.amd,
    )
