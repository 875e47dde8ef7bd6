"""What a campaign of messages needs to run over invented people: texts, and values for them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from campaigns.campaign import CampaignSettings, MessageSettings, TextSettings
from campaigns.content.lifecycle import ContentAction
from campaigns.content.samples import sample_templates
from campaigns.flows.model import Link
from campaigns.flows.samples import sample_flows
from compliance.types import Channel, Mode
from dialer.runtime.safety import CannotSend
from dialer.stores.ledger.content import (
    ContentKind,
    act_on_version,
    approved_version,
    create_version,
)
from dialer.stores.ledger.database import Ledger
from telephony_adapters.messaging import MessagingAdapter

AUTHOR: Final = "marcador sample"
APPROVER: Final = "marcador run"
TEXTS: Final[dict[Channel, tuple[str, ...]]] = {
    Channel.SMS: ("contact-request-es", "contact-request-en"),
    Channel.WHATSAPP: ("secure-link-es", "secure-link-en"),
    Channel.EMAIL: ("contact-request-email-es", "contact-request-email-en"),
}
VALUES: Final = {
    "return_number": "600 555 0100",
    "hours": "9:00-18:00",
    "secure_link": "https://portal.example/v/7K2",
}


async def sample_blast(
    ledger: Ledger, channel: Channel, messenger: MessagingAdapter, now_ms: int
) -> CampaignSettings:
    """Settings of a campaign with the texts that ship with Marcador.

    They are approved here without two people, so only for a provider that reaches nobody.
    Raises `CannotSend` for any other.
    """
    if not (messenger.facts.simulated or messenger.facts.loopback):
        name = messenger.facts.name
        raise CannotSend(
            es=f"el proveedor `{name}` llega a personas: sus textos los aprueban dos personas; use "
            "`marcador campaign create --settings`",
            en=f"provider `{name}` reaches people: texts for them are approved by two people; use "
            "`marcador campaign create --settings`",
        )
    names = TEXTS[channel]
    await _approve(ledger, names, now_ms)
    provider = {name: f"HX-{name}" for name in names} if channel is Channel.WHATSAPP else {}
    return CampaignSettings(
        mode=Mode.BLAST,
        channel=channel,
        message=MessageSettings(templates=names, values=VALUES, provider_templates=provider),
    )


async def sample_links(ledger: Ledger, flow: str, now_ms: int) -> TextSettings | None:
    """What a shipped flow sends during a call, approved for simulated providers; None: nothing."""
    made = next((one for one in sample_flows() if one.name == flow), None)
    nodes = () if made is None else made.nodes.values()
    texts = [node.templates for node in nodes if isinstance(node, Link) and node.templates]
    names = tuple(name for text in texts for name in (text.es, text.en))
    await _approve(ledger, names, now_ms)
    return TextSettings(values=VALUES) if names else None


async def _approve(ledger: Ledger, names: Collection[str], now_ms: int) -> None:
    """Without two people: for providers that reach nobody."""
    for template in sample_templates():
        if template.name not in names:
            continue
        async with ledger.write() as conn:
            if await approved_version(conn, ContentKind.TEMPLATE, template.name) is not None:
                continue
            made = await create_version(conn, template, actor=AUTHOR, now_ms=now_ms)
        for action, actor in ((ContentAction.SUBMIT, AUTHOR), (ContentAction.APPROVE, APPROVER)):
            await act_on_version(
                ledger,
                ContentKind.TEMPLATE,
                template.name,
                made.info.version,
                action,
                actor=actor,
                now_ms=now_ms,
            )
