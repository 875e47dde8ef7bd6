"""What Twilio forbids is refused beforehand, with the reason in both languages."""

from __future__ import annotations

import pytest

from compliance.types import Channel, CollectorRole
from telephony_adapters.twilio.preflight import objection


@pytest.mark.parametrize("country", ["US", "CA", "us"])
@pytest.mark.parametrize("role", [CollectorRole.THIRD_PARTY, CollectorRole.DEBT_BUYER])
def test_third_party_collection_sms_is_refused(country: str, role: CollectorRole) -> None:
    found = objection(Channel.SMS, country, role)
    assert found is not None
    assert {"twilio:30460", "twilio:30863"} <= set(found.provider_codes)
    for language, word in (("es", "cobranza"), ("en", "debt collection")):
        assert word in found.text(language)
        assert "30460" in found.text(language)
        assert "30863" in found.text(language)


@pytest.mark.parametrize(
    ("channel", "country", "role"),
    [
        (Channel.SMS, "US", CollectorRole.FIRST_PARTY),
        (Channel.SMS, "CL", CollectorRole.THIRD_PARTY),
        (Channel.VOICE, "US", CollectorRole.THIRD_PARTY),
        (Channel.WHATSAPP, "CA", CollectorRole.THIRD_PARTY),
    ],
)
def test_nothing_else_is(channel: Channel, country: str, role: CollectorRole) -> None:
    assert objection(channel, country, role) is None
