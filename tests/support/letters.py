"""People who get messages in tests: every one does as the test says."""

from __future__ import annotations

from campaigns.campaign import CampaignSettings, MessageSettings
from campaigns.content.template import Template, TemplateKind, TextLanguage
from compliance.types import Channel, ContentClass, Mode
from telephony_adapters.messaging import DeliveryState, OutboundMessage, Refusal
from telephony_adapters.simulator.correspondents import Fate, PlannedMove, PlannedReply

DELIVERED = Fate(
    moves=(
        PlannedMove(after_s=0.5, state=DeliveryState.SENT),
        PlannedMove(after_s=2.0, state=DeliveryState.DELIVERED),
    )
)
BODY = (
    "{{company}}: hola, {{first_name}}. Por favor llame al {{return_number}}, {{hours}}. "
    "Para dejar de recibir mensajes responda BAJA o STOP."
)
VALUES = {"return_number": "600 555 0100", "hours": "lunes a viernes de 9 a 18 h"}


class FixedLetters:
    """A `MessageWorld`: everybody has the same fate, but for the addresses that are named."""

    def __init__(self, fate: Fate = DELIVERED) -> None:
        self.fate_of_all = fate
        self.by_address: dict[str, Fate] = {}

    def fate(self, message: OutboundMessage, past: int) -> Fate:
        return self.by_address.get(message.to, self.fate_of_all)


def answers(text: str, after_s: float = 3.0) -> Fate:
    """Delivered, and answered so."""
    return Fate(moves=DELIVERED.moves, reply=PlannedReply(after_s=after_s, text=text))


def comes_to(state: DeliveryState, refusal: Refusal | None = None) -> Fate:
    return Fate(
        moves=(
            PlannedMove(after_s=0.5, state=DeliveryState.SENT),
            PlannedMove(after_s=2.0, state=state, refusal=refusal),
        )
    )


def contact_request(
    name: str = "contact-request-es", channel: Channel = Channel.SMS, body: str = BODY
) -> Template:
    is_mail = channel is Channel.EMAIL
    return Template(
        name=name,
        kind=TemplateKind.CONTACT_REQUEST,
        channel=channel,
        language=TextLanguage.ES,
        content_class=ContentClass.NEUTRAL,
        sender_name="{{company}}" if is_mail else "",
        subject="Un mensaje para usted de {{company}}" if is_mail else "",
        body=body,
    )


def blast(
    channel: Channel = Channel.SMS,
    *,
    templates: tuple[str, ...] = ("contact-request-es",),
    values: dict[str, str] = VALUES,
    max_per_hour: int | None = None,
    per_agent_hour: float | None = None,
    max_balance_age_s: int = 86_400,
) -> CampaignSettings:
    """Settings of a campaign of messages."""
    return CampaignSettings(
        mode=Mode.BLAST,
        channel=channel,
        message=MessageSettings(
            templates=templates,
            values=values,
            max_per_hour=max_per_hour,
            per_agent_hour=per_agent_hour,
            max_balance_age_s=max_balance_age_s,
        ),
    )
