"""`run --mode sms`, `messages` and `inbox`: a campaign of messages from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from dialer.cli.exits import ExitCode
from tests.cli.conftest import Cli


def test_a_campaign_of_messages_from_start_to_inbox(english: Cli, tmp_path: Path) -> None:
    args = ("--accounts", "100", "--minutes", "30", "--speed", "800", "--mode", "sms")
    ran = english("run", "--sample", *args, "--set", "http.port=0", "--json")
    assert ran.code == ExitCode.OK, ran.err
    summary = ran.json
    messages = summary["messages"]
    assert messages["states"]["delivered"] > 20
    assert messages["states"].get("planned", 0) == 0
    assert summary["figures"]["channel"] == "sms"
    assert summary["ledger"]["problem_count"] == 0
    assert summary["queue_conserved"] is True
    told = english("messages", "sample-cl sms", "--json").json
    assert told["messages"] == messages
    assert english("messages", "sample-cl sms").code == ExitCode.OK
    threads = json.loads(english("inbox", "list", "--state", "all", "--json").out)
    assert len(threads) == len({t["thread_id"] for t in threads}) > 20
    one = threads[0]["thread_id"]
    shown = english("inbox", "show", one)
    assert "BAJA o STOP" in shown.out
    closed = english("inbox", "close", one, "--resolution", "read", "--json")
    assert closed.json["state"] == "closed"
    assert english("inbox", "close", "nobody", "--resolution", "x").code == ExitCode.BAD_INPUT
    assert english("messages", "nothing").code == ExitCode.BAD_INPUT
    settings = tmp_path / "settings.json"
    settings.write_text('{"mode": "blast", "channel": "sms"}', encoding="utf-8")
    bad = english(
        "campaign", "create", "x", "--portfolio", "sample-cl", "--settings", str(settings)
    )
    assert bad.code == ExitCode.BAD_INPUT
    assert "`message`" in bad.err


def test_a_channel_without_a_provider_is_told(english: Cli) -> None:
    args = ("--accounts", "20", "--minutes", "2", "--speed", "800", "--mode", "whatsapp")
    none = ("--set", "messages.whatsapp=none", "--set", "http.port=0")
    ran = english("run", "--sample", *args, *none)
    assert ran.code == ExitCode.BAD_INPUT
    assert "messages.whatsapp" in ran.err
