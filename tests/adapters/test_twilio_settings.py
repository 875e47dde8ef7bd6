"""A setting that cannot work is named, and secrets are never shown."""

from __future__ import annotations

import msgspec
import pytest

from telephony_adapters.settings import SettingsProblem
from telephony_adapters.twilio.settings import (
    TwilioSettings,
    check,
    is_loopback,
    leg_address,
)

GOOD = TwilioSettings(
    account_sid="AC" + "0" * 32,
    auth_token="token-of-the-account",
    public_url="https://calls.example.com/door",
    caller_ids=("+12025550123",),
)


def test_good_settings_pass_and_hide_the_token() -> None:
    assert check(GOOD) is GOOD
    assert "token-of-the-account" not in repr(GOOD)
    assert not GOOD.is_loopback


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("account_sid", ""),
        ("account_sid", "SK" + "0" * 32),
        ("auth_token", ""),
        ("public_url", ""),
        ("public_url", "calls.example.com"),
        ("public_url", "http://calls.example.com"),
        ("public_url", "https://calls.example.com/?a=1"),
        ("public_url", "https://127.0.0.1:8470"),
        ("public_url", "https://localhost"),
        ("api_url", "http://api.example.com"),
        ("prompts_url", "ftp://example.com"),
        ("hold_music_url", "music.mp3"),
        ("caller_ids", ()),
        ("caller_ids", ("2025550123",)),
        ("agent_address", "{agent}"),
    ],
)
def test_what_cannot_work_is_named(key: str, value: object) -> None:
    with pytest.raises(SettingsProblem) as problem:
        check(msgspec.structs.replace(GOOD, **{key: value}))
    assert problem.value.key == key
    assert problem.value.what
    assert problem.value.mend
    assert GOOD.auth_token not in str(problem.value)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8480", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8480", True),
        ("http://localhost:8480/x", True),
        ("https://api.twilio.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1", False),
        ("", False),
    ],
)
def test_only_a_loopback_address_is_loopback(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


@pytest.mark.parametrize(
    ("pattern", "endpoint", "address"),
    [
        ("client:{agent}", "agent:dora", "client:dora"),
        ("sip:{agent}@house.sip.twilio.com", "agent:dora", "sip:dora@house.sip.twilio.com"),
        ("client:{agent}", "+12025550123", "+12025550123"),
        ("client:{agent}", "sip:dora@pbx.example.com", None),
        ("client:{agent}", "dora", None),
        ("client:{agent}", "+1", None),
    ],
)
def test_where_a_leg_is_rung(pattern: str, endpoint: str, address: str | None) -> None:
    settings = msgspec.structs.replace(GOOD, agent_address=pattern)
    assert leg_address(settings, endpoint) == address
