"""Which provider carries what, by the configuration, and the safety catch before real people."""

from __future__ import annotations

import pytest

from compliance.types import Channel
from dialer.bootstrap import messengers_of
from dialer.config import Config, ConfigError, load_config
from dialer.runtime.clock import WallClock
from dialer.runtime.safety import UnsafeDialing, check_recipients

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


@pytest.mark.parametrize(
    ("key", "value"),
    [("host", ""), ("from_address", "nobody"), ("user", "x"), ("return_path", "{id}")],
)
def test_a_key_that_cannot_work_is_named(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=r"`smtp\."):
        messengers_of(configured(**SMTP | {f"smtp.{key}": value}), WallClock())
