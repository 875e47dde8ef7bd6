"""That what flows send during a call can be sent: known before the first number is dialed."""

from __future__ import annotations

import structlog

from campaigns.campaign import CampaignSettings
from campaigns.content.sending import ApprovedTemplate
from campaigns.flows.model import LinkPurpose, LinkTemplates
from compliance.types import Channel, CollectorRole, ContentClass
from dialer.core.link_planning import missing_values
from dialer.core.script import LANGUAGES, Scripts
from dialer.runtime.blasts.sender import Messengers
from dialer.runtime.safety import (
    CannotSend,
    check_recipients,
    check_written_campaign,
    no_provider,
)
from dialer.stores.ledger.content import approved_template
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.portfolios import Portfolio

log = structlog.get_logger()

_TELLS = {
    LinkPurpose.VERIFY: frozenset({ContentClass.NEUTRAL}),
    LinkPurpose.PAY: frozenset({ContentClass.NEUTRAL, ContentClass.VERIFIED}),
}
"""Classes of the texts that may be sent: before verification nothing but a neutral one."""


async def check_links(
    ledger: Ledger,
    messengers: Messengers,
    settings: CampaignSettings,
    portfolio: Portfolio,
    scripts: Scripts,
) -> None:
    """Raises `CannotSend` with flow, node and remedy, and `UnsafeDialing`."""
    for script in scripts.each():
        flow = script.program.flow.name
        for node, link in script.links.items():
            if link.templates is None:
                continue  # approved before a text had to be named; it goes to its `on_failed`
            if settings.links is None:
                log.warning("flow_sends_nothing", flow=flow, node=node, why="settings.links")
                continue
            found = await _texts(ledger, flow, node, link.templates)
            channel = _check_texts(flow, node, link.purpose, found)
            _check_values(flow, node, settings, found)
            messenger = messengers.get(channel)
            if messenger is None:
                raise no_provider(channel)
            check_recipients(portfolio.name, messenger, synthetic=portfolio.synthetic)
            role = CollectorRole(portfolio.collector_role)
            check_written_campaign(messenger, channel, portfolio.country, role)


async def _texts(
    ledger: Ledger, flow: str, node: str, templates: LinkTemplates
) -> dict[str, ApprovedTemplate]:
    found: dict[str, ApprovedTemplate] = {}
    for language in LANGUAGES:
        name = templates.of(language)
        async with ledger.read() as conn:
            approved = await approved_template(conn, name)
        if approved is None:
            raise _wrong(
                flow, node,
                f"el texto `{name}` no está aprobado; preséntelo y que otra persona lo apruebe",
                f"text `{name}` is not approved; submit it and let a second person approve it",
            )  # fmt: skip
        found[language] = approved
    return found


def _check_texts(
    flow: str, node: str, purpose: LinkPurpose, found: dict[str, ApprovedTemplate]
) -> Channel:
    for language, approved in found.items():
        text = approved.template
        if text.language.value != language:
            raise _wrong(
                flow, node,
                f"templates.{language} es `{text.name}`, escrito en {text.language.value}; nombre "
                f"un texto en {language}",
                f"templates.{language} is `{text.name}`, written in {text.language.value}; name a "
                f"text in {language}",
            )  # fmt: skip
        if text.content_class not in _TELLS[purpose]:
            allowed = ", ".join(sorted(_TELLS[purpose]))
            raise _wrong(
                flow, node,
                f"el texto `{text.name}` es de clase {text.content_class.value}; con purpose "
                f"{purpose.value} sólo se envían de clase {allowed}",
                f"text `{text.name}` is of class {text.content_class.value}; with purpose "
                f"{purpose.value} only texts of class {allowed} are sent",
            )  # fmt: skip
    es, en = (found[language].template for language in LANGUAGES)
    if es.channel is not en.channel:
        raise _wrong(
            flow, node,
            f"`{es.name}` es para {es.channel.value} y `{en.name}` para {en.channel.value}; use "
            "dos textos del mismo canal",
            f"`{es.name}` is for {es.channel.value} and `{en.name}` for {en.channel.value}; use "
            "two texts of the same channel",
        )  # fmt: skip
    return es.channel


def _check_values(
    flow: str, node: str, settings: CampaignSettings, found: dict[str, ApprovedTemplate]
) -> None:
    texts = settings.links
    if texts is None:
        return
    for approved in found.values():
        name = approved.template.name
        missing = missing_values(approved, texts)
        if missing:
            keys = ", ".join(f"links.values.{field}" for field in missing)
            raise _wrong(
                flow, node,
                f"el texto `{name}` dice {', '.join(missing)}, que nadie ha dado; ponga {keys} en "
                "los ajustes de la campaña",
                f"text `{name}` tells {', '.join(missing)}, which nobody has given; set {keys} in "
                "the campaign's settings",
            )  # fmt: skip
        if approved.template.channel is Channel.WHATSAPP and name not in texts.provider_templates:
            raise _wrong(
                flow, node,
                f"WhatsApp pide el id de plantilla de `{name}`; ponga "
                f"links.provider_templates.{name} en los ajustes de la campaña",
                f"WhatsApp asks for the template id of `{name}`; set "
                f"links.provider_templates.{name} in the campaign's settings",
            )  # fmt: skip


def _wrong(flow: str, node: str, es: str, en: str) -> CannotSend:
    return CannotSend(
        es=f"flujo `{flow}`, nodo `{node}`: {es}", en=f"flow `{flow}`, node `{node}`: {en}"
    )
