"""Which provider carries what, by the configuration, and the safety catch before real people."""

from __future__ import annotations

import pytest

from compliance.types import Channel, CollectorRole
from dialer.bootstrap import carrier_of, messengers_of
from dialer.config import Config, ConfigError, load_config
from dialer.runtime.clock import WallClock
from dialer.runtime.safety import (
    CannotSend,
    UnsafeDialing,
    check_recipients,
    check_written_campaign,
)
from telephony_adapters.twilio.adapter import TwilioAdapter
from telephony_adapters.twilio.messages import TwilioMessenger

SMTP = {
    "messages.email": "smtp",
    "smtp.host": "127.0.0.1",
    "smtp.security": "plain",
    "smtp.from_address": "cobranza@agencia.example",
}


def configured(**keys: str) -> Config:
    return load_config(environ={}, overrides={**keys})


def test_by_default_one_simulated_provider_carries_all() -> None:
    messengers = messengers_of(Config(), WallClock())
    assert set(messengers) == {Channel.SMS, Channel.WHATSAPP, Channel.EMAIL}
    (one,) = {id(adapter): adapter for adapter in messengers.values()}.values()
    assert one.facts.simulated
    assert one.facts.channels == frozenset(messengers)


def test_a_channel_may_have_no_provider() -> None:
    messengers = messengers_of(configured(**{"messages.whatsapp": "none"}), WallClock())
    assert set(messengers) == {Channel.SMS, Channel.EMAIL}
    assert Channel.WHATSAPP not in messengers[Channel.SMS].facts.channels


def test_a_mail_server_on_this_machine_needs_the_switch_for_it_reaches_people() -> None:
    with pytest.raises(UnsafeDialing, match=r"messages\.allow_real_sending"):
        messengers_of(configured(**SMTP), WallClock())
    calls = configured(**SMTP, **{"telephony.allow_real_dialing": "true"})
    with pytest.raises(UnsafeDialing):
        messengers_of(calls, WallClock())
    allowed = messengers_of(
        configured(**SMTP, **{"messages.allow_real_sending": "true"}), WallClock()
    )
    assert allowed[Channel.EMAIL].facts.name == "smtp"
    assert allowed[Channel.SMS].facts.simulated
    laboratory = messengers_of(configured(**SMTP, **{"smtp.laboratory": "true"}), WallClock())
    assert laboratory[Channel.EMAIL].facts.loopback


def test_synthetic_people_are_never_written_to_for_real() -> None:
    config = configured(**SMTP, **{"messages.allow_real_sending": "true"})
    messengers = messengers_of(config, WallClock())
    with pytest.raises(UnsafeDialing, match="synthetic"):
        check_recipients("muestra", messengers[Channel.EMAIL], synthetic=True)
    check_recipients("cartera", messengers[Channel.EMAIL], synthetic=False)
    check_recipients("muestra", messengers[Channel.SMS], synthetic=True)


TWILIO = {
    "messages.sms": "twilio",
    "messages.whatsapp": "twilio",
    "twilio.account_sid": "AC" + "0" * 31 + "1",
    "twilio.auth_token": "secret",
    "twilio.public_url": "https://calls.example.com",
    "twilio.sms_from": "+56221234567",
    "twilio.whatsapp_from": "+56221234567",
}


def test_twilio_carries_both_channels_by_one_adapter_and_needs_the_switch() -> None:
    with pytest.raises(UnsafeDialing, match=r"messages\.allow_real_sending"):
        messengers_of(configured(**TWILIO), WallClock())
    allowed = configured(**TWILIO, **{"messages.allow_real_sending": "true"})
    messengers = messengers_of(allowed, WallClock())
    assert messengers[Channel.SMS] is messengers[Channel.WHATSAPP]
    assert messengers[Channel.SMS].facts.name == "twilio"
    assert messengers[Channel.EMAIL].facts.simulated


def test_twilio_for_one_channel_needs_the_sender_of_that_channel_only() -> None:
    keys = {key: value for key, value in TWILIO.items() if key != "twilio.whatsapp_from"}
    keys |= {"messages.allow_real_sending": "true"}
    with pytest.raises(ConfigError, match=r"`twilio\.whatsapp_from`"):
        messengers_of(configured(**keys), WallClock())
    messengers = messengers_of(configured(**keys | {"messages.whatsapp": "simulator"}), WallClock())
    assert messengers[Channel.SMS].facts.channels == {Channel.SMS}
    assert messengers[Channel.WHATSAPP].facts.simulated


def test_calls_and_messages_of_one_account_share_the_door() -> None:
    config = configured(
        **TWILIO,
        **{
            "messages.allow_real_sending": "true",
            "telephony.adapter": "twilio",
            "twilio.caller_ids": "+56221234567",
        },
    )
    carrier = carrier_of(config, WallClock())
    messenger = messengers_of(config, WallClock(), carrier)[Channel.SMS]
    assert isinstance(carrier, TwilioAdapter)
    assert isinstance(messenger, TwilioMessenger)
    assert messenger.door is carrier.door


def test_what_the_provider_forbids_is_refused_as_a_campaign() -> None:
    config = configured(**TWILIO, **{"messages.allow_real_sending": "true"})
    messengers = messengers_of(config, WallClock())
    sms, third = messengers[Channel.SMS], CollectorRole.THIRD_PARTY
    with pytest.raises(CannotSend) as refused:
        check_written_campaign(sms, Channel.SMS, "US", third)
    assert "cobranza por cuenta de terceros" in refused.value.es
    with pytest.raises(CannotSend, match="carries no email"):
        check_written_campaign(sms, Channel.EMAIL, "CL", third)
    check_written_campaign(sms, Channel.SMS, "CL", third)
    check_written_campaign(messengers[Channel.EMAIL], Channel.EMAIL, "US", third)


@pytest.mark.parametrize(
    ("key", "value"),
    [("host", ""), ("from_address", "nobody"), ("user", "x"), ("return_path", "{id}")],
)
def test_a_key_that_cannot_work_is_named(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=r"`smtp\."):
        messengers_of(configured(**SMTP | {f"smtp.{key}": value}), WallClock())
