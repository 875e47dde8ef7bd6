"""`doctor` with a mail server: what is there, what is not, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from dialer.cli.exits import ExitCode
from tests.adapters.smtp_lab import maildir
from tests.cli.conftest import Cli
from tests.cli.world import Made
from tests.support.free_port import free_port


class Counting(Sink):
    """Counts the mails that come."""

    mails = 0

    async def handle_DATA(self, *_: object) -> str:  # noqa: N802 - the library's name
        self.mails += 1
        return "250 OK"


@pytest.fixture
def server() -> Iterator[Controller]:
    controller = Controller(Counting(), hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


def keys(port: int, **changes: str) -> list[str]:
    values = {
        "messages.email": "smtp",
        "http.port": "0",
        "smtp.host": "127.0.0.1",
        "smtp.port": str(port),
        "smtp.security": "plain",
        "smtp.from_address": "cobranza@agencia.example",
        "smtp.laboratory": "true",
        **{f"smtp.{name}": value for name, value in changes.items()},
    }
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def findings(cli: Cli, args: list[str], code: ExitCode) -> dict[str, dict[str, Any]]:
    ran = cli("doctor", "--json", *args)
    assert ran.code == code, ran.out
    return {finding["check"]: finding for finding in ran.json["findings"]}


def test_a_server_in_order(english: Cli, made: Made, server: Controller, tmp_path: Path) -> None:
    inbox = maildir(tmp_path / "inbox")
    (inbox / "new" / "1.mail").write_bytes(b"From: a@b.example\r\n\r\n")
    found = findings(english, keys(server.port, inbox_dir=str(inbox)), ExitCode.OK)
    assert found["messages"]["found"] == "sms: simulator, whatsapp: simulator, email: smtp"
    assert "writes to nobody" in found["smtp_reach"]["found"]
    assert found["smtp_server"]["state"] == "ok"
    assert found["smtp_inbox"]["found"].endswith("1 mails to be read")
    assert server.handler.mails == 0


def test_replies_that_nobody_reads_are_warned_of(cli: Cli, made: Made, server: Controller) -> None:
    found = findings(cli, keys(server.port), ExitCode.OK)
    assert found["smtp_inbox"]["state"] == "warning"
    assert "BAJA" in found["smtp_inbox"]["mend"]


def test_what_is_wrong_is_told(english: Cli, made: Made, server: Controller) -> None:
    found = findings(english, keys(free_port()), ExitCode.NO)
    assert found["smtp_server"]["state"] == "problem"
    assert "smtp.host" in found["smtp_server"]["mend"]

    found = findings(english, keys(server.port, security="starttls"), ExitCode.NO)
    assert "STARTTLS" in found["smtp_server"]["found"]

    found = findings(english, keys(server.port, inbox_dir="/nowhere"), ExitCode.NO)
    assert "is no Maildir" in found["smtp_inbox"]["found"]

    found = findings(english, keys(server.port, laboratory="false"), ExitCode.NO)
    assert "messages.allow_real_sending" in found["smtp_reach"]["mend"]

    found = findings(english, keys(server.port, from_address="nobody"), ExitCode.NO)
    assert "smtp.from_address" in found["smtp_settings"]["found"]
