"""docs/agents.md: every message of the agents' WebSocket has an example, and each is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec

from dialer.core.desk_messages import AnyClientMessage, AnyServerMessage

PAGE = Path(__file__).parents[2] / "docs" / "agents.md"
EXAMPLE = re.compile(r"```json (client|server)\n(.*?)\n```", re.DOTALL)


def tags(union: object) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in get_args(union)}


def test_every_message_has_a_true_example() -> None:
    shown: dict[str, set[str]] = {"client": set(), "server": set()}
    decoders = {
        "client": msgspec.json.Decoder(AnyClientMessage),
        "server": msgspec.json.Decoder(AnyServerMessage),
    }
    for who, text in EXAMPLE.findall(PAGE.read_text(encoding="utf-8")):
        message = decoders[who].decode(text)
        given = msgspec.json.decode(text)
        known = msgspec.to_builtins(message)
        assert given.keys() <= known.keys() | {"type"}, f"{text}: a field that is none"
        shown[who].add(str(message.__struct_config__.tag))
    assert shown["client"] == tags(AnyClientMessage)
    assert shown["server"] == tags(AnyServerMessage)
