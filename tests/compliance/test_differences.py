"""What a new version of a pack changes."""

from __future__ import annotations

import pytest

from compliance.differences import PackDiff, compare, values
from compliance.packs import BUNDLED, parse_pack
from compliance.schema import PackDoc
from tests.compliance.build import rule

HEAD = 'pack = "p"\nversion = "{}"\nkind = "law"\nstatus = "machine_checked"\ntitle = "P"\n{}\n'
WEEK = 'max = {}\nwindow = {{ unit = "calendar_week" }}\ncount = {{ events = ["conversation"] }}'
STOP = 'scopes = ["channel"]'
HOURS = 'weekly = [{ days = ["mon"], open = 08:00:00, close = 20:00:00 }]'


def doc(version: str, rules: str, extra: str = "") -> PackDoc:
    return parse_pack(HEAD.format(version, extra) + rules, name="p.toml").doc


def test_rules_added_removed_and_changed_value_by_value() -> None:
    hours, stop = rule("contact_window", HOURS, name="h"), rule("opt_out", STOP, name="o")
    old = doc("2026.1.1", rule("frequency_cap", WEEK.format(3)) + hours)
    new = doc("2026.2.1", stop + rule("frequency_cap", WEEK.format(2)))
    found = compare(old, new)
    assert (found.old_version, found.new_version) == ("2026.1.1", "2026.2.1")
    assert [(c.key, c.old, c.new) for c in found.envelope] == [
        ("version", '"2026.1.1"', '"2026.2.1"')
    ]
    assert [r.rule_id for r in found.added] == ["o"]
    assert found.added[0].values["params.scopes"] == '["channel"]'
    assert [r.rule_id for r in found.removed] == ["h"]
    [changed] = found.changed
    assert changed.rule_id == "rule"
    assert [(c.key, c.old, c.new) for c in changed.changes] == [("params.max", "3", "2")]


def test_a_value_that_comes_or_goes() -> None:
    plain, held = rule("opt_out", STOP), rule("opt_out", STOP, extra='severity = "hold"')
    for old, new, expected in ((plain, held, (None, '"hold"')), (held, plain, ('"hold"', None))):
        [changed] = compare(doc("2026.1.1", old), doc("2026.1.1", new)).changed
        assert [(c.old, c.new) for c in changed.changes] == [expected]


@pytest.mark.parametrize("name", sorted(path.stem for path in BUNDLED.glob("*.toml")))
def test_a_pack_does_not_differ_from_itself_whatever_its_order(name: str) -> None:
    text = (BUNDLED / f"{name}.toml").read_text("utf-8")
    loaded = parse_pack(text, name=name).doc
    assert compare(loaded, loaded).is_empty
    head, *rules = text.split("[[rules]]")
    turned = parse_pack("[[rules]]".join([head, *(r + "\n" for r in reversed(rules))]), name=name)
    found = compare(loaded, turned.doc)
    assert found == PackDiff(
        old_pack=loaded.pack,
        old_version=loaded.version,
        new_pack=loaded.pack,
        new_version=loaded.version,
    )


def test_values_are_everything_that_is_said() -> None:
    found = values(doc("2026.1.1", rule("contact_window", HOURS)).rules[0])
    assert found["params.weekly[0].days"] == '["mon"]'
    assert found["citation.instrument"] == '"Test"'
