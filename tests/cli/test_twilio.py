"""Twilio from the command line: its keys, its check-up, and a whole shift against the fake."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dialer.cli.exits import ExitCode
from tests.cli.conftest import Cli
from tests.cli.world import Made
from tests.support.free_port import free_port

ACCOUNT = "AC" + "0" * 31 + "1"
TOKEN = "5ecre7-0f-the-4ccount"
SPEED = "30"


@pytest.fixture(scope="module")
def api_url() -> Iterator[str]:
    """The fake, as a user starts it."""
    port = free_port()
    command = [sys.executable, "-m", "telephony_adapters.twilio.fake", "--port", str(port),
               "--speed", SPEED, "--calls-per-s", "30", "--auth-token", TOKEN]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def keys(api_url: str, **changes: str) -> list[str]:
    port = free_port()
    values = {
        "telephony.adapter": "twilio",
        "twilio.account_sid": ACCOUNT,
        "twilio.auth_token": TOKEN,
        "twilio.api_url": api_url,
        "twilio.public_url": f"http://127.0.0.1:{port}",
        "twilio.listen_port": str(port),
        "twilio.caller_ids": "+56221234567, +56221234568",
        "twilio.calls_per_s": "30",
        "http.port": "0",
        **{f"twilio.{name}": value for name, value in changes.items()},
    }
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def findings(cli: Cli, args: list[str], code: ExitCode) -> dict[str, dict[str, Any]]:
    ran = cli("doctor", "--json", *args)
    assert ran.code == code, ran.out
    assert TOKEN not in ran.out + ran.err
    return {finding["check"]: finding for finding in ran.json["findings"]}


def test_a_shift_against_the_fake(english: Cli, api_url: str) -> None:
    small = ("--accounts", "40", "--agents", "2", "--minutes", "2", "--speed", SPEED)
    ran = english("run", "--sample", *small, *keys(api_url), "--json")
    assert ran.code == ExitCode.OK, ran.err
    summary = ran.json
    assert summary["queue_conserved"] is True
    assert summary["ledger"]["problem_count"] == 0
    assert summary["portfolio"] == "sample-cl"


def test_the_doctor_looks_at_account_and_webhooks(english: Cli, made: Made, api_url: str) -> None:
    found = findings(english, keys(api_url), ExitCode.OK)
    for check in ("twilio_reach", "twilio_account", "twilio_webhooks", "twilio_rate"):
        assert found[check]["state"] == "ok", found[check]


def test_the_doctor_says_what_a_number_lacks_to_be_called(
    english: Cli, made: Made, api_url: str
) -> None:
    found = findings(english, keys(api_url), ExitCode.OK)["twilio_inbound"]
    assert found["state"] == "warning"  # the fake was told of no webhook
    assert "/twilio/voice (HTTP POST)" in found["mend"]


@pytest.mark.parametrize("status_url", [True, False])
def test_the_doctor_sees_whether_a_number_tells_of_its_calls(
    english: Cli, made: Made, status_url: bool
) -> None:
    public, port = f"http://127.0.0.1:{free_port()}", free_port()
    command = [sys.executable, "-m", "telephony_adapters.twilio.fake", "--port", str(port),
               "--auth-token", TOKEN, "--voice-url", f"{public}/twilio/voice"]  # fmt: skip
    if status_url:
        command += ["--voice-status-url", f"{public}/twilio/voice/status"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        wanted = keys(
            f"http://127.0.0.1:{port}", public_url=public, listen_port=public.rpartition(":")[2]
        )
        found = findings(english, wanted, ExitCode.OK)["twilio_inbound"]
        process.terminate()
    assert found["state"] == ("ok" if status_url else "warning"), found
    assert status_url or "/twilio/voice/status" in found["mend"]


def test_the_doctor_names_what_is_wrong(english: Cli, made: Made, api_url: str) -> None:
    wrong = keys(api_url, auth_token="wrong", public_url=api_url, calls_per_s="1")
    found = findings(english, wrong, ExitCode.NO)
    assert found["twilio_account"]["state"] == "problem"
    assert "twilio.auth_token" in found["twilio_account"]["mend"]
    assert found["twilio_webhooks"]["state"] == "problem"
    assert "twilio.public_url" in found["twilio_webhooks"]["mend"]
    assert found["twilio_rate"]["state"] == "warning"


def test_the_doctor_tells_who_is_not_there(english: Cli, made: Made) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    found = findings(english, keys(nobody, public_url=nobody), ExitCode.NO)
    assert found["twilio_account"]["state"] == "problem"
    assert found["twilio_webhooks"]["state"] == "warning"


@pytest.mark.parametrize(
    ("key", "value"),
    [("account_sid", "AC1"), ("caller_ids", ""), ("public_url", "http://calls.example.com")],
)
def test_a_key_that_cannot_work_is_named(
    english: Cli, made: Made, api_url: str, key: str, value: str
) -> None:
    wrong = keys(api_url, **{key: value})
    found = findings(english, wrong, ExitCode.NO)
    assert f"twilio.{key}" in found["twilio_settings"]["found"]
    ran = english("run", "--sample", "--accounts", "20", *wrong)
    assert ran.code == ExitCode.BAD_INPUT
    assert f"twilio.{key}" in ran.err


def test_the_real_twilio_needs_the_switch_and_real_agents(english: Cli, made: Made) -> None:
    real = keys("https://api.twilio.com", public_url="https://calls.example.com")
    ran = english("run", "--sample", "--accounts", "20", *real)
    assert ran.code == ExitCode.BAD_INPUT
    assert "simulated agents" in ran.err
    ran = english("serve", *real)
    assert ran.code == ExitCode.BAD_INPUT
    assert "telephony.allow_real_dialing" in ran.err + ran.out


MESSAGES = {
    "messages.sms": "twilio",
    "messages.whatsapp": "twilio",
    "telephony.adapter": "simulator",
    "twilio.caller_ids": "",
}


def message_keys(api_url: str, **changes: str) -> list[str]:
    more = {"sms_from": "+56221234567", "whatsapp_from": "+56221234567"} | changes
    words = keys(api_url, **more)
    return [
        *words,
        *(word for key, value in MESSAGES.items() for word in ("--set", f"{key}={value}")),
    ]


def test_the_doctor_looks_at_messages_without_calls(english: Cli, made: Made, api_url: str) -> None:
    found = findings(english, message_keys(api_url), ExitCode.OK)
    assert found["messages"]["found"] == "sms: twilio, whatsapp: twilio, email: simulator"
    for check in ("messages_twilio", "twilio_account", "twilio_webhooks"):
        assert found[check]["state"] == "ok", found[check]
    assert found["twilio_sms_sender"]["state"] == "warning"  # the fake was told of no webhook
    assert "/twilio/message/in" in found["twilio_sms_sender"]["mend"]


def test_the_doctor_warns_of_a_sender_that_nobody_can_answer(
    cli: Cli, made: Made, api_url: str
) -> None:
    found = findings(cli, message_keys(api_url, sms_from="AGENCIA"), ExitCode.OK)
    assert found["twilio_sms_sender"]["state"] == "warning"
    assert "BAJA" in found["twilio_sms_sender"]["found"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("sms_from", "a name that is too long"), ("whatsapp_from", "none"), ("auth_token", "")],
)
def test_a_key_of_messages_that_cannot_work_is_named(
    english: Cli, made: Made, api_url: str, key: str, value: str
) -> None:
    found = findings(english, message_keys(api_url, **{key: value}), ExitCode.NO)
    assert f"twilio.{key}" in found["messages_twilio"]["found"]
