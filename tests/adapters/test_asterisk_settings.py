"""Settings: what can be dialed, and when nobody real is behind the trunk."""

from __future__ import annotations

import msgspec
import pytest

from telephony_adapters.asterisk.settings import AsteriskSettings

SETTINGS = AsteriskSettings(
    url="http://127.0.0.1:8088",
    user="marcador",
    password="secret-word",
    app="marcador",
    dial="PJSIP/trunk/sip:{number}@127.0.0.1:5070",
    agent_dial="PJSIP/{agent}",
    laboratory=True,
)


def test_a_laboratory_is_believed_on_loopback_only() -> None:
    assert SETTINGS.reaches_nobody
    assert SETTINGS.faults() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"laboratory": False},
        {"url": "http://10.0.0.5:8088"},
        {"url": "http://localhost:8088"},
        {"url": "http://127.0.0.1.example.com:8088"},
        {"url": "http://pbx@10.0.0.5:8088"},
        {"dial": "PJSIP/{number}@trunk"},
        {"dial": "PJSIP/trunk/sip:{number}@10.0.0.5:5070"},
        {"dial": "PJSIP/trunk/sip:{number}@localhost:5070"},
        {"dial": "PJSIP/trunk/sip:{number}@127.0.0.1@10.0.0.5"},
        {"dial": "PJSIP/trunk/sip:{number}@127.0.0.1:5070;maddr=10.0.0.5"},
        {"dial": "PJSIP/trunk/sip:{number}@127.0.0.1&PJSIP/{number}@carrier"},
        {"dial": "PJSIP/trunk/sip:{number}@127.1"},
        {"dial": "SIP/trunk/{number}"},
        {"dial": "Local/{number}@outbound"},
    ],
)
def test_everything_else_can_reach_people(changes: dict[str, object]) -> None:
    settings = msgspec.structs.replace(SETTINGS, **changes)
    assert not settings.reaches_nobody
    if settings.laboratory:
        assert any(fault.startswith("laboratory: ") for fault in settings.faults())


def test_loopback_has_two_families() -> None:
    settings = msgspec.structs.replace(
        SETTINGS, url="http://[::1]:8088", dial="PJSIP/trunk/sip:{number}@[::1]:5070"
    )
    assert settings.reaches_nobody


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "127.0.0.1:8088"),
        ("url", "ftp://127.0.0.1"),
        ("app", "two words"),
        ("app", "a" * 41),
        ("dial", "PJSIP/trunk"),
        ("dial", "PJSIP/{trunk}"),
        ("dial", "PJSIP/{phone}@trunk"),
        ("dial", "PJSIP/{number!r}@trunk"),
        ("dial", "PJSIP/{number}@{trunk"),
        ("dial", "PJSIP/{number}@{}"),
        ("agent_dial", "PJSIP/agent"),
        ("agent_dial", "PJSIP/{number}"),
    ],
)
def test_what_cannot_be_used_is_named(key: str, value: str) -> None:
    settings = msgspec.structs.replace(SETTINGS, laboratory=False, **{key: value})
    assert [fault.split(":")[0] for fault in settings.faults()] == [key]


@pytest.mark.parametrize(
    ("dial", "expected"),
    [
        ("PJSIP/{number}@trunk", "PJSIP/+13055550100@trunk"),
        ("PJSIP/{digits}@{trunk}", "PJSIP/13055550100@main"),
        ("PJSIP/trunk/sip:{number}@10.0.0.5", "PJSIP/trunk/sip:+13055550100@10.0.0.5"),
    ],
)
def test_dial_strings(dial: str, expected: str) -> None:
    settings = msgspec.structs.replace(SETTINGS, dial=dial)
    assert settings.dial_string("+13055550100", "main") == expected


@pytest.mark.parametrize(
    ("dial", "endpoint"),
    [
        ("PJSIP/{number}@trunk", "trunk"),
        ("PJSIP/trunk-1/sip:{number}@10.0.0.5", "trunk-1"),
        ("PJSIP/{number}@{trunk}", None),
        ("Local/{number}@outbound", None),
    ],
)
def test_the_endpoint_of_the_trunk(dial: str, endpoint: str | None) -> None:
    assert msgspec.structs.replace(SETTINGS, dial=dial).trunk_endpoint == endpoint
