"""The safety catch: which carrier may dial whom."""

from __future__ import annotations

from compliance.types import Channel, CollectorRole
from dialer.config import Config
from telephony_adapters.messaging import MessagingAdapter
from telephony_adapters.port import TelephonyAdapter


class UnsafeDialing(Exception):
    """This portfolio or campaign may not be worked through this carrier: why, and after a semicolon
    how to mend it, in both languages."""

    def __init__(self, *, es: str, en: str) -> None:
        super().__init__(en)
        self.es = es
        self.en = en


class CannotSend(UnsafeDialing):
    """A campaign of messages lacks what it needs: a provider, or an approved text."""


def no_provider(channel: Channel) -> CannotSend:
    key = f"messages.{channel.value}"
    return CannotSend(
        es=f"ningún proveedor lleva {channel.value}; configure {key}",
        en=f"no provider carries {channel.value}; set {key}",
    )


def check_adapter(config: Config, adapter: TelephonyAdapter) -> None:
    """A carrier that can reach real people needs the explicit switch. Raises `UnsafeDialing`."""
    facts = adapter.facts
    if facts.simulated or facts.loopback or config.telephony.allow_real_dialing:
        return
    raise UnsafeDialing(
        es=f"el operador `{facts.name}` puede llamar a personas reales; ponga "
        "telephony.allow_real_dialing = true para permitirlo",
        en=f"carrier `{facts.name}` can call real people; set telephony.allow_real_dialing = true "
        "to allow that",
    )


def check_messenger(config: Config, messenger: MessagingAdapter) -> None:
    """A provider that can reach real people needs a switch of its own. Raises `UnsafeDialing`."""
    facts = messenger.facts
    if facts.simulated or facts.loopback or config.messages.allow_real_sending:
        return
    raise UnsafeDialing(
        es=f"el proveedor `{facts.name}` puede escribir a personas reales; ponga "
        "messages.allow_real_sending = true para permitirlo",
        en=f"provider `{facts.name}` can write to real people; set "
        "messages.allow_real_sending = true to allow that",
    )


def check_recipients(name: str, messenger: MessagingAdapter, *, synthetic: bool) -> None:
    """Synthetic people are never written to through a provider that could reach real ones."""
    facts = messenger.facts
    if synthetic and not (facts.simulated or facts.loopback):
        raise UnsafeDialing(
            es=f"la cartera `{name}` es sintética: sólo se le escribe por un proveedor simulado o "
            f"local, no por `{facts.name}`",
            en=f"portfolio `{name}` is synthetic: it may only be written to through a simulated "
            f"or loopback provider, not through `{facts.name}`",
        )


def check_written_campaign(
    messenger: MessagingAdapter, channel: Channel, country: str, role: CollectorRole
) -> None:
    """A campaign that the provider forbids is refused before its first message, with the reason.

    Raises `CannotSend`.
    """
    facts = messenger.facts
    if channel not in facts.channels:
        raise CannotSend(
            es=f"el proveedor `{facts.name}` no lleva {channel.value}",
            en=f"provider `{facts.name}` carries no {channel.value}",
        )
    found = messenger.objection(channel, country, role)
    if found is not None:
        raise CannotSend(es=found.es, en=found.en)


def check_portfolio(name: str, adapter: TelephonyAdapter, *, synthetic: bool) -> None:
    """Synthetic people are never called through a carrier that could reach real ones."""
    facts = adapter.facts
    if synthetic and not (facts.simulated or facts.loopback):
        raise UnsafeDialing(
            es=f"la cartera `{name}` es sintética: sólo se marca por un operador simulado o "
            f"local, no por `{facts.name}`",
            en=f"portfolio `{name}` is synthetic: it may only be dialed through a simulated or "
            f"loopback carrier, not through `{facts.name}`",
        )


def check_campaign(name: str, adapter: TelephonyAdapter, *, amd: bool) -> None:
    """A campaign asks only for what the carrier can do: otherwise every call would fail."""
    facts = adapter.facts
    if amd and not facts.amd:
        raise UnsafeDialing(
            es=f"la campaña `{name}` detecta contestadores, y el operador `{facts.name}` no puede "
            "tal como está configurado; apague amd en la campaña, o configure el operador",
            en=f"campaign `{name}` detects answering machines, which carrier `{facts.name}` cannot "
            "as it is configured; switch amd off in the campaign, or set the carrier up for it",
        )


def check_simulated_agents(adapter: TelephonyAdapter) -> None:
    """Nobody real ever talks to a simulated agent. Raises `UnsafeDialing`."""
    facts = adapter.facts
    if facts.simulated or facts.loopback:
        return
    raise UnsafeDialing(
        es="los agentes simulados no tienen nada que decir a personas reales, y el operador "
        f"`{facts.name}` llega a ellas; use `marcador serve` con agentes reales",
        en=f"simulated agents have nothing to say to real people, and carrier `{facts.name}` "
        "reaches them; use `marcador serve` with real agents",
    )
