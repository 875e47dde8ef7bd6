"""Templates for tests, good until a test changes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec

from campaigns.content.render import MergeValue, Money, RenderContext
from campaigns.content.sending import ApprovedTemplate
from campaigns.content.template import Template, TemplateKind, TextLanguage
from compliance.types import Channel, ContentClass

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
CHILE = RenderContext(now=NOW, country="CL", zone="America/Santiago")
NEUTRAL_OPENING = (
    "Hola, {{first_name}}. Le escribe {{company}}. Este mensaje es personal: si usted no es esa "
    "persona, bórrelo, por favor. Gracias."
)


def neutral(extra: str = "", **changes: object) -> Template:
    """A neutral SMS with a sentence of the test in it."""
    fields: dict[str, object] = {
        "name": "test",
        "kind": TemplateKind.CONTACT_REQUEST,
        "channel": Channel.SMS,
        "language": TextLanguage.ES,
        "content_class": ContentClass.NEUTRAL,
        "body": "{{company}}: hola, {{first_name}}. Llame al {{return_number}}, {{hours}}. "
        f"{extra} Para dejar de recibir mensajes responda BAJA o STOP.",
    }
    return msgspec.convert({**fields, **changes}, Template)


def verified(extra: str = "", **changes: object) -> Template:
    """A notice by mail to a verified person with a sentence of the test in it."""
    fields: dict[str, object] = {
        "name": "test",
        "kind": TemplateKind.FIRST_OVERDUE,
        "channel": Channel.EMAIL,
        "language": TextLanguage.ES,
        "content_class": ContentClass.VERIFIED,
        "sender_name": "{{company}}",
        "subject": "Un mensaje para usted de {{company}}",
        "body": f"{NEUTRAL_OPENING}\n\nSu cuenta {{{{reference}}}} con {{{{creditor}}}} tiene "
        "{{overdue}} sin pagar al {{balance_as_of}}. Formas de pago: {{payment_methods}}. "
        f"Si ya pagó, no haga caso. Reclamos: {{{{claim_route}}}}. {extra}\n\n"
        "Para no recibir más mensajes responda BAJA o STOP.",
    }
    return msgspec.convert({**fields, **changes}, Template)


def voicemail(body: str, language: TextLanguage = TextLanguage.ES) -> Template:
    return Template(
        name="test",
        kind=TemplateKind.VOICEMAIL,
        channel=Channel.VOICE,
        language=language,
        content_class=ContentClass.VOICEMAIL_LIMITED,
        body=body,
    )


def values(**changes: MergeValue) -> dict[str, MergeValue]:
    """What is known of a person and a campaign."""
    known: dict[str, MergeValue] = {
        "first_name": "María",
        "person_name": "María Pérez",
        "company": "Servicios BP",
        "agent_name": "Ana Ruiz",
        "return_number": "600 555 0100",
        "hours": "lunes a viernes de 9 a 18 h",
        "reply_times": "mañana de 9 a 18 h",
        "reference": "•••• 4821",
        "creditor": "Banco de Prueba",
        "overdue": Money(cents=123_456, currency="CLP"),
        "amount": Money(cents=1_234_567, currency="CLP"),
        "balance_as_of": NOW - timedelta(hours=3),
        "due_date": date(2026, 11, 5),
        "payment_methods": "transferencia o sucursal",
        "claim_route": "escriba a reclamos@portal.example",
    }
    return {**known, **changes}


def approved(template: Template) -> ApprovedTemplate:
    return ApprovedTemplate(template=template, author="manager", approved_by="compliance")
