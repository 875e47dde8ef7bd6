"""What Twilio forbids before anything is sent, so that a campaign is refused with a reason and
not number by number. Pure.

Sources: Twilio's error dictionary, 30460 and 30863 (verification of a sender rejected: third-party
debt collection) and 30943 (10DLC campaign rejected for the same), and its page "Forbidden message
categories for SMS and MMS in the US and Canada": only the one who is owed the debt may write, to
people who have agreed to it themselves.
"""

from __future__ import annotations

from typing import Final

from compliance.types import Channel, CollectorRole
from telephony_adapters.messaging import Objection

FORBIDDEN_COUNTRIES: Final = frozenset({"US", "CA"})
ERRORS: Final = (30460, 30863, 30943)


_THIRD_PARTY: Final = Objection(
    code="twilio_third_party_collection_sms",
    provider_codes=tuple(f"twilio:{code}" for code in ERRORS),
    es=(
        "Twilio prohíbe los SMS de cobranza por cuenta de terceros en Estados Unidos y Canadá "
        "(errores 30460, 30863 y 30943). Use llamadas, correo o carta para esta campaña, o "
        "envíe los SMS desde la cuenta del propio acreedor."
    ),
    en=(
        "Twilio forbids third-party debt collection by SMS in the United States and Canada "
        "(errors 30460, 30863 and 30943). Use calls, e-mail or letters for this campaign, or "
        "send the messages from the creditor's own account."
    ),
)


def objection(channel: Channel, country: str, role: CollectorRole) -> Objection | None:
    """What Twilio has against messages of this channel to this country (ISO 3166-1 alpha-2).

    Only the creditor's own messages pass: a buyer of debts is owed them, but people have agreed
    to be written to by somebody else. None: nothing stands against it here.
    """
    if channel is not Channel.SMS or country.upper() not in FORBIDDEN_COUNTRIES:
        return None
    return None if role is CollectorRole.FIRST_PARTY else _THIRD_PARTY
