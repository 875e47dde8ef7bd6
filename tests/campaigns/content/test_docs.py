"""The examples of docs/content.md are read, linted and proved."""

from __future__ import annotations

import re
from pathlib import Path

from campaigns.content.findings import WORDS
from campaigns.content.lint import lint
from campaigns.content.samples import parse_template
from campaigns.flows.findings import path_lines
from campaigns.flows.model import parse_flow
from campaigns.flows.proof import prove

PAGE = (Path(__file__).parents[3] / "docs" / "content.md").read_text(encoding="utf-8")
TEXT, FLOW = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_text_of_the_page_is_good() -> None:
    assert lint(parse_template(TEXT)).findings == ()


def test_the_flow_of_the_page_is_proved_and_fails_as_the_page_says() -> None:
    assert prove(parse_flow(FLOW)).findings == ()
    (found,) = prove(parse_flow(FLOW.replace("1: identity", "1: debt"))).findings
    for line in path_lines(found.path, "en"):
        assert line in PAGE
    assert found.en in PAGE
    assert found.mend_en in PAGE


def test_codes_on_the_page_exist() -> None:
    section = PAGE.split("## What the lint checks")[1].split("### Again")[0]
    named = {c for row in section.splitlines() if row.startswith("| ")
             for c in re.findall(r"`([a-z_]+)`", row.split("|")[3])}  # fmt: skip
    assert named
    assert named <= set(WORDS)
