"""What docs/ivr.md shows is read, proved and taken."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from campaigns.campaign import CampaignSettings, load_settings
from campaigns.content.source import parse
from campaigns.flows.model import Language, Link, parse_flow
from campaigns.flows.proof import prove

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "ivr.md").read_text(encoding="utf-8")
EXAMPLE = (DOCS / "examples" / "callers.yaml").read_text(encoding="utf-8")


def test_the_example_is_proved_and_its_settings_are_taken() -> None:
    made = parse_flow(EXAMPLE)
    proof = prove(made)
    assert proof.ok
    assert proof.findings == ()
    assert made.inbound
    settings = load_settings((DOCS / "examples" / "callers.json").read_bytes())
    assert settings.inbound_flow == made.name
    assert settings.links is not None
    assert settings.office_hours


def test_the_settings_of_the_page_are_taken() -> None:
    blocks = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        text = block if block.lstrip().startswith("{") else "{" + block + "}"
        tree = msgspec.json.decode(text, type=dict[str, object])
        if tree.get("leave_message"):
            tree |= {"mode": "ivr", "flow": "promise-dtmf"}
        assert isinstance(load_settings(tree), CampaignSettings)


def test_the_nodes_of_the_page_are_nodes() -> None:
    asks, sends = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for block, name, kind in ((asks, "language", Language), (sends, "link", Link)):
        node = parse(block).tree[name]
        assert isinstance(node, dict)
        made = msgspec.convert({str(k): v for k, v in node.items()}, kind, strict=False)
        assert isinstance(made, kind)
